"""What a row of a family that spells fields its own way says, and how it is read."""

from typing import Literal

from kvplan.importers.families.common import (
    LOCAL_OR_GLOBAL,
    Facts,
    Frame,
    Reading,
    by_types,
    divided_head_dim,
    expect,
    frame,
    sliding,
    softmax,
    stated_head_dim,
    take_groups,
    take_heads,
)
from kvplan.importers.families.encoders import cross_attention
from kvplan.importers.fields import Fields
from kvplan.records import record

Names = tuple[str, ...]
Layers = Literal["full", "typed", "cross", "none"]
"""
What a row's layers keep: every token, what `layer_types` says of each, every token of their own and of an
encoder, or nothing at all.
"""


@record
class Row:
    """
    One family: the spellings of each field, its layers, and what its class takes for granted.

    Without `groups` each head has its own keys and values. `head_dim` are the spellings of a head's size,
    which is hidden / heads where there are none, or where the field is null; with `may_lack` also where
    the file leaves it out. `encoder` are the spellings of an encoder's longest input, which is as long as
    the decoder's where there are none. `skip` are fields that change nothing, `only` those that are read for
    one value.
    """

    layers: Layers = "full"
    hidden: Names = ("hidden_size",)
    count: Names = ("num_hidden_layers",)
    context: Names = ("max_position_embeddings",)
    heads: Names = ("num_attention_heads",)
    groups: Names = ("num_key_value_heads",)
    head_dim: Names = ()
    may_lack: bool = False
    encoder: Names = ()
    skip: Names = ()
    only: tuple[tuple[str, tuple[object, ...]], ...] = ()


def read_by(row: Row, fields: Fields, dtype: str) -> Reading:
    """Return what a config says by its family's row; raise ImportedError for a field that is none."""
    del dtype
    base = frame(fields, hidden=row.hidden, layers=row.count, context=row.context)
    heads = take_heads(fields, *row.heads)
    groups = take_groups(fields, heads, *row.groups) if row.groups else heads
    if not row.groups:
        fields.state("groups", row.heads[0])
    head_dim = _head_dim(row, fields, base.hidden, heads)
    fields.skip(*row.skip)
    for name, values in row.only:
        expect(fields, name, values, why="the family's cache is known for it")
    shape = (heads, groups, head_dim)
    match row.layers:
        case "full":
            return base.same("full", softmax(*shape))
        case "cross":
            tokens = _encoder_tokens(row, fields, base)
            return base.same("decoder", softmax(*shape), cross_attention(*shape, tokens))
        case "none":
            return base.same("encoder", {"kind": "none", "heads": heads, "head_dim": head_dim})
        case "typed":
            return _typed(fields, base, shape)


def _encoder_tokens(row: Row, fields: Fields, base: Frame) -> int:
    if row.encoder:
        return fields.take_count(*row.encoder, to="encoder_tokens")
    fields.state("encoder_tokens", "as max_context")
    return base.max_context


def _head_dim(row: Row, fields: Fields, hidden: int, heads: int) -> int:
    if not row.head_dim or (row.may_lack and not any(name in fields for name in row.head_dim)):
        return divided_head_dim(fields, hidden, heads, (row.hidden[0], row.heads[0]))
    return stated_head_dim(fields, hidden, heads, *row.head_dim)


def _typed(fields: Fields, base: Frame, shape: tuple[int, int, int]) -> Reading:
    """Take the types, and the window if a layer has it."""
    layers = by_types(fields, base.layers, LOCAL_OR_GLOBAL)
    kinds: dict[str, Facts] = {"global": softmax(*shape)}
    if "local" in layers:
        kinds["local"] = sliding(*shape, fields.take_count("sliding_window", to="window"))
    fields.skip("sliding_window")
    return base.mixed(layers, kinds)

"""The layers of a GGUF model: what llama.cpp's loader takes from the metadata, before any family."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from kvplan.importers.families.common import Facts, Frame, Reading, sliding, softmax
from kvplan.importers.fields import Fields
from kvplan.importers.strict_json import Json
from kvplan.records import record
from kvplan.specs.draft_module import DraftModule

LayerFacts = Facts | tuple[Facts, ...]

# llama.cpp 0c1e57098, llama-hparams.h, LLAMA_MAX_LAYERS.
MAX_LAYERS = 512

_LABELS = {
    "mha": "full",
    "mqa": "full",
    "gqa": "full",
    "sliding": "local",
    "chunked": "local",
    "mla": "latent",
    "short_conv": "conv",
    "gated_delta_net": "delta",
}


@record
class Shape:
    """
    What every architecture gives: the frame, and each layer's query heads and KV heads.

    The sizes of keys and values may differ in sliding layers. `drafts` are multi-token prediction
    layers at the end, which the other fields do not count.
    """

    frame: Frame
    heads: tuple[int, ...]
    groups: tuple[int, ...]
    key_dim: int
    value_dim: int
    sliding_key_dim: int
    sliding_value_dim: int
    drafts: int

    def softmax(self, layer: int, window: int | None = None, chunk: int | None = None) -> Facts:
        """Return full, sliding or chunked attention as *layer* has it, or none without KV heads."""
        heads, groups = self.heads[layer], self.groups[layer]
        if not groups or not heads:
            return {"kind": "none"}
        local = window is not None or chunk is not None
        key_dim = self.sliding_key_dim if local else self.key_dim
        value_dim = self.sliding_value_dim if local else self.value_dim
        more = {} if value_dim == key_dim else {"v_head_dim": value_dim}
        if window is not None:
            return sliding(heads, groups, key_dim, window, **more)
        if chunk is not None:
            sizes = {"heads": heads, "groups": groups, "head_dim": key_dim, **more}
            return {"kind": "chunked", **sizes, "chunk": chunk}
        return softmax(heads, groups, key_dim, **more)

    def reading(self, layers: Sequence[LayerFacts], *notes: str) -> Reading:
        """Return the reading of layers given one by one, alike ones under one name."""
        drafts = [f"{self.drafts} multi-token prediction layers"] if self.drafts else []
        names, attention = _named(layers)
        reading = self.frame.mixed(names, attention, notes=notes, not_counted=drafts)
        return replace(reading, draft=DraftModule(layers=self.drafts)) if self.drafts else reading

    def each(self, facts: Callable[[int], LayerFacts], *notes: str) -> Reading:
        """Return the reading of a model whose layer number i is *facts(i)*."""
        return self.reading([facts(layer) for layer in range(self.frame.layers)], *notes)


def take_shape(fields: Fields) -> Shape:
    """
    Take what every architecture gives, with the defaults of llama.cpp's loader.

    Without `head_count_kv` there are as many KV heads as heads; without `key_length` a head is
    embedding_length / head_count: llama.cpp 0c1e57098, llama-model.cpp, load_hparams.
    """
    blocks = fields.take_count("block_count", to="layers")
    drafts = fields.take_optional_whole("nextn_predict_layers") or 0
    if not drafts < blocks <= MAX_LAYERS:
        raise fields.error("block_count", f"{blocks} layers with {drafts} of them for drafting is no model")
    hidden = fields.take_count("embedding_length", to="hidden")
    heads = take_per_layer(fields, "attention.head_count", blocks, to="heads")
    groups = (
        take_per_layer(fields, "attention.head_count_kv", blocks, to="groups")
        if fields.has("attention.head_count_kv")
        else heads
    )
    _require_divisors(fields, heads, groups)
    default = hidden // heads[0] if heads[0] else 0
    key_dim = _size(fields, "attention.key_length", default)
    value_dim = _size(fields, "attention.value_length", default)
    return Shape(
        frame=Frame(
            hidden=hidden,
            layers=blocks - drafts,
            max_context=fields.take_count("context_length", to="max_context"),
        ),
        heads=heads[: blocks - drafts],
        groups=groups[: blocks - drafts],
        key_dim=key_dim,
        value_dim=value_dim,
        sliding_key_dim=_size(fields, "attention.key_length_swa", key_dim),
        sliding_value_dim=_size(fields, "attention.value_length_swa", value_dim),
        drafts=drafts,
    )


def take_per_layer(fields: Fields, name: str, blocks: int, *, to: str = "") -> tuple[int, ...]:
    """Take a number that is one for all layers or a list with one for each."""
    value = fields.take(name, to=to)
    values = (
        fields.take_wholes(name, to=to)
        if isinstance(value, list)
        else [fields.take_whole(name, to=to)] * blocks
    )
    if len(values) != blocks:
        raise fields.error(name, f"lists {len(values)} layers, but block_count is {blocks}")
    return tuple(values)


def take_flags(fields: Fields, name: str, shape: Shape, *, to: str = "layers") -> list[bool] | None:
    """Take a list of true and false for the layers, None if the file has a number or nothing there."""
    if not fields.has(name) or not isinstance(value := fields.take(name, to=to), list):
        return None
    if len(value) != shape.frame.layers + shape.drafts or not all(each in (0, 1) for each in value):
        raise fields.error(
            name, f"expected true or false for each of {shape.frame.layers + shape.drafts} layers"
        )
    return [bool(each) for each in value][: shape.frame.layers]


def require_uniform(fields: Fields, name: str, values: Sequence[int]) -> int:
    """Return the one value of all layers that have any; raise if they differ."""
    found = {value for value in values if value}
    if len(found) != 1:
        raise fields.error(
            name, f"expected one number for all layers that have any, found {sorted(found)[:4]}"
        )
    return found.pop()


def _size(fields: Fields, name: str, default: int) -> int:
    given = fields.take_optional_whole(name, to="head_dim")
    return default if given is None else given


def _require_divisors(fields: Fields, heads: Sequence[int], groups: Sequence[int]) -> None:
    for one, other in zip(heads, groups, strict=True):
        if other and one % other:
            raise fields.error("attention.head_count_kv", f"{other} KV heads do not divide {one} heads")


def _named(layers: Sequence[LayerFacts]) -> tuple[list[str], Mapping[str, LayerFacts]]:
    """Return a name for each layer, and what each name stands for."""
    names: list[str] = []
    attention: dict[str, LayerFacts] = {}
    for facts in layers:
        known = next((name for name, same in attention.items() if same == facts), None)
        if known is None:
            known = _free_name(facts, attention)
            attention[known] = facts
        names.append(known)
    return names, attention


def _free_name(facts: LayerFacts, taken: Mapping[str, Json | LayerFacts]) -> str:
    label = "parallel" if isinstance(facts, tuple) else _LABELS.get(facts["kind"], facts["kind"])
    number = 2
    name = label
    while name in taken:
        name = f"{label}-{number}"
        number += 1
    return str(name)

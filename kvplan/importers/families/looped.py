"""Layers that are run several times for each token, with keys and values of each time: Dory."""

from dataclasses import replace

from kvplan.importers.families.common import (
    LOCAL_OR_GLOBAL,
    Facts,
    Frame,
    Reading,
    by_types,
    expect,
    frame,
    sliding,
    softmax,
    take_groups,
    take_head_dim,
    take_heads,
)
from kvplan.importers.fields import Fields

Kinds = dict[str, tuple[Facts, ...]]
"""The kinds that each type of layer runs side by side."""


def dory(fields: Fields, dtype: str) -> Reading:
    """
    Read DoryConfig: the layers in the middle are run several times, with or without a cache for each.

    Its class writes each layer as two blocks, attention and `mlp` (configuration_dory.py of transformers
    5.24); numbers of layers count blocks then.
    """
    del dtype
    blocks = frame(fields)
    share = 2 if "mlp" in fields.take_texts("layer_types") else 1
    base = replace(blocks, layers=_divided(fields, "num_hidden_layers", share))
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), take_head_dim(fields))
    kinds: Kinds = {
        "local": (sliding(*shape, fields.take_count("sliding_window", to="window")),),
        "global": (softmax(*shape),),
    }
    start, end = (_divided(fields, name, share) for name in ("n_input_layers", "n_output_layers"))
    middle = _divided(fields, "n_recurrent_layers", share)
    if start + middle + end != base.layers:
        raise fields.error("n_recurrent_layers", f"{start} + {middle} + {end} layers are not {base.layers}")
    fields.skip("ngpt_alpha_init")
    return looped(
        fields, base, _names(fields, blocks, share), kinds, (start, start + middle, _caches(fields))
    )


def _names(fields: Fields, blocks: Frame, share: int) -> list[str]:
    """Take the types, each followed by its MLP where a layer has a *share* of two blocks."""
    names = by_types(fields, blocks.layers, {**LOCAL_OR_GLOBAL, "mlp": "mlp"})
    if any((name == "mlp") != (number % share == 1) for number, name in enumerate(names)):
        raise fields.error("layer_types", "expected an mlp after each attention block, or none at all")
    return names[::share]


def _caches(fields: Fields) -> int:
    """Return how many caches a layer in the middle has: one for each loop, or one for the last."""
    loops = fields.take_count("n_recurrent_loops", to="loops")
    modes = ("per_loop", "last_loop")
    expect(fields, "recurrent_kv_cache_mode", modes, why="it says how many caches there are")
    return loops if fields.take_text("recurrent_kv_cache_mode", to="loops") == modes[0] else 1


def _divided(fields: Fields, name: str, share: int) -> int:
    count = fields.take_whole(name, to="layers")
    if count % share:
        raise fields.error(name, f"found {count}; expected pairs of an attention and an mlp block")
    return count // share


def looped(
    fields: Fields, base: Frame, names: list[str], kinds: Kinds, loop: tuple[int, int, int]
) -> Reading:
    """Return the reading of layers, of which those from the first up to the second number are run often."""
    start, end, passes = loop
    fields.state("loops", "a cache for each pass of a layer")
    layers = [f"looped_{name}" if start <= number < end else name for number, name in enumerate(names)]
    looping = {f"looped_{name}": each * passes for name, each in kinds.items()}
    return base.mixed(layers, {**kinds, **looping})

"""Gemma 2, 3, 3n and 4: windows and global layers, and layers that read the cache of others."""

from kvplan.importers.families.common import (
    LOCAL_OR_GLOBAL,
    Facts,
    Frame,
    Reading,
    by_types,
    expect,
    frame,
    local_and_global,
    periodic,
    require_equal,
    sliding,
    softmax,
    take_groups,
    take_head_dim,
    take_heads,
)
from kvplan.importers.fields import Fields

_ASSISTANT = "It keeps nothing of its own: every layer reads the cache of the model that it drafts for."
_CANVAS = "The canvas that is being written is in no cache, and not counted."


def gemma2(fields: Fields, dtype: str) -> Reading:
    """Read Gemma2Config: even layers slide (modeling_gemma2.py); older files do not list the types."""
    del dtype
    base = frame(fields)
    window = fields.take_count("sliding_window", "sliding_window_size", to="window")
    layers = periodic(base.layers, 2, "local", "global")
    if fields.has("layer_types"):
        given = by_types(fields, base.layers, LOCAL_OR_GLOBAL)
        require_equal(fields, "layer_types", given, layers, "the alternation of Gemma 2")
    return base.mixed(layers, local_and_global(fields, window))


def gemma3(fields: Fields, dtype: str) -> Reading:
    """Read Gemma3TextConfig: every sixth layer is global."""
    del dtype
    base = frame(fields)
    window = fields.take_count("sliding_window", to="window")
    pattern = fields.take_optional_count("sliding_window_pattern", "_sliding_window_pattern", to="layers")
    if pattern is None and not fields.has("layer_types"):
        raise fields.error("sliding_window_pattern", "found nothing; expected it, or layer_types")
    told = periodic(base.layers, pattern, "local", "global") if pattern else None
    types = by_types(fields, base.layers, LOCAL_OR_GLOBAL) if fields.has("layer_types") else told or []
    require_equal(fields, "layer_types", types, told or types, "sliding_window_pattern")
    return base.mixed(types, local_and_global(fields, window))


def gemma3n(fields: Fields, dtype: str) -> Reading:
    """Read Gemma3nTextConfig: the last `num_kv_shared_layers` layers keep nothing of their own."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), take_head_dim(fields))
    window = fields.take_count("sliding_window", to="window")
    shared = {"kind": "shared", "heads": heads, "head_dim": shape[2]}
    kinds = {
        "local": sliding(*shape, window),
        "global": softmax(*shape),
        "shared_local": {**shared, "window": window},
        "shared_global": shared,
    }
    readers = fields.take_whole("num_kv_shared_layers", to="layers")
    return base.mixed(_layers(fields, base, readers), kinds)


def gemma4(fields: Fields, dtype: str) -> Reading:
    """
    Read Gemma4TextConfig: global layers have a head size, and perhaps KV heads, of their own.

    With `attention_k_eq_v` they take `num_global_key_value_heads`; K and V are one projection, yet
    both are cached, since only K is rotated (modeling_gemma4.py of transformers 5.23). Files saved since
    5.23 say both sizes in `per_layer_config` instead. An assistant's layers all read its target's cache.
    """
    del dtype
    base = frame(fields)
    readers = fields.take_whole("num_kv_shared_layers", to="layers")
    kinds = _gemma4_kinds(fields)
    if readers == base.layers:
        types = by_types(fields, base.layers, LOCAL_OR_GLOBAL)
        return base.mixed([f"shared_{name}" for name in types], kinds, notes=(_ASSISTANT,))
    return base.mixed(_layers(fields, base, readers), kinds)


def diffusion_gemma(fields: Fields, dtype: str) -> Reading:
    """
    Read DiffusionGemmaTextConfig: Gemma 4's layers, none of which reads another's cache.

    Tokens are written a canvas at a time; those of one that is not finished are in no cache.
    """
    del dtype
    base = frame(fields)
    return base.mixed(_layers(fields, base, 0), _gemma4_kinds(fields), notes=(_CANVAS,))


def _gemma4_kinds(fields: Fields) -> dict[str, Facts]:
    """Take the sizes of windows and of global layers, for own caches and for readers of others."""
    heads = take_heads(fields)
    groups, head_dim = take_groups(fields, heads), take_head_dim(fields)
    window = fields.take_count("sliding_window", to="window")
    if fields.has("per_layer_config") and not fields.has("global_head_dim"):
        global_groups, global_dim = _overridden(fields, heads, groups)
    else:
        global_groups, global_dim = _global_sizes(fields, heads, groups)
    expect(
        fields, "use_bidirectional_attention", ("vision", False, None), why="text is read in one direction"
    )
    return {
        "local": sliding(heads, groups, head_dim, window),
        "global": softmax(heads, global_groups, global_dim),
        "shared_local": {"kind": "shared", "heads": heads, "head_dim": head_dim, "window": window},
        "shared_global": {"kind": "shared", "heads": heads, "head_dim": global_dim},
    }


def _global_sizes(fields: Fields, heads: int, groups: int) -> tuple[int, int]:
    """Take the KV heads and the head size of global layers from fields of their own."""
    head_dim = fields.take_count("global_head_dim", to="global.head_dim")
    if fields.take_bool("attention_k_eq_v") and fields.take("num_global_key_value_heads") is not None:
        return take_groups(fields, heads, "num_global_key_value_heads", to="global.groups"), head_dim
    expect(fields, "num_global_key_value_heads", (None, groups), why="attention_k_eq_v is false")
    return groups, head_dim


def _overridden(fields: Fields, heads: int, groups: int) -> tuple[int, int]:
    """Take the two sizes from what `per_layer_config` says of the global layers, all of them alike."""
    fields.skip("attention_k_eq_v")
    types = fields.take_texts("layer_types")
    overrides = fields.nested("per_layer_config")
    numbers = [number for number, word in enumerate(types) if word == "full_attention"]
    if sorted(int(name) if name.isdecimal() else -1 for name in overrides.values) != numbers:
        raise fields.error("per_layer_config", "expected an entry for each layer of full_attention")
    sizes = {_override(overrides.nested(name), heads, groups) for name in overrides.values}
    if len(sizes) != 1:
        raise fields.error("per_layer_config", "expected the same sizes in each entry")
    return sizes.pop()


def _override(layer: Fields, heads: int, groups: int) -> tuple[int, int]:
    head_dim = layer.take_count("head_dim", to="global.head_dim")
    if not layer.has("num_key_value_heads"):
        return groups, head_dim
    return take_groups(layer, heads, "num_key_value_heads", to="global.groups"), head_dim


def _layers(fields: Fields, base: Frame, readers: int) -> list[str]:
    """Take the layer types, the last ones as readers of the last own layer of their type."""
    layers = by_types(fields, base.layers, LOCAL_OR_GLOBAL)
    own = layers[: max(base.layers - readers, 0)]
    for name in layers[len(own) :]:
        if name not in own:
            raise fields.error("num_kv_shared_layers", f"{readers} leaves no {name} layer to read from")
    return own + [f"shared_{name}" for name in layers[len(own) :]]

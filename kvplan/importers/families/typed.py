"""Models that list the type of each layer, or the period of their global ones."""

from kvplan.importers.families.common import (
    LOCAL_OR_GLOBAL,
    Facts,
    Frame,
    Reading,
    by_types,
    divided_head_dim,
    expect,
    frame,
    local_and_global,
    optional_head_dim,
    periodic,
    product,
    require_equal,
    sliding,
    softmax,
    stated_head_dim,
    take_groups,
    take_head_dim,
    take_heads,
)
from kvplan.importers.fields import Fields


def typed(fields: Fields, dtype: str) -> Reading:
    """Read a family that lists its layer types, with one window and one shape of heads (gpt-oss)."""
    del dtype
    base = frame(fields)
    window = fields.take_count("sliding_window", to="window")
    return base.mixed(by_types(fields, base.layers, LOCAL_OR_GLOBAL), local_and_global(fields, window))


def typed_without_head_dim(fields: Fields, dtype: str) -> Reading:
    """Read Olmo3Config: as typed, with hidden / heads for the head size."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), divided_head_dim(fields, base.hidden, heads))
    window = fields.take_count("sliding_window", to="window")
    kinds = {"local": sliding(*shape, window), "global": softmax(*shape)}
    return base.mixed(by_types(fields, base.layers, LOCAL_OR_GLOBAL), kinds)


def laguna(fields: Fields, dtype: str) -> Reading:
    """Read LagunaConfig: typed layers, each of which may have its own number of query heads."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups, head_dim = take_groups(fields, heads), take_head_dim(fields)
    window = fields.take_optional_count("sliding_window", to="window")
    fields.skip("gating")
    own = fields.take_optional_wholes("num_attention_heads_per_layer") or [heads] * base.layers
    types = by_types(fields, base.layers, LOCAL_OR_GLOBAL)
    if len(own) != base.layers or any(not each or each % groups for each in own):
        raise fields.error("num_attention_heads_per_layer", f"expected multiples of {groups} for each layer")
    kinds: dict[str, Facts] = {}
    for name, each in zip(types, own, strict=True):
        shape = (each, groups, head_dim)
        kinds[f"{name}{each}"] = sliding(*shape, window or 0) if name == "local" else softmax(*shape)
    return base.mixed([f"{name}{each}" for name, each in zip(types, own, strict=True)], kinds)


def exaone4(fields: Fields, dtype: str) -> Reading:
    """Read Exaone4Config, which gives the types as a list and as a pattern such as `LLLG`."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), stated_head_dim(fields, base.hidden, heads))
    if fields.take("sliding_window") is None:
        fields.skip("sliding_window_pattern", "layer_types")
        return base.same("full", softmax(*shape))
    window = fields.take_count("sliding_window", to="window")
    layers = by_types(fields, base.layers, LOCAL_OR_GLOBAL)
    if fields.has("sliding_window_pattern"):
        pattern = fields.take_text("sliding_window_pattern")
        words = {"L": "local", "G": "global"}
        told = [words.get(pattern[index % len(pattern)], "") for index in range(base.layers)]
        require_equal(fields, "sliding_window_pattern", told, layers, "layer_types")
    return base.mixed(layers, {"local": sliding(*shape, window), "global": softmax(*shape)})


def cohere2(fields: Fields, dtype: str) -> Reading:
    """
    Read Cohere2Config: a period, or the list of types.

    Its first releases say the period as `layer_switch`, too, and how their own code was to run them.
    """
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), optional_head_dim(fields, base.hidden, heads))
    window = fields.take_count("sliding_window", to="window")
    period = fields.take_optional_count(
        "sliding_window_pattern", "_sliding_window_pattern", "layer_switch", to="layers"
    )
    told = periodic(base.layers, period, "local", "global") if period else None
    if told is None or fields.has("layer_types"):
        layers = by_types(fields, base.layers, LOCAL_OR_GLOBAL)
        require_equal(fields, "layer_types", layers, told or layers, "sliding_window_pattern")
    else:
        layers = told
    fields.skip("order_of_interleaved_layers", *_COHERE2)
    return base.mixed(layers, {"local": sliding(*shape, window), "global": softmax(*shape)})


_COHERE2 = ("use_embedding_sharing", "use_gated_activation", "use_parallel_block", "use_parallel_embedding")
"""Switches of Command R7B's release that its class does not read: it always has what they turn on."""


def step3(fields: Fields, dtype: str) -> Reading:
    """Read Step 3.5's and 3.7's config: sliding layers have heads of their own."""
    del dtype
    base = frame(fields)
    shape = _step3_heads(fields)
    head_dim = take_head_dim(fields)
    other = fields.nested("attention_other_setting")
    expect(other, "attention_type", ("sliding_attention",), why="the other type of layer")
    heads = other.take_count("num_attention_heads", to="local.heads")
    groups = take_groups(other, heads, "num_attention_groups", to="local.groups")
    product(other, "head_dim", head_dim, "head_dim of the full layers")
    return _step3(fields, base, (*shape, head_dim), (heads, groups, head_dim))


def step3p7(fields: Fields, dtype: str) -> Reading:
    """
    Read Step 3.7's config, or a flat copy of its text part without `attention_other_setting`.

    Its sliding layers have as many KV heads as the full ones, so the copy tells the cache.
    """
    if fields.path or "attention_other_setting" in fields:
        return step3(fields, dtype)
    base = frame(fields)
    shape = (*_step3_heads(fields), take_head_dim(fields))
    note = "The file leaves out attention_other_setting: sliding layers have more query heads."
    return _step3(fields, base, shape, shape, note)


def _step3_heads(fields: Fields) -> tuple[int, int]:
    heads = take_heads(fields)
    return heads, take_groups(fields, heads, "num_key_value_heads", "num_attention_groups")


def _step3(
    fields: Fields, base: Frame, full: tuple[int, int, int], local: tuple[int, int, int], *notes: str
) -> Reading:
    window = fields.take_count("sliding_window", to="window")
    kinds = {"global": softmax(*full), "local": sliding(*local, window)}
    return base.mixed(by_types(fields, base.layers, LOCAL_OR_GLOBAL), kinds, notes=notes)


def llama4(fields: Fields, dtype: str) -> Reading:
    """Read Llama4TextConfig: layers with RoPE see their chunk, every fourth one (without) sees all."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), take_head_dim(fields))
    chunk = fields.take_count("attention_chunk_size", to="chunk")
    local = {
        "kind": "chunked",
        "heads": shape[0],
        "groups": shape[1],
        "head_dim": shape[2],
        "chunk": chunk,
    }
    return base.mixed(_llama4_layers(fields, base.layers), {"local": local, "global": softmax(*shape)})


def _llama4_layers(fields: Fields, count: int) -> list[str]:
    """Return the types from `no_rope_layers` (1 has RoPE), or from the class's period of four."""
    flags = fields.take_optional_wholes("no_rope_layers", to="layers")
    expect(fields, "no_rope_layer_interval", (4,), why="the files list no_rope_layers otherwise")
    if flags and (len(flags) != count or set(flags) - {0, 1}):
        raise fields.error("no_rope_layers", f"expected 0 or 1 for each of {count} layers")
    if not flags:
        fields.state("layers", "num_hidden_layers, every 4th without RoPE: Llama4TextConfig")
    told = ["local" if flag else "global" for flag in flags or []]
    layers = told or periodic(count, 4, "local", "global")
    if fields.has("layer_types"):
        names = {"chunked_attention": "local", "full_attention": "global"}
        require_equal(fields, "layer_types", by_types(fields, count, names), layers, "no_rope_layers")
    return layers


def mimo_v2_flash(fields: Fields, dtype: str) -> Reading:
    """
    Read MiMo-V2-Flash's config: V is narrower than K, and sliding layers have KV heads of their own.

    In `hybrid_layer_pattern` 1 is a sliding layer. The learned sinks are a bias and cache nothing.
    """
    del dtype
    base = frame(fields)
    flags = fields.take_wholes("hybrid_layer_pattern", to="layers")
    if len(flags) != base.layers or set(flags) - {0, 1}:
        raise fields.error("hybrid_layer_pattern", f"expected 0 or 1 for each of {base.layers} layers")
    expect(fields, "hybrid_block_size", (None,), why="the pattern tells the layers")
    window = fields.take_count("sliding_window", "sliding_window_size", to="window")
    product(fields, "attention_chunk_size", window, "sliding_window")
    fields.skip("add_full_attention_sink_bias", "add_swa_attention_sink_bias")
    heads, local_heads = take_heads(fields), fields.take_count("swa_num_attention_heads", to="local.heads")
    groups = take_groups(fields, heads)
    local_groups = take_groups(fields, local_heads, "swa_num_key_value_heads", to="local.groups")
    head_dim, value_dim = take_head_dim(fields), fields.take_count("v_head_dim", to="v_head_dim")
    local_dim = fields.take_count("swa_head_dim", to="local.head_dim")
    local_value_dim = fields.take_count("swa_v_head_dim", to="local.v_head_dim")
    kinds = {
        "global": softmax(heads, groups, head_dim, v_head_dim=value_dim),
        "local": sliding(local_heads, local_groups, local_dim, window, v_head_dim=local_value_dim),
    }
    return base.mixed(["local" if flag else "global" for flag in flags], kinds)

"""Qwen2 and Qwen3, whose files give a window that no layer uses."""

from collections.abc import Callable, Sequence

from kvplan.importers.families.common import (
    Frame,
    Reading,
    by_types,
    divided_head_dim,
    frame,
    optional_head_dim,
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


def qwen2(fields: Fields, dtype: str) -> Reading:
    """Read Qwen2Config: a window is given and not used, and `is_causal` false makes an encoder."""
    return _qwen2(fields, dtype, _from_layer)


def _qwen2(fields: Fields, dtype: str, slide: "_Slide") -> Reading:
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = divided_head_dim(fields, base.hidden, heads)
    product(fields, "head_dim", head_dim, "hidden_size / num_attention_heads", to="head_dim")
    if not _is_causal(fields):
        fields.skip("sliding_window", "use_sliding_window", "max_window_layers")
        note = "is_causal is false: every token sees all others at once, so nothing is kept"
        return base.same("encoder", {"kind": "none", "heads": heads, "head_dim": head_dim}, notes=[note])
    return _windowed(fields, base, (heads, groups, head_dim), slide)


def _is_causal(fields: Fields) -> bool:
    """Tell whether a Qwen2 file is a language model; one with code of its own must say it."""
    if "is_causal" not in fields and "auto_map" in fields:
        raise fields.error("is_causal", "found nothing; expected it beside auto_map, as gte-Qwen2 has it")
    return "is_causal" not in fields or fields.take_bool("is_causal")


def qwen3(fields: Fields, dtype: str) -> Reading:
    """Read Qwen3Config, whose head size is not hidden / heads."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups, head_dim = take_groups(fields, heads), take_head_dim(fields)
    return _windowed(fields, base, (heads, groups, head_dim), _from_layer)


def qwen3_moe(fields: Fields, dtype: str) -> Reading:
    """
    Read Qwen3MoeConfig, whose window is that of all layers, whatever `max_window_layers` says.

    Its class takes hidden / heads where the head size is null (configuration_qwen3_moe.py and
    modeling_qwen3_moe.py of transformers 5.23).
    """
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = stated_head_dim(fields, base.hidden, heads)
    return _windowed(fields, base, (heads, groups, head_dim), _all_layers)


def qwen2_moe(fields: Fields, dtype: str) -> Reading:
    """Read Qwen2MoeConfig, as Qwen2's but for the layers that slide (configuration_qwen2_moe.py of 5.23)."""
    return _qwen2(fields, dtype, _every_other_below)


_Slide = Callable[[Fields, int], Sequence[bool]]
"""Which of so many layers slide where a window is used."""


def _all_layers(fields: Fields, count: int) -> Sequence[bool]:
    fields.skip("max_window_layers")
    return [True] * count


def _from_layer(fields: Fields, count: int) -> Sequence[bool]:
    """Return that layers from `max_window_layers` on slide: configuration_qwen2.py of transformers 5.23."""
    first = fields.take_whole("max_window_layers", to="layers")
    return [index >= first for index in range(count)]


def _every_other_below(fields: Fields, count: int) -> Sequence[bool]:
    """Return that the first layer of each two slides, below `max_window_layers`."""
    end = fields.take_whole("max_window_layers", to="layers")
    return [index < end and index % 2 == 0 for index in range(count)]


def _windowed(fields: Fields, base: Frame, shape: tuple[int, int, int], slide: _Slide) -> Reading:
    """Take the fields of Qwen's windows: the layers that *slide* has do, if any does."""
    full = softmax(*shape)
    window = fields.take_optional_whole("sliding_window") or None
    if window is None and fields.take_bool("use_sliding_window", absent=False):
        raise fields.error(
            "sliding_window", "found nothing; expected a window, as use_sliding_window is true"
        )
    if window is None or not fields.take_bool("use_sliding_window"):
        fields.skip("max_window_layers")
        layers = ["full"] * base.layers
        if fields.has("layer_types"):
            layers = by_types(fields, base.layers, {"full_attention": "full"})
        return base.mixed(layers, {"full": full})
    layers = ["local" if slides else "full" for slides in slide(fields, base.layers)]
    if fields.has("layer_types"):
        names = {"sliding_attention": "local", "full_attention": "full"}
        require_equal(
            fields, "layer_types", by_types(fields, base.layers, names), layers, "max_window_layers"
        )
    fields.origins["window"] = f"{fields.path}sliding_window = {window}"
    return base.mixed(layers, {"full": full, "local": sliding(*shape, window)})


def dots1(fields: Fields, dtype: str) -> Reading:
    """Read Dots1Config: Qwen's window without a switch, from a layer on that no file has."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), optional_head_dim(fields, base.hidden, heads))
    window = fields.take_optional_count("sliding_window")
    first = base.layers if window is None else fields.take_whole("max_window_layers", to="layers")
    fields.skip("max_window_layers")
    layers = ["local" if index >= first else "full" for index in range(base.layers)]
    if fields.has("layer_types"):
        names = {"sliding_attention": "local", "full_attention": "full"}
        require_equal(
            fields, "layer_types", by_types(fields, base.layers, names), layers, "max_window_layers"
        )
    return base.mixed(layers, {"full": softmax(*shape), "local": sliding(*shape, window or 1)})

"""A window in every layer, or a field that may give one: Mistral, Phi-3 and their kin."""

from kvplan.importers.families.common import (
    Frame,
    Reading,
    by_types,
    expect,
    frame,
    optional_head_dim,
    sliding,
    softmax,
    take_groups,
    take_head_dim,
    take_heads,
)
from kvplan.importers.fields import Fields

_NOT_BELOW = "the window is not below the longest context, so no sequence fills it"


def all_full(fields: Fields, dtype: str) -> Reading:
    """Read a family whose layer types, where the file lists them, are all full attention."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = optional_head_dim(fields, base.hidden, heads)
    if fields.has("layer_types"):
        by_types(fields, base.layers, {"full_attention": "full"})
    fields.skip("max_window_layers")
    return base.same("full", softmax(heads, groups, head_dim))


def mistral(fields: Fields, dtype: str) -> Reading:
    """
    Read MistralConfig, whose class has a window by default: null says that there is none.

    Since transformers 4.43 the class writes `head_dim` (Mistral Nemo has 128 for 5120 / 32).
    """
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = optional_head_dim(fields, base.hidden, heads, written_since=(4, 43))
    return _windowed(fields, base, heads, groups, head_dim)


def mixtral(fields: Fields, dtype: str) -> Reading:
    """Read MixtralConfig and Starcoder2Config: as Mistral's, but no version always writes `head_dim`."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    return _windowed(fields, base, heads, groups, optional_head_dim(fields, base.hidden, heads))


def mistral_with_head_dim(fields: Fields, dtype: str) -> Reading:
    """Read Ministral 3's config, whose head size is never hidden / heads."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    return _windowed(fields, base, heads, take_groups(fields, heads), take_head_dim(fields))


def phi3(fields: Fields, dtype: str) -> Reading:
    """Read Phi3Config and PhiMoEConfig, whose windows are mostly as long as their context."""
    del dtype
    base = frame(fields)
    expect(fields, "full_attn_mod", (1,), why="every layer has the same attention")
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    return _windowed(fields, base, heads, groups, optional_head_dim(fields, base.hidden, heads))


def _windowed(fields: Fields, base: Frame, heads: int, groups: int, head_dim: int) -> Reading:
    """
    Take `sliding_window` for all layers; null says that there is none, and so does 0.

    Of 0: ModelConfig.__post_init__ in config/model.py of vLLM 0.33.
    """
    if "sliding_window" in fields.defaults and fields.take("sliding_window") is None:
        fields.tell("leaves out sliding_window: no window is taken, as its class has none")
    if fields.take("sliding_window") is None or not fields.take_whole("sliding_window"):
        return base.same("full", softmax(heads, groups, head_dim))
    window = fields.take_count("sliding_window", to="window")
    # Such a window bounds nothing, and yet engines keep it: vLLM pages it as any other.
    notes = [f"sliding_window: {_NOT_BELOW}"] if window >= base.max_context else []
    return base.same("local", sliding(heads, groups, head_dim, window), notes=notes)

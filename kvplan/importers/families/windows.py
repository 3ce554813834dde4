"""A window in every layer, or a field that may give one: Mistral, Phi-3 and their kin."""

from kvplan.importers.families.common import (
    LOCAL_OR_GLOBAL,
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
    """
    Read a family whose layer types, where the file lists them, are all full attention.

    Its classes read `head_dim` where a file has it: the modeling files of Cohere, Granite, OLMo 2 and SmolLM3
    in transformers 5.23, and those of vLLM 0.33.
    """
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
    return windowed(fields, base, (heads, groups, head_dim))


def mixtral(fields: Fields, dtype: str) -> Reading:
    """Read MixtralConfig and Starcoder2Config: as Mistral's, but no version always writes `head_dim`."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    return windowed(fields, base, (heads, groups, optional_head_dim(fields, base.hidden, heads)))


def mistral_with_head_dim(fields: Fields, dtype: str) -> Reading:
    """Read Ministral 3's config, whose head size is never hidden / heads."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), take_head_dim(fields))
    return windowed(fields, base, shape)


def phi3(fields: Fields, dtype: str) -> Reading:
    """Read Phi3Config and PhiMoEConfig, whose windows are mostly as long as their context."""
    del dtype
    base = frame(fields)
    expect(fields, "full_attn_mod", (1,), why="every layer has the same attention")
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), optional_head_dim(fields, base.hidden, heads))
    return windowed(fields, base, shape)


def windowed(fields: Fields, base: Frame, shape: tuple[int, int, int]) -> Reading:
    """
    Take `sliding_window` for all layers, or for those that slide in a file whose layers are *listed*.

    Null says that there is none, and so does 0: ModelConfig.__post_init__ in config/model.py of vLLM 0.33.
    The caches of transformers follow `layer_types` (get_layer_types_and_kwargs in cache_utils.py of 5.23);
    what vLLM's classes make of it is its own matter.
    """
    window = fields.take_optional_whole("sliding_window", to="window") or None
    if window is None and "sliding_window" in fields.defaults:
        fields.tell("leaves out sliding_window: no window is taken, as its class has none")
    if fields.has("layer_types"):
        return _listed(fields, base, shape, window)
    if window is None:
        return base.same("full", softmax(*shape))
    # Such a window bounds nothing, and yet engines keep it: vLLM pages it as any other.
    notes = [f"sliding_window: {_NOT_BELOW}"] if window >= base.max_context else []
    return base.same("local", sliding(*shape, window), notes=notes)


def _listed(fields: Fields, base: Frame, shape: tuple[int, int, int], window: int | None) -> Reading:
    layers = by_types(fields, base.layers, LOCAL_OR_GLOBAL)
    if window is None and "local" in layers:
        raise fields.error("sliding_window", "found nothing; expected the window of the layers that slide")
    return base.mixed(layers, {"local": sliding(*shape, window or 0), "global": softmax(*shape)})

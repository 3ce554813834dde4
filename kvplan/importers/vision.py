"""The widths of a tower of images as a config.json has them."""

from collections.abc import Callable

from kvplan.errors import ImportedError
from kvplan.importers.fields import Fields
from kvplan.specs.vision import Design, Vision
from kvplan.units import ceil_div

_COLOURS = 3

_QWEN2_PIXELS = 12_845_056
"""The most pixels of an image, or of a picture of a film: max_pixels in their preprocessor_config.json."""

_QWEN2_FILM = 7
"""Pairs of the 14 pictures of a film: _MAX_FRAMES_PER_VIDEO in qwen2_vl.py of vLLM 0.12 to 0.33."""

_QWEN3_PIXELS = 16_777_216
"""
The most pixels of an image: longest_edge in preprocessor_config.json of Qwen3-VL and Qwen3.5.

A film has fewer: 25,165,824 over two pictures at once (video_preprocessor_config.json).
"""

_KIMI_SIDE, _KIMI_PATCHES_OF_A_SIDE = 3000, 128
"""
The image that vLLM profiles for Kimi-K2.5 (MaxImageTokenMeta in kimi_k25.py), and what it is shrunk to.

That is the root of in_patch_limit in preprocessor_config.json, 16,384; what is left of a square is padded
(navit_resize_image in transformers_utils/processors/kimi_k25_vision_fused.py).
"""

_GEMMA4_PLACES = 10_240

_LLAMA4_TILES = 16
"""Tiles of an image, which comes once more as a whole: max_patches in preprocessor_config.json of Llama 4."""


def read_vision(top: Fields) -> Vision | None:
    """
    Return the tower's widths; None for a class that is not known, or whose widths the file does not tell.

    No field is refused here: the widths size an estimate alone.
    """
    read = _READERS.get(str(top.values.get("model_type")))
    if read is None or not isinstance(top.values.get("vision_config"), dict):
        return None
    outer = Fields(top.values, file=top.file)
    try:
        return read(outer.nested("vision_config"), outer)
    except ImportedError:
        return None


def _qwen2_5_vl(vision: Fields, _outer: Fields) -> Vision:
    hidden = vision.take_count("hidden_size")
    return _qwen2(vision, "qwen2_5_vl", hidden, vision.take_count("intermediate_size"))


def _qwen2_vl(vision: Fields, _outer: Fields) -> Vision:
    """Return a tower whose hidden_size is the text model's width."""
    hidden = vision.take_count("embed_dim")
    return _qwen2(vision, "qwen2_vl", hidden, vision.take_share(hidden, "mlp_ratio"))


def _qwen2(vision: Fields, design: Design, hidden: int, intermediate: int) -> Vision:
    """Return a tower whose images and films are cut up alike; files call their colours in_chans."""
    side, patch = vision.take_count("spatial_merge_size"), vision.take_count("patch_size")
    tokens = _QWEN2_PIXELS // (patch * side) ** 2
    colours = vision.take_optional_count("in_channels", "in_chans") or _COLOURS
    return Vision(
        design=design,
        layers=vision.take_count("depth"),
        hidden=hidden,
        intermediate=intermediate,
        heads=vision.take_count("num_heads"),
        pixels=colours * vision.take_count("temporal_patch_size") * patch**2,
        patches=tokens * side**2,
        tokens=tokens,
        film=_QWEN2_FILM,
    )


def _qwen3_vl(vision: Fields, _outer: Fields) -> Vision:
    side, patch = vision.take_count("spatial_merge_size"), vision.take_count("patch_size")
    patches = _QWEN3_PIXELS // patch**2
    return Vision(
        design="qwen3_vl",
        layers=vision.take_count("depth"),
        hidden=vision.take_count("hidden_size"),
        intermediate=vision.take_count("intermediate_size"),
        heads=vision.take_count("num_heads"),
        pixels=vision.take_count("in_channels") * vision.take_count("temporal_patch_size") * patch**2,
        patches=patches,
        tokens=patches // side**2,
        stacked=len(vision.take_list("deepstack_visual_indexes")),
    )


def _pixtral(vision: Fields, outer: Fields) -> Vision:
    """Return Pixtral's tower, whose image_size is that of the longest edge (preprocessor_config.json)."""
    patch, side = vision.take_count("patch_size"), outer.take_count("spatial_merge_size")
    tokens = (vision.take_count("image_size") // (patch * side)) ** 2
    return Vision(
        design="pixtral",
        layers=vision.take_count("num_hidden_layers"),
        hidden=vision.take_count("hidden_size"),
        intermediate=vision.take_count("intermediate_size"),
        heads=vision.take_count("num_attention_heads"),
        pixels=vision.take_count("num_channels") * patch**2,
        patches=tokens * side**2,
        tokens=tokens,
    )


def _kimi_k25(vision: Fields, _outer: Fields) -> Vision:
    patch, sides = vision.take_count("patch_size"), vision.take_list("merge_kernel_size")
    side = sides[0] if sides and isinstance(sides[0], int) else 1
    shrunk = _KIMI_SIDE * _KIMI_PATCHES_OF_A_SIDE // (_KIMI_SIDE // patch)
    tokens = ceil_div(shrunk, patch * side) ** 2
    return Vision(
        design="kimi_k25",
        layers=vision.take_count("vt_num_hidden_layers"),
        hidden=vision.take_count("vt_hidden_size"),
        intermediate=vision.take_count("vt_intermediate_size"),
        heads=vision.take_count("vt_num_attention_heads"),
        pixels=_COLOURS * patch**2,
        patches=tokens * side**2,
        tokens=tokens,
    )


def _llama4(vision: Fields, _outer: Fields) -> Vision:
    """Return a tower of tiles, each with a row for its class, and a token for each square of patches."""
    patch, tiles = vision.take_count("patch_size"), _LLAMA4_TILES + 1
    side = vision.take_count("image_size") // patch
    return Vision(
        design="llama4",
        layers=vision.take_count("num_hidden_layers"),
        hidden=vision.take_count("hidden_size"),
        intermediate=vision.take_count("intermediate_size"),
        heads=vision.take_count("num_attention_heads"),
        pixels=vision.take_count("num_channels") * patch**2,
        patches=tiles * side**2,
        tokens=tiles * vision.take_share(side, "pixel_shuffle_ratio") ** 2,
        classes=tiles,
    )


def _gemma3(vision: Fields, outer: Fields) -> Vision:
    """Return SigLIP of images of one size."""
    patch = vision.take_count("patch_size")
    return Vision(
        design="siglip",
        layers=vision.take_count("num_hidden_layers"),
        hidden=vision.take_count("hidden_size"),
        intermediate=vision.take_count("intermediate_size"),
        heads=vision.take_count("num_attention_heads"),
        pixels=vision.take_count("num_channels") * patch**2,
        patches=(vision.take_count("image_size") // patch) ** 2,
        tokens=outer.take_optional_count("mm_tokens_per_image") or 256,
    )


def _gemma4(vision: Fields, _outer: Fields) -> Vision:
    """Return a tower whose patches are pooled by squares; its table of places is as long in all files."""
    if vision.take_count("position_embedding_size") != _GEMMA4_PLACES:
        raise vision.error("position_embedding_size", f"expected {_GEMMA4_PLACES}")
    tokens = vision.take_count("default_output_length")
    return Vision(
        design="gemma4",
        layers=vision.take_count("num_hidden_layers"),
        hidden=vision.take_count("hidden_size"),
        intermediate=vision.take_count("intermediate_size"),
        heads=vision.take_count("num_attention_heads"),
        pixels=_COLOURS * vision.take_count("patch_size") ** 2,
        patches=tokens * vision.take_count("pooling_kernel_size") ** 2,
        tokens=tokens,
    )


_READERS: dict[str, Callable[[Fields, Fields], Vision]] = {
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "kimi_k25": _kimi_k25,
    "llama4": _llama4,
    "mistral3": _pixtral,
    "ministral3": _pixtral,
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_5": _qwen3_vl,
    "qwen3_5_moe": _qwen3_vl,
    "qwen3_vl": _qwen3_vl,
    "qwen3_vl_moe": _qwen3_vl,
}

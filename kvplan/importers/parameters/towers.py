"""
What a model holds beside its text model: encoders of images and sounds, and projectors into the text model.

Counted from their own dimensions, for the families whose class is known. Source of each: the modeling
file of its name in transformers 5.23; a default is that of the class.
"""

from collections.abc import Callable, Mapping

from kvplan.errors import ImportedError
from kvplan.importers.fields import Fields
from kvplan.importers.strict_json import Json
from kvplan.records import record

_SECTIONS = (
    "vision_config",
    "audio_config",
    "gen_vision_config",
    "vit_config",
    "sound_config",
    "img_processor",
    "visual",
)
"""The objects of a config that describe a part beside the text model."""


@record
class Towers:
    """The parameters beside the text model, and the parts of which they are not known, with the reason."""

    total: int = 0
    uncounted: tuple[str, ...] = ()


Tower = Callable[[Fields, Fields, int], int]
"""Counts the tower that the first object describes; the second is around it, the third the text's width."""


def count_towers(model_type: str, fields: Fields, outer: Fields | None, hidden: int) -> Towers:
    """
    Return what the model of *fields*, or the one *outer* around it, holds beside its text model.

    *model_type* is that of the whole model, *hidden* the width of the text model.
    """
    top = outer or fields
    sections = _sections(top.values)
    count = TOWERS.get(model_type)
    if not sections:
        nothing = f"what {model_type} has beside its text model (the config does not describe it)"
        return Towers(uncounted=() if outer is None else (nothing,))
    if count is None or set(sections) != {"vision_config"}:
        names = " and ".join(sections)
        return Towers(uncounted=(f"{names} (kvplan cannot count it for {model_type})",))
    try:
        vision = Fields(top.values, file=top.file).nested("vision_config")
        return Towers(total=count(vision, Fields(top.values, file=top.file), hidden))
    except ImportedError as error:
        return Towers(uncounted=(f"vision_config ({error.line.partition(': ')[2]})",))


def _sections(values: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the names of the sections of a config, and of those around its text model."""
    found = [name for name in _SECTIONS if isinstance(values.get(name), dict) and values[name]]
    inner = values.get("thinker_config")
    return (*found, *(_sections(inner) if isinstance(inner, dict) else ()))


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    return (inputs + bias) * outputs


def _layer(width: int, inner: int, *, bias: bool = True) -> int:
    """Return a layer of four square matrices and an MLP of two, with biases and two layer norms."""
    return 4 * _linear(width, width, bias=bias) + _linear(width, inner) + _linear(inner, width) + 4 * width


def _channels(vision: Fields) -> int:
    return vision.take_optional_count("num_channels", "in_channels", "in_chans") or 3


def _patches(vision: Fields, width: int, *, bias: bool) -> int:
    """Return the matrix that makes a token of a square of pixels."""
    return _linear(vision.take_count("patch_size") ** 2 * _channels(vision), width, bias=bias)


def _film_patches(vision: Fields, width: int, *, bias: bool) -> int:
    """Return the matrix that makes a token of a square of pixels in some pictures of a film."""
    pixels = vision.take_count("patch_size") ** 2 * _channels(vision)
    return _linear(pixels * vision.take_count("temporal_patch_size"), width, bias=bias)


def _grid(vision: Fields) -> int:
    """Return how many patches a picture has."""
    return int((vision.take_count("image_size") // vision.take_count("patch_size")) ** 2)


def _plain_layers(vision: Fields, width: int) -> int:
    return vision.take_count("num_hidden_layers") * _layer(width, vision.take_count("intermediate_size"))


def _merger(width: int, side: int, out: int) -> int:
    """Return two matrices that make one token of *side* x *side* ones."""
    merged = width * side**2
    return _linear(merged, merged) + _linear(merged, out)


def _qwen2_vl(vision: Fields, outer: Fields, hidden: int) -> int:  # noqa: ARG001 - a Tower
    width = vision.take_count("embed_dim")
    layer = _layer(width, vision.take_share(width, "mlp_ratio"))
    merger = 2 * width + _merger(
        width, vision.take_count("spatial_merge_size"), vision.take_count("hidden_size")
    )
    return _film_patches(vision, width, bias=False) + vision.take_count("depth") * layer + merger


def _qwen2_5_vl(vision: Fields, outer: Fields, hidden: int) -> int:  # noqa: ARG001 - a Tower
    width, inner = vision.take_count("hidden_size"), vision.take_count("intermediate_size")
    attention = 4 * _linear(width, width)
    layer = attention + 2 * _linear(width, inner) + _linear(inner, width) + 2 * width
    side, out = vision.take_count("spatial_merge_size"), vision.take_count("out_hidden_size")
    merger = width + _merger(width, side, out)
    return _film_patches(vision, width, bias=False) + vision.take_count("depth") * layer + merger


def _qwen3_5(vision: Fields, outer: Fields, hidden: int) -> int:  # noqa: ARG001 - a Tower
    width = vision.take_count("hidden_size")
    layers = vision.take_count("depth") * _layer(width, vision.take_count("intermediate_size"))
    positions = vision.take_count("num_position_embeddings") * width
    side, out = vision.take_count("spatial_merge_size"), vision.take_count("out_hidden_size")
    merger = 2 * width + _merger(width, side, out)
    return _film_patches(vision, width, bias=True) + positions + layers + merger


def _qwen3_vl(vision: Fields, outer: Fields, hidden: int) -> int:
    """Return Qwen3.5's tower, and a merger for each layer of which the text model sees the output."""
    width, side = vision.take_count("hidden_size"), vision.take_count("spatial_merge_size")
    deep = 2 * width * side**2 + _merger(width, side, vision.take_count("out_hidden_size"))
    return _qwen3_5(vision, outer, hidden) + len(vision.take_list("deepstack_visual_indexes")) * deep


def _siglip(vision: Fields, positions: int) -> int:
    """Return SigLIP: patches, positions, layers, a norm, and a head that attends once if there is one."""
    width = vision.take_count("hidden_size")
    inner = vision.take_count("intermediate_size")
    head = 0
    if vision.take_bool("vision_use_head", absent=True):
        head = width + 4 * _linear(width, width) + 2 * width + _linear(width, inner) + _linear(inner, width)
    return (
        _patches(vision, width, bias=True)
        + positions * width
        + _plain_layers(vision, width)
        + 2 * width
        + head
    )


def _gemma3(vision: Fields, outer: Fields, hidden: int) -> int:  # noqa: ARG001 - a Tower
    width = vision.take_count("hidden_size")
    return _siglip(vision, _grid(vision)) + width * hidden + width


def _lfm2_vl(vision: Fields, outer: Fields, hidden: int) -> int:
    merged = vision.take_count("hidden_size") * (outer.take_optional_count("downsample_factor") or 2) ** 2
    inner = outer.take_optional_count("projector_hidden_size") or 2560
    bias = outer.take_bool("projector_bias", absent=True)
    norm = 2 * merged if outer.take_bool("projector_use_layernorm", absent=True) else 0
    projector = norm + _linear(merged, inner, bias=bias) + _linear(inner, hidden, bias=bias)
    return _siglip(vision, vision.take_count("num_patches")) + projector


def _gemma4(vision: Fields, outer: Fields, hidden: int) -> int:  # noqa: ARG001 - a Tower
    width, inner = vision.take_count("hidden_size"), vision.take_count("intermediate_size")
    heads, head_dim = vision.take_count("num_attention_heads"), vision.take_count("head_dim")
    attention = 2 * width * head_dim * (heads + vision.take_count("num_key_value_heads")) + 2 * head_dim
    layers = vision.take_count("num_hidden_layers") * (attention + 3 * width * inner + 4 * width)
    positions = 2 * vision.take_count("position_embedding_size") * width
    return _patches(vision, width, bias=False) + positions + layers + width * hidden


def _clip(vision: Fields) -> int:
    """Return CLIP: a class token, patches, positions, two norms and the layers."""
    width = vision.take_count("hidden_size")
    rows = _grid(vision) + 2
    return _patches(vision, width, bias=False) + (rows + 4) * width + _plain_layers(vision, width)


def _llava(vision: Fields, outer: Fields, hidden: int) -> int:
    if type(outer.values.get("vision_feature_layer", -2)) is not int:
        raise outer.error("vision_feature_layer", "expected one layer whose output is projected")
    bias = outer.take_bool("multimodal_projector_bias", absent=True)
    width = vision.take_count("hidden_size")
    return _clip(vision) + _linear(width, hidden, bias=bias) + _linear(hidden, hidden, bias=bias)


def _mllama(vision: Fields, outer: Fields, hidden: int) -> int:  # noqa: ARG001 - a Tower
    """Return Llama 3.2's tower: gated positions for each arrangement of tiles, and two stacks of layers."""
    width, inner = vision.take_count("hidden_size"), vision.take_count("intermediate_size")
    tiles, rows = vision.take_count("max_num_tiles"), _grid(vision) + 1
    arrangements = len(vision.take_list("supported_aspect_ratios")) + 1
    positions = rows * width * (1 + arrangements * tiles) + 1
    positions += 2 * (arrangements * tiles * width + 1)
    layer, gated = _layer(width, inner, bias=False), vision.take_count("num_global_layers")
    layers = (vision.take_count("num_hidden_layers") + gated) * layer + 2 * gated
    projector = _linear(vision.take_count("vision_output_dim"), hidden)
    return _patches(vision, width, bias=False) + 5 * width + positions + layers + projector


def _llama4(vision: Fields, outer: Fields, hidden: int) -> int:  # noqa: ARG001 - a Tower
    """Return Llama 4's tower: CLIP's parts, an adapter of shuffled patches, and one projection."""
    width, inner = vision.take_count("hidden_size"), vision.take_count("intermediate_size")
    rows = _grid(vision) + 2
    out = vision.take_count("projector_output_dim")
    adapter = inner * vision.take_count("projector_input_dim") + out**2
    projector = vision.take_count("vision_output_dim") * hidden
    ends = _patches(vision, width, bias=False) + (rows + 4) * width
    return ends + _plain_layers(vision, width) + adapter + projector


def _pixtral(vision: Fields, outer: Fields, hidden: int) -> int:
    """Return Pixtral's tower without biases, and Mistral 3's projector, which merges patches first."""
    width, inner = vision.take_count("hidden_size"), vision.take_count("intermediate_size")
    layer = 4 * width**2 + 3 * width * inner + 2 * width
    side = outer.take_optional_count("spatial_merge_size") or 2
    bias = outer.take_bool("multimodal_projector_bias", absent=False)
    projector = width + (width * side) ** 2 + _linear(width, hidden, bias=bias)
    projector += _linear(hidden, hidden, bias=bias)
    layers = vision.take_count("num_hidden_layers") * layer
    return _patches(vision, width, bias=False) + width + layers + projector


def _kimi_k25(vision: Fields, outer: Fields, hidden: int) -> int:  # noqa: ARG001 - a Tower
    width, inner = vision.take_count("vt_hidden_size"), vision.take_count("vt_intermediate_size")
    positions = vision.take_count("init_pos_emb_height") * vision.take_count("init_pos_emb_width") * width
    layers = vision.take_count("vt_num_hidden_layers") * _layer(width, inner) + 2 * width
    high, wide = vision.take_wholes("merge_kernel_size")
    merged = vision.take_count("mm_hidden_size") * high * wide
    projector = 2 * vision.take_count("mm_hidden_size") + _linear(merged, merged) + _linear(merged, hidden)
    return _patches(vision, width, bias=True) + positions + layers + projector


def _minimax_m3(vision: Fields, outer: Fields, hidden: int) -> int:
    """Return CLIP's layers over pairs of pictures, and a projector that merges patches at its end."""
    width, inner = vision.take_count("hidden_size"), outer.take_count("projector_hidden_size")
    merging = vision.nested("img_token_compression_config")
    pixels = vision.take_count("patch_size") ** 2 * _channels(vision)
    patches = pixels * merging.take_count("temporal_patch_size") * width
    merged = hidden * merging.take_count("spatial_merge_size") ** 2
    projector = _linear(width, inner) + _linear(merged, inner) + 2 * _linear(inner, hidden)
    return patches + 2 * width + _plain_layers(vision, width) + projector


TOWERS: dict[str, Tower] = {
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "kimi_k25": _kimi_k25,
    "lfm2_vl": _lfm2_vl,
    "llama4": _llama4,
    "llava": _llava,
    "minimax_m3_vl": _minimax_m3,
    "ministral3": _pixtral,
    "mistral3": _pixtral,
    "mllama": _mllama,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen2_vl": _qwen2_vl,
    "qwen3_5": _qwen3_5,
    "qwen3_5_moe": _qwen3_5,
    "qwen3_vl": _qwen3_vl,
    "qwen3_vl_moe": _qwen3_vl,
}
"""The counter of the tower of each model_type."""

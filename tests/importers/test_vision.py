"""The widths of towers of images, by hand from published files."""

import pytest

from kvplan.importers.fields import Fields
from kvplan.importers.strict_json import Json
from kvplan.importers.vision import read_vision
from kvplan.specs.vision import Vision

QWEN: dict[str, Json] = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_heads": 16,
    "in_channels": 3,
    "temporal_patch_size": 2,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "deepstack_visual_indexes": [8, 16, 24],
}
QWEN25: dict[str, Json] = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "in_chans": 3,
    "temporal_patch_size": 2,
    "patch_size": 14,
    "spatial_merge_size": 2,
}
PIXTRAL: dict[str, Json] = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_channels": 3,
    "patch_size": 14,
    "image_size": 1540,
}
SIGLIP: dict[str, Json] = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_channels": 3,
    "patch_size": 14,
    "image_size": 896,
}

QWEN25_VISION = Vision(
    design="qwen2_5_vl",
    layers=32,
    hidden=1280,
    intermediate=3420,
    heads=16,
    pixels=1176,
    patches=65_536,
    tokens=16_384,
    film=7,
)


def _read(model_type: str, vision: Json, **fields: Json) -> Vision | None:
    return read_vision(
        Fields({"model_type": model_type, "vision_config": vision, **fields}, file="config.json")
    )


def test_qwen3_vl_has_patches_of_two_pictures_and_deeper_outputs() -> None:
    """4096 x 4096 pixels are 256 x 256 patches of 16 x 16 in two pictures and three colours, 4 to a token."""
    found = _read("qwen3_vl", QWEN)
    assert found is not None
    assert (found.design, found.hidden, found.intermediate, found.heads) == ("qwen3_vl", 1152, 4304, 16)
    assert (found.pixels, found.patches, found.tokens, found.stacked) == (1536, 65_536, 16_384, 3)
    plain = _read("qwen3_5", QWEN | {"deepstack_visual_indexes": []})
    assert plain == found.model_copy(update={"stacked": 0})


def test_qwen25_vl_has_films_of_seven_images() -> None:
    """12,845,056 pixels are 16,384 squares of 28 x 28, each four patches of 14 x 14 in two pictures."""
    assert _read("qwen2_5_vl", QWEN25) == QWEN25_VISION


def test_qwen2_vl_calls_the_width_of_its_text_hidden_size() -> None:
    vision = {name: value for name, value in QWEN25.items() if name != "intermediate_size"}
    found = _read("qwen2_vl", vision | {"hidden_size": 3584, "embed_dim": 1280, "mlp_ratio": 4})
    assert found is not None
    assert (found.design, found.hidden, found.intermediate) == ("qwen2_vl", 1280, 5120)
    assert found == QWEN25_VISION.model_copy(update={"design": "qwen2_vl", "intermediate": 5120})


def test_mistral_3_merges_squares_of_patches() -> None:
    """1540 x 1540 pixels are 110 x 110 patches of 14 x 14 in three colours, and 55 x 55 tokens of four."""
    found = _read("mistral3", PIXTRAL, spatial_merge_size=2)
    assert found is not None
    assert (found.design, found.layers, found.hidden, found.heads) == ("pixtral", 24, 1024, 16)
    assert (found.pixels, found.patches, found.tokens, found.film) == (588, 12_100, 3025, 0)
    assert _read("mistral3", PIXTRAL) is None


def test_kimi_k25_pads_a_square_of_3000_that_was_shrunk() -> None:
    """214 patches of a side shrink to 128: 1794 pixels, which 65 squares of 28 fill, 4 patches of 14 each."""
    vision: dict[str, Json] = {"patch_size": 14, "merge_kernel_size": [2, 2]}
    widths: dict[str, Json] = {"vt_hidden_size": 1152, "vt_intermediate_size": 4304}
    depths: dict[str, Json] = {"vt_num_attention_heads": 16, "vt_num_hidden_layers": 27}
    found = _read("kimi_k25", vision | widths | depths)
    assert found is not None
    assert (found.design, found.layers, found.hidden, found.intermediate) == ("kimi_k25", 27, 1152, 4304)
    assert (found.pixels, found.patches, found.tokens) == (588, 130 * 130, 65 * 65)


def test_llama_4_has_sixteen_tiles_and_the_whole() -> None:
    """336 x 336 pixels are 24 x 24 patches of 14 x 14, a quarter as many tokens, and a row for the class."""
    vision = PIXTRAL | {"hidden_size": 1408, "intermediate_size": 5632, "image_size": 336}
    found = _read("llama4", vision | {"pixel_shuffle_ratio": 0.5})
    assert found is not None
    assert (found.design, found.hidden, found.intermediate, found.pixels) == ("llama4", 1408, 5632, 588)
    assert (found.patches, found.tokens, found.classes) == (17 * 576, 17 * 144, 17)


def test_gemma_4_pools_nine_patches_to_a_token() -> None:
    vision = SIGLIP | {"patch_size": 16, "pooling_kernel_size": 3, "default_output_length": 280}
    found = _read("gemma4", vision | {"position_embedding_size": 10_240})
    assert found is not None
    assert (found.design, found.layers, found.hidden, found.intermediate) == ("gemma4", 27, 1152, 4304)
    assert (found.pixels, found.patches, found.tokens) == (768, 2520, 280)
    assert _read("gemma4", vision | {"position_embedding_size": 4096}) is None


def test_gemma_3_has_images_of_one_size() -> None:
    """896 x 896 pixels are 64 x 64 patches of 14 x 14 in three colours, and 256 tokens unless told."""
    found = _read("gemma3", SIGLIP)
    assert found is not None
    assert (found.design, found.pixels, found.patches, found.tokens) == ("siglip", 588, 4096, 256)
    assert _read("gemma3", SIGLIP, mm_tokens_per_image=64) == found.model_copy(update={"tokens": 64})


@pytest.mark.parametrize(
    ("model_type", "vision"),
    [("llava", SIGLIP), ("gemma3", None), ("qwen3_vl", {}), ("qwen3_vl", QWEN | {"patch_size": "16"})],
)
def test_what_is_not_told_is_not_guessed(model_type: str, vision: Json) -> None:
    assert _read(model_type, vision) is None

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

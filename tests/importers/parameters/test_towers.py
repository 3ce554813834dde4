"""What models have beside their text model, against reviewed specs and the real classes."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.importers.complete import import_complete
from kvplan.importers.config import import_config
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.towers import TOWERS, Towers, count_towers
from kvplan.planner import words
from kvplan.planner.facts import Uncounted
from tests.importers import configs
from tests.importers.originals import FOLDER, REFUSED, needs_originals
from tests.importers.parameters.real_classes import installed, real_tower_parameters
from tests.importers.parameters.test_originals import TOWERS as BEYOND_TEXT

UNTOLD = {
    "MiniMaxAI--MiniMax-M3.json": (),
    "google--gemma-3-4b-pt.json": (),
    "meta-llama--Llama-4-Scout-17B-16E-Instruct.json": (
        "what llama4 has beside its text model (the config does not describe it)",
    ),
    "microsoft--Phi-3-vision-128k-instruct.json": ("img_processor (kvplan cannot count it for phi3_v)",),
}
"""Files that give no dimension of the tower which their model has: copies of the text model, or a name."""

OTHERS = {
    "google--gemma-4-26B-A4B.json": 572_792_112,
    "llava-hf--llava-1.5-7b-hf.json": 324_487_168,
    "nvidia--Gemma-4-31B-IT-NVFP4.json": 575_741_232,
    "nvidia--MiniMax-M3-NVFP4.json": 865_567_232,
    "nvidia--Qwen3.6-27B-NVFP4.json": 460_730_096,
}
"""Towers of files beside those whose spec is their count and its own, as their class has them."""

COUNTED = {name: total for name, total in BEYOND_TEXT.items() if name not in UNTOLD} | OTHERS


def _towers(name: str) -> Towers:
    found = import_config(FOLDER / name)
    top = found.outer or found.fields
    return count_towers(str(top.values["model_type"]), found.fields, found.outer, found.spec.hidden or 0)


@needs_originals
@pytest.mark.parametrize("name", COUNTED)
def test_a_tower_is_counted_as_published(name: str) -> None:
    assert _towers(name) == Towers(total=COUNTED[name])


@needs_originals
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", COUNTED)
def test_a_tower_is_that_of_its_class(name: str) -> None:
    values = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    transformers = installed("transformers")
    if values["model_type"] not in transformers.CONFIG_MAPPING:
        pytest.skip(f"transformers has no class for {values['model_type']}")
    assert real_tower_parameters(values) == COUNTED[name]


@needs_originals
@pytest.mark.parametrize("name", UNTOLD)
def test_what_a_file_does_not_tell_is_named(name: str) -> None:
    assert _towers(name) == Towers(uncounted=UNTOLD[name])


@needs_originals
@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.json")))
def test_every_section_of_a_tower_is_counted_or_named(name: str) -> None:
    values = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    if name in REFUSED or not any(each.endswith(("vision_config", "audio_config")) for each in values):
        return
    towers = _towers(name)
    assert bool(towers.total) != bool(towers.uncounted)


LLAMA_4: dict[str, Any] = {
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text",
        "hidden_size": 5120,
        "num_hidden_layers": 2,
        "num_local_experts": 2,
    },
    "vision_config": {
        "model_type": "llama4_vision_model",
        "hidden_size": 1408,
        "image_size": 336,
        "intermediate_size": 5632,
        "num_attention_heads": 16,
        "num_channels": 3,
        "num_hidden_layers": 34,
        "patch_size": 14,
        "projector_input_dim": 4096,
        "projector_output_dim": 4096,
        "vision_output_dim": 4096,
    },
}
"""Llama 4's published vision_config, which the copied file leaves out, around two small layers."""


def test_llama_4_has_the_tower_that_its_spec_counts() -> None:
    outer = Fields(LLAMA_4, file="config.json")
    counted = count_towers("llama4", outer, outer, 5120)
    assert counted == Towers(total=BEYOND_TEXT["meta-llama--Llama-4-Scout-17B-16E-Instruct.json"])


@pytest.mark.filterwarnings("ignore")
def test_llama_4_has_the_tower_of_its_class() -> None:
    whole = BEYOND_TEXT["meta-llama--Llama-4-Scout-17B-16E-Instruct.json"]
    assert real_tower_parameters(LLAMA_4) == whole


def _qwen3_vl(**changes: Any) -> dict[str, Any]:
    vision = {
        "depth": 2,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_position_embeddings": 4,
        "out_hidden_size": 4096,
        "patch_size": 2,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "deepstack_visual_indexes": [0],
    }
    text = {
        **{name: value for name, value in configs.LLAMA.items() if name != "architectures"},
        "model_type": "qwen3_vl_text",
        "head_dim": 128,
    }
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "text_config": text,
        "tie_word_embeddings": False,
        "vision_config": vision | changes,
    }


def test_by_hand() -> None:
    config = _qwen3_vl()
    layer = 4 * (64 + 8) + (8 * 16 + 16) + (16 * 8 + 8) + 4 * 8
    merger = (32 * 32 + 32) + (32 * 4096 + 4096)
    total = (24 * 8 + 8) + 4 * 8 + 2 * layer + (2 * 8 + merger) + (2 * 32 + merger)
    outer = Fields(config, file="config.json")
    assert count_towers("qwen3_vl", outer, outer, 4096) == Towers(total=total)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({}, None),
        ({"depth": None}, "the weights are without vision_config (vision_config.depth: found null; "),
    ],
)
def test_fit_warns_of_a_tower_that_is_not_counted(
    tmp_path: Path, changes: dict[str, Any], warning: str | None
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(_qwen3_vl(**changes)), encoding="utf-8")
    answer = kvplan.fit(path, gpu="h100-80gb", context=1000)
    found = [words.warning(each) for each in answer.warnings if isinstance(each, Uncounted)]
    assert [each[: len(warning or "")] for each in found] == ([warning] if warning else [])
    assert not kvplan.fit(path, kv_memory="1GB", context=1000).warnings
    given = kvplan.fit(path, gpu="h100-80gb", context=1000, weights="16GB")
    assert not given.warnings


def test_parts_of_an_unknown_class_are_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**_qwen3_vl(), "audio_config": {"d_model": 8}}), encoding="utf-8")
    names = "vision_config and audio_config (kvplan cannot count it for qwen3_vl)"
    assert import_complete(path).spec.uncounted == (names,)
    assert names in import_complete(path).not_counted


def test_every_counter_is_of_a_model_that_is_read() -> None:
    from kvplan.importers.families import WRAPPERS  # noqa: PLC0415 - beside the readers alone

    assert set(TOWERS) - {"ministral3"} <= WRAPPERS | {"qwen2_vl", "qwen2_5_vl"}

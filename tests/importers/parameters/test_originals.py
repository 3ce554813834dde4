"""Counts of the original config files against the reviewed specs, and against the real classes."""

import json

import pytest

from kvplan.importers.config import import_config
from kvplan.importers.parameters import UNCOUNTED, Shape, count
from kvplan.specs.catalogue import read_index
from kvplan.specs.load import load
from tests.importers.originals import FOLDER, REFUSED, needs_originals
from tests.importers.parameters.real_classes import installed, real_parameters

FILES = sorted(path.name for path in FOLDER.glob("*.json") if path.name not in REFUSED)

TOWERS = {
    "LiquidAI--LFM2.5-VL-1.6B.json": 444_941_248,
    "MiniMaxAI--MiniMax-M3.json": 865_567_232,
    "Qwen--Qwen2-VL-2B-Instruct.json": 665_271_296,
    "Qwen--Qwen2-VL-7B-Instruct.json": 675_759_104,
    "Qwen--Qwen2.5-VL-7B-Instruct.json": 676_550_144,
    "Qwen--Qwen3-VL-235B-A22B-Instruct.json": 576_388_336,
    "Qwen--Qwen3-VL-2B-Instruct.json": 406_957_056,
    "Qwen--Qwen3-VL-30B-A3B-Instruct.json": 538_631_408,
    "Qwen--Qwen3-VL-32B-Instruct.json": 595_266_800,
    "Qwen--Qwen3-VL-32B-Thinking.json": 595_266_800,
    "Qwen--Qwen3-VL-4B-Instruct.json": 415_347_712,
    "Qwen--Qwen3-VL-8B-Instruct.json": 576_388_336,
    "Qwen--Qwen3.5-122B-A10B.json": 451_290_864,
    "Qwen--Qwen3.5-27B.json": 460_730_096,
    "Qwen--Qwen3.5-35B-A3B.json": 446_571_248,
    "Qwen--Qwen3.5-397B-A17B.json": 456_010_480,
    "google--gemma-3-27b-it.json": 423_060_336,
    "google--gemma-3-4b-pt.json": 419_816_304,
    "meta-llama--Llama-3.2-11B-Vision-Instruct.json": 895_028_755,
    "meta-llama--Llama-4-Scout-17B-16E-Instruct.json": 871_932_416,
    "microsoft--Phi-3-vision-128k-instruct.json": 325_541_888,
    "mistralai--Ministral-3-3B-Instruct-2512.json": 420_083_712,
    "moonshotai--Kimi-K2.5.json": 471_143_920,
    # Releases in other weights have the parameters of their model.
    "nvidia--Gemma-4-26B-A4B-NVFP4.json": 572_792_112,
    # Its projector is 1152 x (5376 - 2816) wider than that of the 26B.
    "nvidia--Gemma-4-31B-IT-NVFP4.json": 572_792_112 + 1152 * (5376 - 2816),
    "nvidia--Kimi-K2.5-NVFP4.json": 471_143_920,
    "nvidia--Kimi-K2.6-NVFP4.json": 471_143_920,
    "nvidia--Kimi-K2.7-Code-NVFP4.json": 471_143_920,
    "nvidia--MiniMax-M3-NVFP4.json": 865_567_232,
    "nvidia--Qwen3.5-122B-A10B-NVFP4.json": 451_290_864,
    "nvidia--Qwen3.5-397B-A17B-NVFP4.json": 456_010_480,
    "nvidia--Qwen3.6-27B-NVFP4.json": 460_730_096,
    "nvidia--Qwen3.6-35B-A3B-NVFP4.json": 446_571_248,
}
"""What a spec counts beyond the text model: the tower and the projector, as transformers builds them."""

OTHER_FILE = {
    # A published 132B needs experts 10752 wide; the copy has 3584: 40 layers x 16 x 3 x 6144 x 7168.
    "databricks--dbrx-base.json": 40 * 16 * 3 * 6144 * 7168,
    # 16 rows more of embedding and head than the published model has.
    "codellama--CodeLlama-34b-hf.json": -2 * 16 * 8192,
    "meta-llama--Llama-2-13b-hf.json": -2 * 16 * 5120,
    # The copy ties the head, the published model does not.
    "Qwen--Qwen1.5-1.8B-Chat.json": 151936 * 2048,
    # The copy unties the head and pads the vocabulary by 7; the published model does neither.
    "openbmb--MiniCPM-2B-sft-bf16.json": -(122760 + 7) * 2304,
    # The copy leaves out that its 33 sliding layers have 96 heads, 32 more: 128 of queries, 128 of output
    # and one of gate each; the spec counts the tower too.
    "stepfun-ai--Step-3.7-Flash.json": 33 * 32 * 4096 * (2 * 128 + 1) + 1_981_014_784,
    "stepfun-ai--Step-3.7-Flash-FP8.json": 33 * 32 * 4096 * (2 * 128 + 1) + 1_981_014_784,
    # The spec counts the tower.
    "google--gemma-4-26B-A4B.json": 572_792_112,
    "Qwen--Qwen3.5-4B.json": 333_514_240,
}
"""What a spec has beyond its copied file, and why."""


def _counted(name: str) -> int | None:
    found = import_config(FOLDER / name)
    counted = count(found.model_type, found.fields, Shape.of(found.spec), found.outer)
    return None if counted is None else counted.total


@needs_originals
@pytest.mark.parametrize("name", FILES)
def test_reviewed_specs_have_the_parameters_of_their_file(name: str) -> None:
    counted, hub_id = _counted(name), name.removesuffix(".json").replace("--", "/").lower()
    if counted is None:
        assert import_config(FOLDER / name).model_type in UNCOUNTED
    elif hub_id in read_index():
        more, known = TOWERS.get(name, 0) + OTHER_FILE.get(name, 0), load(hub_id).parameters
        assert known is None or counted + more == known


@needs_originals
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_published_models_have_the_parameters_of_their_class(name: str) -> None:
    transformers = installed("transformers")
    values = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    if values.get("model_type") not in transformers.CONFIG_MAPPING:
        pytest.skip(f"transformers has no class for {values.get('model_type')}")
    assert _counted(name) == real_parameters(values)


def test_every_model_type_that_imports_is_counted_or_says_why_not() -> None:
    from kvplan.importers.families import model_types  # noqa: PLC0415 - beside the readers alone
    from kvplan.importers.parameters import COUNTERS  # noqa: PLC0415 - beside the readers alone

    assert set(model_types()) - set(COUNTERS) == set(UNCOUNTED)

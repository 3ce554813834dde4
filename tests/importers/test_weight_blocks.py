"""The blocks of weights that configs declare, and the widths that these concern, by hand from the fields."""

import json
from pathlib import Path

import pytest

from kvplan.importers.complete import import_complete
from kvplan.specs.weight_blocks import WeightBlocks
from tests.importers.configs import LLAMA
from tests.importers.originals import FOLDER, needs_originals


def blocks(inputs: tuple[int, ...], experts: tuple[int, ...] = ()) -> WeightBlocks:
    return WeightBlocks(rows=128, columns=128, inputs=inputs, experts=experts)


KNOWN = {
    # heads x head_dim of the output projection; moe_intermediate_size.
    "Qwen--Qwen3-235B-A22B-FP8.json": blocks((64 * 128,), (1536,)),
    "Qwen--Qwen3-30B-A3B-FP8.json": blocks((32 * 128,), (768,)),
    # intermediate_size 25,600.
    "Qwen--Qwen3-32B-FP8.json": blocks((64 * 128, 25600)),
    # One shared expert of 2,048, heads x v_head_dim, dense layers of 18,432.
    "deepseek-ai--DeepSeek-V3.json": blocks((2048, 128 * 128, 18432), (2048,)),
    "moonshotai--Kimi-K2-Instruct.json": blocks((2048, 64 * 128, 18432), (2048,)),
    "zai-org--GLM-5-FP8.json": blocks((2048, 12288, 64 * 256), (2048,)),
    # The experts are in fp4; o_groups x o_lora_rank = 8 x 1,024.
    "deepseek-ai--DeepSeek-V4-Flash.json": blocks((2048, 8192)),
    # The experts are in NVFP4, and everything else is excluded.
    "nvidia--DeepSeek-V4-Flash-NVFP4.json": None,
    # One scale for a tensor.
    "mistralai--Devstral-2-123B-Instruct.json": None,
    "Qwen--Qwen3-235B-A22B.json": None,
}


@needs_originals
@pytest.mark.parametrize(("file", "expected"), KNOWN.items())
def test_blocks_of_published_files(file: str, expected: WeightBlocks | None) -> None:
    assert import_complete(FOLDER / file).spec.weight_blocks == expected


def test_compressed_tensors_have_blocks_of_their_own(tmp_path: Path) -> None:
    """32 heads of 128 and an intermediate_size of 14,336; the method is kept, as engines tell it apart."""
    weights = {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 64]}
    section = {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {"weights": weights}},
        "ignore": ["lm_head"],
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**LLAMA, "quantization_config": section}))
    found = WeightBlocks(rows=128, columns=64, by="compressed-tensors", inputs=(4096, 14336))
    assert import_complete(path).spec.weight_blocks == found


def test_excluded_matrices_have_none(tmp_path: Path) -> None:
    section = {
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
        "modules_to_not_convert": ["self_attn"],
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**LLAMA, "quantization_config": section}))
    assert import_complete(path).spec.weight_blocks is None

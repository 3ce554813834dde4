"""The blocks of weights that configs declare, and the widths that these concern, by hand from the fields."""

import json
from pathlib import Path

import pytest

from kvplan.engines.weight_blocks import Cutting, cut_blocks
from kvplan.importers.complete import import_complete
from kvplan.importers.write import spec_yaml
from kvplan.specs.load import load_file
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


MIXTRAL = {**LLAMA, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
MIXTRAL |= {"architectures": ["MixtralForCausalLM"], "sliding_window": None}
BLOCK = {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}
WIDE = {**BLOCK, "block_structure": [64, 32]}
CHANNEL = {"num_bits": 8, "type": "float", "strategy": "channel"}
GROUPED = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}
EXPERTS = ["re:.*mlp.experts.*"]
ATTENTION, MLP = ["re:.*self_attn.*"], ["re:.*mlp.(gate|up|down)_proj"]


def both(block: tuple[int, int], expert_block: tuple[int, int] | None = None) -> WeightBlocks:
    """Mixtral 8x7B: 32 heads of 128; experts of 14,336."""
    rows, columns = block
    return WeightBlocks(
        rows=rows,
        columns=columns,
        by="compressed-tensors",
        inputs=(4096,),
        experts=(14336,),
        expert_block=expert_block,
    )


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([(["Linear"], BLOCK)], both((128, 128))),
        ([(["Linear"], BLOCK), (["re:.*lm_head"], CHANNEL)], both((128, 128))),
        ([(["Linear"], BLOCK), (EXPERTS, GROUPED)], both((128, 128)).model_copy(update={"experts": ()})),
        ([(EXPERTS, BLOCK), (ATTENTION, CHANNEL)], both((128, 128)).model_copy(update={"inputs": ()})),
        ([(EXPERTS, WIDE), (ATTENTION, BLOCK)], both((128, 128), (64, 32))),
        ([(["Linear"], CHANNEL), (EXPERTS, BLOCK)], both((128, 128)).model_copy(update={"inputs": ()})),
        ([(["Linear"], CHANNEL), (EXPERTS, GROUPED)], None),
        # Of some matrices of a layer alone: which widths these are is not told apart.
        ([(ATTENTION, BLOCK), (MLP, CHANNEL)], None),
    ],
)
def test_each_group_has_blocks_of_its_own(
    tmp_path: Path, groups: list[tuple[list[str], dict[str, object]]], expected: WeightBlocks | None
) -> None:
    """The method of a matrix is that of the group that names it, else of its class."""
    named = {
        f"group_{number}": {"targets": targets, "weights": weights}
        for number, (targets, weights) in enumerate(groups)
    }
    section = {"quant_method": "compressed-tensors", "config_groups": named, "ignore": []}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**MIXTRAL, "quantization_config": section}))
    assert import_complete(path).spec.weight_blocks == expected


def test_a_degree_may_cut_the_experts_blocks_alone() -> None:
    """14,336 / 8 are 14 blocks of 128, and no whole ones of 1,024; 4,096 / 8 are four of 128."""
    cutting = Cutting(engine="vLLM", tp=8, expert_tp=8, refines=True)
    assert cut_blocks(both((128, 128)), cutting) is None
    assert "1024 x 1024 weights, and 1,792" in (cut_blocks(both((128, 128), (1024, 1024)), cutting) or "")


def test_excluded_matrices_have_none(tmp_path: Path) -> None:
    section = {
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
        "modules_to_not_convert": ["self_attn"],
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**LLAMA, "quantization_config": section}))
    assert import_complete(path).spec.weight_blocks is None


def test_blocks_of_two_kinds_are_written_and_load_back(tmp_path: Path) -> None:
    named = {"a": {"targets": EXPERTS, "weights": WIDE}, "b": {"targets": ATTENTION, "weights": BLOCK}}
    section = {"quant_method": "compressed-tensors", "config_groups": named, "ignore": []}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**MIXTRAL, "quantization_config": section}))
    imported = import_complete(path)
    (tmp_path / "model.yaml").write_text(spec_yaml(imported), encoding="utf-8")
    assert load_file(tmp_path / "model.yaml") == imported.spec

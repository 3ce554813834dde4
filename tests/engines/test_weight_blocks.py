"""
Block-quantised weights that a degree of tensor parallelism cuts.

Qwen3-235B-A22B-FP8 has experts of 1,536 (its moe_intermediate_size) in blocks of 128 x 128: over 8 ranks
192 are one and a half blocks. DeepSeek-V3's shared expert of 2,048 has 64 inputs on each of 32 ranks.
"""

from typing import Any

import pytest

from kvplan import fit
from kvplan.engines.weight_blocks import Cutting, require_whole_blocks
from kvplan.errors import OptionsError
from kvplan.specs import ModelSpec
from kvplan.specs.releases import with_weights_in
from kvplan.specs.weight_blocks import WeightBlocks

GQA = {"kind": "gqa", "heads": 64, "groups": 8, "head_dim": 128}


def spec(**facts: Any) -> ModelSpec:
    plain = {"name": "blocks", "dtype": "bfloat16", "hidden": 4096, "layers": 4, "attention": GQA}
    return ModelSpec.model_validate({**plain, **facts})


QWEN3_235B_FP8 = WeightBlocks(rows=128, columns=128, inputs=(8192,), experts=(1536,))


def cutting(tp: int, *, expert_tp: int | None = None, refines: bool = False) -> Cutting:
    return Cutting(engine="vLLM 0.28", tp=tp, expert_tp=expert_tp or tp, refines=refines)


@pytest.mark.parametrize("tp", [1, 2, 4])
def test_whole_blocks_pass(tp: int) -> None:
    require_whole_blocks(QWEN3_235B_FP8, cutting(tp))


def test_experts_that_are_cut_are_refused() -> None:
    with pytest.raises(OptionsError) as caught:
        require_whole_blocks(QWEN3_235B_FP8, cutting(8))
    assert str(caught.value) == (
        "vLLM 0.28 does not cut experts of 1,536 over 8 ranks: a scale is for 128 x 128 weights, and 192 are "
        "no whole blocks; choose another tp, or another --weight-dtype"
    )


def test_whole_experts_are_not_cut() -> None:
    require_whole_blocks(QWEN3_235B_FP8, cutting(8, expert_tp=1))


@pytest.mark.parametrize(("tp", "blocks_of"), [(8, 64), (16, 32)])
def test_scales_of_experts_are_refined(tp: int, blocks_of: int) -> None:
    """1,536 / 8 = 192 = 3 x 64, and 1,536 / 16 = 96 = 3 x 32."""
    assert 1536 // tp % blocks_of == 0
    require_whole_blocks(QWEN3_235B_FP8, cutting(tp, refines=True))


def test_scales_are_refined_down_to_32() -> None:
    """1,536 / 32 = 48 = 3 x 16."""
    with pytest.raises(OptionsError, match="48 are no whole blocks"):
        require_whole_blocks(QWEN3_235B_FP8, cutting(32, refines=True))


def test_compressed_tensors_are_not_refined() -> None:
    """Its MoE method calls validate_fp8_block_shape_moe itself: compressed_tensors_moe_w8a8_fp8.py."""
    blocks = QWEN3_235B_FP8.model_copy(update={"by": "compressed-tensors"})
    with pytest.raises(OptionsError, match="experts of 1,536"):
        require_whole_blocks(blocks, cutting(8, refines=True))


def test_inputs_of_other_matrices_are_never_refined() -> None:
    deepseek = WeightBlocks(rows=128, columns=128, inputs=(2048, 16384, 18432), experts=(2048,))
    require_whole_blocks(deepseek, cutting(16, refines=True))
    with pytest.raises(OptionsError, match="matrices of 2,048 inputs over 32 ranks"):
        require_whole_blocks(deepseek, cutting(32, refines=True))


def test_one_rank_cuts_no_inputs() -> None:
    """On one rank only the outputs of experts must be whole blocks (validate_fp8_block_shape_moe)."""
    odd = WeightBlocks(rows=128, columns=128, inputs=(2000,))
    require_whole_blocks(odd, cutting(1))
    with pytest.raises(OptionsError, match="2,000 are no whole blocks"):
        require_whole_blocks(odd.model_copy(update={"experts": (2000,)}), cutting(1))


@pytest.mark.parametrize(
    ("engine", "settings", "refused"),
    [
        ("exact", {}, False),
        ("vllm@0.28", {}, True),
        ("vllm@0.28", {"enable_expert_parallel": "true"}, False),
        ("vllm@0.30", {}, False),
        ("vllm", {}, False),
        ("sglang", {}, True),
        ("sglang", {"ep_size": "2"}, False),
    ],
)
def test_each_engine_has_its_own_rule(engine: str, settings: dict[str, Any], *, refused: bool) -> None:
    model = spec(parameters=10**10, weight_dtype="fp8", weight_blocks=QWEN3_235B_FP8)
    place = {"gpu": "h100-80gb", "weights": "10GiB", "tp": 8, "context": 4096}
    options: dict[str, Any] = {**place, "engine": engine, "settings": settings}
    if refused:
        with pytest.raises(OptionsError, match="experts of 1,536 over 8 ranks"):
            fit(model, **options)
        # Weights that are not stored in blocks are cut.
        assert fit(model, **{**options, "weights": None}, weight_dtype="bf16").fits
    else:
        assert fit(model, **options).fits


def test_ranks_that_share_experts_out_divide_the_degree() -> None:
    with pytest.raises(OptionsError, match="ep_size=3 does not divide tp=8"):
        fit(spec(), kv_memory="10GiB", engine="sglang", tp=8, context=4096, settings={"ep_size": "3"})


@pytest.mark.parametrize("weight_dtype", ["bf16", "int4", "q4_k"])
def test_weights_in_another_dtype_have_no_blocks(weight_dtype: str) -> None:
    assert with_weights_in(spec(weight_blocks=QWEN3_235B_FP8), weight_dtype).weight_blocks is None
    assert with_weights_in(spec(weight_blocks=QWEN3_235B_FP8), "fp8").weight_blocks == QWEN3_235B_FP8

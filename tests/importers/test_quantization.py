"""What configs say of quantised weights; the KV dtype comes from a declaration for the cache alone."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.dtypes import BF16
from kvplan.errors import KvplanError
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.quantization import Quantization, read_quantization
from kvplan.importers.weight_range import weight_range
from tests.importers.configs import LLAMA

SHARED = Path(__file__).parents[3] / "shared" / "model_configs"


def read(section: dict[str, Any], **config: Any) -> Quantization:
    found = read_quantization({"quantization_config": section, **config}, file="config.json")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("section", "method", "bits", "group"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", (8,), 16384),
        ({"quant_method": "fp8", "weight_block_size": None}, "fp8", (8,), None),
        ({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, "fbgemm_fp8", (8,), None),
        ({"quant_method": "mxfp4"}, "mxfp4", (4,), 32),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, "awq", (4,), 128),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, "awq", (4,), 64),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1, "desc_act": True}, "gptq", (8,), None),
        ({"quant_method": "gptq", "bits": 4, "dynamic": {".*down": {"bits": 8}}}, "gptq", (4, 8), None),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes", (4,), 64),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes", (8,), None),
        (
            {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 2, "group_size": 16}}},
            "hqq",
            (2,),
            16,
        ),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt", (4,), 16),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "modelopt", (4, 8), 16),
        ({"quant_algo": "FP8", "producer": {"name": "modelopt"}}, "modelopt", (8,), None),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 128, "sym": True}, "auto-round", (4,), 128),
        ({"quant_method": "intel/auto-round", "bits": 2, "group_size": 32}, "auto-round", (2,), 32),
        ({"quant_method": "gptq_marlin", "bits": 4, "group_size": 128}, "gptq", (4,), 128),
        ({"quant_method": "awq_marlin", "bits": 4, "group_size": 64}, "awq", (4,), 64),
        ({"quant_method": "qqq", "wbits": 4, "group_size": 128}, "qqq", (4,), 128),
        ({"quant_method": "sinq", "nbits": 3, "group_size": 64}, "sinq", (3,), 64),
        ({"quant_method": "torchao", "quant_type": "int4_weight_only"}, "torchao", (4,), 32),
        (
            {"quant_method": "torchao", "quant_type": "int8_dynamic_activation_int4_weight"},
            "torchao",
            (4,),
            32,
        ),
        (
            {"quant_method": "torchao", "quant_type": {"default": {"_type": "Float8WeightOnlyConfig"}}},
            "torchao",
            (8,),
            None,
        ),
        ({"quant_method": "eetq", "weights": "int8"}, "eetq", (8,), None),
        ({"quant_method": "quanto", "weights": "float8"}, "quanto", (8,), None),
        ({"quant_method": "fp_quant", "forward_dtype": "mxfp4"}, "fp_quant", (4,), 32),
        ({"quant_method": "mxfp8"}, "mxfp8", (8,), 32),
        ({"quant_method": "NVFP4"}, "nvfp4", (4,), 16),
        ({"quant_method": "bitnet", "linear_class": "autobitlinear"}, "bitnet", (2,), None),
        ({"group_size": 64, "bits": 4}, "mlx", (4,), 64),
        ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, "mlx", (4,), 32),
    ],
)
def test_every_method(section: dict[str, Any], method: str, bits: tuple[int, ...], group: int | None) -> None:
    found = read(section)
    assert (found.method, found.bits, found.group_size) == (method, bits, group)
    assert found.kv_dtype is None


def test_compressed_tensors_as_kimi_k2_5_has_it() -> None:
    """Its experts are int4 in groups of 32; attention, shared experts and the dense MLP are excluded."""
    section: dict[str, Any] = {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}},
        "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*"],
        "kv_cache_scheme": None,
    }
    found = read_quantization({"text_config": {"quantization_config": section}}, file="config.json")
    assert found is not None
    assert (found.bits, found.group_size, found.kv_dtype) == ((4,), 32, None)
    assert found.excluded == ("lm_head", "re:.*self_attn.*", "re:.*shared_experts.*")


def test_no_quantisation_is_none() -> None:
    assert read_quantization({"model_type": "llama"}, file="config.json") is None
    assert read_quantization({"quantization_config": {}}, file="config.json") is None


@pytest.mark.parametrize(
    ("declared", "kv_dtype"),
    [
        ({"kv_cache_scheme": {"dynamic": False, "num_bits": 8, "type": "float"}}, "fp8"),
        ({"kv_cache_scheme": {"num_bits": 8, "type": "int"}}, "int8"),
        ({"kv_cache_scheme": {"num_bits": 4, "type": "float", "group_size": 16}}, "nvfp4"),
        ({"kv_cache_scheme": "FP8"}, "fp8"),
        ({"kv_cache_quant_algo": "NVFP4"}, "nvfp4"),
        ({"kv_cache_quant_algo": None}, None),
        ({"kv_cache_scheme": None}, None),
        ({}, None),
    ],
)
def test_the_kv_dtype_is_what_is_declared_for_the_cache(
    declared: dict[str, Any], kv_dtype: str | None
) -> None:
    assert read({"quant_method": "modelopt", "quant_algo": "NVFP4", **declared}).kv_dtype == kv_dtype


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"quant_method": "aqlm"}, "the config does not tell it for aqlm"),
        ({"quant_method": "exl3", "bits": 4.25}, "the config does not tell it for exl3"),
        ({"quant_method": None, "x": 1}, "a method without a name"),
        ({"bits": 4}, "a method without a name"),
        ({"quant_method": 4}, "a method without a name"),
        ({"quant_method": "torchao", "quant_type": "uintx"}, "expected a type such as int4"),
        ({"quant_method": "quanto", "weights": 8}, "expected a type such as int4"),
        ({"quant_method": "awq"}, "bits: found null; expected the bits"),
        ({"quant_method": "awq", "bits": 4.0}, "bits: found 4.0"),
        ({"quant_method": "awq", "bits": True}, "bits: found true"),
        ({"quant_method": "awq", "bits": 99}, "bits: found 99"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 0}, "group_size: found 0"),
        ({"quant_method": "gptq", "bits": 4, "lm_head": "no"}, "lm_head: found"),
        ({"quant_method": "fp8", "weight_block_size": 128}, "weight_block_size: found 128"),
        ({"quant_method": "fp8", "weight_block_size": []}, "weight_block_size: found"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "weight_block_size: found"),
        ({"quant_method": "fp8", "weight_block_size": [True, 128]}, "weight_block_size: found"),
        ({"quant_method": "fp8", "modules_to_not_convert": "lm_head"}, "expected a list of modules"),
        ({"quant_method": "bitsandbytes"}, "neither or both"),
        ({"quant_method": "hqq", "quant_config": {}}, "expected one weight_quant_params"),
        ({"quant_method": "compressed-tensors"}, "config_groups: found null"),
        ({"quant_method": "compressed-tensors", "config_groups": {}}, "found no group"),
        ({"quant_method": "modelopt", "quant_algo": "FP3"}, 'unknown algorithm "FP3"'),
    ],
)
def test_what_is_not_known_of_weights_leaves_their_size_open(section: dict[str, Any], problem: str) -> None:
    found = read(section)
    assert problem in str(found.problem)
    assert (found.bits, found.kv_dtype) == ((), None)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"quant_method": "fp8", "kv_cache_scheme": {"num_bits": 3, "type": "float"}}, "no KV cache dtype"),
        ({"quant_method": "fp8", "kv_cache_scheme": "fp7"}, 'found "fp7", which is no KV cache dtype'),
        ({"quant_method": "fp8", "kv_cache_bits": 8}, "does not know this field of the KV cache"),
        (
            {"quant_method": "fp8", "kv_cache_scheme": "FP8", "kv_cache_quant_algo": "NVFP4"},
            "no KV cache dtype",
        ),
    ],
)
def test_what_is_not_known_is_named(section: dict[str, Any], problem: str) -> None:
    found = read(section)
    assert found.kv_dtype is None
    assert found.kv_problem is not None
    assert problem in found.kv_problem
    assert len(found.kv_problem.splitlines()) == 1


def test_hf_quant_config_alone_and_beside_a_config() -> None:
    extra: dict[str, Any] = {
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}
    }
    alone = read_quantization({}, extra, file="config.json")
    assert alone is not None
    assert (alone.method, alone.bits, alone.kv_dtype, alone.excluded) == (
        "modelopt",
        (8,),
        "fp8",
        ("lm_head",),
    )
    section: dict[str, Any] = {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_scheme": "NVFP4"}
    both = read_quantization({"quantization_config": section}, extra, file="config.json")
    assert both is not None
    assert both.kv_dtype is None
    assert both.kv_problem == ("config.json declares a KV cache of nvfp4, hf_quant_config.json one of fp8")


def bounds(section: dict[str, Any], parameters: Parameters, **config: Any) -> tuple[int, int]:
    quantization = read(section, **config)
    return weight_range(parameters, embedding=1024, head=1024, dtype=BF16, quantization=quantization)


def test_fp8_blocks_by_hand() -> None:
    """Embedding and head in 16 bits, 2^20 in 8 with 1 to 4 bytes a block, perhaps a bias for each 256."""
    section = {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head"]}
    parameters = Parameters(sharded=2**20 + 2048, replicated=0)
    assert bounds(section, parameters) == (4096 + 2**20 + 64, 4096 + 2**20 + 4 * 64 + 2 * 2**12)


def test_mxfp4_quantises_the_experts_alone() -> None:
    """17 bytes for 32 weights of an expert and perhaps a bias for each 256, 2 bytes for each other weight."""
    parameters = Parameters(sharded=4096, replicated=0, experts=3200)
    assert bounds({"quant_method": "mxfp4"}, parameters) == (8192 + 1700, 8192 + 1700 + 25)


def test_excluded_attention_opens_the_range() -> None:
    section: dict[str, Any] = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}
    parameters = Parameters(sharded=2048 + 1600, replicated=0, experts=1600)
    nvfp4, biases = 1600 * 9 // 16, 2 * 1600 // 256
    assert bounds(section, parameters) == (4096 + 2 * nvfp4, 4096 + 2 * nvfp4 + 2 * biases + 1)
    section["ignore"] = ["lm_head", "*self_attn*"]
    assert bounds(section, parameters) == (4096 + 2 * nvfp4, 4096 + 3200 + nvfp4 + biases + 1)
    del section["ignore"]
    assert bounds(section, parameters) == (2048 + 1024 * 9 // 16 + 2 * nvfp4, 4096 + 2 * 3200)


@pytest.mark.parametrize(
    ("pattern", "attention", "experts"),
    [
        ("model.layers.0.self_attn.q_proj", True, False),
        ("*.ffn.shared_experts.*", True, False),
        ("re:.*mlp\\.(gate|up|gate_up|down)_proj.*", True, False),
        ("model.layers.3.mlp.experts*", False, True),
        ("model.layers.61*", True, True),
        ("re:.*mlp.*", True, True),
        ("*", True, True),
        ("model.layers.*.mlp.router", False, False),
        ("model.layers.0.mlp.gate", False, False),
        ("model.visual*", False, False),
        ("mtp*", False, False),
    ],
)
def test_what_a_pattern_may_leave_in_16_bits(pattern: str, attention: bool, experts: bool) -> None:  # noqa: FBT001
    """Each opens the range of what it may cover, 256 weights of attention or of experts, and no other."""
    section = {
        "quant_method": "fp8",
        "weight_block_size": [16, 16],
        "modules_to_not_convert": [pattern, "lm_head"],
    }
    low, most = 4096 + 512 + 2, 4096 + 2 * (256 + 4 + 2)
    high = most + (512 - 262) * (attention + experts)
    assert bounds(section, Parameters(sharded=2048 + 256, experts=256)) == (low, high)


def test_mixed_precision_is_between_4_and_8_bits() -> None:
    section = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "ignore": ["lm_head", "mtp*"]}
    parameters = Parameters(sharded=2048, replicated=0, experts=1600)
    assert bounds(section, parameters) == (4096 + 900, 4096 + 1600 + 100 + 13)


def test_fp4_experts_of_an_fp8_checkpoint() -> None:
    """DeepSeek-V4 says expert_dtype fp4 beside fp8: 17/32 bytes a weight in MXFP4, 9/16 in NVFP4."""
    section = {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head"]}
    parameters = Parameters(sharded=2048, replicated=0, experts=3200)
    assert bounds(section, parameters, expert_dtype="fp4") == (4096 + 1700, 4096 + 1800 + 25)


def test_the_published_size_of_gpt_oss_lies_in_the_range() -> None:
    """65,248,815,744 bytes in its index, with biases in bf16; v h is 201088 x 2880 = 579,133,440."""
    parameters = Parameters(sharded=2113968384, replicated=13589568, experts=114701598720)
    quantization = read({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]})
    low, high = weight_range(
        parameters, embedding=579133440, head=579133440, dtype=BF16, quantization=quantization
    )
    assert low <= 65248815744 <= high < low * 1.02


def test_every_quantised_config_at_hand_is_read() -> None:
    if not SHARED.is_dir():
        pytest.skip("the original config files are not beside this checkout")
    declared = {}
    for path in sorted(SHARED.glob("*.json")):
        found = read_quantization(json.loads(path.read_text()), file=path.name)
        if found:
            declared[path.stem] = found.kv_dtype
    assert len(declared) == 35
    assert declared["deepseek-ai--DeepSeek-V3"] is None
    assert declared["nvidia--GLM-5.1-NVFP4"] == "fp8"
    assert declared["nvidia--MiniMax-M3-NVFP4"] is None
    assert declared["Qwen--Qwen3-32B-FP8-Static-PerTensor"] == "fp8"


LLAMA_8B = Parameters(sharded=8_029_995_008, replicated=266_240, vectors=266_240)
"""Llama 3.1 8B: all matrices are divided, and 65 norms of 4096 are not."""


@pytest.mark.parametrize(
    ("section", "size"),
    [
        # 4 bits, and a scale and a bias of 16 bits for 64 weights: 4.5 bits a weight; norms in bf16.
        ({"group_size": 64, "bits": 4}, 8_029_995_008 * 9 // 16 + 2 * 266_240),
        # 8 bits, and 32 for 32: 9 bits.
        ({"group_size": 32, "bits": 8, "mode": "affine"}, 8_029_995_008 * 9 // 8 + 2 * 266_240),
        # 4 bits, and 8 for 32: 4.25 bits.
        ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, 8_029_995_008 * 17 // 32 + 2 * 266_240),
    ],
)
def test_mlx_is_plain_arithmetic(section: dict[str, Any], size: int) -> None:
    """In the form that mlx-lm writes today and in the first one, which names no method either."""
    for config in ({"quantization": section, "quantization_config": section}, {"quantization": section}):
        quantization = read_quantization(config, file="config.json")
        assert quantization is not None
        found = weight_range(LLAMA_8B, embedding=1024, head=1024, dtype=BF16, quantization=quantization)
        assert found == (size, size)


def test_mlx_modules_of_their_own_bits_widen_the_range() -> None:
    """A projection of 8 bits in a model of 4; a router of 8 bits is too small to matter, yet not exact."""
    plain: dict[str, Any] = {"group_size": 64, "bits": 4}
    assert read({**plain, "model.layers.0.mlp.down_proj": {"group_size": 64, "bits": 8}}).bits == (4, 8)
    router = read({**plain, "model.layers.0.mlp.gate": {"group_size": 64, "bits": 8}})
    assert (router.bits, router.excluded) == ((4,), ("model.layers.0.mlp.gate",))
    low, high = weight_range(LLAMA_8B, embedding=1024, head=1024, dtype=BF16, quantization=router)
    assert low < high < low * 1.02
    assert read({**plain, "model.layers.0.self_attn.kv_a_proj": False}).excluded == (
        "model.layers.0.self_attn.kv_a_proj",
    )


def test_auto_round_leaves_modules_of_16_bits() -> None:
    extra = {"model.layers.0.mlp.gate": {"bits": 16}, "model.layers.1.mlp.up_proj": {"bits": 8}}
    found = read({"quant_method": "auto-round", "bits": 4, "group_size": 128, "extra_config": extra})
    assert found.bits == (4, 8)
    assert found.excluded == ("lm_head", "model.layers.0.mlp.gate")


def test_a_cache_does_not_depend_on_how_weights_are_stored(tmp_path: Path) -> None:
    """128 KiB a token with any method; the plan asks for the weights where they are not known."""
    for method in ("aqlm", "vptq", "spqr", "higgs", "exl2", "quark", "of_tomorrow"):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(LLAMA | {"quantization_config": {"quant_method": method}}))
        spec = kvplan.load(path)
        assert kvplan.size(spec, context="8k").bytes_per_token == 128 * 1024
        assert f"(the config does not tell it for {method}): give --weights" in str(spec.notes)
        assert kvplan.fit(spec, kv_memory="40GiB", context="8k").max_batch == 40
        with pytest.raises(KvplanError, match="--weights"):
            kvplan.fit(spec, gpu="h100-80gb", context="8k")
        assert kvplan.fit(spec, gpu="h100-80gb", context="8k", weights="5GB").fits

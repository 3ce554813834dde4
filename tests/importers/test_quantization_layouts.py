"""
The bytes of quantised weights of which a config tells all, against vLLM 0.33's own classes.

What is expected are the parameters of rank 0 as the classes make them on the meta device, from these configs
and on a faked H100, by tensor parallelism.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.size import as_spec
from kvplan.planner.weights import stage_weights
from tests.importers.originals import FOLDER, needs_originals

Section = dict[str, Any]

_COMMON = {"max_position_embeddings": 32768, "tie_word_embeddings": False, "hidden_act": "silu"}
QWEN2 = {
    **_COMMON,
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "torch_dtype": "float16",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "use_sliding_window": False,
}
"""Qwen2.5-7B."""

QWEN2_3B = QWEN2 | {
    "tie_word_embeddings": True,
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
}
LLAMA = {
    **_COMMON,
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
"""Llama-3.1-8B."""

LLAMA_70B = LLAMA | {
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
}
QWEN3 = LLAMA | {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "head_dim": 128,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "vocab_size": 151936,
    "use_sliding_window": False,
    "attention_bias": False,
}
"""Qwen3-8B."""

QWEN3_MOE = QWEN3 | {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 48,
    "num_key_value_heads": 4,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "norm_topk_prob": True,
}
"""Qwen3-30B-A3B."""

MIXTRAL = LLAMA | {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "torch_dtype": "float16",
    "vocab_size": 32000,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "sliding_window": None,
}
"""Mixtral-8x7B."""

GPTQ: Section = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}
AWQ: Section = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}
TOKEN: Section = {"dynamic": True, "num_bits": 8, "strategy": "token", "symmetric": True}


def compressed(weights: Section, inputs: Section | None, *ignored: str) -> Section:
    group = {"targets": ["Linear"], "weights": {"symmetric": True, **weights}, "input_activations": inputs}
    ignore = ["lm_head", *ignored]
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": ignore}


W4A16: Section = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}
ROWS: Section = {"num_bits": 8, "strategy": "channel"}
BLOCKS: Section = {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}
NVFP4: Section = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}
INT8 = compressed(ROWS | {"type": "int"}, TOKEN | {"type": "int"})
FP8 = compressed(ROWS | {"type": "float"}, TOKEN | {"type": "float"})
GATE = "re:.*mlp.gate$"

Case = tuple[Section, Section, dict[int, int]]

EXACT: dict[str, Case] = {
    "GPTQ of 4 bits": (QWEN2, GPTQ, {1: 5_570_747_392, 2: 2_785_577_984}),
    "GPTQ of 8 bits": (QWEN2, GPTQ | {"bits": 8}, {1: 8_858_881_024, 2: 4_429_644_800}),
    "AWQ": (QWEN2, AWQ, {1: 5_570_747_392, 2: 2_785_577_984}),
    "AWQ of Llama": (LLAMA, AWQ, {1: 5_727_854_592, 2: 2_864_193_536}),
    "AWQ with a tied embedding": (QWEN2_3B, AWQ, {1: 2_064_269_312, 2: 1_032_284_160}),
    "AWQ of experts": (
        QWEN3_MOE,
        AWQ | {"modules_to_not_convert": ["mlp.gate"]},
        {1: 16_802_672_640, 2: 8_414_130_176},
    ),
    "AWQ of Mixtral": (
        MIXTRAL,
        AWQ | {"modules_to_not_convert": ["gate"]},
        {1: 24_653_602_816, 2: 12_328_116_224},
    ),
}

CLOSE: dict[str, Case] = {
    "W4A16": (LLAMA, compressed(W4A16, None), {1: 5_700_594_240, 2: 2_850_564_672}),
    "W4A16 of experts": (
        QWEN3_MOE,
        compressed(W4A16, None, GATE),
        {1: 16_685_939_040, 2: 8_355_789_152},
    ),
    "W8A8": (LLAMA, INT8, {1: 9_086_706_240, 2: 4_544_143_936}),
    "fp8 of rows": (LLAMA, FP8, {1: 9_086_706_240, 2: 4_544_143_936}),
    "fp8 of blocks": (
        QWEN3,
        compressed(BLOCKS, TOKEN | {"type": "float", "strategy": "group", "group_size": 128}),
        {1: 9_437_399_688, 2: 4_719_008_392},
    ),
    "NVFP4": (LLAMA, NVFP4, {1: 6_027_749_376, 2: 3_014_141_952}),
    "NVFP4 of Qwen3": (QWEN3, NVFP4, {1: 6_396_932_352, 2: 3_198_775_552}),
}
"""Those whose classes have a few numbers more or less: scales of attention, shapes of joined matrices."""

PART = 8_000
"""The most that these are: a part of the weights, the scales of rows that two ranks have whole."""


def planned(tmp_path: Path, config: Section, section: Section, tp: int) -> int:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config | {"quantization_config": section}))
    spec = as_spec(file)
    assert spec.weight_least_bytes is None
    deployment = deploy(spec, Choice(engine="vllm", tp=tp))
    weights = deployment.spec.weights()
    assert weights is not None
    return stage_weights(deployment, weights)[0]


@pytest.mark.parametrize("name", EXACT)
def test_weights_of_a_rank_are_those_of_the_class_to_the_byte(tmp_path: Path, name: str) -> None:
    config, section, said = EXACT[name]
    assert {tp: planned(tmp_path, config, section, tp) for tp in said} == said


@pytest.mark.parametrize("name", CLOSE)
def test_other_weights_are_those_of_the_class_but_for_single_numbers(tmp_path: Path, name: str) -> None:
    config, section, said = CLOSE[name]
    for tp, size in said.items():
        assert abs(planned(tmp_path, config, section, tp) - size) * PART < size


OTHERS = {
    "CohereForAI--aya-23-8B.json": {1: 5_723_398_144, 2: 2_861_834_240},
    "HuggingFaceTB--SmolLM3-3B.json": {1: 1_986_703_360, 2: 993_501_184},
    "LGAI-EXAONE--EXAONE-4.0-32B.json": {1: 18_180_057_088, 2: 9_090_705_408},
    "MiniMaxAI--MiniMax-M2.5.json": {1: 120_802_246_656},
    "google--gemma-3-1b-it.json": {1: 966_757_376, 2: 487_496_576},
    "google--gemma-7b.json": {1: 5_600_139_264, 2: 2_800_244_736},
    # 57 rows by which vLLM pads the vocabulary, of 4096 numbers, are beside these.
    "ibm-granite--granite-3.3-8b-instruct.json": {1: 4_543_610_880, 2: 2_272_137_216},
    "internlm--internlm2_5-7b-chat.json": {1: 5_142_749_184, 2: 2_571_640_832},
    "microsoft--phi-4.json": {1: 9_138_022_400, 2: 4_569_425_920},
    "mistralai--Mistral-7B-v0.3.json": {1: 4_163_379_200, 2: 2_081_955_840},
    # 56 rows of 2304, of embedding and head, and 25 of 4096.
    "openbmb--MiniCPM-2B-sft-bf16.json": {1: 2_400_357_888},
    "tencent--Hunyuan-7B-Instruct.json": {1: 4_676_468_736, 2: 2_338_508_800},
}
"""The same of published configs of which all layers were said to be in AWQ."""


HALVES = {
    "allenai--OLMo-2-1124-7B.json": ("float16", {1: 5_009_711_104}),
    "google--gemma-2-9b.json": ("bfloat16", {1: 6_160_587_776, 2: 3_080_899_584}),
}
"""The same of such as were released in float32, in the dtype of quantised releases."""


@needs_originals
@pytest.mark.parametrize("file", HALVES)
def test_weights_in_awq_beside_halves_are_those_of_classes(tmp_path: Path, file: str) -> None:
    config: Section = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    dtype, said = HALVES[file]
    config["torch_dtype"] = dtype
    assert {tp: planned(tmp_path, config, AWQ, tp) for tp in said} == said


@needs_originals
@pytest.mark.parametrize("file", OTHERS)
def test_weights_in_awq_are_those_of_other_classes(tmp_path: Path, file: str) -> None:
    config: Section = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    section = AWQ | {"modules_to_not_convert": None}
    assert {tp: planned(tmp_path, config, section, tp) for tp in OTHERS[file]} == OTHERS[file]


_GROUPS = 28 * (3584 * (4608 + 3584 + 2 * 18_944) + 18_944 * 3584) // 128
"""The groups of 128 weights in Qwen2.5-7B's layers."""

LOADED = {
    "GPTQ of 4 bits": (5_680_577_536, 2 * 32_768 * 128),
    # Machete, Hopper's kernel, has zero points of two bytes, not of half of one.
    "AWQ": (5_772_528_640, 2 * 32_768 * 128 + _GROUPS * 3 // 2),
    "W4A16": (5_759_475_712, 2 * 131_072 * 128),
    "W8A8": (9_145_524_224, 2 * 131_072 * 128),
    "fp8 of rows": (9_145_524_224, 2 * 131_072 * 128),
}
"""What start-ups of 0.33 whose kernels compute nothing held of these when loaded, and what is beside them."""


@pytest.mark.parametrize("name", LOADED)
def test_what_is_loaded_is_more_by_what_the_allocator_keeps(tmp_path: Path, name: str) -> None:
    """
    Weights are made anew for their kernels, in memory of those before them: a rest up to 1 MiB stays theirs.

    Requested are those of the class and the scales of attention alone; 0.3 to 2.1 % were kept beside them.
    """
    config, section, _ = (EXACT | CLOSE)[name]
    loaded, beside = LOADED[name]
    expected = planned(tmp_path, config, section, 1) + beside
    assert 1.002 * expected <= loaded <= 1.021 * expected


KEPT = {
    "GPTQ of 4 bits": ("h100-80gb", 32_768, 72_066_759_988),
    "GPTQ of 8 bits": ("h100-80gb", 32_768, 68_858_117_428),
    "AWQ": ("h100-80gb", 32_768, 72_005_942_580),
    "AWQ of Llama": ("h100-80gb", 131_072, 72_342_535_476),
    "AWQ with a tied embedding": ("h100-80gb", 32_768, 75_647_647_028),
    "W4A16": ("h100-80gb", 131_072, 72_483_044_660),
    "W8A8": ("h100-80gb", 131_072, 69_094_047_028),
    "fp8 of rows": ("h100-80gb", 131_072, 69_094_047_028),
    "fp8 of blocks": ("h100-80gb", 40_960, 68_347_460_916),
    "NVFP4": ("b200-180gb", 131_072, 171_475_998_413),
}
"""
Of the same start-ups and their like: the card, the model's longest context, and the bytes that vLLM keeps for
its cache with a utilization of 0.95. That on B200 has graphs, and FlashInfer's own kernels for attention.
"""


@pytest.mark.parametrize("name", KEPT)
def test_the_memory_of_the_cache_follows_from_the_config_alone(tmp_path: Path, name: str) -> None:
    config, section, _ = (EXACT | CLOSE)[name]
    card, longest, kept = KEPT[name]
    file = tmp_path / "config.json"
    changes = {"max_position_embeddings": longest, "quantization_config": section}
    file.write_text(json.dumps(config | changes))
    plan = kvplan.fit(
        file,
        gpu=card,
        engine="vllm@0.33",
        context=8192,
        utilization=0.95,
        advice=False,
        settings={} if card.startswith("b200") else {"enforce_eager": "true"},
    )
    assert abs(plan.memory.kv_bytes - kept) < 0.004 * kept


def test_a_real_start_up_prints_what_is_planned(tmp_path: Path) -> None:
    """
    It says 67.7229 GiB of Meta-Llama-3.1-70B-Instruct-quantized.w8a8, with the table of rotations.

    Source: https://github.com/vllm-project/vllm/pull/12569.
    """
    table = 2 * 131_072 * 128
    assert round((planned(tmp_path, LLAMA_70B, INT8, 1) + table) / 2**30, 3) == 67.723


@pytest.mark.parametrize(
    "section",
    [
        AWQ | {"modules_to_not_convert": ["self_attn.o_proj"]},
        GPTQ | {"dynamic": {".*down_proj": {"bits": 8}}},
        GPTQ | {"lm_head": True},
        compressed(W4A16 | {"symmetric": False}, None),
        compressed(W4A16, None, "re:.*down_proj"),
        {"quant_method": "modelopt", "quant_algo": "NVFP4"},
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
    ],
    ids=str,
)
def test_a_section_that_leaves_something_open_has_a_range(tmp_path: Path, section: Section) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(LLAMA | {"quantization_config": section}))
    spec = kvplan.load(file)
    assert spec.weights_open or (spec.weight_least_bytes or 0) < (spec.weight_bytes or 0)

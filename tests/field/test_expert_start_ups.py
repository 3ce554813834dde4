"""
What engines printed of mixtures whose experts are dealt out, and of attention that is whole on each rank.

Each with its source; a printed GiB with so many decimals is held against the same rounding, and where a
figure is not the plan's, the reason is beside it.
"""

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.weights import stage_weights
from kvplan.serving import read_command

LOCAL = [
    # "[EP Rank 0/16] ... Local/global number of experts: 16/256", DP 2 x TP 8, DeepSeek-V3.2:
    # github.com/vllm-project/vllm-ascend/issues/5461
    ("deepseek-v3.2", {"tp": 8, "dp": 2, "ep": 16}, (16, 256)),
    # "[EP Rank 0/4] ... 32/128", Qwen3-VL: github.com/QwenLM/Qwen3-VL/issues/1520
    ("qwen3-vl-30b-a3b", {"tp": 4, "ep": 4}, (32, 128)),
    # "48 of the 384 experts per rank", DP 8 with EP: github.com/modelplaneai/modelplane/issues/194
    ("kimi-k2-0905", {"dp": 8, "ep": 8}, (48, 384)),
]


@pytest.mark.parametrize(("model", "spread", "experts"), LOCAL)
def test_vllm_prints_how_many_experts_a_rank_has(
    model: str, spread: dict[str, Any], experts: tuple[int, int]
) -> None:
    found = kvplan.fit(model, engine="vllm", kv_memory="10GiB", context=16, advice=False, **spread).experts
    assert found is not None
    assert (found.on_gpu, found.count, found.cut_over) == (*experts, 1)


def test_a_rank_of_eight_holds_the_whole_latent_of_its_own_sequences_in_vllm() -> None:
    """357,568 tokens on each rank, 2.73x for 131,072: github.com/modelplaneai/modelplane/issues/194."""
    tokens, latent = 357_568, 61 * 576 * 2
    answer = kvplan.fit(
        "kimi-k2-0905",
        engine="vllm",
        dp=8,
        ep=8,
        context=131_072,
        kv_memory=tokens * latent,
        advice=False,
    )
    assert answer.kv_tokens == tokens
    assert f"{answer.max_concurrency:.2f}" == "2.73"


def test_so_does_a_rank_of_sglang_with_attention_data_parallelism() -> None:
    """
    On DP 0 to 7, "KV Cache is allocated. #tokens: 161488, KV size: 10.57 GB", tp and dp 8.

    github.com/sgl-project/sglang/issues/6017, DeepSeek-V3.
    """
    groups = {"enable_dp_attention": "true"}
    answer = kvplan.size("deepseek-v3", engine="sglang", dp=8, context=16, settings=groups)
    assert f"{answer.bytes_per_token * 161_488 / 2**30:.2f}" == "10.57"


# Bytes that eight ranks stored of a prompt, its whole blocks and their tokens, in fp8 on H200: GLM-5.2 in
# github.com/vllm-project/recipes/pull/754, and in pull/893 there GLM-5.3 of 138,615 and of 44,498 tokens,
# without a last block or two; it has the same dimensions (github.com/ROCm/ATOM/pull/2291).
STORED = [(1_104_691_200, 40 * 64), (59_763_793_920, 2_164 * 64), (19_111_157_760, 692 * 64)]


@pytest.mark.parametrize(("stored", "tokens"), STORED)
def test_vllm_offloads_the_bytes_that_a_token_takes_on_all_ranks(stored: int, tokens: int) -> None:
    """656 B in each of 78 layers, and 132 in the 21 that have an indexer of their own."""
    answer = kvplan.size("glm-5.2", engine="vllm", kv_dtype="fp8_ds_mla", tp=8, context=16)
    assert answer.bytes_per_token == 78 * 656 + 21 * 132
    assert answer.bytes_per_token * tokens * answer.tp == stored


def test_a_draft_of_glm_5_has_its_own_latent_and_indexer_in_vllm() -> None:
    """
    "GPU KV Cache Dimensions: [158][4372, 64, 132]" with MTP: two caches for each of 78 layers and one.

    github.com/LMCache/LMCache/issues/3339, GLM-5-FP8, vLLM 0.21, 8 GPUs.
    """
    caches, block, row = 158, 64, 132
    answer = kvplan.fit(
        "zai-org/GLM-5-FP8", engine="vllm@0.21", gpu="h200", tp=8, draft="mtp", context="8k", advice=False
    )
    assert answer.block_size == block
    assert answer.bytes_per_token == caches // 2 * (576 * 2 + row)


def test_sglang_prints_the_pool_of_kimi_k2_on_eight_gpus() -> None:
    """
    "KV Cache is allocated. #tokens: 8050, KV size: 0.53 GB" on each rank of tp 8.

    github.com/sgl-project/sglang/pull/13466.
    """
    answer = kvplan.size("kimi-k2-0905", engine="sglang", tp=8, context=16)
    assert f"{answer.bytes_per_token * 8050 / 2**30:.2f}" == "0.53"


def gib_of_a_rank(model: str, *, tp: int) -> float:
    deployment = deploy(kvplan.load(model), Choice(engine="vllm", tp=tp))
    weights = deployment.spec.weights()
    assert weights is not None
    return max(stage_weights(deployment, weights)) / 2**30


def test_weights_of_a_rank_are_what_vllm_prints_but_for_its_allocator() -> None:
    """
    "Model loading took 14.2474 GiB" on each of 4 ranks: github.com/vllm-project/vllm/issues/17327.

    The model is Qwen3-30B-A3B, as no other of Qwen3's has this size on 4 ranks. vLLM takes the growth of
    torch's segments of 2 MiB, and tables of rotations with it.
    """
    planned = gib_of_a_rank("qwen3-30b-a3b", tp=4)
    assert 0 <= 14.2474 - planned < 0.02


RECIPES = [
    # github.com/vllm-project/recipes/pull/96
    (
        (
            "vllm serve MiniMaxAI/MiniMax-M2 --data-parallel-size 8 --enable-expert-parallel "
            "--tool-call-parser minimax_m2 --reasoning-parser minimax_m2_append_think"
        ),
        (256, 32, 1, 8),
    ),
    # github.com/LMCache/LMCache/pull/2521, a recipe of vLLM's for DeepSeek-V3.2
    (
        (
            "vllm serve deepseek-ai/DeepSeek-V3.2 --tokenizer-mode deepseek_v32 --data-parallel-size 8 "
            "--enable-expert-parallel"
        ),
        (256, 32, 1, 8),
    ),
    # github.com/sgl-project/sglang/pull/13725
    (
        (
            "python3 -m sglang.launch_server --model-path moonshotai/Kimi-K2-Thinking --tp 8 --ep 4 "
            "--trust-remote-code --tool-call-parser kimi_k2 --reasoning-parser kimi_k2"
        ),
        (384, 96, 2, 4),
    ),
    # github.com/sgl-project/sglang/issues/3812: DeepSeek-V3 on two nodes of 8
    (
        (
            "python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3 --dist-init-addr x.x:5000 "
            "--nnodes 2 --node-rank 0 --tp 16 --trust-remote-code"
        ),
        (256, 256, 16, 1),
    ),
    # Of a dump of commands in github.com/sgl-project/sglang/issues/6017, in today's words
    (
        (
            "python3 -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3 --nnodes 2 --node-rank 0 "
            "--tp-size 16 --dp-size 16 --enable-dp-attention --moe-a2a-backend deepep --deepep-mode normal "
            "--mem-fraction-static 0.85 --max-total-tokens 131076 --context-length 8192 "
            "--ep-num-redundant-experts 32 --moe-dense-tp-size 1 --disable-radix-cache"
        ),
        (256, 18, 1, 16),
    ),
]
"""Commands; and a layer's experts, those on a GPU, and over how many GPUs each is cut, and all are dealt."""

VENDORS = [
    # github.com/vllm-project/recipes, DeepSeek/DeepSeek-V3.md, of 8 x H200
    (
        (
            "vllm serve deepseek-ai/DeepSeek-V3 --trust-remote-code --tensor-parallel-size 8 "
            "--enable_expert_parallel"
        ),
        "h200",
        (256, 32, 1, 8),
    ),
    # Its Moonshotai/Kimi-K2.md, the first of two nodes of 8 x H20 (the larger of two)
    (
        (
            "vllm serve moonshotai/Kimi-K2-Instruct --port 8000 --served-model-name kimi-k2 "
            "--trust-remote-code --data-parallel-size 16 --data-parallel-size-local 8 "
            "--data-parallel-address 10.0.0.1 --data-parallel-rpc-port 29550 --enable-expert-parallel "
            "--max-num-batched-tokens 8192 --max-num-seqs 256 --gpu-memory-utilization 0.85 "
            "--enable-auto-tool-choice --tool-call-parser kimi_k2"
        ),
        "h20-141gb",
        (384, 24, 1, 16),
    ),
    # Its GLM/GLM5.md, of 8 x H200
    (
        (
            "vllm serve zai-org/GLM-5-FP8 --tensor-parallel-size 8 --speculative-config.method mtp "
            "--speculative-config.num_speculative_tokens 3 --tool-call-parser glm47 "
            "--reasoning-parser glm45 --enable-auto-tool-choice --served-model-name glm-5-fp8"
        ),
        "h200",
        (256, 256, 8, 1),
    ),
    # Its Qwen/Qwen3.md, of 4 x MI300X, with all of its variables
    (
        (
            "HIP_VISIBLE_DEVICES=4,5,6,7 VLLM_USE_V1=1 VLLM_ROCM_USE_AITER=1 VLLM_ROCM_USE_AITER_MHA=0 "
            "VLLM_V1_USE_PREFILL_DECODE_ATTENTION=1 VLLM_USE_TRITON_FLASH_ATTN=0 SAFETENSORS_FAST_GPU=1 "
            "vllm serve Qwen/Qwen3-235B-A22B --trust-remote-code -tp 4 --disable-log-requests "
            "--swap-space 32 --distributed-executor-backend mp --max-num-batched-tokens 32768 "
            "--max-model-len 32768 --no-enable-prefix-caching --gpu-memory-utilization 0.8"
        ),
        "mi300x",
        (128, 128, 4, 1),
    ),
    # Its OpenAI/GPT-OSS.md, of 8 x H100
    (
        (
            "vllm serve openai/gpt-oss-120b --tensor_parallel_size 8 --max-model-len 131072 "
            "--max-num-batched-tokens 10240 --max-num-seqs 128 --gpu-memory-utilization 0.85 "
            "--no-enable-prefix-caching"
        ),
        "h100",
        (128, 128, 8, 1),
    ),
    # blog.vllm.ai/2025/04/05/llama4.html, of 8 x H100
    (
        (
            "VLLM_DISABLE_COMPILE_CACHE=1 vllm serve meta-llama/Llama-4-Scout-17B-16E-Instruct "
            "--tensor-parallel-size 8 --max-model-len 1000000 "
            "--override-generation-config '{\"attn_temperature_tuning\": true}'"
        ),
        "h100",
        (16, 16, 8, 1),
    ),
]
"""The recipes of vLLM for the other models, each on its own card; the last two are above."""


@pytest.mark.parametrize(("command", "experts"), RECIPES, ids=lambda each: str(each)[:60])
def test_a_recipe_is_answered_without_a_hint(command: str, experts: tuple[int, ...]) -> None:
    """But for DeepEP's buffers, which SGLang makes room for."""
    served = read_command(shlex.split(command))
    buffers = "--moe-a2a-backend deepep: its communication buffers"
    assert all(text.startswith(buffers) for text in served.unmodelled)
    assert served.unknown == ()
    asked: dict[str, Any] = {"context": "8k", **served.asked}
    answer = kvplan.fit(served.model, engine=served.engine, gpu="h200", advice=False, **asked)
    assert answer.max_batch
    assert answer.experts is not None
    assert dataclasses.astuple(answer.experts) == experts


@pytest.mark.parametrize(("command", "gpu", "experts"), VENDORS, ids=lambda each: str(each)[:60])
def test_a_vendors_recipe_is_answered_without_a_hint(
    command: str, gpu: str, experts: tuple[int, ...]
) -> None:
    served = read_command(shlex.split(command))
    assert (served.unmodelled, served.unknown) == ((), ())
    asked: dict[str, Any] = {"context": "32k", **served.asked}
    answer = kvplan.fit(served.model, engine=served.engine, gpu=gpu, advice=False, **asked)
    assert answer.max_batch
    assert answer.experts is not None
    assert dataclasses.astuple(answer.experts) == experts


def test_all_eight_models_have_a_recipe() -> None:
    commands = [command for command, *_ in (*RECIPES, *VENDORS)]
    for name in (
        "DeepSeek-V3 ",
        "DeepSeek-V3.2",
        "Kimi-K2",
        "GLM-5",
        "Qwen3-235B-A22B",
        "gpt-oss-120b",
        "MiniMax-M2",
        "Llama-4",
    ):
        assert any(name in command for command in commands)


QWEN3_CODER = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "torch_dtype": "bfloat16",
    "hidden_size": 6144,
    "intermediate_size": 8192,
    "moe_intermediate_size": 2560,
    "num_experts": 160,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 62,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 262144,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}


@pytest.mark.parametrize(("share", "printed"), [(0.9, 48.66), (0.95, 55.65)])
def test_experts_have_room_for_the_tokens_of_eight_replicas(
    tmp_path: Path, share: float, printed: float
) -> None:
    """
    Qwen3-Coder-480B in fp8 on 8 x H20 with dp 8: github.com/vllm-project/recipes/pull/12.

    Both figures tell the card: 0.05 of it is 6.99 GiB. Without others' tokens the plan has 5.8 GiB too much.
    """
    file = tmp_path / "config.json"
    file.write_text(json.dumps(QWEN3_CODER))
    card = (55.65 - 48.66) / 0.05
    plan = kvplan.fit(
        file,
        gpu="h20-141gb",
        engine="vllm@0.11",
        dp=8,
        ep=8,
        context=131_072,
        utilization=share,
        advice=False,
    )
    memory = plan.memory
    taken = (memory.weights_bytes + memory.activation_bytes + memory.overhead_bytes) / 2**30
    assert 0 < share * card - taken - printed < 0.03 * printed

"""What a user may ask of SGLang's cache."""

from typing import Any

import pytest

from kvplan.engines.base import EngineOptions
from kvplan.engines.sglang.options import SETTINGS, read_options
from kvplan.engines.sglang.versions import find_rules
from kvplan.errors import OptionsError
from kvplan.gpus import find_card
from kvplan.loads import uniform
from kvplan.units import GIB
from tests.engines.sglang.planning import pools_of


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"settings": {"swa_full_tokens_ratio": "1.5"}}, "swa_full_tokens_ratio=1.5 is above 1"),
        ({"settings": {"mamba_ssm_dtype": "int8"}}, "is not one of float32, bfloat16, float16"),
        ({"settings": {"kv_unified": "true"}}, "has no setting 'kv_unified'"),
        ({"block_size": 0}, "page_size=0 is not at least 1"),
        ({"max_num_batched_tokens": 0}, "chunked_prefill_size=0 is not at least 1"),
        (
            {"max_num_batched_tokens": 3, "dp": 4, "settings": {"enable_dp_attention": "true"}},
            "chunked_prefill_size=3 has no token for each of 4 groups",
        ),
        ({"max_num_seqs": 0}, "max_running_requests=0 is not at least 1"),
    ],
)
def test_what_is_refused(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        pools_of("gpt-oss-20b", **choice)


def test_the_ratio_of_states_may_exceed_1() -> None:
    """States get 3 of 4 parts: 6 slots of 4 / 3."""
    pools = pools_of("qwen3-next-80b-a3b", settings={"mamba_full_memory_ratio": "3"})
    assert pools.reserved_bytes(rank=0, load=uniform(1, 1)) == 8 * 77_266_944


def test_the_settings_have_sglangs_names() -> None:
    assert {setting.name for setting in SETTINGS} == {
        "cpu_offload_gb",
        "speculative_algorithm",
        "speculative_num_draft_tokens",
        "speculative_num_steps",
        "speculative_eagle_topk",
        "speculative_ngram_max_bfs_breadth",
        "enable_lora",
        "max_loras_per_batch",
        "max_lora_rank",
        "lora_target_modules",
        "disable_overlap_schedule",
        "chunked_prefill",
        "max_prefill_tokens",
        "disable_decode_cuda_graph",
        "disable_prefill_cuda_graph",
        "cuda_graph_max_bs_decode",
        "cuda_graph_max_bs_prefill",
        "cuda_graph_bs_prefill",
        "ep_size",
        "ep_num_redundant_experts",
        "enable_dp_attention",
        "moe_dense_tp_size",
        "enable_dp_lm_head",
        "moe_a2a_backend",
        "swa_full_tokens_ratio",
        "disable_hybrid_swa_memory",
        "mamba_full_memory_ratio",
        "max_mamba_cache_size",
        "mamba_ssm_dtype",
        "mamba_radix_cache_strategy",
        "max_total_tokens",
    }


@pytest.mark.parametrize(
    ("gpu_bytes", "tokens"),
    [(None, 8192), (16 * GIB, 2048), (24 * GIB, 4096), (80 * GIB, 8192), (180 * GIB, 16_384)],
)
def test_the_chunk_of_a_prefill_is_that_of_the_card(gpu_bytes: int | None, tokens: int) -> None:
    """handle_gpu_memory_settings in arg_groups/memory_hook.py of SGLang 0.5.23."""
    options = EngineOptions(card=None if gpu_bytes is None else find_card(f"{gpu_bytes}B"))
    assert read_options(options, find_rules(None)).chunked_prefill_size == tokens

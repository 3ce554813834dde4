"""
What SGLang places for tokens that are drafted or guessed.

Figures are those of compute_swa_request_cap and get_req_to_token_extra_context_len of SGLang 0.5.23, run on
its own resolution of the arguments, for gpt-oss-20b on an H100 with a window of 128 tokens.
"""

from typing import Any

import pytest

import kvplan
from kvplan.engines.base import EngineOptions
from kvplan.engines.sglang.engine import sglang
from kvplan.errors import KvplanError
from kvplan.planner.size import as_spec
from kvplan.units import MIB
from tests.engines.sglang.planning import pools_of

TREE = {
    "speculative_num_steps": "5",
    "speculative_eagle_topk": "8",
    "speculative_num_draft_tokens": "32",
}
NGRAM = {"speculative_algorithm": "NGRAM"}
IN_TURN = {"disable_overlap_schedule": "true"}
DRAFT: dict[str, Any] = {"draft": as_spec("llama-3.2-1b")}


@pytest.mark.parametrize(
    ("choice", "settings", "requests", "cap", "longer"),
    [
        # 48 x (128 + 4 x 128 + 1 + 2 x 4) + 2 x 8192 + 1.
        (DRAFT, {}, 48, 47_537, 8),
        # 5 steps of 8 branches are more than 32 tokens.
        (DRAFT, TREE, 48, 223_025, 36),
        ({**DRAFT, "block_size": 64}, TREE, 48, 320_576, 2_111),
        ({**DRAFT, "block_size": 64}, TREE | IN_TURN, 48, 263_232, 2_111),
        ({**DRAFT, "block_size": 64}, {"speculative_num_steps": "3"} | IN_TURN, 48, 45_120, 71),
        # 23 568 tokens are no whole pages: 369 pages.
        ({**DRAFT, "block_size": 64, "max_num_seqs": 10}, {}, 10, 23_616, 71),
        ({}, NGRAM, 48, 97_457, 16),
        ({}, NGRAM | IN_TURN, 48, 88_689, 16),
        # Of 8 tokens none is left for each of 10 branches: one step of 10.
        ({"max_num_seqs": 100}, NGRAM | {"speculative_num_draft_tokens": "8"}, 100, 133_685, 12),
        (
            {"block_size": 64, "max_num_seqs": 10},
            NGRAM | {"speculative_ngram_max_bfs_breadth": "1"},
            10,
            33_984,
            87,
        ),
    ],
)
def test_the_pool_of_windows_has_places_for_drafted_tokens(
    choice: dict[str, Any], settings: dict[str, str], requests: int, cap: int, longer: int
) -> None:
    pools = pools_of("gpt-oss-20b", prefix_caching=False, settings=settings, **choice)
    found = pools.pools([40 * 2**30], 8192)
    assert found is not None
    assert (found.window_tokens, found.requests) == (cap, requests)
    assert pools.sizing.table_bytes(requests, 8192) == (requests + 1) * (8192 + longer) * 4


def test_ngram_runs_48_requests_with_states_of_12_tokens() -> None:
    """_handle_ngram in arg_groups/speculative_hook.py, and _handle_max_mamba_cache."""
    options: dict[str, Any] = {"engine": "sglang@0.5.23", "context": 8192, "kv_memory": "40GiB"}
    fit = kvplan.fit("qwen3.5-35b-a3b", batch=10, settings=NGRAM, advice=False, **options)
    lines = {line.name: line.size_bytes for line in fit.waterfall}
    assert lines["drafted states"] == 11 * 12 * 30 * (32 * 128 * 128 * 4 + 8192 * 3 * 2)
    (told,) = [text for text in fit.to_dict()["warnings"] if "each drafted token" in text]
    assert ": 12 of them, its own choice" in told
    plan = kvplan.plan("qwen3-8b", settings=NGRAM, **options)
    assert plan.start_up(8192).runs == 48  # type: ignore[union-attr]


def test_speculation_leaves_the_share_as_it_is() -> None:
    """SGLang chooses its share before speculation sets the requests: 0.83 for Qwen3-8B on an H100."""
    share = sglang(None).share.default(81_559 * MIB, EngineOptions(architecture="qwen3", settings=NGRAM))
    assert share == "0.830"


@pytest.mark.parametrize(
    ("asked", "settings", "said"),
    [
        ({}, {"speculative_num_steps": "3"}, "speculative_num_steps goes with a draft: give --draft"),
        (DRAFT, NGRAM, "speculative_algorithm=NGRAM goes without a draft"),
        (DRAFT, {"speculative_eagle_topk": "4"}, "speculative_eagle_topk=4 goes with speculative_num_steps"),
        (
            {"tp": 2, "dp": 2},
            NGRAM | {"enable_dp_attention": "true"},
            "NGRAM goes without enable_dp_attention",
        ),
    ],
)
def test_what_sglang_does_not_take(asked: dict[str, Any], settings: dict[str, str], said: str) -> None:
    with pytest.raises(KvplanError, match=said):
        kvplan.fit(
            "llama-3.1-8b", engine="sglang", context=8192, kv_memory="40GiB", settings=settings, **asked
        )

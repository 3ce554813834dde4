"""DeepEP's buffers in a plan, and the batches of its low-latency kernels."""

from typing import Any

import pytest

import kvplan
from kvplan import Fit
from kvplan.engines.profile_run import Dealt
from kvplan.engines.settings import read_settings
from kvplan.engines.vllm.exchange import places
from kvplan.engines.vllm.profiling import Batch, Widths, workspace_bytes
from kvplan.engines.vllm.settings import SETTINGS
from kvplan.engines.vllm.versions import NEWEST
from kvplan.units import MIB


def planned(**options: Any) -> Fit:
    """Plan DeepSeek-V3 on H200s, its whole experts dealt out over 8 replicas."""
    settings = {"enable_expert_parallel": "true"} | options.pop("settings", {})
    given: dict[str, Any] = {"engine": "vllm", "gpu": "h200-141gb", "dp": 8, "context": "8k"} | options
    return kvplan.fit("deepseek-v3", settings=settings, advice=False, **given)


def overhead_bytes(backend: str, **settings: str) -> int:
    """Return the overhead where all else is alike: batches of 256 tokens."""
    answer = planned(settings={"all2all_backend": backend} | settings, max_num_batched_tokens=256)
    return answer.memory.overhead_bytes


WORKSPACE = 32 * MIB


def test_high_throughput_kernels_have_a_buffer_for_nvlink() -> None:
    plain = overhead_bytes("allgather_reducescatter")
    assert overhead_bytes("deepep_high_throughput") - plain == 1024 * MIB + WORKSPACE
    assert (
        overhead_bytes("deepep_high_throughput", deepep_buffer_size_mb="2048") - plain
        == 2048 * MIB + WORKSPACE
    )


def test_over_nodes_there_is_a_buffer_for_the_network_too() -> None:
    sizes = [
        planned(
            dp=16, nodes=nodes, settings={"all2all_backend": "deepep_high_throughput"}
        ).memory.overhead_bytes
        for nodes in (1, 2)
    ]
    assert sizes[1] - sizes[0] == 1024 * MIB


def test_low_latency_kernels_have_a_buffer_for_every_expert() -> None:
    """256 tokens of 7168 to 256 experts: see tests/engines/test_deepep.py."""
    more = overhead_bytes("deepep_low_latency") - overhead_bytes("allgather_reducescatter")
    assert more == 1024 * MIB + 3_816_818_816 + WORKSPACE


def test_copies_of_experts_have_buffers_too() -> None:
    copies = {"enable_eplb": "true", "num_redundant_experts": "32"}
    more = overhead_bytes("deepep_low_latency", **copies) - overhead_bytes(
        "allgather_reducescatter", **copies
    )
    assert more == 1024 * MIB + 4_293_921_152 + WORKSPACE


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ({"settings": {"all2all_backend": "deepep_low_latency"}}, 256),
        ({"settings": {"all2all_backend": "deepep_high_throughput"}}, 8192),
        ({"settings": {}}, 8192),
        ({"settings": {"all2all_backend": "deepep_low_latency"}, "max_num_batched_tokens": 4096}, 4096),
        # Nothing is exchanged within one replica, or where every rank has a part of each expert.
        ({"settings": {"all2all_backend": "deepep_low_latency"}, "dp": 1, "tp": 8}, 8192),
        ({"settings": {"all2all_backend": "deepep_low_latency", "enable_expert_parallel": "false"}}, 8192),
        # 0.19.1 has no such default.
        ({"settings": {"all2all_backend": "deepep_low_latency"}, "engine": "vllm@0.19"}, 8192),
    ],
)
def test_low_latency_kernels_take_small_batches_unless_told(options: dict[str, Any], tokens: int) -> None:
    layout = planned(gpu="h100-80gb", weights="8GB", **options).plan.deployment.arrangement.layout  # type: ignore[attr-defined]
    assert layout.options.max_num_batched_tokens == tokens


def test_no_more_sequences_run_at_once_than_tokens() -> None:
    answer = planned(gpu="h100-80gb", weights="8GB", settings={"all2all_backend": "deepep_low_latency"})
    assert answer.plan.deployment.arrangement.usual_sequences == 256  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", ["vllm@0.19", "vllm@0.33"])
def test_where_nothing_is_exchanged_there_is_no_buffer(engine: str) -> None:
    plain, asked = (
        planned(engine=engine, dp=1, tp=8, settings=settings).memory
        for settings in ({}, {"all2all_backend": "deepep_low_latency"})
    )
    assert plain == asked


def test_low_latency_experts_have_places_for_a_batch_of_every_rank() -> None:
    """256 experts and 256 tokens of each rank: 65,536 rows of max(7168, 2 x 2048) and of 2048 in 16 bits."""
    widths = Widths(expert=2048, experts_per_token=8, replicas=8, places=256 * 256)
    batch = Batch(tokens=256, sequences=256, hidden=7168, vocab=129_280, element_bytes=2, tp=1, v2=True)
    assert workspace_bytes(batch, widths) == 65_536 * (7168 + 2048) * 2
    dealt = Dealt(experts=256, ranks=8, dp=8)
    given = read_settings(SETTINGS, {"all2all_backend": "deepep_low_latency"})
    assert places(given, NEWEST, dealt, tokens=256) == 65_536
    assert places(given, NEWEST, dealt._replace(dp=1), tokens=256) == 0
    assert places(read_settings(SETTINGS, {}), NEWEST, dealt, tokens=256) == 0

"""What SGLang runs in beside its share: sizes that its own start-ups had, written out by hand."""

from typing import Any

import pytest

import kvplan
from kvplan.engines.profile_run import Aside
from kvplan.engines.sglang.fraction import decode_graphs, prefill_graphs
from kvplan.units import GIB, KIB, MIB


def _aside(model: str, **asked: object) -> Aside:
    options: dict[str, Any] = {"gpu": "h100-80gb", "context": 4096, "advice": False} | asked
    answer = kvplan.fit(model, engine="sglang", **options)
    found = answer.budget.needs.aside
    assert found is not None
    return found


@pytest.mark.parametrize(("tokens", "graphs"), [(2048, 42), (4096, 50), (8192, 58), (16384, 74)])
def test_prefill_is_captured_in_so_many_sizes(tokens: int, graphs: int) -> None:
    """SGLang prints how many shapes it captures: 58 up to 8192 (stored public file 69624180828)."""
    assert prefill_graphs(tokens) == graphs


@pytest.mark.parametrize(
    ("requests", "graphs"), [(1, 1), (50, 11), (64, 12), (256, 36), (512, 52), (560, 54)]
)
def test_decoding_is_captured_in_so_many_sizes(requests: int, graphs: int) -> None:
    """36 up to 256, and 52 up to 512 are printed; 50 and 560 are no steps of 8 and 32, and are added."""
    assert decode_graphs(requests) == graphs


QKV_AND_OUTPUT = 4096 + 2 * 1024 + 4096
MLP = 3 * 12288
DRIVER = 460 * MIB + 58 * (37 * 112 * KIB + 36 * 12 * 3300) + 36 * 36 * 12 * 3300


def test_the_pool_holds_each_tensor_of_a_layer() -> None:
    """
    Qwen3-8B: of a chunk of 2048 tokens SGLang's pool has 96, 48, 24 and four times 16 MiB.

    These are gates and inputs, what is between, queries with keys and values, the attention's output, and
    three hidden states. An output of 16 MiB is beside it, and one more is planned.
    """
    pool = (96 + 48 + 24 + 4 * 16) * MIB
    assert pool == 2048 * 2 * (3 * 4096 + QKV_AND_OUTPUT + MLP)
    planned = _aside("qwen3-8b", max_num_batched_tokens=2048)
    of_torch = planned.graphs_bytes - planned.driver_bytes
    assert of_torch == pool + 2 * 16 * MIB + 256 * 151_936 * 4 + (64 + 60) * MIB


def test_a_driver_holds_pieces_and_kernels() -> None:
    """36 layers of 12 kernels are 37 pieces of each of 58 graphs, and are in 36 graphs of decoding."""
    assert _aside("qwen3-8b").driver_bytes == DRIVER


def test_without_graphs_of_prefill_a_chunk_takes_what_their_pool_would() -> None:
    whole, stages = _aside("qwen3-8b"), _aside("qwen3-8b", pp=2)
    assert whole.activation_bytes == 8192 * 4096 * 2
    assert stages.activation_bytes == 8192 * 2 * (5 * 4096 + QKV_AND_OUTPUT + MLP)
    assert stages.graphs_bytes < whole.graphs_bytes


def test_experts_lie_side_by_side_and_share_places_with_dense_layers() -> None:
    """
    DeepSeek-V2-Lite: six of 1408, whose outputs are 2048 wide, and a dense layer of 10944.

    Queries of 16 heads are 192 wide, and 512 in the latent, as outputs are; a latent has 576.
    """
    row = 5 * 2048 + 16 * (192 + 2 * 512) + 576 + 2 * 10944 + 10944 + 6 * 2048
    planned = _aside("deepseek-v2-lite")
    of_torch = planned.graphs_bytes - planned.driver_bytes
    assert of_torch == 8192 * 2 * row + 256 * 102_400 * 4 + (64 + 280) * MIB


def test_few_draws_have_their_logits_in_the_graphs() -> None:
    planned = _aside("qwen3-8b")
    assert planned.draws_bytes(256) == 256 * 8 * 151_936
    assert planned.draws_bytes(257) == 257 * 12 * 151_936
    assert _aside("qwen3-8b", max_num_seqs=16).few == 16


@pytest.mark.parametrize(
    ("model", "gpu", "workspaces"),
    [
        # FlashInfer's, of which a start-up of SGLang had 384 MiB for Llama-3.1-8B on an L40S, and 16 for each
        # of 8 graphs of up to 32 requests.
        ("llama-3.1-8b", "l40s", 384 + 8 * 16),
        ("qwen3-8b", "l40s", 512 + 8 * 16),
        ("gpt-oss-20b", "a100-80gb", 0),
        ("deepseek-v2-lite", "a100-80gb", 0),
        # A start-up of Qwen3-8B on a B200 printed 1.12 GiB less before its graphs than after its pools.
        ("qwen3-8b", "b200", 512 + 512),
        ("deepseek-v2-lite", "b200", 150 + 384),
    ],
)
def test_attention_has_workspaces_elsewhere_than_on_hopper(model: str, gpu: str, workspaces: int) -> None:
    asked = {"max_num_batched_tokens": 4096, "max_num_seqs": 32}
    here, there = _aside(model, **asked), _aside(model, gpu=gpu, **asked)
    assert there.graphs_bytes - here.graphs_bytes == workspaces * MIB


@pytest.mark.parametrize(
    ("model", "asked", "printed"),
    [
        # From "Memory pool end" to the end of its graphs, 12.70 - 10.54 GiB: stored public file 69624180828.
        ("qwen3-30b-a3b", {"weights": "29.15GiB"}, 2.16),
        # 25.26 - 24.14 GiB for attention, and graphs of 0.60 and 2.32: stored public file 52132052242.
        ("qwen3-8b", {"gpu": "b200"}, 4.04),
    ],
)
def test_what_start_ups_printed_lies_in_the_range(model: str, asked: dict[str, str], printed: float) -> None:
    planned = _aside(model, **asked)
    assert planned.low_bytes < printed * GIB < planned.high_bytes
    assert abs(planned.graphs_bytes / (printed * GIB) - 1) < 1 / 8

"""What SGLang runs in beside its share: sizes that its own start-ups had, written out by hand."""

from typing import Any

import pytest

import kvplan
from kvplan.engines.profile_run import Aside
from kvplan.engines.sglang.fraction import KeptBack, decode_graphs
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
    assert len(KeptBack(tp=1, chunked_prefill_size=tokens).captured(80 * GIB)) == graphs


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


def test_without_graphs_of_prefill_a_chunk_takes_what_a_layer_has_at_once() -> None:
    """SGLang had four hidden states and an MLP of 8192 tokens, 832 MiB, and kept 930 for it."""
    assert 8192 * 2 * (4 * 4096 + MLP) == 832 * MIB
    whole, stages = _aside("qwen3-8b"), _aside("qwen3-8b", pp=2)
    assert whole.activation_bytes == 8192 * 4096 * 2
    assert stages.activation_bytes == 8192 * 2 * (5 * 4096 + MLP)
    assert stages.graphs_bytes < whole.graphs_bytes


def test_lengths_that_are_listed_and_whole_prompts() -> None:
    """The same settings decide SGLang's share: tests/engines/sglang/test_fraction.py."""
    row, peak, kernels = 2 * (5 * 4096 + QKV_AND_OUTPUT + MLP), 2 * (5 * 4096 + MLP), 36 * 12 * 3300

    def asked(**settings: str) -> Aside:
        return _aside("qwen3-8b", settings=settings)

    short, listed = asked(cuda_graph_max_bs_prefill="1024"), asked(cuda_graph_bs_prefill="64,128")
    assert short.graphs_bytes - short.driver_bytes - (listed.graphs_bytes - listed.driver_bytes) == 896 * row
    assert listed.driver_bytes == DRIVER - 56 * (37 * 112 * KIB + kernels)
    # Whole prompts of 16,384 tokens have no graphs of prefill.
    whole = asked(chunked_prefill="false")
    assert (whole.activation_bytes, whole.driver_bytes) == (16_384 * peak, 460 * MIB + 36 * kernels)


def test_groups_prefill_their_part_of_a_chunk() -> None:
    """handle_data_parallelism in arg_groups/parallel_hook.py: a fourth of 8192 tokens, in graphs as well."""
    settings = {"enable_dp_attention": "true"}
    groups = _aside("deepseek-v2-lite", tp=1, dp=4, settings=settings)
    alone = _aside("deepseek-v2-lite", tp=1, max_num_batched_tokens=2048)
    assert groups.activation_bytes == alone.activation_bytes == 2048 * 2048 * 2


def test_deepseek_v3_has_no_graphs_of_prefill_on_blackwell() -> None:
    """disable_prefill_cuda_graph_for_deepseek_trtllm_mla in arg_groups/cuda_graph_hook.py."""
    options = {"tp": 8, "max_num_batched_tokens": 8192}
    hopper = _aside("deepseek-v3", gpu="h200-141gb", **options)
    blackwell = _aside("deepseek-v3", gpu="b200-180gb", **options)
    assert hopper.activation_bytes == 8192 * 7168 * 2
    assert blackwell.activation_bytes > 3 * hopper.activation_bytes


def test_experts_lie_side_by_side_and_share_places_with_dense_layers() -> None:
    """
    DeepSeek-V2-Lite: six of 1408, whose outputs are 2048 wide, and a dense layer of 10944.

    Queries of 16 heads are 192 wide, and 512 in the latent, as outputs are; a latent has 576.
    """
    row = 5 * 2048 + 16 * (192 + 2 * 512) + 576 + 2 * 10944 + 10944 + 6 * 2048
    planned = _aside("deepseek-v2-lite")
    of_torch = planned.graphs_bytes - planned.driver_bytes
    assert of_torch == 8192 * 2 * row + 256 * 102_400 * 4 + (64 + 280) * MIB


def test_what_is_asked_of_graphs_is_heeded() -> None:
    """Without any there are no logits and nothing of the driver; up to 64 requests and 1024 tokens few."""
    none = _aside(
        "qwen3-8b", settings={"disable_decode_cuda_graph": "true", "disable_prefill_cuda_graph": "true"}
    )
    assert (none.graphs_bytes, none.driver_bytes, none.few) == (64 * MIB, 0, 0)
    assert none.activation_bytes == 8192 * 2 * (5 * 4096 + MLP)
    fewer = {"cuda_graph_max_bs_decode": "64", "cuda_graph_max_bs_prefill": "1024"}
    few = _aside("qwen3-8b", settings=fewer)
    kernels = 36 * 12 * 3300
    assert few.driver_bytes == 460 * MIB + 38 * (37 * 112 * KIB + kernels) + 12 * kernels
    pool = 1024 * 2 * (5 * 4096 + QKV_AND_OUTPUT + MLP)
    assert few.graphs_bytes - few.driver_bytes == pool + 64 * 151_936 * 4 + (64 + 60) * MIB
    assert few.activation_bytes == none.activation_bytes


def test_recurrent_mixers_have_their_inputs_twice() -> None:
    """
    Qwen3.5-35B-A3B: 16 query and key heads and 32 of values, of 128, with a gate, two numbers for each of 32.

    Eight experts of 512 are visited, and a shared one is as wide. SGLang's pool had 1256 MiB.
    """
    into, out, experts = 2 * 16 * 128 + 2 * 32 * 128 + 2 * 32, 32 * 128, 8 * (3 * 512 + 2048)
    pool = 8192 * 2 * (5 * 2048 + 2 * (into + out) + experts)
    planned = _aside("qwen3.5-35b-a3b", gpu="h200")
    of_torch = planned.graphs_bytes - planned.driver_bytes
    assert of_torch == pool + 256 * 248_320 * 4 + (64 + 60) * MIB
    assert abs(pool / (1256 * MIB) - 1) < 1 / 8


def test_few_draws_have_their_logits_in_the_graphs() -> None:
    planned = _aside("qwen3-8b")
    assert planned.draws_bytes(256) == 256 * 8 * 151_936
    assert planned.draws_bytes(257) == 257 * 12 * 151_936
    assert _aside("qwen3-8b", max_num_seqs=16).few == 16


@pytest.mark.parametrize(
    ("spread", "few"),
    [
        ({"tp": 1, "pp": 4}, 256),
        ({"tp": 4}, 512),
        ({"tp": 2, "dp": 4, "settings": {"enable_dp_attention": "true"}}, 512),
    ],
)
def test_so_many_requests_are_in_graphs_by_the_ranks_of_a_stage(spread: dict[str, Any], few: int) -> None:
    """256 below four tensor-parallel ranks, of which SGLang has tp x dp with attention data parallelism."""
    assert _aside("qwen3-235b-a22b" if "dp" in spread else "qwen3-8b", **spread).few == few


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

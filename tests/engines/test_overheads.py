"""What engines need beside weights and cache, against what was printed and by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from kvplan.engines.overheads import (
    activation_peak,
    at_once,
    compute_buffers,
    vllm_start_up,
)
from kvplan.engines.profile_run import Estimate, ProfileRun
from kvplan.engines.vllm.versions import find_rules
from kvplan.gpus import find_card
from kvplan.specs.mlp import Mlp
from kvplan.units import GIB, MIB

H100 = ProfileRun(
    card=replace(find_card("h100-80gb"), total_bytes=79 * GIB),
    hidden=4096,
    vocab=128_256,
    element_bytes=2,
    rotations=0,
    rotated=0,
    layers=32,
    tp=1,
    pp=1,
    batched_tokens=None,
    sequences=None,
)

PRINTED = [
    # (hidden, vocabulary, bytes of the dtype, release) and what vLLM printed for its activation peak on H100:
    # github.com/llm-d-incubation/llm-d-planner/pull/205 and github.com/llm-d/llm-d-benchmark/pull/732.
    ("Llama-3.1-8B", 4096, 128_256, 2, "0.19", "1.89"),
    ("Llama-3.1-8B in float32", 4096, 128_256, 4, "0.19", "2.21"),
    ("Qwen2.5-7B", 3584, 152_064, 2, "0.19", "2.21"),
    ("Qwen2.5-72B", 8192, 152_064, 2, "0.19", "2.29"),
    ("Qwen3-14B", 5120, 151_936, 2, "0.15", "5.64"),
    ("Qwen3-14B", 5120, 151_936, 2, "0.16", "5.64"),
    ("Qwen3-14B", 5120, 151_936, 2, "0.17", "2.23"),
    ("Qwen3-0.6B", 1024, 151_936, 2, "0.15", "5.56"),
    ("gpt-oss-120b", 2880, 201_088, 2, "0.15", "7.38"),
    ("phi-4", 5120, 100_352, 2, "0.19", "1.52"),
    ("gemma-7b", 3072, 256_000, 2, "0.19", "3.63"),
    ("gemma-2-27b", 4608, 256_000, 2, "0.19", "3.66"),
]


@pytest.mark.parametrize(("model", "hidden", "vocab", "element", "release", "printed"), PRINTED)
def test_the_activation_peak_is_what_vllm_printed(  # noqa: PLR0913, PLR0917 - a line of its log
    model: str, hidden: int, vocab: int, element: int, release: str, printed: str
) -> None:
    """Within 1 % for dense text models: experts and images take workspaces of their own."""
    workload = H100._replace(hidden=hidden, element_bytes=element)
    peak = activation_peak(workload, vocab=vocab, sampler=find_rules(release).sampler)
    assert abs(peak / GIB / float(printed) - 1) < 0.01, model


def test_the_peak_by_hand() -> None:
    """
    (12 + 2) x 1024 logits and 4 x 132 rows of 128256; 8192 + 2 x 1024 states of 4096 x 2; 32 MiB.

    1906397184 + 83886080 + 33554432.
    """
    assert activation_peak(H100, vocab=128_256) == 2_023_837_696


def test_a_stage_between_others_also_receives_and_sends() -> None:
    """Two more times 8192 x 4096 x 2."""
    staged = activation_peak(H100._replace(pp=2), vocab=128_256)
    assert staged - activation_peak(H100, vocab=128_256) == 2 * 8192 * 4096 * 2


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ("h100-80gb", (8192, 1024)),
        ("a100-80gb", (2048, 256)),
        # Sold as another card, it is none for vLLM, which looks for "a100" in the driver's name.
        ("a800-80gb", (8192, 1024)),
        ("l4-24gb", (2048, 256)),
        ("h200-141gb", (8192, 1024)),
        ("b200-180gb", (16384, 1024)),
        # nvidia-smi prints "Not Supported" for its memory, which is the host's.
        ("gb10-128gb", (2048, 256)),
        ("80GB", (8192, 1024)),
        (None, (8192, 1024)),
    ],
)
def test_what_runs_at_once_is_vllms_default_for_the_card(gpu: str | None, expected: tuple[int, int]) -> None:
    card = None if gpu is None else find_card(gpu)
    assert at_once(card) == expected
    # Up to 0.26 the largest cards batched no more than an H100.
    assert at_once(card, most_tokens=8192) == (min(expected[0], 8192), expected[1])


def test_what_is_asked_for_replaces_the_defaults() -> None:
    """(12 + 2) x 8 logits and 132 rows of 128256; 512 + 16 states; never more sequences than tokens."""
    asked = H100._replace(batched_tokens=512, sequences=8)
    assert activation_peak(asked, vocab=128_256) == (14 * 8 + 528) * 128_256 + 528 * 8192 + 32 * MIB
    few = H100._replace(batched_tokens=16)
    assert activation_peak(few, vocab=128_256) == (14 * 16 + 528) * 128_256 + 48 * 8192 + 32 * MIB


def test_what_is_outside_torch_depends_on_the_spread() -> None:
    """0.25, 2.07 and 0.07 GiB; graphs are 0.34 GiB and 0.018 for each of 32 layers."""
    sizes = [
        vllm_start_up(H100._replace(tp=tp, pp=pp), counts_graphs=False) for tp, pp in ((1, 1), (2, 1), (1, 2))
    ]
    assert [each.overhead_bytes for each in sizes] == [25 * GIB // 100, 207 * GIB // 100, 7 * GIB // 100]
    graphs = vllm_start_up(H100).overhead_bytes - sizes[0].overhead_bytes
    assert graphs == 34 * GIB // 100 + 32 * (18 * GIB // 1000)


def test_an_unknown_vocabulary_widens_the_range() -> None:
    known, unknown = vllm_start_up(H100), vllm_start_up(H100._replace(vocab=None, hidden=None))
    assert unknown.low_bytes < known.low_bytes < known.high_bytes < unknown.high_bytes
    assert "does not tell the vocabulary" in unknown.evidence
    assert "does not tell" not in known.evidence


@pytest.mark.parametrize("needs", [vllm_start_up, compute_buffers])
@pytest.mark.parametrize("tp", [1, 8])
def test_the_estimate_lies_in_its_range(needs: Callable[[ProfileRun], Estimate], tp: int) -> None:
    estimate = needs(H100._replace(tp=tp))
    middle = estimate.activation_bytes + estimate.overhead_bytes
    assert 0 <= estimate.low_bytes <= middle <= estimate.high_bytes


def test_llamacpp_reserves_the_logits_of_a_micro_batch() -> None:
    """4 x 512 x (128256 + 6 x 3072) B; Llama-3.2-3B printed 284.90 MiB of CUDA0 compute buffer."""
    small = H100._replace(hidden=3072)
    estimate = compute_buffers(small)
    assert (estimate.activation_bytes, estimate.overhead_bytes) == (300_417_024, 456 * MIB)
    assert abs(estimate.activation_bytes / MIB - 284.90) < 2
    assert compute_buffers(small._replace(batched_tokens=128)).activation_bytes == 300_417_024 // 4


@pytest.mark.parametrize(
    ("mlp", "inner"),
    [
        (Mlp(intermediate=9728), 3 * 9728),
        (Mlp(experts_per_token=8, expert_intermediate=512), 3 * 8 * 512),
        (None, 3 * 4 * 3072),
    ],
)
def test_a_server_has_logits_of_few_tokens(mlp: Mlp | None, inner: int) -> None:
    """An MLP's rows are more than the logits of four tokens, and less than those of all."""
    small = H100._replace(hidden=3072, mlp=mlp)
    assert compute_buffers(small, 4).activation_bytes == 4 * 512 * (inner + 6 * 3072)
    assert compute_buffers(small, 512) == compute_buffers(small)


@pytest.mark.parametrize(
    ("hidden", "vocab", "printed"),
    [
        # Qwen3.6-27B of 200192 tokens and Gemma 4 26B of 262144 with a cache in q8_0 (stored public files).
        (5120, 248_320, 654.78),
        (2816, 262_144, 1887.86),
    ],
)
def test_longer_contexts_of_llamacpp_lie_in_the_range(hidden: int, vocab: int, printed: float) -> None:
    estimate = compute_buffers(H100._replace(hidden=hidden, vocab=vocab))
    low, high = (size / MIB - 456 for size in (estimate.low_bytes, estimate.high_bytes))
    assert low <= printed <= high


def test_the_table_of_rotations_is_whole_on_every_rank() -> None:
    """Llama 4 Scout: 10485760 tokens x 128 x 2 bytes are 2.5 GiB, on each of 4 GPUs."""
    scout = H100._replace(tp=4, rotations=10_485_760, rotated=128)
    more = vllm_start_up(scout).overhead_bytes - vllm_start_up(scout._replace(rotations=0)).overhead_bytes
    assert more == 5 * GIB // 2

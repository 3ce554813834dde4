"""What a release keeps free: which parts count, and how the range is made."""

from typing import Any

import pytest

import kvplan
from kvplan.engines.profile_run import ProfileRun
from kvplan.engines.vllm.captures import Asked, captured
from kvplan.engines.vllm.graphs import OTHERS, Held, graphs_bytes, kernels, pool_bytes
from kvplan.engines.vllm.needs import start_up
from kvplan.engines.vllm.profiling import CUBLAS_BYTES
from kvplan.engines.vllm.versions import find_rules
from kvplan.gpus import find_card
from kvplan.specs.mlp import Mlp
from kvplan.units import GIB, MIB

QWEN3_8B = ProfileRun(
    card=find_card("rtx-4090-24gb"),
    hidden=4096,
    vocab=151_936,
    element_bytes=2,
    rotations=0,
    rotated=0,
    layers=36,
    tp=1,
    pp=1,
    batched_tokens=None,
    sequences=None,
    mlp=Mlp(intermediate=12_288),
    architecture="qwen3",
)
WARM = CUBLAS_BYTES + 2048 * 49_152 * 2
EAGER = CUBLAS_BYTES + 2048 * 53_248 * 2
COLD = (151_936 + 2 * 2048) * 4096 * 2
KEPT = 256 * (607_744 + 18_992 + 36_000)
OUTSIDE = 9 * GIB // 100


def _graphs(*, v2: bool, most: int | None = None, experts: bool = False) -> int:
    """The graphs of Qwen3-8B's 36 layers: 51 of pieces, and 35 whole ones, where nothing bounds them."""
    held = Held(pool=pool_bytes(most or 512, 3 * 12_288, 2))
    each = kernels("qwen3", experts=experts, latents=False)
    return graphs_bytes(36, captured(Asked(256, 2048, most=most)), each, held, v2=v2, driver=OTHERS)


def _needs(release: str, **settings: str) -> tuple[int, int]:
    estimate = start_up(QWEN3_8B._replace(settings=settings), find_rules(release))
    return estimate.activation_bytes, estimate.overhead_bytes


def test_a_cold_and_a_warm_start_are_what_they_printed() -> None:
    """Qwen3-8B on RTX 4090 with 0.27.1: 1.18 GiB cold and 0.19 warm; 0.23 GiB beside them and the weights."""
    cold, beside = _needs("0.27.1", compile_cache="cold")
    warm, _ = _needs("0.27.1", compile_cache="warm")
    assert (cold, warm, beside) == (COLD, WARM, KEPT + OUTSIDE)
    printed = ((cold, 1.18), (warm, 0.19), (beside, 0.23))
    assert all(abs(size / GIB - gib) < 0.07 for size, gib in printed)


@pytest.mark.parametrize(
    ("release", "overhead_bytes"),
    [
        # V1 and graphs; V2 without; all that the device lost; V2's graphs, too.
        ("0.20.1", OUTSIDE + _graphs(v2=False)),
        ("0.24", OUTSIDE),
        ("0.27.1", OUTSIDE + KEPT),
        ("0.29", OUTSIDE + KEPT + _graphs(v2=True)),
    ],
)
def test_each_release_counts_its_own_parts(release: str, overhead_bytes: int) -> None:
    assert _needs(release)[1] == overhead_bytes


def test_eager_execution_has_neither_graphs_nor_a_compilation() -> None:
    assert _needs("0.32", enforce_eager="true") == (EAGER, OUTSIDE + KEPT)


def test_since_0_33_the_second_runner_draws_with_all_that_may_be_asked_for() -> None:
    """2048 + 256 hidden states, and 256 logits of 2 + 12 bytes for each of 151936 tokens."""
    drawn = (2048 + 256) * 4096 * 2 + 256 * 14 * 151_936
    assert _needs("0.33", enforce_eager="true")[0] == CUBLAS_BYTES + drawn


def test_fewer_captured_batches_take_less() -> None:
    """1, 2, 4 and 8, in both modes."""
    assert _needs("0.33", max_cudagraph_capture_size="8")[1] == OUTSIDE + KEPT + _graphs(v2=True, most=8)


def _activations(release: str, indexer: tuple[int, int] | None) -> int:
    workload = QWEN3_8B._replace(context=163_840, indexer=indexer, settings={"compile_cache": "warm"})
    return start_up(workload, find_rules(release)).activation_bytes


def test_a_batch_has_no_more_tokens_than_its_sequences_may_have() -> None:
    """Unless it is told: min(max_num_seqs * max_model_len, ...) in engine/arg_utils.py of 0.19 to 0.33."""
    rules, run = find_rules("0.33"), QWEN3_8B._replace(card=find_card("h100-80gb"), sequences=1)
    asked: tuple[dict[str, Any], ...] = (
        {"context": 40_960},
        {"context": 2048},
        {"context": 40_960, "batched_tokens": 2048},
    )
    usual, short, told = (start_up(run._replace(**each), rules).activation_bytes for each in asked)
    assert short == told < usual


def test_for_throughput_twice_as_much_runs_at_once() -> None:
    """performance_mode in engine/arg_utils.py: unless tokens or sequences are told."""
    rules = find_rules("0.33")
    told = start_up(QWEN3_8B._replace(batched_tokens=4096, sequences=512), rules)
    asked = start_up(QWEN3_8B._replace(settings={"performance_mode": "throughput"}), rules)
    assert asked == told


def test_sparse_attention_has_a_buffer_for_its_context() -> None:
    """Room for 40 contexts of a key of 132 bytes, or of one for four tokens; and 512 MiB of logits."""
    logits = 512 * MIB - 2048 * 3 * 12_288 * 2
    assert _activations("0.24", (128, 1)) == WARM + 826 * MIB + logits
    assert _activations("0.24", (128, 4)) == WARM + 825 * MIB // 4 + MIB + logits
    assert _activations("0.12", (128, 1)) == _activations("0.12", None)


def test_a_runner_may_be_asked_for() -> None:
    kept = 2048 * 4096 * 2 + 3 * MIB
    assert _needs("0.33", use_v2_model_runner="false")[1] == OUTSIDE + kept + _graphs(v2=False)


def test_an_unsaid_cache_reaches_from_warm_to_cold_in_a_gib_and_a_half() -> None:
    estimate = start_up(QWEN3_8B, find_rules("0.27.1"))
    assert estimate.low_bytes <= WARM + KEPT + OUTSIDE
    assert estimate.high_bytes >= COLD + KEPT + OUTSIDE
    assert estimate.high_bytes - estimate.low_bytes <= 17 * GIB // 10


def _width(**facts: Any) -> int:
    estimate = start_up(QWEN3_8B._replace(settings={"compile_cache": "warm"}, **facts), find_rules("0.33"))
    return estimate.high_bytes - estimate.low_bytes


def test_the_range_is_narrow_where_little_is_unknown() -> None:
    """
    0.5 GiB below and 0.4 above, and 1.05 above with a tower, states, other weights or ranks.

    Of a mixture a quarter more of what is set aside for graphs.
    """
    above, wide = 50 * GIB // 100 + 105 * GIB // 100, ({"sees": True}, {"plain_weights": False}, {"tp": 2})
    assert _width() == 90 * GIB // 100
    assert {_width(**each) for each in (*wide, {"has_states": True})} == {above}
    assert _width(has_experts=True) == above + _graphs(v2=True, experts=True) // 4


def test_a_card_that_shares_the_hosts_memory_may_lose_more() -> None:
    """Beyond what is common to others, up to 5 GiB: MemorySnapshot in utils/mem_utils.py."""
    assert _width(card=find_card("gb10")) == 90 * GIB // 100 + 5 * GIB


def test_text_alone_and_a_tower_that_is_derived_do_not_widen_the_range() -> None:
    seeing = QWEN3_8B._replace(sees=True, settings={"language_model_only": "true", "compile_cache": "warm"})
    derived = kvplan.load("gemma-3-27b").vision
    assert derived is not None
    for each in (seeing, seeing._replace(vision=derived, settings={"compile_cache": "warm"})):
        estimate = start_up(each, find_rules("0.33"))
        assert estimate.high_bytes - estimate.low_bytes == 90 * GIB // 100


def test_a_tower_that_a_release_is_not_read_for_widens_the_range() -> None:
    """Gemma 4's, of which transformers has the class, before 0.33; Phi-3-vision's always."""
    vision = kvplan.load("gemma-4-31b").vision
    gemma = QWEN3_8B._replace(architecture="gemma4_text", sees=True, vision=vision, context=4096)
    gemma = gemma._replace(settings={"compile_cache": "warm"})
    new, old = (start_up(gemma, find_rules(release)) for release in ("0.33", "0.32"))
    assert new.high_bytes - new.low_bytes == 90 * GIB // 100
    assert old.high_bytes - old.low_bytes > 90 * GIB // 100
    assert new.activation_bytes > old.activation_bytes
    assert _width(architecture="phi3_v") == 155 * GIB // 100


@pytest.mark.parametrize("gpu", ["h100-80gb", "rtx-4090-24gb"])
@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen2.5-7b", "qwen3-8b", "mistral-7b-v0.3", "phi-4-mini"])
def test_a_dense_models_range_is_at_most_a_gib_and_a_half(model: str, gpu: str) -> None:
    low, high = kvplan.fit(model, gpu=gpu, engine="vllm@0.28", context=4096, advice=False).kv_range or (0, 0)
    assert 0 < high - low <= 3 * GIB // 2


def test_what_embeds_outside_compiles_no_embedding() -> None:
    seeing = QWEN3_8B._replace(architecture="qwen3_vl_text")
    assert start_up(seeing, find_rules("0.27.1")).activation_bytes == WARM
    # Gemma 3 of 1B and Mistral 7B see nothing, and are of the same types as those that do.
    for architecture in ("gemma3_text", "mistral"):
        blind = QWEN3_8B._replace(architecture=architecture)
        assert start_up(blind, find_rules("0.27.1")).activation_bytes == COLD
        assert start_up(blind._replace(sees=True), find_rules("0.27.1")).activation_bytes == WARM
    text = seeing._replace(settings={"language_model_only": "true"})
    assert start_up(text, find_rules("0.27.1")).activation_bytes == COLD


def test_hopper_has_more_outside_torch_and_a_spread_most() -> None:
    """0.25 and 2.07 GiB, printed on H100 by 0.19; 0.09 and 0.2 elsewhere."""
    h100 = QWEN3_8B._replace(card=find_card("h100-80gb"), settings={"enforce_eager": "true"})
    here = QWEN3_8B._replace(settings={"enforce_eager": "true"})
    rules = find_rules("0.24")
    sizes = [start_up(each._replace(tp=tp), rules).overhead_bytes for each in (h100, here) for tp in (1, 2)]
    assert sizes == [25 * GIB // 100, 207 * GIB // 100, 9 * GIB // 100, 20 * GIB // 100]


def test_unknown_mlps_are_estimated_as_for_other_engines() -> None:
    estimate = start_up(QWEN3_8B._replace(mlp=None), find_rules("0.33"))
    assert "published start-ups" in estimate.evidence


def test_the_older_runner_lets_go_of_windows_sooner() -> None:
    """Two stages have two batches in flight and not three (max_concurrent_batches in config/vllm.py)."""
    newer = kvplan.size("gemma-3-27b", engine="vllm", context=131_072, pp=2)
    v1 = {"use_v2_model_runner": "false"}
    older = kvplan.size("gemma-3-27b", engine="vllm", context=131_072, pp=2, settings=v1)
    assert older.total_bytes < newer.total_bytes

"""A memory for the cache that is not the planned one: what is said of it, and which causes are tried."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

from kvplan.planner import budget
from kvplan.planner.plan import make_plan
from kvplan.reconcile import Explanation, Overrides, Reconciliation, reconcile
from kvplan.units import GIB
from tests.program import Cli

CARD = "h100-80gb"
LINES = (
    "Initializing a V1 LLM engine (v0.19.0) with config: model='meta-llama/Llama-3.1-8B-Instruct', "
    "dtype=torch.bfloat16, max_seq_len=8192, tensor_parallel_size={tp}, pipeline_parallel_size={pp}\n"
)


def log(printed: Fraction | float, *, tp: int = 1, pp: int = 1, rest: str = "") -> str:
    """Return a log of Llama 3.1 8B whose pool is as its memory says: 131,072 bytes a token over all ranks."""
    memory = f"{float(printed):.2f}"
    tokens = int(Fraction(memory) * GIB) // (16 * 131_072 // tp // pp) * 16
    return (
        LINES.format(tp=tp, pp=pp)
        + f"Available KV cache memory: {memory} GiB\nGPU KV cache size: {tokens:,} tokens\n"
        + rest
    )


def planned(**asked: object) -> tuple[Fraction, Fraction]:
    """Return the planned memory in GiB, from its least to its most."""
    found = reconcile(log(1.0), Overrides(gpu=CARD, **asked))  # type: ignore[arg-type]
    (row,) = (each for each in found.estimates if each.figure == "KV memory")
    return row.low / GIB, row.high / GIB


def asked_of(text: str, **asked: object) -> Reconciliation:
    return reconcile(text, Overrides(gpu=CARD, **asked))  # type: ignore[arg-type]


def told(found: Reconciliation) -> list[str]:
    return [each.assumptions[0] for each in found.memory_causes]


def cause(found: Reconciliation, beginning: str) -> Explanation:
    return next(each for each in found.memory_causes if each.assumptions[0].startswith(beginning))


def test_a_memory_inside_the_range_needs_no_cause() -> None:
    low, high = planned()
    found = asked_of(log((low + high) / 2))
    assert (found.verdict, found.memory_causes, found.largest_difference) == ("agrees", (), None)


def test_the_memory_is_the_largest_difference_before_any_other() -> None:
    """A pool of half the tokens is off by 50 %, the memory by less: it is named first all the same."""
    low, _ = planned()
    text = log(low - 5).replace("GPU KV cache size: ", "GPU KV cache size: 16 tokens\nGPU KV cache size: 1")
    found = asked_of(text)
    assert found.largest_difference is found.memory_outside is not None
    assert found.verdict == "unexplained"


def test_exact_figures_come_before_estimates() -> None:
    text = log(20) + "Model loading took 30.00 GiB\n"
    assert reconcile(text).largest_difference == reconcile(text).estimates[0]
    wrong = text.replace("GPU KV cache size: ", "GPU KV cache size: 16 tokens, not ")
    assert reconcile(wrong).largest_difference == reconcile(wrong).rows[0]


@pytest.mark.parametrize("share", ["0.5", "0.97"])
def test_another_utilization_is_a_cause_and_its_option_agrees(share: str) -> None:
    low, high = planned(utilization=share)
    text = log((low + high) / 2)
    found = asked_of(text)
    assert found.verdict == "differs in memory"
    option = cause(found, "a utilization of ").options[0].split()
    assert option[0] == "--utilization"
    assert asked_of(text, utilization=option[1]).verdict == "agrees"


def test_a_utilization_that_the_log_names_is_not_in_doubt() -> None:
    low, high = planned(utilization="0.5")
    text = "non-default args: {'gpu_memory_utilization': 0.9}\n" + log((low + high) / 2)
    assert not [text for text in told(asked_of(text)) if "utilization" in text]
    # What a user says against the log is.
    text = "non-default args: {'gpu_memory_utilization': 0.5}\n" + log((low + high) / 2)
    found = asked_of(text, utilization="0.9")
    assert cause(found, "a utilization of 0.5, not 0.9").options == ("--utilization 0.5",)


def test_another_format_of_the_weights_is_a_cause_and_its_option_agrees() -> None:
    """8,030,261,248 parameters are half as many bytes in fp8, but those of embedding and head."""
    low, high = planned()
    text = log((low + high) / 2 + Fraction(8_030_261_248 - 2 * 128_256 * 4096, GIB))
    found = asked_of(text)
    assert cause(found, "weights stored in fp8").options == ("--weight-dtype fp8",)
    assert asked_of(text, weight_dtype="fp8").verdict == "agrees"


def test_what_the_log_prints_beside_the_cache_is_a_cause() -> None:
    """15 GiB of weights more, 4 GiB of activations, 3 of graphs: each alone, and all three together."""
    low, high = planned()
    plan = make_plan(asked_of(log(1)).setup.deployed(), budget.Asked(gpu=CARD), longest=8192)
    middle = (low + high) / 2
    weights = "Model loading took 29.96 GiB\n"
    found = asked_of(log(middle - 15, rest=weights))
    assert told(found)[0].startswith("as the log says: weights of 29.96 GiB, planned 14.96 GiB")
    assert not [text for text in told(found) if "stored in" in text]

    peak = Fraction(plan.budget.needs.activation_bytes, GIB) + 4
    activation = f"PyTorch activation peak memory takes {float(peak):.2f}GiB\n"
    found = asked_of(log(middle - 4, rest=activation))
    assert told(found)[0].startswith(
        f"as the log says: activations and workspaces of experts of {float(peak):.2f}"
    )

    graphs = "Graph capturing finished in 8 secs, took 3.00 GiB\n"
    found = asked_of(log(low - 2, rest=graphs))
    assert told(found)[0] == "as the log says: CUDA graphs of 3.00 GiB"

    found = asked_of(log(middle - 20, rest=weights + activation + graphs))
    assert told(found)[0].count(" of ") == 4


def test_a_stage_with_more_room_is_a_cause() -> None:
    """61 layers over two stages are 31 and 30; the last one also has the output head."""
    text = (
        "Initializing a V1 LLM engine (v0.19.0) with config: model='deepseek-ai/DeepSeek-V3', "
        "max_seq_len=8192, tensor_parallel_size=8, pipeline_parallel_size=2, quantization=fp8\n"
        "Available KV cache memory: {0:.2f} GiB\n"
    )
    found = reconcile(text.format(1), Overrides(gpu="h200-141gb"))
    plan = make_plan(found.setup.deployed(), budget.Asked(gpu="h200-141gb"), longest=8192)
    needs = plan.budget.needs
    roomy = Fraction(max(plan.left_beside(needs.low_bytes)), GIB)
    assert plan.weights[0] != plan.weights[1]
    found = reconcile(text.format(float(roomy) - 0.01), Overrides(gpu="h200-141gb"))
    stage = plan.weights.index(min(plan.weights)) + 1
    assert f"the memory is that of a rank of stage {stage} of 2" in told(found)


def test_what_no_plan_knows_is_told_with_its_size() -> None:
    low, high = planned()
    found = asked_of(log(low - 3))
    printed = Fraction(f"{float(low - 3):.2f}")
    span = f"{float(low - printed):.2f} GiB to {float(high - printed):.2f} GiB"
    assert cause(found, "another process").assumptions == (f"another process on the card with {span}",)
    assert cause(found, "workspaces").assumptions[0].endswith(f"{span} above the plan")
    # No published start had more than 20.88 GiB of them.
    assert not [text for text in told(asked_of(log(low - 22))) if text.startswith("workspaces")]
    found = asked_of(log(high + Fraction(1, 4)))
    assert cause(found, "no CUDA graphs").options == ()


def test_more_than_the_card_has_is_no_cause() -> None:
    """Without anything beside weights and cache there would be more, but not so much."""
    found = asked_of(log(79))
    assert not [text for text in told(found) if "graphs" in text or "process" in text]


def test_where_no_cause_fits_it_is_said(kvplan: Cli, tmp_path: Path) -> None:
    """70.5 of 79.65 GiB: not with all of the card, nor with weights in 4 bits."""
    path = tmp_path / "start.log"
    path.write_text(log(70.5), encoding="utf-8")
    run = kvplan(f"reconcile {path} --gpu {CARD}")
    assert run.status == 1
    assert run.out.startswith("The memory for the cache is not the planned one: 70.50 GiB printed, ")
    assert "None of the causes that were tried leaves so much memory.\n" in run.out
    assert run.err.endswith("\nno cause that was tried leaves so much memory\n")


def test_the_causes_are_told_with_their_options(kvplan: Cli, tmp_path: Path) -> None:
    path = tmp_path / "start.log"
    path.write_text(log(20.13), encoding="utf-8")
    run = kvplan(f"reconcile {path} --gpu {CARD}")
    assert run.status == 1
    assert re.match(
        r"The memory for the cache is not the planned one: 20.13 GiB printed, [\d.]+ to [\d.]+ GiB planned "
        r"\(-\d+.\d\d %\)\. In the printed memory the pool is as planned: 1 figure\.\n",
        run.out,
    )
    assert "The memory would be so with\n  a utilization of 0.4" in run.out
    values = json.loads(kvplan(f"reconcile {path} --gpu {CARD} --json").out)
    assert values["verdict"] == "differs in memory"
    assert values["memory_causes"][0]["rows"][0]["inside"]


def test_what_explains_the_pool_may_explain_its_memory() -> None:
    """Planned on one GPU, the weights leave less than each of the two in the log has."""
    low, high = planned()
    more = Fraction(16_060_522_496, 2 * GIB)
    found = asked_of(log((low + high) / 2 + more - Fraction(182, 100), tp=2), tp=1)
    assert found.explained
    assert "the log says --tp 2" in told(found)[0]


def test_each_cause_leaves_the_printed_memory() -> None:
    for memory in (5.0, 20.13, 48.2, 58.11, 60.5):
        found = asked_of(log(memory))
        assert found.verdict == "differs in memory"
        assert found.memory_causes
        assert all(row.inside for each in found.memory_causes for row in each.rows)

"""The arithmetic of the profile run against what torch's allocator measured of vLLM's own."""

import pytest

from kvplan.engines.vllm.graphs import captured, graphs_bytes
from kvplan.engines.vllm.models import embeds_outside
from kvplan.engines.vllm.profiling import (
    CUBLAS_BYTES,
    compiled_bytes,
    forward_bytes,
    kept_bytes,
    sampler_bytes,
    workspace_bytes,
)
from kvplan.engines.vllm.versions import find_rules
from kvplan.units import MIB
from tests.rehearsed.rows import Row, read_rows

ROWS = read_rows()
APART = [row for row in ROWS if row.run_bytes is not None]
PLAIN = [row for row in APART if not row.widths().experts_per_token]
WHOLE = [row for row in ROWS if row.peak_bytes is not None and row.pp == 1]


def _name(row: Row) -> str:
    how = "eager" if row.eager else "compiled"
    return f"{row.model}-{row.vllm}-{row.tokens}-{row.sequences}-{row.tp}-{row.pp}-{how}"


PLANNED = [row for row in ROWS if row.quant is None and (row.spec.parts is not None or not row.text)]


@pytest.mark.parametrize("row", PLANNED, ids=_name)
def test_weights_are_within_one_percent(row: Row) -> None:
    """
    What is missing is a table of rotations, which is counted apart, and what the allocator rounds up.

    gpt-oss has 0.2 GiB more that are not derived, and Gemma 3 of 1B 80 MiB.
    """
    weights, measured = row.planned_weights(), row.weights_bytes
    table = 2 * 128 * (row.spec.max_context or 0)
    beyond = {"gpt_oss": 200, "gemma3_text": 80}.get(row.spec.architecture or "", 0) * MIB
    assert 0.99 * measured - table - beyond <= weights <= 1.001 * measured


@pytest.mark.parametrize("row", [row for row in ROWS if row.runner], ids=_name)
def test_the_runner_is_the_one_that_ran(row: Row) -> None:
    assert row.takes_v2 is (row.runner == 2)


@pytest.mark.parametrize("row", [row for row in PLAIN if row.eager], ids=_name)
def test_a_forward_pass_is_within_two_hidden_states(row: Row) -> None:
    """Exact for most; Llama has two copies of the hidden states less, OLMo 2 two more, Qwen3.5 up to 3."""
    derived = row.cublas_bytes + forward_bytes(row.batch(), row.widths())
    copies = 3 if row.has_states else 2
    assert abs(derived - row.measured(row.run_bytes)) <= copies * row.batch().states_bytes + 5 * MIB


@pytest.mark.parametrize("row", [row for row in PLAIN if not row.eager], ids=_name)
def test_a_cold_compilation_has_a_copy_of_the_embedding(row: Row) -> None:
    """Beside two hidden states in 0.33. An MLP without a gate has three less: its activation is in place."""
    batch, run = row.batch(), row.measured(row.run_bytes)
    copies = 2 if row.widths().matrices == 3 else 3
    derived = row.cublas_bytes + max(compiled_bytes(batch), forward_bytes(batch, row.widths()))
    assert abs(derived - run) <= max(0.06 * run, copies * batch.states_bytes + 2 * MIB)


@pytest.mark.parametrize("row", [row for row in APART if row.sampler_bytes is not None], ids=_name)
def test_the_draw_is_within_six_percent(row: Row) -> None:
    """And within 0.2 % where there are no experts without workspaces, and no Mamba layers."""
    batch, draw = row.batch(), row.measured(row.sampler_bytes)
    derived = row.cublas_bytes + workspace_bytes(batch, row.widths()) + sampler_bytes(batch, row.sampler)
    fewer = (132 - min(row.sequences, 132)) * 4 * batch.vocab if row.runner == 1 else 0
    assert abs(derived - fewer - draw) <= 0.06 * draw + MIB


@pytest.mark.parametrize("row", [row for row in APART if row.runner == 2], ids=_name)
def test_what_the_second_runner_keeps_is_counted(row: Row) -> None:
    """
    Beside four bytes for each token of the context: it maps them to the host where there is a GPU.

    The rest, block tables of further groups of layers, is 24 KiB for a request at most.
    """
    before = CUBLAS_BYTES - row.cublas_bytes
    kept = row.measured(row.kept_bytes)
    more = kept - before - kept_bytes(row.batch()) - 4 * row.context * row.sequences
    assert -16 * 1024 * row.sequences <= more <= 24 * 1024 * row.sequences + 4 * MIB


def _error_bytes(row: Row) -> int:
    """
    Return how far the peak of a whole profile run is from the release's own figure.

    From 0.27 on that is over what stays: workspaces of experts, of cuBLAS and of the older runner's sampler.
    """
    batch, widths = row.batch(), row.widths()
    copied = 0 if row.eager or embeds_outside(row.spec.architecture) else compiled_bytes(batch)
    peak = max(forward_bytes(batch, widths), copied, sampler_bytes(batch, row.sampler))
    workspaces = row.cublas_bytes + workspace_bytes(batch, widths)
    rows = 0 if batch.v2 else 4 * row.sampler.rows * batch.vocab
    said = row.measured(row.peak_bytes)
    return peak - said + (-rows if find_rules(row.vllm).counts_consumed else workspaces)


@pytest.mark.parametrize("row", [row for row in ROWS if row.node_bytes], ids=_name)
def test_graphs_are_measured_without_what_a_driver_takes_first(row: Row) -> None:
    """That is 0.2 GiB on real cards; small models have smaller pools than the line, too."""
    line = graphs_bytes(row.spec.layer_count, captured(row.sequences, row.tokens))
    assert 0 < line - row.measured(row.graphs_bytes) <= 500 * MIB


@pytest.mark.parametrize("row", WHOLE, ids=_name)
def test_a_whole_profile_run_is_within_two_hidden_states(row: Row) -> None:
    assert abs(_error_bytes(row)) <= 2 * row.batch().states_bytes + 4 * MIB


def test_four_of_five_whole_profile_runs_are_within_half_a_percent() -> None:
    near = [row for row in WHOLE if abs(_error_bytes(row)) <= row.measured(row.peak_bytes) / 200]
    assert len(near) >= 0.8 * len(WHOLE)


@pytest.mark.parametrize("row", [row for row in ROWS if row.pp > 1], ids=_name)
def test_the_first_stage_has_a_forward_pass_alone(row: Row) -> None:
    derived = row.cublas_bytes + forward_bytes(row.batch(), row.widths())
    assert abs(derived - row.measured(row.peak_bytes)) <= 2 * row.batch().states_bytes + MIB

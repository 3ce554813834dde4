"""The arithmetic of the profile run against what torch's allocator measured of vLLM's own."""

import pytest

from kvplan.dtypes import RECURRENT_ROLES, kv_format
from kvplan.engines.vllm.profiling import (
    CUBLAS_BYTES,
    compiled_bytes,
    forward_bytes,
    kept_bytes,
    sampler_bytes,
    workspace_bytes,
)
from kvplan.engines.vllm.runners import takes_v2
from kvplan.engines.vllm.versions import find_rules
from kvplan.terms import Target
from kvplan.units import MIB
from tests.rehearsed.rows import Row, read_rows

TARGET = Target(kv=kv_format("bfloat16"))
ROWS = read_rows()
PLAIN = [row for row in ROWS if not row.widths().experts_per_token]
EAGER = [row for row in PLAIN if row.eager]


def _name(row: Row) -> str:
    how = "eager" if row.eager else "compiled"
    return f"{row.model}-{row.vllm}-{row.tokens}-{row.sequences}-{row.tp}-{how}"


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_the_runner_is_the_one_that_ran(row: Row) -> None:
    has_states = any(term.role in RECURRENT_ROLES for kind in row.spec.kinds() for term in kind.lower(TARGET))
    v2 = takes_v2(
        find_rules(row.vllm).v2_runner,
        row.spec.architecture,
        has_experts=row.spec.has_experts,
        has_states=has_states,
        asked=None,
    )
    assert v2 is (row.runner == 2)


@pytest.mark.parametrize("row", EAGER, ids=_name)
def test_a_forward_pass_is_within_two_hidden_states(row: Row) -> None:
    """Exact for most; Llama has two copies of the hidden states less, Qwen3.5 with 0.24 one more."""
    derived = row.cublas_bytes + forward_bytes(row.batch(), row.widths())
    assert abs(derived - row.run_bytes) <= 2 * row.batch().states_bytes + MIB


@pytest.mark.parametrize("row", [row for row in PLAIN if not row.eager], ids=_name)
def test_a_cold_compilation_has_a_copy_of_the_embedding(row: Row) -> None:
    batch = row.batch()
    derived = row.cublas_bytes + max(compiled_bytes(batch), forward_bytes(batch, row.widths()))
    assert abs(derived - row.run_bytes) <= 0.06 * row.run_bytes


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_the_draw_is_within_six_percent(row: Row) -> None:
    """And within 0.2 % where there are no experts without workspaces, and no Mamba layers."""
    batch = row.batch()
    derived = row.cublas_bytes + workspace_bytes(batch, row.widths()) + sampler_bytes(batch, row.sampler)
    fewer = (132 - min(row.sequences, 132)) * 4 * batch.vocab if row.runner == 1 else 0
    assert abs(derived - fewer - row.sampler_bytes) <= 0.06 * row.sampler_bytes + MIB


@pytest.mark.parametrize("row", [row for row in ROWS if row.runner == 2], ids=_name)
def test_what_the_second_runner_keeps_is_counted(row: Row) -> None:
    """
    Beside four bytes for each token of the context: it maps them to the host where there is a GPU.

    The rest, block tables of further groups of layers, is 24 KiB for a request at most.
    """
    before = CUBLAS_BYTES - row.cublas_bytes
    more = row.kept_bytes - before - kept_bytes(row.batch()) - 4 * row.context * row.sequences
    assert -16 * 1024 * row.sequences <= more <= 24 * 1024 * row.sequences + 4 * MIB

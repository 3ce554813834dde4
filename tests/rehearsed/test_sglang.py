"""SGLang's share, weights and pools against what its own start-up decided and measured."""

from fractions import Fraction
from statistics import median

import pytest

from kvplan.engines.profile_run import Aside, Estimate
from kvplan.engines.sglang.images import is_guessed
from kvplan.engines.sglang.mxfp4 import CLASSES, MOST_AMISS
from kvplan.engines.sglang.needs import MOST_KEPT, MOST_KEPT_PLAIN
from kvplan.planner.budget import Budget
from kvplan.planner.facts import Origin, Sources
from kvplan.units import parse_ratio
from tests.rehearsed.sglang_rows import Row, read_rows

ROWS = read_rows()


def _name(row: Row) -> str:
    return row.name


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_the_share_is_the_one_that_sglang_takes(row: Row) -> None:
    """To the last digit of its float, or a line says that the widths of a tower are guessed."""
    deployment = row.deployment()
    share = deployment.engine.share.default(row.total_bytes, deployment.options)
    if row.share is not None:
        assert float(row.share) == row.fraction
    elif is_guessed(deployment.options):
        assert any("widths of the model's tower are not known" in text for text in row.pools().assumed)
        assert abs(float(share) - row.fraction) < 0.05
    else:
        assert float(share) == row.fraction


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_the_share_of_what_is_there_leaves_what_sglang_measured(row: Row) -> None:
    """
    But for what floats lose: two bytes, or with several ranks 16 KiB, as GiB are compared in float32.

    Source: get_available_gpu_memory in utils/common.py of SGLang 0.5.23.
    """
    lost, reserved = row.total_bytes - row.free_bytes, row.reserved_bytes()
    other = lost + reserved
    budget = Budget(
        gpu=row.gpu,
        gpu_bytes=row.total_bytes,
        utilization=parse_ratio(str(row.fraction)),
        share_of="after start",
        replica_weights_bytes=0,
        needs=Estimate(0, other, other, other, "", kept_bytes=reserved),
        sources=Sources(gpu_bytes=Origin.GIVEN),
        longest=row.context,
    )
    assert abs(budget.left_bytes(row.weights_bytes, other) - row.rest_bytes) <= (
        2 if row.ranks == 1 else 2**14
    )


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_the_pools_are_those_that_sglang_makes_of_it(row: Row) -> None:
    pools = row.pools()
    found = pools.pools([row.rest_bytes], row.context)
    assert found is not None
    assert (found.tokens, found.requests) == (row.tokens, row.requests)
    assert (found.window_tokens, found.slots) == (row.window_tokens, row.slots)
    assert pools.sizing.page == row.page


WEIGHED = [row for row in ROWS if row.has_weights]
REPACKED = [row for row in WEIGHED if row.spec.architecture in CLASSES]
"""Experts in MXFP4, loaded from files of the release's shapes."""


@pytest.mark.parametrize("row", [row for row in WEIGHED if row not in REPACKED], ids=_name)
def test_weights_and_tables_are_within_the_range(row: Row) -> None:
    """
    Nothing is counted that is not there; what is missing is what the allocator rounds and cannot give back.

    That is most where blocks in fp8 are changed while they are loaded.
    """
    released = row.plan().budget.replica_weights_bytes
    plain = released >= 2 * (row.spec.parameters or 0) * 99 // 100
    most = (MOST_KEPT_PLAIN if plain else MOST_KEPT) * released / row.ranks
    assert 0 <= row.weights_bytes - row.planned_weights() <= most


@pytest.mark.parametrize("row", REPACKED, ids=_name)
def test_experts_in_mxfp4_are_within_the_range(row: Row) -> None:
    """What the allocator keeps beside them is a part of the plan, and lies within the part that is stated."""
    missing = row.weights_bytes - row.planned_weights()
    assert row.spec.weight_bytes is not None
    assert abs(missing) <= MOST_AMISS * row.spec.weight_bytes / row.tp


def test_the_median_weights_are_within_a_quarter_of_a_percent() -> None:
    missing = [
        1 - Fraction(row.planned_weights(), row.weights_bytes) for row in WEIGHED if row not in REPACKED
    ]
    assert 0 <= median(missing) < Fraction(1, 400)


CAPTURED = [row for row in ROWS if row.graphs_bytes is not None]


def _aside(row: Row) -> Aside:
    found = row.plan().budget.needs.aside
    assert found is not None
    return found


@pytest.mark.parametrize("row", CAPTURED, ids=_name)
def test_graphs_and_a_chunk_take_what_torch_reserved(row: Row) -> None:
    """Within a fifth; what a driver holds for the graphs is not in a rehearsal."""
    planned = _aside(row)
    of_torch = planned.graphs_bytes - planned.driver_bytes + planned.activation_bytes
    assert row.graphs_bytes is not None
    assert abs(of_torch / (row.graphs_bytes + row.chunk_bytes) - 1) < 1 / 5


@pytest.mark.parametrize("row", CAPTURED, ids=_name)
def test_drawing_takes_eight_or_twelve_bytes_of_each_number(row: Row) -> None:
    """And hidden states of the last tokens, which are small beside the vocabulary."""
    for sequences, taken in row.draws.items():
        planned = _aside(row).draws_bytes(int(sequences))
        assert 0 <= taken - planned < 0.02 * planned + 2 * row.chunk_bytes


def test_many_kinds_of_models_were_captured() -> None:
    """Dense models, mixtures, latents, hybrids, MXFP4 and Gemma."""
    assert len({row.model for row in CAPTURED}) >= 6

"""L3: layers divided over ranks, as recorded and as predicted today, and two ranks run again."""

from importlib.util import find_spec

import pytest

from kvplan.engines.transformers.caches import kept
from kvplan.errors import SplitError
from kvplan.validate.hf_models import stage_of
from kvplan.validate.l3_parallel import CASES, TOLERANCE, Case, checks, run_cases
from kvplan.validate.sharded import HIDDEN, Rank, alone, grouped
from kvplan.validate.sharded_hf import BATCH, TOKENS, HfCase
from kvplan.validate.sharded_hf import CASES as HF_CASES
from tests.validate.recorded_runs import of_level, runs

ALL = [(case, ranks) for case in CASES for ranks in case.ranks]
HF_ALL = [(case, ranks) for case in HF_CASES for ranks in case.ranks]
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch")


def recorded(subject: str, claim: str) -> list[int | float]:
    """Return what a claim measured, in every recorded run."""
    return [
        each.measured
        for run in runs("L3")
        for each in of_level(run, "L3")
        if each.subject == subject and each.claim == claim
    ]


def named(case: Case | HfCase | int) -> str | None:
    return None if isinstance(case, int) else case.name


def test_names_are_unique() -> None:
    names = [case.name for case in (*CASES, *HF_CASES)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("case", "ranks"), ALL, ids=named)
def test_recorded_ranks_hold_what_the_terms_say(case: Case, ranks: int) -> None:
    try:
        expected = case.bytes_on_rank(ranks)
    except SplitError:
        assert set(recorded(case.name, f"ranks of {ranks} that cannot share it")) == {ranks}
        return
    for rank in range(ranks):
        assert set(recorded(case.name, f"cache on rank {rank} of {ranks}")) == {expected}
    errors = recorded(case.name, f"largest difference from the unsharded layer, {ranks} ranks")
    assert errors
    assert max(errors) <= TOLERANCE


@pytest.mark.parametrize(("case", "ranks"), HF_ALL, ids=named)
def test_recorded_ranks_of_transformers_hold_what_its_engine_says(case: HfCase, ranks: int) -> None:
    try:
        expected = kept(stage_of(case.spec()), tokens=TOKENS, batch=BATCH, tp=ranks, traits=case.traits)
    except SplitError:
        assert set(recorded(case.name, f"ranks of {ranks} whose forward fails")) == {ranks}
        return
    for rank in range(ranks):
        assert set(recorded(case.name, f"cache on rank {rank} of {ranks}")) == {expected}


def test_by_hand() -> None:
    """11 tokens of float64: 2 of 16 KV heads, a whole latent, 1 of 2 replicated KV heads of 6 + 4."""
    expected = {
        "mha, 16 heads": 11 * 2 * 2 * 6 * 8,
        "mla, 16 heads": 11 * (24 + 8) * 8,
        "gqa, 2 groups, 16 heads": 11 * (6 + 4) * 8,
        "sliding, 4 groups, 16 heads": 5 * 2 * 6 * 8,
        "lightning, 16 heads": 2 * 5 * 5 * 8,
        # 2 of 16 heads, and B and C of the one group that they share, on 3 columns.
        "mamba2, 2 groups, 16 heads": (2 * 4 * 5 + 3 * (2 * 4 + 2 * 5)) * 8,
    }
    found = {case.name: case.bytes_on_rank(8) for case in CASES if case.name in expected}
    assert found == expected


def test_the_checks_of_a_model_are_those_of_its_kinds() -> None:
    assert [check.name for check in checks(("deepseek-v3",))] == [
        "2 ranks, 2 reference layers",
        "4 ranks, 2 reference layers",
        "8 ranks, 2 reference layers",
    ]


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_two_ranks_here() -> None:
    numbers = tuple(number for number, case in enumerate(CASES) if case.layer is grouped and 2 in case.ranks)
    found = run_cases(numbers, 2, "cpu")
    assert len(found) == 3 * len(numbers)
    assert all(each.passed for each in found)


@needs_torch
def test_a_rank_that_is_left_out_is_noticed() -> None:
    import torch  # noqa: PLC0415 - only where it is installed

    facts = {"heads": 16, "groups": 2, "head_dim": 6}
    inputs = torch.randn((11, HIDDEN), dtype=torch.float64)
    whole, _ = grouped(facts, inputs, alone("cpu"))
    parts = [
        grouped(facts, inputs, Rank(index=index, world=4, device="cpu", reduce=lambda tensor: tensor))[0]
        for index in range(4)
    ]
    assert float((sum(parts) - whole).abs().max()) < TOLERANCE
    assert float((sum(parts[1:]) - whole).abs().max()) > 1e-2

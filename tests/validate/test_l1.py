"""L1: the small models' expectations, the recorded measurements of them, and a few run again."""

from dataclasses import replace
from importlib.util import find_spec

import pytest

from kvplan.engines.transformers.caches import COMMON, Traits
from kvplan.errors import SpecError
from kvplan.validate.l1_toy import checks, instants, predictions, run_toy
from kvplan.validate.results import SkippedError
from kvplan.validate.toys import Toy, toys
from tests.validate.recorded_runs import of_level, runs

BY_NAME = {toy.name: toy for toy in toys()}
needs_torch = pytest.mark.skipif(
    find_spec("torch") is None or find_spec("transformers") is None, reason="needs torch and transformers"
)


def recorded(toy: Toy) -> dict[str, int | float]:
    """Return the newest recorded measurements of a toy, claim by claim."""
    run = max(runs("L1"), key=lambda each: (each.date, each.transformers or ""))
    return {each.claim: each.measured for each in of_level(run, "L1") if each.subject == toy.name}


def differences(toy: Toy) -> list[str]:
    """Return the claims whose prediction today is not what was measured."""
    measured = recorded(toy)
    return [
        claim for claim, value in predictions(toy).items() if value is not None and value != measured[claim]
    ]


def test_there_are_thirty_architectures_and_more() -> None:
    assert len({toy.config_class for toy in toys()}) >= 30


def test_a_recorded_run_measured_every_toy() -> None:
    for run in runs("L1"):
        missing = set(BY_NAME) - {each.subject for each in run.measurements}
        assert missing == {each.name for each in run.skipped if each.level == "L1"}
        assert not run.failed


@pytest.mark.parametrize("name", BY_NAME)
def test_recorded_bytes_are_predicted_today(name: str) -> None:
    assert differences(BY_NAME[name]) == []


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        ("falcon-40b", COMMON),
        ("recurrentgemma", COMMON),
        ("mamba", Traits(conv_columns=0)),
        ("gemma3", Traits(window_offset=0)),
        ("llama", Traits(kv_copies=2)),
    ],
)
def test_a_wrong_trait_is_noticed(name: str, traits: Traits) -> None:
    assert differences(replace(BY_NAME[name], traits=traits))


@pytest.mark.parametrize(
    ("name", "other"),
    [("llama", "qwen3-moe"), ("mamba", "jamba"), ("deepseek-v3", "deepseek-v3.2"), ("qwen3-next", "qwen3.5")],
)
def test_a_wrong_spec_is_noticed(name: str, other: str) -> None:
    assert differences(replace(BY_NAME[name], spec=BY_NAME[other].spec))


def test_what_was_fitted_is_said() -> None:
    fitted = {toy.name for toy in toys() if toy.fitted}
    assert fitted == {"minimax-01", "recurrentgemma", "deepseek-v4"}
    for run in runs("L1"):
        assert {each.subject for each in run.measurements if "fitted" in each.detail} == fitted


def test_the_last_token_of_a_generation_is_not_cached() -> None:
    fed = [(look.moment, look.tokens) for look in instants(BY_NAME["llama"])]
    assert fed == [("prefill", 40), ("decode", 44), ("prefill", 72), ("decode", 76)]


def test_the_checks_of_a_model_are_those_of_its_family() -> None:
    names = [check.name for check in checks(("jamba-v0.1",))]
    assert names == ["jamba"]
    assert len(checks(())) == len(toys())


def test_a_model_file_without_toys_has_no_checks() -> None:
    assert checks(("tests/expected/llama.yaml",)) == []
    with pytest.raises(SpecError):
        checks(("/",))


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["llama", "mistral, the window reached in decoding", "mamba", "lfm2", "bart"]
)
def test_measured_here_as_predicted(name: str) -> None:
    found = run_toy(BY_NAME[name], "cpu")
    assert {each.claim: each.measured for each in found} == predictions(BY_NAME[name])
    assert all(each.passed for each in found)


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_a_toy_of_another_size_differs() -> None:
    config = {**BY_NAME["llama"].config, "num_key_value_heads": 4}
    assert not any(
        each.passed
        for each in run_toy(replace(BY_NAME["llama"], config=config), "cpu")
        if "data" in each.claim
    )


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_a_class_that_is_not_installed_is_skipped() -> None:
    with pytest.raises(SkippedError, match="has no NoSuchConfig"):
        run_toy(replace(BY_NAME["llama"], config_class="NoSuchConfig"), "cpu")
    with pytest.raises(SkippedError, match=r"about transformers 99\.0 and later"):
        run_toy(replace(BY_NAME["llama"], since="99.0"), "cpu")

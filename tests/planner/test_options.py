"""Options are said once: the same to the library, the command line and the engines."""

from dataclasses import MISSING, fields, replace
from inspect import signature
from typing import Any, get_args

import pytest
import typer

import kvplan
from kvplan.cli.commands import app
from kvplan.engines import EXACT, EngineOptions, SharedOptions, engine_names, find_engine
from kvplan.errors import OptionsError
from kvplan.grids.options import SweepOptions
from kvplan.planner import options
from kvplan.planner.budget import Asked
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.reconcile import Overrides
from kvplan.tiering.options import TierOptions

ASKED: dict[str, Any] = {
    "block_size": 32,
    "max_num_batched_tokens": 4096,
    "max_num_seqs": 7,
    "prefix_caching": True,
    "dcp": 2,
    "cp": 2,
    "ep": 2,
    "prompt": 100,
    "settings": {"made_up": "1"},
}
"""Each shared option with a value that is not its default."""


def hints(kind: type[Any]) -> dict[str, Any]:
    return dict(kind.__annotations__)


def test_what_engines_share_is_what_the_library_takes() -> None:
    names = [each.name for each in fields(SharedOptions)]
    assert list(hints(options.EngineChoices)) == names == list(ASKED)


@pytest.mark.parametrize("kind", [Choice, Asked])
def test_each_field_of_a_plan_is_an_option_with_the_same_default(kind: type[Any]) -> None:
    for each in fields(kind):
        if each.name in {"card", "cards"}:  # found from the GPU
            continue
        default = each.default if each.default_factory is MISSING else each.default_factory()
        said = get_args(hints(options.FitOptions)[each.name])[1].default
        assert (said or None) == (default or None), each.name


def test_what_is_said_against_a_log_is_what_a_command_reads() -> None:
    assert {each.name for each in fields(Overrides)} == {"model", *hints(options.LogOptions)}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("fit", options.FitOptions),
        ("sweep", SweepOptions),
        ("tiers", TierOptions),
        ("size", options.SizeOptions),
        ("check", options.CheckOptions),
        ("show", options.ExplainOptions),
        ("reconcile", options.LogOptions),
    ],
)
def test_a_command_has_the_options_of_its_function(command: str, kind: type[Any]) -> None:
    found = typer.main.get_command(app).get_command(None, command)  # type: ignore[attr-defined]
    assert {each.name for each in found.params} >= set(hints(kind))


def test_a_function_shows_each_option_to_help() -> None:
    shown = signature(kvplan.fit).parameters
    assert set(shown) == {"model", "advice", *hints(options.FitOptions)}
    assert shown["tp"].annotation is int


@pytest.mark.parametrize("engine", engine_names())
@pytest.mark.parametrize("name", list(ASKED))
def test_an_engine_refuses_what_it_does_not_say_that_it_takes(engine: str, name: str) -> None:
    spec, choice = kvplan.load("llama-3.1-8b"), Choice(engine=engine, **{name: ASKED[name]})
    if name in find_engine(engine).takes:
        spread = {"dcp": 16, "ep": 2}.get(name, 1)
        spec = kvplan.load("mixtral-8x7b") if name == "ep" else spec
        given: dict[str, Any] = {"engine": engine, "context": "8k", "tp": spread, name: ASKED[name]}
        answer = kvplan.fit(spec, gpu="h100-80gb", **given)
        assert answer.to_dict()["options"] == {name: ASKED[name]}
        return
    words = "no setting 'made_up'" if name == "settings" else f"no --{name.replace('_', '-')}"
    with pytest.raises(OptionsError, match=words):
        deploy(spec, choice)


@pytest.mark.parametrize("name", list(ASKED))
def test_an_engine_that_says_nothing_refuses_every_option(name: str) -> None:
    silent = replace(EXACT, name="silent", takes=frozenset())
    with pytest.raises(OptionsError, match="the engine silent has no "):
        silent.require_taken(EngineOptions(**{name: ASKED[name]}))

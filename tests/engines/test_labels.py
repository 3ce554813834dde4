"""What a term is printed as decides nothing, and rows of an unknown shape are the formula's alone."""

import sys
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Literal

import pytest

import kvplan
from kvplan import attention
from kvplan.attention.base import Count, Kind, whole
from kvplan.engines import Arrangement, engine_names, find_engine
from kvplan.loads import uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load_file
from kvplan.terms import Allocation, Layer, Stage, Target, Term


def answer(arrangement: Arrangement) -> list[object]:
    """Return what an arrangement says of two loads and of a start with 40 GiB."""
    sizes = [
        [arrangement.reserved_bytes(rank=0, load=uniform(context, batch)) for batch in (0, 1, 5)]
        for context in (1000, 33_333)
    ]
    lines = [line.size_bytes for line in arrangement.lines(rank=0, load=uniform(33_333, 5))]
    return [sizes, lines, refused(lambda: arrangement.start_up([40 * 2**30], 33_333))]


def refused(ask: object) -> object:
    assert callable(ask)
    try:
        return ask()
    except kvplan.KvplanError as error:
        return type(error).__name__


def relabelled(stage: Stage) -> Stage:
    """Return a stage in which no two terms have the same label, and none has its own."""
    numbers = count()
    layers = tuple(
        (tuple(replace(term, label=f"tensor {next(numbers)}") for term in layer), times)
        for layer, times in stage.counts
    )
    return replace(stage, counts=layers)


@pytest.mark.parametrize("path", spec_files(), ids=lambda path: path.stem)
def test_no_engine_reads_a_label(path: Path) -> None:
    """A Mamba once lost a convolution's column under transformers when its label was another."""
    spec = load_file(path)
    for name in engine_names():
        try:
            deployment = deploy(spec, Choice(engine=name))
        except kvplan.KvplanError:
            continue
        stages = [relabelled(stage) for stage in deployment.stages]
        arrangement = find_engine(name).arrange(stages, deployment.options)
        assert answer(arrangement) == answer(deployment.arrangement), name


@dataclass(frozen=True, slots=True, kw_only=True)
class Doublings:
    """A row for every power of two among the tokens: a shape that no engine has."""

    stride: int = 1

    def at(self, tokens: int) -> int:
        return tokens.bit_length()

    def growth(self, step: int) -> int:  # noqa: ARG002 - the signature of Rows.growth
        return 0

    def words(self) -> str:
        return "each doubling of the context"


class Logarithmic(Kind):
    """A made-up kind: its file, and a row in the registry, are all that it needs."""

    kind: Literal["logarithmic"]
    width: Count
    formula: ClassVar[str] = "width for each doubling of the context"
    source: ClassVar[str] = "made up"

    def lower(self, target: Target) -> Layer:
        return (
            Term(
                role="key",
                label="K of a level",
                allocation=Allocation(pool="attention"),
                split=whole("latent"),
                width=self.width,
                dtype=target.kv.dtype("key"),
                rows=Doublings(),
            ),
        )

    def projections(self, hidden: int) -> int:
        return hidden * self.width


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> kvplan.ModelSpec:
    module = ModuleType("kvplan.attention.made_up")
    module.Logarithmic = Logarithmic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(attention._CLASSES, "logarithmic", "made_up.Logarithmic")
    return kvplan.ModelSpec.model_validate(
        {
            "name": "made-up",
            "source": "none",
            "architecture": "made_up",
            "max_context": 4096,
            "dtype": "bfloat16",
            "attention": {"levels": {"kind": "logarithmic", "width": 100}},
            "layers": [{"repeat": 3, "pattern": ["levels"]}],
        }
    )


def test_a_new_shape_of_rows_is_a_file_and_a_row(made_up: kvplan.ModelSpec) -> None:
    """3 layers x 100 elements x 2 bytes x 10 levels: 1,000 tokens have 10 binary digits."""
    size = kvplan.size(made_up, context=1000)
    assert size.total_bytes == 3 * 100 * 2 * 10
    assert (size.bytes_per_token, size.fixed_bytes) == (0, 0)
    assert "each doubling of the context" in str(kvplan.explain(made_up, context=1000).layers)


@pytest.mark.parametrize("engine", [name for name in engine_names() if name != "exact"])
def test_no_engine_takes_rows_of_an_unknown_shape(made_up: kvplan.ModelSpec, engine: str) -> None:
    with pytest.raises(kvplan.KvplanError) as caught:
        kvplan.size(made_up, engine=engine, context=1000)
    assert "\n" not in str(caught.value)

"""What a validation run found: one measurement per claim, as plain values without torch."""

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import lru_cache
from typing import Any, Literal, TypeVar, get_type_hints

from kvplan.errors import KvplanError
from kvplan.records import record

Level = Literal["L0", "L1", "L2", "L3", "L4"]
Rule = Literal["equal", "at most", "finding"]
Number = int | float

MACHINE = ("device", "driver", "torch", "transformers", "card_bytes", "cuda", "cudnn", "allocator")
"""The fields of a Run that say where it was taken."""


class SkippedError(Exception):
    """Raised by a check that cannot run here; its text says what is missing."""


@record
class Measurement:
    """
    One claim about one subject (a model or an attention kind), predicted and measured.

    `rule` says how the two are held together: `equal` for bytes and elements, which are compared
    with ==; `at most` for an error whose bound is `predicted`; `finding` for a figure that nothing
    predicts (`predicted` is None), which is recorded and cannot fail. `claim` says in words what is
    compared, and `detail` what a reader needs to repeat it (lengths, shapes, dtypes).
    """

    level: Level
    subject: str
    claim: str
    measured: Number
    predicted: Number | None
    unit: str
    rule: Rule = "equal"
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether the measurement is what was predicted; NaN never is."""
        if self.predicted is None:
            return self.rule == "finding"
        return self.measured <= self.predicted if self.rule == "at most" else self.measured == self.predicted


@record
class Check:
    """
    One thing to run: *run* takes the device (`cpu` or `cuda`) and returns what it measured.

    It raises SkippedError where it cannot run. `name` is what the progress line shows. The module of
    each level (see run.py) has a function `checks(models) -> list[Check]`: those that speak of the
    given catalogue names or files, all of them for an empty tuple. `part` is the letter under which a
    level's checks can be run apart from its others, where it has parts.
    """

    level: Level
    name: str
    run: Callable[[str], list[Measurement]]
    part: str = ""


@record
class Timing:
    """How long a check took, and on a GPU the most bytes that torch's allocator held meanwhile."""

    level: Level
    name: str
    seconds: float
    peak_bytes: int | None


@record
class Missing:
    """A check without a result, the reason in words, and where an unexpected error was raised."""

    level: Level
    name: str
    reason: str
    trace: str = ""


_Named = TypeVar("_Named", Missing, Timing)


@record
class Run:
    """
    All measurements of one run, and where they were taken.

    `skipped` checks had a reason not to run; `failed` ones raised an error that is none of the
    expected ones; all that were tried have a timing. `driver` and what follows it (the memory that it
    reports for the card, the versions of CUDA and cuDNN, torch's allocator and its settings) are None
    without a GPU; `complete` is False after an interruption.
    """

    device: str
    torch: str
    transformers: str | None
    driver: str | None
    date: str
    measurements: tuple[Measurement, ...]
    skipped: tuple[Missing, ...] = ()
    failed: tuple[Missing, ...] = ()
    complete: bool = True
    card_bytes: int | None = None
    cuda: str | None = None
    cudnn: str | None = None
    allocator: str | None = None
    timings: tuple[Timing, ...] = ()

    @property
    def machine(self) -> dict[str, Any]:
        """Where it was taken: one file holds what one machine measured."""
        return {name: getattr(self, name) for name in MACHINE}

    def has(self, check: Check) -> bool:
        """Whether it holds what *check* measured."""
        missing = {(each.level, each.name) for each in (*self.skipped, *self.failed)}
        tried = {(each.level, each.name) for each in self.timings}
        return (check.level, check.name) in tried - missing

    def without(self, check: Check) -> "Run":
        """Return the run without the attempt at *check* that measured nothing."""

        def others(found: tuple[_Named, ...]) -> tuple[_Named, ...]:
            return tuple(each for each in found if (each.level, each.name) != (check.level, check.name))

        return replace(
            self,
            skipped=others(self.skipped),
            failed=others(self.failed),
            timings=others(self.timings),
        )

    @property
    def on_cuda(self) -> bool:
        """
        Whether a GPU's memory was measured: L0 is algebra, L1 to L3 count tensors on any device.

        A driver or a device that calls itself fake is a stand-in for a GPU, and no evidence.
        """
        if self.driver is None or "fake" in f"{self.device} {self.driver}".lower():
            return False
        return any(each.level == "L4" for each in self.measurements)

    @property
    def passed(self) -> bool:
        """
        Whether every measurement is as predicted and no check broke.

        On a GPU L4 has nothing left to wait for, so that one of its checks that was skipped is no pass.
        """
        awaited = self.driver is not None and any(each.level == "L4" for each in self.skipped)
        return not self.failed and not awaited and all(each.passed for each in self.measurements)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can say, with `passed` worked out for readers without kvplan."""
        found = asdict(self)
        for entry, measurement in zip(found["measurements"], self.measurements, strict=True):
            entry["passed"] = measurement.passed
        return {**found, "passed": self.passed, "on_cuda": self.on_cuda}


_LATER = frozenset({"card_bytes", "cuda", "cudnn", "allocator", "timings"})


def run_from_dict(found: Any) -> Run:  # noqa: ANN401 - whatever a JSON file says
    """
    Return the run that `to_dict` wrote; what passed is worked out again, not believed.

    Raises KvplanError for an object that is not a recorded run.
    """
    known = {field.name for field in fields(Run)}
    derived = {"passed", "on_cuda"}
    # Runs that were recorded before them have none of the fields about time and the GPU.
    if not isinstance(found, dict) or not known - _LATER <= set(found) - derived <= known:
        raise KvplanError("this JSON is not a recorded validation run: its keys are not those of a run")
    try:
        return _typed(
            Run(
                **{
                    **{key: found[key] for key in known & set(found)},
                    "measurements": tuple(map(_measurement, found["measurements"])),
                    "skipped": tuple(_typed(Missing(**each)) for each in found["skipped"]),
                    "failed": tuple(_typed(Missing(**each)) for each in found["failed"]),
                    "timings": tuple(_typed(Timing(**each)) for each in found.get("timings", ())),
                }
            )
        )
    except TypeError as error:
        raise KvplanError(f"this JSON is not a recorded validation run: {error}") from None


def _measurement(found: Any) -> Measurement:  # noqa: ANN401 - whatever a JSON file says
    if not isinstance(found, dict):
        raise TypeError("a measurement is no object")
    return _typed(Measurement(**{key: value for key, value in found.items() if key != "passed"}))


_Part = TypeVar("_Part", Run, Measurement, Missing, Timing)


def _typed(part: _Part) -> _Part:
    """Return a part of a run whose fields are of their types; raise TypeError for one that is not."""
    from pydantic import ValidationError  # noqa: PLC0415 - only a run that goes on needs it

    for name, hint in get_type_hints(type(part)).items():
        try:
            _reader(hint).validate_python(getattr(part, name), strict=True)
        except ValidationError as error:
            raise TypeError(f"{name}: {error.errors()[0]['msg'].lower()}") from None
    return part


@lru_cache
def _reader(hint: Any) -> Any:  # noqa: ANN401 - a type as it is annotated, and what pydantic makes of it
    from pydantic import TypeAdapter  # noqa: PLC0415 - as above

    return TypeAdapter(hint)

"""Collect the checks of the asked levels, run them one by one, and keep what they measured."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from threading import current_thread, main_thread
from traceback import format_exception
from typing import Any, get_args

from kvplan.errors import KvplanError, UnknownNameError
from kvplan.validate.machine import begin, describe_machine
from kvplan.validate.results import Check, Level, Missing, Run, SkippedError

LEVELS: tuple[Level, ...] = get_args(Level)

_MODULES: dict[Level, str] = {
    "L0": "kvplan.validate.reference",
    "L1": "kvplan.validate.l1_toy",
    "L2": "kvplan.validate.l2_full",
    "L3": "kvplan.validate.l3_parallel",
    "L4": "kvplan.validate.gpu",
}
_EXTRA = "pip install '.[validate]' in kvplan's checkout adds them"

Announce = Callable[[int, int, Check], None]
"""Told before each check: its number from 1, how many there are, and the check."""

Keep = Callable[[Run], None]
"""Given what is measured so far, as a run that is not complete, after each check but the last."""


def validate(  # noqa: PLR0913 - what the command line can ask for
    models: tuple[str, ...] = (),
    *,
    levels: Iterable[str] = (),
    parts: Iterable[str] = (),
    device: str | None = None,
    announce: Announce | None = None,
    keep: Keep | None = None,
    before: Run | None = None,
) -> Run:
    """
    Return what the checks of *levels* (all of them if none is named) measured on *device*.

    Only the checks that speak of *models* are run, all if none is named, and only those of *parts* of
    a level that has parts. What *before* holds is kept, and not measured again. An interruption returns
    what is done so far, and *keep* is given that after every check. Raises KvplanError for what it
    does not know, without torch, and where an allocator's settings would change what L4 measures.
    """
    asked = tuple(dict.fromkeys(map(level_by_name, levels))) or LEVELS
    require_torch()
    where = choose_device(device)
    if where == "cuda" and "L4" in asked:
        _require_plain_allocator()
    found = _of_parts([check for level in asked for check in level_checks(level, models)], tuple(parts))
    if not found:
        raise KvplanError(f"no check of {', '.join(asked)} speaks of {', '.join(models)}")
    machine = describe_machine(where)
    return run_checks(found, device=where, machine=machine, announce=announce, keep=keep, before=before)


def _of_parts(checks: list[Check], parts: tuple[str, ...]) -> list[Check]:
    """Return the checks of *parts*, all for none; raise UnknownNameError for a part that there is not."""
    known = sorted({check.part for check in checks} - {""})
    for part in parts:
        if part not in known:
            there = f"there are {', '.join(known)}" if known else "these checks have none"
            raise UnknownNameError(f"unknown part {part!r}: {there}")
    return [check for check in checks if not parts or check.part in parts]


def level_by_name(name: str) -> Level:
    """Return a level by its name in any case; raise UnknownNameError if there is none."""
    for level in LEVELS:
        if level == name.strip().upper():
            return level
    raise UnknownNameError(f"unknown level {name!r}: the levels are {', '.join(LEVELS)}")


def level_checks(level: Level, models: tuple[str, ...]) -> list[Check]:
    """Return the checks of one level that speak of *models*; all of them for an empty tuple."""
    found: list[Check] = import_module(_MODULES[level]).checks(models)
    return found


def require_torch() -> None:
    """Raise KvplanError if what the checks need is not installed."""
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        raise KvplanError(f"kvplan validate needs {' and '.join(missing)}:", f"        {_EXTRA}")


def choose_device(device: str | None) -> str:
    """Return the asked device, or `cuda` where there is a GPU; raise KvplanError if it is not there."""
    import torch  # noqa: PLC0415 - only the checks need it

    available = torch.cuda.is_available()
    if device is None:
        return "cuda" if available else "cpu"
    if device not in ("cpu", "cuda"):
        raise UnknownNameError(f"unknown device {device!r}: use cpu or cuda")
    if device == "cuda" and not available:
        raise KvplanError("torch finds no CUDA device here: use --device cpu, or install torch with CUDA")
    return device


def _require_plain_allocator() -> None:
    from kvplan.validate.gpu.allocator import require_plain  # noqa: PLC0415 - imports torch

    require_plain()


def run_checks(  # noqa: PLR0913 - see validate
    checks: list[Check],
    *,
    device: str,
    machine: dict[str, Any],
    announce: Announce | None = None,
    keep: Keep | None = None,
    before: Run | None = None,
) -> Run:
    """
    Run the checks one after another on *device*; an interruption ends early, and keeps all.

    Ctrl-C and SIGTERM interrupt. A check that cannot run, or that breaks, is listed with its reason
    and stops no other. Checks of which *before* holds the measurements are not run again.
    """
    run = _begun(machine, before)
    missing = [check for check in checks if not run.has(check)]
    try:
        with _terminable():
            for number, check in enumerate(missing, start=1):
                if announce:
                    announce(number, len(missing), check)
                run = _with(run, check, device)
                if keep and number < len(missing):
                    keep(run)
    except KeyboardInterrupt:
        return run
    return replace(run, complete=True)


def _begun(machine: dict[str, Any], before: Run | None) -> Run:
    """Return a run without measurements, or *before* if it was taken here; raise KvplanError if not."""
    date = datetime.now(UTC).date().isoformat()
    begun = Run(**machine, date=date, measurements=(), complete=False)
    if before is None:
        return begun
    for field, value in begun.machine.items():
        if before.machine[field] != value:
            raise KvplanError(
                f"the run to go on with was taken with {field} {before.machine[field]}, and here it is "
                f"{value}: write to another file"
            )
    return replace(before, date=date, complete=False)


def _with(run: Run, check: Check, device: str) -> Run:
    """Return *run* with what one more check measured, or why it measured nothing."""
    # What an earlier attempt at the same check left.
    run = run.without(check)
    ended, missing = begin(check.level, check.name), Missing(level=check.level, name=check.name, reason="")
    try:
        run = replace(run, measurements=(*run.measurements, *check.run(device)))
    except SkippedError as reason:
        run = replace(run, skipped=(*run.skipped, replace(missing, reason=str(reason))))
    except Exception as error:  # noqa: BLE001 - other people's code may raise anything
        # A KvplanError says all in its line; of other errors the place is wanted too.
        trace = "" if isinstance(error, KvplanError) else "".join(format_exception(error))
        run = replace(run, failed=(*run.failed, replace(missing, reason=_in_a_line(error), trace=trace)))
    return replace(run, timings=(*run.timings, ended()))


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does; only the main thread can be told of signals."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_a_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"

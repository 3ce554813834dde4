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
from typing import get_args

from kvplan.errors import KvplanError, UnknownNameError
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


def validate(
    models: tuple[str, ...] = (),
    *,
    levels: Iterable[str] = (),
    device: str | None = None,
    announce: Announce | None = None,
    keep: Keep | None = None,
) -> Run:
    """
    Return what the checks of *levels* (all of them if none is named) measured on *device*.

    Only the checks that speak of *models* are run, all if none is named. An interruption returns
    what is done so far, and *keep* is given that after every check. Raises KvplanError for what it
    does not know, without torch, and where an allocator's settings would change what L4 measures.
    """
    asked = tuple(dict.fromkeys(map(level_by_name, levels))) or LEVELS
    require_torch()
    where = choose_device(device)
    if where == "cuda" and "L4" in asked:
        _require_plain_allocator()
    found = [check for level in asked for check in level_checks(level, models)]
    if not found:
        raise KvplanError(f"no check of {', '.join(asked)} speaks of {', '.join(models)}")
    return run_checks(found, device=where, machine=describe_machine(where), announce=announce, keep=keep)


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


def describe_machine(device: str) -> dict[str, str | None]:
    """Return the fields of a Run that say where it was taken."""
    import torch  # noqa: PLC0415 - only the checks need it
    import transformers  # noqa: PLC0415 - as above

    on_cuda = device == "cuda"
    return {
        "device": torch.cuda.get_device_name(0) if on_cuda else "cpu",
        "driver": _driver_version() if on_cuda else None,
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
    }


def _driver_version() -> str:
    import subprocess  # noqa: PLC0415 - only where there is a GPU; the driver's own program

    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.split("\n", 1)[0].strip()


def run_checks(
    checks: list[Check],
    *,
    device: str,
    machine: dict[str, str | None],
    announce: Announce | None = None,
    keep: Keep | None = None,
) -> Run:
    """
    Run the checks one after another on *device*; an interruption ends early, and keeps all.

    Ctrl-C and SIGTERM interrupt. A check that cannot run, or that breaks, is listed with its reason
    and stops no other.
    """
    run = Run(
        **machine,  # type: ignore[arg-type]
        date=datetime.now(UTC).date().isoformat(),
        measurements=(),
        complete=False,
    )
    try:
        with _terminable():
            for number, check in enumerate(checks, start=1):
                if announce:
                    announce(number, len(checks), check)
                run = _with(run, check, device)
                if keep and number < len(checks):
                    keep(run)
    except KeyboardInterrupt:
        return run
    return replace(run, complete=True)


def _with(run: Run, check: Check, device: str) -> Run:
    """Return *run* with what one more check measured, or why it measured nothing."""
    missing = Missing(level=check.level, name=check.name, reason="")
    try:
        return replace(run, measurements=(*run.measurements, *check.run(device)))
    except SkippedError as reason:
        return replace(run, skipped=(*run.skipped, replace(missing, reason=str(reason))))
    except Exception as error:  # noqa: BLE001 - other people's code may raise anything
        # A KvplanError says all in its line; of other errors the place is wanted too.
        trace = "" if isinstance(error, KvplanError) else "".join(format_exception(error))
        return replace(run, failed=(*run.failed, replace(missing, reason=_in_a_line(error), trace=trace)))


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

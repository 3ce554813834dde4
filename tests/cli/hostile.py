"""
Many hostile inputs from a seed, each run in this process: `python -m tests.cli.hostile --inputs 100000`.

Prints what an input did that none may: an end other than 0, 1 or 2, a traceback, raw control characters, a
message over the bounds, a file made or changed unasked, a time over the bound. Input number N of a seed is
always the same: `--only N` runs it alone and shows what it printed.
"""

import argparse
import importlib.util
import io
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from random import Random

from tests.cli.hostile_inputs import HUB, MAKERS, Input, Maker, Place, furnish
from tests.importers.hub_server import Hub, serve
from tests.program import PRESENTATION, Run

HANGS_SECONDS = 60
MOST_ERROR = 1200
MOST_LINE = 4200
NOTES = re.compile(r"kvplan: (not counted|ignored|waiting for)\b|\d+/\d+ L\d ")
"""How lines on stderr begin that are no errors: what was left out, and how far a validation is."""


class HangsError(BaseException):
    """An input did not end; no handler of the program takes it."""


def run(given: Input) -> Run:
    """Run one input as the program would be, and return how it ended; status 99 is a traceback."""
    from kvplan.cli import main  # noqa: PLC0415 - after the hub's address is set

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors=how) for how in ("strict", "backslashreplace"))
    with _streams(out, err, given):
        status: object = None
        try:
            main()
        except SystemExit as ended:
            status = ended.code
        except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
            traceback.print_exc(file=err)
            status = 99
    out.flush()
    err.flush()
    texts = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]
    return Run(status if isinstance(status, int) else 98, *texts)


@contextmanager
def _streams(out: io.TextIOWrapper, err: io.TextIOWrapper, given: Input) -> Iterator[None]:
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.argv, sys.stdin = ["kvplan", *given.words], io.TextIOWrapper(io.BytesIO(given.stdin))
    sys.stdout, sys.stderr = out, err
    signal.setitimer(signal.ITIMER_REAL, HANGS_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before


def _hangs(*_: object) -> None:
    raise HangsError


def faults(ended: Run) -> list[str]:
    """Return what a command that ended so did and none may."""
    errors = [line for line in ended.err.split("\n") if line and not NOTES.match(line)]
    found = [] if ended.status in (0, 1, 2) else [f"status {ended.status}: {ended.err.strip()[-300:]}"]
    found += ["raw characters"] if any(not line.isprintable() for line in _lines(ended)) else []
    found += ["a traceback"] if "Traceback (most recent" in ended.err and ended.status != 99 else []
    found += ["an error over the bounds"] if len(errors) > 2 or sum(map(len, errors)) > MOST_ERROR else []
    found += (
        ["a line over the bound"] if any(len(line) > MOST_LINE for line in _lines(ended, json=False)) else []
    )
    found += ["an error without a message"] if ended.status == 2 and not errors else []
    return found


def _lines(ended: Run, *, json: bool = True) -> list[str]:
    """Return the lines of both streams; those of JSON, which are as long as their texts, if asked for."""
    out = [] if not json and ended.out.startswith(("{", "name:")) else ended.out.split("\n")
    return [*out, *ended.err.split("\n")]


def state(folder: Path) -> Mapping[Path, tuple[int, int, int]]:
    """Return of everything below a folder its kind, its bytes and its last change."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            told = (Path(place) / name).lstat()
            size = 0 if stat.S_ISDIR(told.st_mode) else told.st_size
            changed = 0 if stat.S_ISDIR(told.st_mode) else told.st_mtime_ns
            found[Path(place) / name] = (stat.S_IFMT(told.st_mode), size, changed)
    return found


def harmed(before: Mapping[Path, tuple[int, int, int]], folder: Path, given: Input) -> list[str]:
    """Return what was made or changed without being asked for, and devices that are none any more."""
    after = state(folder)
    asked = {path.absolute() for path in given.outputs} | {path.resolve() for path in _safe(given.outputs)}
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    found = [f"changed {path.name!r}" for path in changed - asked]
    found += [
        f"replaced {path.name!r}"
        for path in changed & before.keys()
        if _kind(before, path) != _kind(after, path)
    ]
    if not stat.S_ISCHR(Path("/dev/null").stat().st_mode):
        found.append("replaced /dev/null")
    return found


def _safe(paths: frozenset[Path]) -> list[Path]:
    """Return the paths that a system can follow."""
    found = []
    for path in paths:
        try:
            path.resolve()
        except (OSError, ValueError, RuntimeError):
            continue
        found.append(path)
    return found


def _kind(states: Mapping[Path, tuple[int, int, int]], path: Path) -> int | None:
    return states[path][0] if path in states else None


class Harness:
    """Runs the inputs of one seed, each in a folder of its own."""

    def __init__(
        self, asked: argparse.Namespace, root: Path, hub: Hub, makers: Mapping[str, tuple[Maker, int]]
    ) -> None:
        self.seed, self.most_seconds, self.show = asked.seed, asked.seconds, asked.only is not None
        self.root, self.hub, self.makers = root, hub, makers
        self.ran: Counter[str] = Counter()
        self.slowest = (0.0, "")

    def one(self, number: int) -> list[str]:
        """Run one input and return its faults, each with what was run."""
        rng = Random(f"{self.seed}:{number}")  # noqa: S311 - no secret
        kind = rng.choices(list(self.makers), [weight for _, weight in self.makers.values()])[0]
        folder = self.root / "work"
        folder.mkdir()
        furnish(folder)
        os.chdir(folder)
        given = self.makers[kind][0](Place(rng=rng, folder=folder, hub=self.hub))
        before, start = state(folder), time.process_time()
        ended = run(given)
        seconds = time.process_time() - start
        self.ran[kind] += 1
        self.slowest = max(self.slowest, (seconds, f"{number} {kind}"))
        if self.show:
            sys.stdout.write(f"{given.words!r}\n{ended.out}{ended.err}{ended.status}\n")
        found = faults(ended) + harmed(before, folder, given)
        found += [f"{seconds:.1f} s"] if seconds > self.most_seconds else []
        os.chdir(self.root)
        shutil.rmtree(folder)
        return [f"{number} {kind} {given.notes} {str(given.words)[:300]}: {fault}" for fault in found]


@contextmanager
def prepared(root: Path) -> Iterator[tuple[Hub, Mapping[str, tuple[Maker, int]]]]:
    """Serve a hub that answers as an input says, and let no wait be a long one."""
    import typer.main  # noqa: PLC0415

    from kvplan import files  # noqa: PLC0415 - imports of kvplan stand after the environment
    from kvplan.importers import hub_guard  # noqa: PLC0415

    for name in PRESENTATION:
        os.environ.pop(name, None)
    hub = Hub(files={})
    files.IDLE_SECONDS = 0.05  # type: ignore[assignment]
    hub_guard.SECONDS, hub_guard.NOTICE_SECONDS = 2, 1
    # The commands are built of their signatures once, not for each input: that takes most of its time.
    typer.main.get_command = lru_cache(typer.main.get_command)
    signal.signal(signal.SIGALRM, _hangs)
    with serve(hub):
        waits = {"HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "1"}
        os.environ.update(waits, HF_ENDPOINT=hub.endpoint, HF_HOME=str(root / "hub"))
        has_hub = importlib.util.find_spec("huggingface_hub") is not None
        yield hub, {**MAKERS, **(HUB if has_hub else {})}


def main() -> int:
    """Run the inputs, print what went wrong and how many there were, and return 1 if anything did."""
    reader = argparse.ArgumentParser(description="Run hostile inputs.")
    reader.add_argument("--inputs", type=int, default=1000)
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--seconds", type=float, default=10, help="Of processor time, for one input.")
    reader.add_argument("--only", type=int, help="The number of one input.")
    asked = reader.parse_args()
    numbers = range(asked.inputs) if asked.only is None else [asked.only]
    failed = 0
    with tempfile.TemporaryDirectory() as name, prepared(Path(name)) as (hub, makers):
        harness = Harness(asked, Path(name).resolve(), hub, makers)
        for number in numbers:
            for fault in harness.one(number):
                failed += 1
                sys.stdout.write(f"{fault.encode('unicode_escape').decode()}\n")
                sys.stdout.flush()
        os.chdir("/")
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(harness.ran.items()))
    sys.stdout.write(f"{len(numbers)} inputs ({told}), {failed} faults; slowest {harness.slowest}\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

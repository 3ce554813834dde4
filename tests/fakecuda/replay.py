"""
Hold what L4 measured of models' caches against what kvplan predicts now: `python replay.py RUN.json`.

Those caches are of transformers' making, so that a change of a formula changes the prediction alone,
and the measurements of one run serve for many of them. Exit status 1 if any differs.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from kvplan.errors import KvplanError
from kvplan.validate.gpu import full_size, real
from kvplan.validate.gpu.grown import Sizes, Subject, claims, instants
from kvplan.validate.record import load
from kvplan.validate.results import Run
from kvplan.validate.toys import toys


def differing(run: Run) -> list[str]:
    """Return the claims about models' caches that do not hold any more."""
    measured = {(each.subject, each.claim): each.measured for each in run.measurements}
    return [
        f"{each.subject}: {each.claim}"
        for subject in _subjects()
        for each in claims(subject, [Sizes(memory=0, data=0)] * len(instants(subject)))
        if each.predicted not in {None, measured.get((each.subject, each.claim), each.predicted)}
    ]


def _subjects() -> Iterator[Subject]:
    """Give the models of (a) and (e) with the lengths that they have on a GPU."""
    yield from (real.subject_of(toy, "cuda") for toy in toys() if toy.name in real.NAMES)
    yield from (full_size.subject_of(each.full) for each in full_size.full_sizes())


def main(file: Path) -> int:
    """Print what differs, and return the exit status."""
    run = load(file)
    if run is None:
        raise KvplanError(f"{file} is not there")
    found = differing(run)
    sys.stdout.write("".join(f"{each}\n" for each in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

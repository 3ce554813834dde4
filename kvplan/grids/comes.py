"""Traffic as a load of a grid: read once when the grid is made, so that every worker has the same."""

from collections.abc import Collection
from dataclasses import field, replace
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path

from kvplan.errors import OptionsError
from kvplan.grids.options import OF_TRAFFIC, TRAFFIC
from kvplan.records import record
from kvplan.traffic.laws import Law
from kvplan.traffic.observed import Observed
from kvplan.traffic.requests import Traffic
from kvplan.traffic.sources import is_file, not_outputs, read_source, traffic_of

_ANOTHERS = {
    "batch": "how many sequences of a traffic run is the answer: leave --batch out",
    "prompt": "the prompts are the traffic's: leave --prompt out",
}
"""What `hold` does not ask for, and why."""

_KEPT = 8
"""Traffics that are kept for the next plan: each has arrays of some megabytes."""


@record(kw_only=False)
class Source:
    """
    What traffic, or its outputs, are read from: a law or a public trace by its *text*, or a file.

    Of a file there is what it said when the grid was made, and its *digest*: a worker needs no file, and
    parts of another one are not gone on with.
    """

    text: str
    digest: str = ""
    content: Law | Traffic | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """Return the text, as columns have it."""
        return self.text

    def read(self) -> Law | Traffic:
        """Return the law or the traffic that is meant."""
        return read_source(self.text) if self.content is None else self.content


def source_of(text: str) -> Source:
    """Return what a text means; raise a KvplanError if it means nothing, or a file that cannot be read."""
    read = read_source(text)
    if not is_file(text):
        return Source(text)
    with Path(text).open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    # What requests share changes no load; in which order they came does.
    return Source(text, digest, replace(read, hashes=None) if isinstance(read, Observed) else read)


def outputs_of(text: str) -> Source:
    """Return the source of a law of outputs; raise a KvplanError for traffic, which has prompts, too."""
    source = source_of(text)
    if isinstance(source.read(), Traffic):
        raise not_outputs(text)
    return source


def require_one_load(names: Collection[str]) -> None:
    """Raise OptionsError for sequences of one length beside a traffic, and for what only a traffic has."""
    if TRAFFIC not in names:
        for name in (each for each in OF_TRAFFIC if each in names):
            raise OptionsError(
                f"--{name} is of a traffic, and there is none: give --traffic, as in azure-conv-2023, too"
            )
        return
    for name, why in _ANOTHERS.items():
        if name in names:
            raise OptionsError(f"--{name} does not go with --traffic: {why}")


@lru_cache(maxsize=_KEPT)
def traffic_from(source: Source, outputs: Source | None, most: int) -> Traffic:
    """Return the traffic of sources, as `read_traffic` does; what is asked of it is kept for other plans."""
    return traffic_of(source.read(), None if outputs is None else outputs.read(), most)

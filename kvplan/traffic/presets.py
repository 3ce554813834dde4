"""
Public traces by name, restated as quantiles: presets.json holds them, with source and licence.

A trace's requests are in some ten groups, from the shortest prompts to the longest; each group has points of
the cumulative distributions of its prompts and of its outputs, the shortest and the longest among them. So
long prompts keep their own outputs, without which a mean sequence of one of these traces would be twice as
long; within a group the two are drawn apart. `observed` has figures of the trace itself, for tests.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from kvplan.errors import UnknownNameError, did_you_mean
from kvplan.records import record
from kvplan.traffic.documents import knots_of
from kvplan.traffic.independent import independent
from kvplan.traffic.laws import knots_law
from kvplan.traffic.mixture import mixed
from kvplan.traffic.requests import Traffic


@record
class Preset:
    """
    A public trace: what it is, where it is from and how it may be used.

    `observed` are the mean, p50, p99 and the most tokens of its prompts, outputs, both together, and of a
    running sequence. Each of `groups` has a number of requests, and pairs of tokens and cumulative shares of
    their prompts and outputs.
    """

    name: str
    words: str
    source: str
    licence: str
    cite: str
    observed: dict[str, dict[str, float]]
    groups: list[dict[str, Any]]

    @property
    def requests(self) -> int:
        """Return how many requests there were."""
        return sum(group["requests"] for group in self.groups)

    def traffic(self) -> Traffic:
        """Return traffic as this one: within each group prompts and outputs are drawn apart."""
        return mixed([(group["requests"], self._of(group)) for group in self.groups], self._words)

    @property
    def _words(self) -> str:
        return f"{self.name} ({self.words})"

    def _of(self, group: dict[str, Any]) -> Traffic:
        prompt, output = (
            knots_law(self.name, knots_of(group[of], self.name)).pmf() for of in ("prompt", "output")
        )
        said = f"quantiles of {self.requests:,} requests, {self.source}, {self.licence}: {self.cite}"
        return independent(self._words, prompt, output, requests=group["requests"], notes=(said,))


@cache
def _presets() -> dict[str, Preset]:
    found: dict[str, dict[str, Any]] = json.loads(
        Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    )
    return {name: Preset(name=name, **values) for name, values in found.items()}


def preset_names() -> list[str]:
    """Return the names of the public traces that there are."""
    return sorted(_presets())


def preset(name: str) -> Preset:
    """Return the public trace of a name; raise UnknownNameError if there is none."""
    if name not in _presets():
        known = preset_names()
        raise UnknownNameError(
            f"no traffic is called {name!r}{did_you_mean(name, known)}: there are {', '.join(known)}"
        )
    return _presets()[name]

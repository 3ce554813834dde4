"""Of several starts in one log the last: an engine that is started again writes to the same log."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from kvplan.reconcile.lines import Line, marked
from kvplan.reconcile.log import Figure, FigureName, StartUpLog
from kvplan.records import record

MAX_FIGURE_LINES = 4096
"""Lines of figures that are read where no line begins a start: no start prints as many, of any ranks."""


@record
class Reader:
    """
    How the lines of one engine are read, and what begins and ends a start in them.

    `signs` are words of which each line with a figure has one, `starts` what begins a start. What the same
    process prints again after one of the figures `ends` belongs to a later start.
    """

    read: Callable[[Sequence[Line]], StartUpLog]
    signs: tuple[str, ...]
    starts: re.Pattern[str]
    ends: tuple[FigureName, ...] = ()

    def has_figures(self, text: str) -> bool:
        """Tell whether the text may have a figure of this engine."""
        return any(sign in text for sign in self.signs)

    def read_last(self, lines: Sequence[Line]) -> StartUpLog:
        """
        Return the log of the last start that has figures.

        It may run another model than those before it. Options may stand before the line that begins a
        start: what follows the figures before it belongs to it.
        """
        first, end = self._last(lines)
        before = self._figure_before(lines, first)
        chosen = self._bounded(lines[before:end])
        log = self.read(chosen)
        figures = tuple(_after_the_end(log.figures, self.ends))
        earlier = before > 0 or len(chosen) < end - before or len(figures) < len(log.figures)
        return replace(log, figures=figures, restarted=earlier)

    def _last(self, lines: Sequence[Line]) -> tuple[int, int]:
        """Return where the last start with figures begins, and where one that was cut off follows it."""
        end = len(lines)
        for at in range(len(lines) - 1, -1, -1):
            if self.starts.search(lines[at].text) is None:
                continue
            if self._figures(lines[at:end]):
                return at, end
            end = at
        # What begins a start may be printed late where none was before it (TensorRT-LLM's version).
        return 0, len(lines)

    def _figure_before(self, lines: Sequence[Line], first: int) -> int:
        """Return the place behind the last figure before a start; 0 if there is none."""
        return next((at + 1 for at in range(first - 1, -1, -1) if self._figures(lines[at : at + 1])), 0)

    def _figures(self, lines: Sequence[Line]) -> bool:
        signed = tuple(marked(lines, self.signs))
        return bool(signed) and bool(self.read(signed[-MAX_FIGURE_LINES:]).figures)

    def _bounded(self, lines: Sequence[Line]) -> Sequence[Line]:
        """Return the lines without those of figures that are too many before the end."""
        signed = [line.number for line in marked(lines, self.signs)]
        if len(signed) <= MAX_FIGURE_LINES:
            return lines
        left_out = set(signed[:-MAX_FIGURE_LINES])
        return [line for line in lines if line.number not in left_out]


def _after_the_end(figures: Sequence[Figure], ends: Sequence[FigureName]) -> Iterator[Figure]:
    """Yield the figures of the last start where no line begins one: from the first one that is repeated."""
    first, seen = 0, set[tuple[FigureName, str]]()
    ended = set[tuple[FigureName, str]]()
    for at, figure in enumerate(figures):
        key = (figure.name, figure.worker)
        if figure.name in ends:
            ended |= seen
        elif key in ended:
            first, seen, ended = at, set(), set()
        seen.add(key)
    yield from figures[first:]

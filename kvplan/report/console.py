"""Where text goes: a terminal's own width and colours, or a pipe's plain lines of any length."""

import sys
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.style import Style
from rich.text import Text as RichText

from kvplan.inert import inert
from kvplan.report.document import Cell, Tone

_PIPE_WIDTH = 400
_STYLES: dict[Tone, str] = {
    "plain": "",
    "strong": "bold",
    "quiet": "dim",
    "yes": "bold green",
    "no": "bold red",
    "maybe": "bold yellow",
    "ok": "green",
    "warning": "yellow",
    "option": "cyan",
    "kind": "bold cyan",
}


class Text(RichText):
    """A paragraph or a cell whose text is inert, wherever it came from; the only one that reports use."""

    def __init__(self, text: str = "", style: str | Style = "", **options: Any) -> None:  # noqa: ANN401 - rich's
        super().__init__(inert(text), style, **options)

    def append(self, text: RichText | str, style: str | Style | None = None) -> Self:
        """Add text behind what is there."""
        super().append(inert(text) if isinstance(text, str) else text, style)
        return self


class _Console(Console):
    """A console on which a string is text, not markup."""

    def render_str(self, text: str, *, style: str | Style = "", **_: Any) -> RichText:  # noqa: ANN401 - rich's
        """Return a string as it is shown in a table or in a line."""
        return Text(text, style)


def write(*parts: RenderableType) -> None:
    """Write the parts one below the other: in a terminal as wide as it is, in a pipe unwrapped."""
    terminal = _Console(highlight=False)
    if not terminal.is_terminal:
        terminal.width = _PIPE_WIDTH
    with terminal.capture() as capture:
        for part in parts:
            terminal.print(part)
    # rich fills tables with spaces to the right; in a pipe they would only be noise.
    lines = capture.get().splitlines()
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))


def bar_width() -> int:
    """Return how wide a bar may be: the terminal's width, and 80 at the most."""
    return min(80, Console().width)


def can_draw() -> bool:
    """Return whether stdout can encode block characters."""
    try:
        "█▓▒░·".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def text_of(cell: Cell) -> Text:
    """Return the text of a cell or a span, in the colour of its tone."""
    return Text(cell) if isinstance(cell, str) else Text(cell.text, _STYLES[cell.tone])

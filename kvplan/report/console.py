"""Where text goes: a terminal's own width and colours, or a pipe's plain lines of any length."""

import re
import sys
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.text import Text

_PIPE_WIDTH = 400
_LABEL_WIDTH = 9


def write(*parts: RenderableType) -> None:
    """Write the parts one below the other: in a terminal as wide as it is, in a pipe unwrapped."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    with console.capture() as capture:
        for part in parts:
            console.print(part)
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


def labelled(label: str, text: str, style: str = "") -> Text:
    """Return a paragraph with a label before its first line."""
    return Text.assemble((f"{label:<{_LABEL_WIDTH}}", "bold"), (text, style))


def pinned(source: str) -> list[Text]:
    """Return a line that names the commit from which a model was read, if *source* has one."""
    return [Text(f"read from {source}", "dim")] if re.search(r"/blob/[0-9a-f]{40}/", source) else []


def not_read(fields: Sequence[str]) -> list[Text]:
    """Return a line that lists the fields of a model's own file that were not read, if there are any."""
    return [labelled("Ignored", f"fields of the file: {', '.join(fields)}", "dim")] if fields else []


def counted(number: int, noun: str) -> str:
    """Return `1 sequence` or `1,024 sequences`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")

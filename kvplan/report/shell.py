"""A shell command at every width: what is copied of it is the command, however many lines it takes."""

import re

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult

from kvplan.inert import inert
from kvplan.report.console import Text

_WORD = re.compile(r"(?:[^\s'\"\\]|\\.|'[^']*'|\"(?:[^\"\\]|\\.)*\")+")
"""A word of a command with its quotes, in which no line may end."""

_GOES_ON = " \\"


class Command:
    """A command behind its label, broken between words as a shell reads on."""

    def __init__(self, label: Text, command: str) -> None:
        self.label = label
        # Inert before it is broken, so that its width is that of what is shown.
        self.words = _WORD.findall(inert(command))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the command: one line if it fits, and else several that a shell takes for one."""
        indent = cell_len(self.label.plain)
        lines = self._lines(options.max_width - indent)
        for at, line in enumerate(lines):
            text = Text().append(self.label if at == 0 else " " * indent)
            yield text.append(line + (_GOES_ON if at < len(lines) - 1 else ""))

    def _lines(self, width: int) -> list[str]:
        if cell_len(whole := " ".join(self.words)) <= width:
            return [whole]
        lines: list[str] = []
        for word in self.words:
            if lines and cell_len(f"{lines[-1]} {word}{_GOES_ON}") <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return lines

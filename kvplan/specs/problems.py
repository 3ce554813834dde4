"""What is wrong with a file: each problem with its line and key, and all of them in one error."""

from collections.abc import Sequence
from pathlib import Path

from kvplan.errors import SpecError
from kvplan.records import record

LONGEST = 800
"""Characters of an error: what does not fill the screen, where the terminal breaks it into lines."""

_SHOWN = 120


@record
class Problem:
    """One thing that is wrong, on a line of a file, at a key path."""

    line: int
    path: tuple[str | int, ...]
    text: str

    def __str__(self) -> str:
        key = key_text(self.path)
        return f"{self.line}: {key + ': ' if key else ''}{self.text}"


def refusal(file: Path, problems: Sequence[Problem]) -> SpecError:
    """Return one error of one line for all *problems*, of which there is one at least, in their order."""
    first, *others = dict.fromkeys(str(problem) for problem in problems)
    text = f"{file}:{first}"
    for index, other in enumerate(others):
        rest = f"; and {len(others) - index} more"
        longer = f"{text}; line {other}"
        last = index + 1 == len(others)
        if len(longer) + (0 if last else len(rest)) > LONGEST:
            return SpecError(text + rest)
        text = longer
    return SpecError(text)


def key_text(path: Sequence[str | int]) -> str:
    """Return a key path as people write it: `attention.global.groups`, `layers[0].repeat`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    text = text.removeprefix(".")
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return text if text.isprintable() else repr(text)

"""The errors that a user can cause; their text is what the command line prints."""

from kvplan.inert import inert

MOST_LINE = 800
MOST_ADVICE = 380
"""Characters of an error's two lines: with the program's name before them fewer than 1,200."""


class KvplanError(Exception):
    """
    Any input that kvplan refuses, with a message that names it and says what to do.

    The message is one line, and *advice* a second one below it. Either may quote what came from outside:
    nothing in it breaks a line or reaches a terminal as more than text.
    """

    def __init__(self, line: str, advice: str = "") -> None:
        super().__init__(line, *([advice] if advice else []))
        self.line = inert(line, MOST_LINE)
        self.advice = inert(advice, MOST_ADVICE)

    def __str__(self) -> str:
        """Return the message, of one line or two."""
        return f"{self.line}\n{self.advice}" if self.advice else self.line


class UnitError(KvplanError):
    """A size, a token count or a ratio that cannot be read."""


class SpecError(KvplanError):
    """A spec file, or a fact in it, that kvplan does not understand."""


class NotASpecError(SpecError):
    """What was given is neither a spec file nor a name; a model's own file may be meant."""


class ImportedError(KvplanError):
    """A model's own file (config.json, GGUF, safetensors) that kvplan does not understand."""


class NotFetchedError(ImportedError):
    """A model on a hub that could not be had: no network, no such model, no access."""


class UnknownNameError(KvplanError):
    """A model, GPU, dtype or engine that is not in the catalogue."""


class OptionsError(KvplanError):
    """Options that contradict each other, or one that is missing."""


class NoRoomError(KvplanError):
    """A memory in which an engine would not start: not one sequence of the asked context fits."""


class SplitError(KvplanError):
    """Something that the asked parallelism cannot divide."""


def did_you_mean(name: str, known: list[str]) -> str:
    """Return ` (did you mean 'x' or 'y'?)` for the closest of *known*, or an empty string."""
    return asking(closest(name, known))


def closest(name: str, known: list[str]) -> list[str]:
    """Return up to three of *known* that *name* may have meant."""
    # Imported here: a good command never needs it.
    from difflib import get_close_matches  # noqa: PLC0415

    return get_close_matches(name.lower(), known, n=3, cutoff=0.6)


def asking(names: list[str]) -> str:
    """Return ` (did you mean 'x' or 'y'?)`, or an empty string for no names."""
    return f" (did you mean {' or '.join(map(repr, names))}?)" if names else ""

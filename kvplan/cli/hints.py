"""What an unknown command may have meant: a model, a serving command, a function of the library."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from kvplan.cli.lazy import MODULES
from kvplan.errors import KvplanError, OptionsError, closest
from kvplan.files import exists

_UNKNOWN = re.compile(r"No such command '([^']*)'\.")
"""How click says it."""

_OF_LIBRARY: Mapping[str, str] = {"plan": "fit", "explain": "show", "load": "show"}
"""Functions of the package that answer what a command of another name does."""

_SHORT = 60
"""Characters of a model's name that may stand in an example."""


def hinted(message: str, words: Sequence[str]) -> str:
    """Return click's *message* on the command line *words*, with what to type in place of no command."""
    found = _UNKNOWN.match(message)
    if found is None:
        return message
    return f"{found[0]} {_instead(found[1], words)}"


def _instead(word: str, words: Sequence[str]) -> str:
    """Return what to type in place of *word*, which is no command."""
    if _is_model(word):
        name = shlex.quote(word) if len(word) <= _SHORT else "MODEL"
        return f"For a model: `kvplan size {name}` or `kvplan fit {name} --gpu h100-80gb`"
    if alike := closest(word, list(MODULES)):
        return f"Did you mean {alike[0]!r}?"
    if word in _OF_LIBRARY:
        return f"The command of the library's {word} is `kvplan {_OF_LIBRARY[word]}`"
    if _serves(words):
        return "The command of a server stands behind `kvplan fit --gpu h100-80gb --`"
    return "`kvplan help` lists the commands"


def with_grid(error: KvplanError, words: Sequence[str]) -> KvplanError:
    """Return the error of a command line, or one that names `sweep` where several values were given."""
    if words[:1] not in (["fit"], ["size"], ["hold"]):
        return error
    found = next((pair for pair in _given(words[1:]) if _is_list(pair[1])), None)
    if found is None:
        return error
    name, text = found
    return OptionsError(
        f"{name} {text[:_SHORT]} has several values, and `kvplan {words[0]}` answers one plan: "
        "`kvplan sweep` takes lists" + (", and + joins cards of one machine" if name == "--gpu" else "")
    )


def _given(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the options that a grid takes lists of, with their values, and the model."""
    own = words[: words.index("--")] if "--" in words else words
    flags = _flags()
    for at, word in enumerate(own):
        name, equals, value = word.partition("=")
        if name in flags:
            yield name, value if equals else "".join(own[at + 1 : at + 2])
    if own and not own[0].startswith("-") and not exists(Path(own[0])):
        yield "MODEL", own[0]


def _flags() -> set[str]:
    """Return how options of which a grid takes several values are typed."""
    from kvplan.grids.options import SweepOptions
    from kvplan.planner.options import OF_LISTS

    single = (*OF_LISTS, "rps")  # `hold` takes several rates itself.
    read = {
        name: get_args(hint)[1] for name, hint in SweepOptions.__annotations__.items() if name not in single
    }
    flags = (
        ("--" + name.replace("_", "-"), each.name, each.other, each.short) for name, each in read.items()
    )
    return {flag for several in flags for flag in several if flag}


def _is_list(text: str) -> bool:
    """Return whether a value is several: `8k,32k` or `1k..1m`; `8,192` and `uniform:1k..4k` are one each."""
    if ":" in text:
        return False
    parts = text.split(",")
    if len(parts) == 1:
        return ".." in text
    return all(parts) and "=" not in text and not re.fullmatch(r"\d{1,3}(,\d{3})+", text)


def _serves(words: Sequence[str]) -> bool:
    from kvplan.serving.words import find_launch

    try:
        find_launch(words)
    except OptionsError:
        return False
    return True


def _is_model(word: str) -> bool:
    from kvplan.cli.served import names_a_model

    return "/" in word or names_a_model(word)

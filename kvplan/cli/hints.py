"""What an unknown command may have meant: a model, a serving command, a function of the library."""

import re
import shlex
from collections.abc import Mapping, Sequence

from kvplan.cli.lazy import MODULES
from kvplan.errors import OptionsError, closest

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

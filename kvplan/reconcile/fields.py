"""Options out of a line such as `config: model='a', tensor_parallel_size=2` or `args: {'model': 'a'}`."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

_NOTHING = ("None", "null", "")


@cache
def _pattern(key: str) -> re.Pattern[str]:
    # model='a', 'model': 'a', "model": "a", tp_size=2, dtype=torch.bfloat16
    return re.compile(
        rf"\b{key}['\"]?\s{{0,3}}[=:]\s{{0,3}}(?:'([^']*)'|\"([^\"]*)\"|([^,\s'\"()\[\]{{}}]+))"
    )


def field_text(line: str, key: str) -> str | None:
    """Return the value of the first *key* in a line, None if it is absent or None."""
    match = _pattern(key).search(line)
    if match is None:
        return None
    text = next((group for group in match.groups() if group is not None), "")
    return None if text in _NOTHING else text


def read_fields(
    line: str, table: Mapping[str, tuple[str, Callable[[str], Any]]]
) -> Iterator[tuple[str, Any]]:
    """Yield kvplan's name and the value of every key of *table* that a line gives a readable value."""
    for key, (name, read) in table.items():
        text = field_text(line, key)
        value = None if text is None else read(text)
        if value is not None:
            yield name, value


def count(text: str) -> int | None:
    """Return a count above 0, with or without thousands separators; None for anything else."""
    plain = text.replace(",", "")
    return int(plain) if re.fullmatch(r"[1-9]\d{0,14}", plain, re.ASCII) else None


def flag(text: str) -> bool | None:
    """Return True or False as Python, JSON and llama.cpp print them; None for anything else."""
    return {"true": True, "false": False, "1": True, "0": False, "enabled": True, "disabled": False}.get(
        text.lower()
    )


def ratio(text: str) -> str | None:
    """Return a ratio above 0 and at most 1 as text; None for anything else."""
    return text if re.fullmatch(r"0\.\d{1,17}|1(?:\.0+)?", text, re.ASCII) and float(text) else None


def word(text: str) -> str:
    """Return a word without the module in front of it: `bfloat16` for `torch.bfloat16`."""
    return text.removeprefix("torch.")

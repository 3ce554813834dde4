"""The values of options: text in, the value that a plan takes out, and back to an engine's own text."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from kvplan.dtypes import dtype_by_name, kv_format
from kvplan.errors import OptionsError, UnitError, UnknownNameError
from kvplan.records import record
from kvplan.serving.served import Answer
from kvplan.units import MAX_COUNT, parse_bytes, parse_count, parse_ratio

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_SCALED = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)([a-zA-Z]{1,2})", re.ASCII)
_DECIMAL = re.compile(r"(\d{0,18})(?:\.(\d{0,18}))?", re.ASCII)
_SHOWN = 60

_DTYPE_WORDS = ("float16", "bfloat16", "float32", "half", "float")
"""Those of vLLM and SGLang, each dtype by its plainest name first (ModelDType in vLLM's config/model.py)."""


@record
class Value:
    """
    How the text of one option is read and written.

    `read` gets the option and its text, and returns None for an engine's own choice (`auto`); it
    raises OptionsError. `write` is its inverse.
    """

    read: Callable[[str, str], Answer | None]
    write: Callable[[Answer], str] = str


def shown(text: str) -> str:
    """Quote what was typed, and cut what would fill the line."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...")


def brief(written: str) -> str:
    """Return words as they were written, on one line and cut to what fits there."""
    line = " ".join(written.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."


def _counted(option: str, text: str, count: int) -> int:
    if not 1 <= count <= MAX_COUNT:
        raise OptionsError(f"{option} {shown(text)} is not a whole number from 1 to 10^12")
    return count


def whole(option: str, text: str) -> int:
    """Return a count of at least 1 that is written in digits alone."""
    return _counted(option, text, int(text) if _WHOLE.fullmatch(text) else 0)


def scaled(suffixes: Mapping[str, int], *, fractions: str, exact: bool) -> Callable[[str, str], int]:
    """
    Return a reader of counts such as `8192` or `32k`, by an engine's own *suffixes*.

    A fraction goes with a suffix in *fractions* alone. vLLM multiplies floats, so that 32.3k is 32299:
    *exact* says that an engine does not.
    """

    def read(option: str, text: str) -> int:
        match = _SCALED.fullmatch(text)
        if match is None:
            return whole(option, text)
        number, suffix = match[1], match[2]
        if suffix not in suffixes or ("." in number and suffix not in fractions):
            raise OptionsError(f"{option} {shown(text)} is not a count: write it in digits")
        units, _, decimals = number.partition(".")
        count = int(units + decimals) * suffixes[suffix] // 10 ** len(decimals)
        return _counted(option, text, count if exact else int(float(number) * suffixes[suffix]))

    return read


def auto(read: Callable[[str, str], Answer], *words: str) -> Callable[[str, str], Answer | None]:
    """Return *read*, but None for one of *words*, an engine's own choice."""
    return lambda option, text: None if text.lower() in words else read(option, text)


def positive(option: str, text: str) -> str:
    """Return a decimal number above 0 without needless digits: `.90` is `0.9`."""
    match = _DECIMAL.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        raise OptionsError(f"{option} {shown(text)} is not a number such as 0.9")
    units, fraction = match[1].lstrip("0") or "0", (match[2] or "").rstrip("0")
    if units == "0" and not fraction:
        raise OptionsError(f"{option} {shown(text)} is not above 0")
    return f"{units}.{fraction}" if fraction else units


def ratio(option: str, text: str) -> str:
    """Return a share above 0 and at most 1, as text: no float is 0.9."""
    share = positive(option, text)
    try:
        parse_ratio(share)
    except UnitError:
        raise OptionsError(f"{option} {shown(text)} is not above 0 and at most 1") from None
    return share


def layers(option: str, text: str) -> tuple[int, ...]:
    """Return the layers of each pipeline stage of `8,8`."""
    return tuple(whole(option, part.strip()) for part in text.split(","))


def _sizes(sizes: Answer) -> str:
    if not isinstance(sizes, tuple):
        raise OptionsError(f"{sizes!r} is not the layers of each stage, as in (8, 8)")
    return ",".join(map(str, sizes))


def counted(read: Callable[[str, str], Answer | None]) -> Value:
    """Return counts by *read*, written in digits: a plan's 32k is 32768, some engines' 32000."""
    return Value(read=read, write=lambda count: str(parse_count(str(count))))


def sized(read: Callable[[str, str], Answer | None]) -> Value:
    """Return sizes by *read*, written in bytes."""
    return Value(read=read, write=lambda size: str(size if isinstance(size, int) else parse_bytes(str(size))))


COUNT = counted(whole)
COUNT_TEXT = counted(lambda option, text: str(whole(option, text)))
"""A count that is a setting: settings are text."""

RATIO = Value(read=ratio)
POSITIVE = Value(read=positive)
NAME = Value(read=lambda _, text: text)
LAYERS = Value(read=layers, write=_sizes)


def flag(*, on: Answer = "true", off: Answer = "false") -> Value:
    """Return a flag that is written out, as files have it, and what it is to a plan."""
    return Value(read=lambda option, text: on if _FLAG.read(option, text) == "true" else off)


def name_of(engine_words: str) -> Value:
    """Return a value that is one of *engine_words*; `auto` is the engine's own choice."""
    return choice({word: None if word == "auto" else word for word in engine_words.split()})


def among(engine_words: str) -> Value:
    """Return a value that is one of *engine_words*; any other is left out of a plan, as its row says."""
    known = engine_words.split()
    return Value(read=lambda _, text: text if text in known else None)


def choice(engine_words: Mapping[str, str | None]) -> Value:
    """Return a value by *engine_words* and what they are to a plan; None is the engine's own choice."""
    back: dict[str, str] = {}
    for word, name in engine_words.items():
        if name is not None:
            back.setdefault(name, word)

    def read(option: str, text: str) -> str | None:
        if text not in engine_words:
            raise OptionsError(f"{option} {shown(text)} is not one of {', '.join(engine_words)}")
        return engine_words[text]

    def write(name: Answer) -> str:
        if str(name) not in back:
            raise OptionsError(f"the engine has no word for {shown(str(name))}: it knows {', '.join(back)}")
        return back[str(name)]

    return Value(read=read, write=write)


def cache_format(engine_words: str, kvplan_names: Mapping[str, str], alike: Mapping[str, str]) -> Value:
    """
    Return a cache dtype in the *engine_words* that a plan takes, too.

    *kvplan_names* gives the engine's word for a name of kvplan's, *alike* the word with the layout of
    one that a plan does not take. Raises OptionsError for what kvplan has no layout for.
    """
    words = engine_words.split()

    def read(option: str, text: str) -> str | None:
        if text == "auto":
            return None
        word = alike.get(text, text)
        if word not in words:
            raise OptionsError(
                f"{option} {shown(text)}: kvplan has no layout for it; it has {', '.join(words)}"
            )
        return word

    def write(name: Answer) -> str:
        text = str(name)
        word = text if text in words else kvplan_names.get(kvplan_format(text), kvplan_format(text))
        if word not in words:
            raise OptionsError(f"the engine stores no cache as {shown(text)}: it knows {', '.join(words)}")
        return word

    return Value(read=read, write=write)


def kvplan_format(text: str) -> str:
    """Return kvplan's own name of a cache format, for one of its aliases."""
    try:
        return kv_format(text).name
    except UnknownNameError as error:
        raise OptionsError(str(error)) from None


def model_dtype(text: str) -> str:
    """Return kvplan's own name of a dtype, for one of its aliases."""
    try:
        return dtype_by_name(text).name
    except UnknownNameError as error:
        raise OptionsError(str(error)) from None


_FLAG = choice({"true": "true", "false": "false"})

_model_dtype = choice({"auto": None, **{word: model_dtype(word) for word in _DTYPE_WORDS}})
MODEL_DTYPE = Value(
    read=_model_dtype.read,
    write=lambda name: _model_dtype.write(model_dtype(str(name))),
)
"""vLLM's and SGLang's `--dtype`."""


def json_value(option: str, text: str) -> Any:  # noqa: ANN401 - any value that there is in JSON
    """Return the value that *text* is in JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise OptionsError(f"{option} {shown(text)} is not JSON: quote it for the shell") from None


def json_object(option: str, text: str) -> Mapping[str, Any]:
    """Return the object that *text* is in JSON."""
    found = json_value(option, text)
    if not isinstance(found, dict):
        raise OptionsError(f"{option} {shown(text)} is not a JSON object: write {{...}}")
    return found

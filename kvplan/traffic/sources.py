"""What traffic is read from: a law, a distribution, a trace, a preset, each told by how it is written."""

from pathlib import Path
from typing import cast

from kvplan.arguments import as_argument
from kvplan.errors import OptionsError, UnknownNameError, did_you_mean
from kvplan.files import exists
from kvplan.traffic.files import read_file
from kvplan.traffic.independent import independent
from kvplan.traffic.laws import EXAMPLES, Law, is_law, read_law
from kvplan.traffic.presets import preset, preset_names
from kvplan.traffic.requests import Traffic
from kvplan.units import MAX_COUNT


def traffic_of(prompt: object, output: object, most: object) -> Traffic:
    """Return the traffic that `read_traffic` is asked for."""
    law = prompt if isinstance(prompt, Traffic) else _source(_text(prompt, "prompt"))
    output = None if output is None else _text(output, "output")
    most = _most(most)
    if isinstance(law, Law):
        outputs = None if output is None else _output_law(output)
        return _of_laws(law, outputs, most)
    if output is not None:
        raise OptionsError(
            f"{law.words} has outputs of its own: leave the law of outputs, {str(output)!r}, out"
        )
    return law if most is None else law.cut(most)


def _text(value: object, name: str) -> str | Path:
    return cast("str | Path", as_argument(value, str | Path, f"kvplan.read_traffic: {name}"))


def _most(value: object) -> int | None:
    most = cast("int | None", as_argument(value, int | None, "kvplan.read_traffic: most"))
    if most is not None and not 1 <= most <= MAX_COUNT:
        raise OptionsError(f"most={most} is not a number of tokens: a request has at least 1")
    return most


def _of_laws(prompt: Law, output: Law | None, most: int | None) -> Traffic:
    words = f"prompts {prompt.words}, " + ("no outputs" if output is None else f"outputs {output.words}")
    outputs = None if output is None else output.pmf(most)
    return independent(words, prompt.pmf(most), outputs, most)


def _output_law(output: str | Path) -> Law:
    law = _source(output)
    if isinstance(law, Law):
        return law
    raise OptionsError(f"{str(output)!r} is no law of outputs: it has prompts, too; give it alone")


def _source(asked: str | Path) -> Law | Traffic:
    """Return what a text or a path means; raise a KvplanError if it means nothing."""
    if isinstance(asked, str) and is_law(asked):
        return read_law(asked)
    if asked in preset_names():
        return preset(str(asked)).traffic()
    path = Path(asked)
    if exists(path):
        return read_file(path)
    raise _unknown(str(asked))


def _unknown(asked: str) -> UnknownNameError:
    presets = preset_names()
    return UnknownNameError(
        f"there is no file {asked!r}, and it is no preset{did_you_mean(asked, [*presets, *EXAMPLES])}: "
        f"write one of {', '.join(presets)}, or a law as {EXAMPLES['lognormal']}"
    )

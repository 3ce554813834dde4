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
    law, most = _read(prompt, "prompt"), _most(most)
    if isinstance(law, Law):
        return _of_laws(law, None if output is None else _output_law(output), most)
    if output is not None:
        raise OptionsError(
            f"{law.words} has outputs of its own: leave the law of outputs, {_said(output)!r}, out"
        )
    return law if most is None else law.cut(most)


def _read(asked: object, name: str) -> Law | Traffic:
    """Return a source that was read before, or what a text or a path means."""
    if isinstance(asked, Law | Traffic):
        return asked
    return read_source(cast("str | Path", as_argument(asked, str | Path, f"kvplan.read_traffic: {name}")))


def _said(asked: object) -> str:
    return asked.words if isinstance(asked, Law | Traffic) else str(asked)


def _most(value: object) -> int | None:
    most = cast("int | None", as_argument(value, int | None, "kvplan.read_traffic: most"))
    if most is not None and not 1 <= most <= MAX_COUNT:
        raise OptionsError(f"most={most} is not a number of tokens: a request has at least 1")
    return most


def _of_laws(prompt: Law, output: Law | None, most: int | None) -> Traffic:
    words = f"prompts {prompt.words}, " + ("no outputs" if output is None else f"outputs {output.words}")
    outputs = None if output is None else output.pmf(most)
    return independent(words, prompt.pmf(most), outputs, most)


def _output_law(output: object) -> Law:
    law = _read(output, "output")
    if isinstance(law, Law):
        return law
    raise not_outputs(_said(output))


def not_outputs(text: str) -> OptionsError:
    """Return what to say of a source that is no law of outputs."""
    return OptionsError(f"{text!r} is no law of outputs: it has prompts, too; give it alone")


def is_file(asked: str | Path) -> bool:
    """Tell whether a source is a file: neither a law nor a preset, which their text says wholly."""
    return not (isinstance(asked, str) and (is_law(asked) or asked in preset_names()))


def read_source(asked: str | Path) -> Law | Traffic:
    """Return what a text or a path means; raise a KvplanError if it means nothing."""
    if isinstance(asked, str) and not is_file(asked):
        return read_law(asked) if is_law(asked) else preset(asked).traffic()
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

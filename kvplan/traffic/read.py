"""The function `read_traffic`; without numpy it says what it lacks."""

from pathlib import Path
from typing import TYPE_CHECKING

from kvplan.extras import needed

if TYPE_CHECKING:
    from kvplan.traffic.requests import Traffic


def read_traffic(
    prompt: "str | Path | Traffic", output: "str | Path | None" = None, most: int | None = None
) -> "Traffic":
    """
    Return traffic: requests by the tokens of their prompts and outputs.

    *prompt* is a law of prompts' lengths, `"lognormal:p50=2k,p99=16k,max=64k"`, a JSON file of pairs of
    tokens and cumulative shares, or what has outputs of its own: a trace file or the name of a preset.
    *output* is a law of outputs; without one nothing is generated, and a sequence stands at its prompt.
    Requests of more than *most* tokens are refused, as an engine refuses them; a law without an end needs
    it. Raises KvplanError for what cannot be read.
    """
    needed("numpy", "traffic", "traffic")
    from kvplan.traffic.sources import traffic_of  # noqa: PLC0415 - it needs numpy

    return traffic_of(prompt, output, most)

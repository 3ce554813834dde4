"""Several values of one option in one text, as a command line has them."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

from kvplan.planner.options import FitOptions

OF_LAWS = ("traffic", "outputs")
"""The options that take laws of lengths."""


def split_values(name: str, text: str) -> list[str]:
    """
    Return the parts between commas of an option's text.

    The commas within a cache format, `q8_0,value=q4_0`, or a law, `lognormal:p50=2k,p99=16k`, part nothing.
    """
    parts: list[str] = []
    for part in (each.strip() for each in text.split(",")):
        if parts and _goes_on(name, parts[-1], part):
            parts[-1] += f",{part}"
        elif part:
            parts.append(part)
    return parts


def _goes_on(name: str, before: str, part: str) -> bool:
    """Return whether a part belongs to the value before it: in a law it is a name and a value."""
    if name == "kv_dtype":
        return "=" in part
    return name in OF_LAWS and ":" in before and "=" in part and ":" not in part


def axes_signature(function: Callable[..., object], options: type = FitOptions) -> Signature:
    """Return the signature of *function* with a keyword for each of *options*, of any number of values."""
    own = signature(function)
    named = [each for each in own.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
    axes = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Any)
        for name in options.__annotations__
    ]
    return own.replace(parameters=[*named, *axes])

"""Several values of one option in one text, as a command line has them."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

from kvplan.planner.options import FitOptions


def split_values(name: str, text: str) -> list[str]:
    """
    Return the parts between commas of an option's text.

    A cache format's own commas, `q8_0,value=q4_0`, part nothing.
    """
    parts: list[str] = []
    for part in (each.strip() for each in text.split(",")):
        if name == "kv_dtype" and "=" in part and parts:
            parts[-1] += f",{part}"
        elif part:
            parts.append(part)
    return parts


def axes_signature(function: Callable[..., object]) -> Signature:
    """Return the signature of *function* with a keyword for each option of `fit`, of any number of values."""
    own = signature(function)
    named = [each for each in own.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
    axes = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Any)
        for name in FitOptions.__annotations__
    ]
    return own.replace(parameters=[*named, *axes])

"""
How serving engines turn terms into memory: a value per engine and version, and one function each.

An engine's package is imported when it is asked for.
"""

import re
from collections.abc import Callable
from importlib import import_module

from kvplan.engines.arrangement import Arrangement, Line, StartUp, Straight
from kvplan.engines.base import Drafting, Engine, EngineOptions, HeldLayer, Share, SharedOptions, ToStore
from kvplan.engines.exact import EXACT
from kvplan.engines.profile_run import Dealt, Estimate, ProfileRun
from kvplan.engines.shares import Shares
from kvplan.errors import UnknownNameError, did_you_mean

_MAKERS = {
    "exact": "kvplan.engines.exact:exact",
    "vllm": "kvplan.engines.vllm.engine:vllm",
    "sglang": "kvplan.engines.sglang.engine:sglang",
    "trtllm": "kvplan.engines.trtllm.engine:trtllm",
    "llamacpp": "kvplan.engines.llamacpp.engine:llamacpp",
    "transformers": "kvplan.engines.transformers.engine:transformers",
}
"""Where the function is that returns an engine by the rules of a release, or of the newest known one."""


def engine_names() -> list[str]:
    """Return the names that `--engine` takes; `vllm@0.19` asks for another release's rules."""
    return list(_MAKERS)


_SPELT = {"tensorrtllm": "trtllm", "llamaserver": "llamacpp", "huggingface": "transformers"}
"""Engines as their makers or their programs are called, without marks: TensorRT-LLM, llama-server."""


def plain_name(text: str) -> str:
    """Return an engine's name without its release, as `--engine` takes it: `llamacpp` of `llama.cpp`."""
    letters = _letters(text.partition("@")[0])
    return next((name for name in _MAKERS if _letters(name) == letters), _SPELT.get(letters, letters))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_engine(text: str) -> Engine:
    """Return the engine of `exact`, `vllm` or `vllm@0.19`; raise UnknownNameError if there is none."""
    _, at, version = text.strip().lower().partition("@")
    name = plain_name(text)
    if name not in _MAKERS:
        hint = did_you_mean(text.partition("@")[0], engine_names())
        raise UnknownNameError(
            f"unknown engine {text[:40]!r}{hint}; kvplan knows {', '.join(engine_names())}"
        )
    module, _, function = _MAKERS[name].partition(":")
    make: Callable[[str | None], Engine] = getattr(import_module(module), function)
    return make(version if at else None)


__all__ = [
    "EXACT",
    "Arrangement",
    "Dealt",
    "Drafting",
    "Engine",
    "EngineOptions",
    "Estimate",
    "HeldLayer",
    "Line",
    "ProfileRun",
    "Share",
    "SharedOptions",
    "Shares",
    "StartUp",
    "Straight",
    "ToStore",
    "engine_names",
    "find_engine",
    "plain_name",
]

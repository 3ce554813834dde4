"""Every argument of the library's functions, given as something else: an answer or a KvplanError."""

from contextlib import suppress
from inspect import signature
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import kvplan
from kvplan.arguments import ArgumentError
from kvplan.errors import OptionsError

GOOD: dict[str, dict[str, Any]] = {
    "load": {"model": "llama-3.1-8b"},
    "size": {"model": "llama-3.1-8b"},
    "fit": {"model": "llama-3.1-8b", "gpu": "h100-80gb", "context": 8192},
    "plan": {"model": "llama-3.1-8b", "gpu": "h100-80gb"},
    "check": {"model": "llama-3.1-8b"},
    "explain": {"model": "llama-3.1-8b"},
    "compare": {"models": "llama-3.1-8b", "context": 8192},
    "plot": {"kind": "memory", "models": "llama-3.1-8b", "gpu": "h100-80gb", "context": 8192},
    "whatif": {"model": "llama-2-7b", "context": 8192},
    "advise": {"model": "llama-3.1-8b", "gpu": "h100-80gb", "context": 8192},
    "new": {"name": "mine", "heads": 8, "head_dim": 64, "layers": 2},
    "read_traffic": {"prompt": "lognormal:p50=2k,p99=16k,max=64k", "output": "fixed:16", "most": 8192},
    "bounds": {"model": "llama-3.1-8b", "gpu": "h100-80gb", "context": 8192},
    "disaggregate": {"model": "llama-3.1-8b", "context": 8192, "output": 64, "link": "nvlink4"},
    "tiers": {"model": "llama-3.1-8b", "gpu": "h100-80gb", "context": 8192, "host": "1GiB"},
    "hold": {"model": "llama-3.1-8b", "gpu": "h100-80gb", "traffic": "fixed:1k", "context": 8192},
    "sweep": {"models": "llama-3.1-8b", "gpu": "h100-80gb", "context": 8192},
    "write_report": {"answers": [], "path": "report.html"},
}
FUNCTIONS = sorted(name for name in kvplan.__all__ if isinstance(getattr(kvplan, name), FunctionType))
PARAMETERS = [
    (name, parameter) for name in FUNCTIONS for parameter in signature(getattr(kvplan, name)).parameters
]
ODD: list[Any] = [
    *(None, True, 0, -1, 1, 3, 2**31, 10**18, -(10**25), 10**5000),
    *(0.5, float("nan"), float("inf"), 1j),
    *("", "x", "8k", "-1", "\x1b", "\0", "a" * 5000, b"x"),
    *([], [1], (16, 16), ("a",), {}, {"a": 1}, {"a": "b"}, {1: 2}, {1}, iter([1])),
    *(object(), int, Exception("x"), Path(), Path("nope"), Path("\0")),
]


def test_each_function_is_walked() -> None:
    assert sorted(GOOD) == FUNCTIONS


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_an_odd_argument_is_an_answer_or_a_kvplan_error(name: str, parameter: str) -> None:
    """Nothing else is raised, whichever the engine is."""
    function = getattr(kvplan, name)
    engines = (
        ({"engine": "exact"}, {"engine": "vllm"}) if "engine" in signature(function).parameters else ({},)
    )
    for engine in engines:
        for value in ODD:
            with suppress(kvplan.KvplanError):
                answer = function(**{**GOOD[name], **engine, parameter: value})
                if name == "sweep" and parameter != "progress":  # Any function may be told.
                    list(answer)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"batch": "16"}, "batch: found '16'; expected an int"),
        ({"tp": True}, "tp: found True; expected an int"),
        ({"tp": 2.0}, "tp: found 2.0; expected an int"),
        ({"tp": 0}, "tp: found 0; expected at least 1"),
        ({"max_num_seqs": -5}, "max_num_seqs: found -5; expected at least 1"),
        ({"tp": 10**5000}, "tp: found an int beyond 10^18; expected an int"),
        ({"context": [8192]}, "context: found a list; expected an int or text or None"),
        ({"pp_layers": 16}, "pp_layers: found 16; expected a list of ints or None"),
        ({"settings": {"kv_unified": True}}, "settings: found a dict; expected a dict of texts or None"),
        ({"prefix_caching": "yes"}, "prefix_caching: found 'yes'; expected True or False or None"),
        ({"model": 8}, "model: found 8; expected text or a path or a ModelSpec"),
        ({"gpus": "h100-80gb"}, "got an unexpected keyword argument 'gpus'"),
        ({"ctx": 8192}, "got an unexpected keyword argument 'ctx' (did you mean 'context'?)"),
    ],
)
def test_an_argument_of_another_type_is_named(arguments: dict[str, Any], told: str) -> None:
    """It is a TypeError too, which Python raises for it."""
    with pytest.raises(ArgumentError) as error:
        kvplan.size(**{"model": "llama-3.1-8b", **arguments})
    assert str(error.value) == f"kvplan.size: {told}"
    assert isinstance(error.value, TypeError)


def test_an_option_without_its_name_is_told_how_options_are_given() -> None:
    with pytest.raises(ArgumentError) as error:
        kvplan.fit("llama-3.1-8b", "h100-80gb")  # type: ignore[call-arg, arg-type]
    assert str(error.value) == (
        "kvplan.fit: too many positional arguments; options are given by name, as in gpu='h100-80gb'"
    )


def test_a_card_of_a_few_bytes_was_meant_in_another_unit() -> None:
    with pytest.raises(OptionsError, match=r"a GPU of 80 bytes is none: give all its bytes, or .* '80GB'"):
        kvplan.plan("llama-3.1-8b", gpu=80)
    assert kvplan.plan("llama-3.1-8b", gpu=80 * 10**9).max_batch("8k") == 49


def test_numpys_numbers_are_numbers() -> None:
    """8 groups on 2 ranks: 2 x 4 x 128 x 32 layers x 2 bytes are 65,536 a token."""
    np = pytest.importorskip("numpy")
    answer = kvplan.size("llama-3.1-8b", context=np.int64(8192), batch=np.uint8(2), tp=np.int32(2))
    assert answer.total_bytes == 2 * 8192 * 65_536
    assert type(answer.context) is type(answer.batch) is type(answer.tp) is int
    asked: dict[str, Any] = {"engine": "vllm", "pp": 2, "gpu": 80 * 10**9, "context": 8192}
    plain = kvplan.fit("llama-3.1-8b", pp_layers=(20, 12), prefix_caching=True, utilization=0.5, **asked)
    asked |= {"pp_layers": np.array([20, 12]), "prefix_caching": np.bool_(1), "utilization": np.float32(0.5)}
    assert kvplan.fit("llama-3.1-8b", **asked) == plain


def test_the_public_names_are_listed() -> None:
    assert dir(kvplan) == sorted([*kvplan.__all__, "__version__"])
    assert all(getattr(kvplan, name) is not None for name in dir(kvplan))

"""Which models run with Model Runner V2: config/vllm.py of 0.20.1 to 0.24, 0.26, 0.28, 0.30, 0.32, 0.33."""

import pytest

import kvplan
from kvplan.engines.vllm.runners import takes_v2
from kvplan.engines.vllm.versions import find_rules
from kvplan.gpus import Card, find_card

DENSE, MIXTURE, HYBRID = (False, False), (True, False), (False, True)


def _runner(
    release: str,
    architecture: str,
    what: tuple[bool, bool],
    *,
    asked: bool | None = None,
    card: Card | None = None,
) -> str:
    has_experts, has_states = what
    taken = find_rules(release).v2_runner
    v2 = takes_v2(taken, architecture, has_experts=has_experts, has_states=has_states, asked=asked, card=card)
    return "v2" if v2 else "v1"


@pytest.mark.parametrize(
    ("release", "architecture", "what", "expected"),
    [
        ("0.20.1", "llama", DENSE, "v1"),
        ("0.21", "qwen3", DENSE, "v1"),
        # One class in 0.22, and three in 0.23.
        ("0.22.0", "qwen3", DENSE, "v2"),
        ("0.22.1", "llama", DENSE, "v1"),
        ("0.23", "llama", DENSE, "v2"),
        ("0.23", "deepseek_v2", MIXTURE, "v1"),
        # Six named classes; Qwen2ForCausalLM is none of them.
        ("0.24", "llama", DENSE, "v2"),
        ("0.24", "deepseek_v2", MIXTURE, "v2"),
        ("0.24", "qwen2", DENSE, "v1"),
        ("0.24", "qwen3_moe", MIXTURE, "v1"),
        # All but mixtures, of which some are named, and hybrids.
        ("0.26", "qwen2", DENSE, "v2"),
        ("0.26", "qwen3_moe", MIXTURE, "v1"),
        ("0.27.1", "qwen3_5_text", HYBRID, "v1"),
        ("0.28", "deepseek_v2", MIXTURE, "v2"),
        ("0.28", "gpt_oss", MIXTURE, "v1"),
        # DeepSeek-V4 came with 0.28.
        ("0.26", "deepseek_v4", MIXTURE, "v1"),
        ("0.28", "deepseek_v4", MIXTURE, "v2"),
        # All.
        ("0.29", "gpt_oss", MIXTURE, "v2"),
        ("0.33", "qwen3_5_text", HYBRID, "v2"),
    ],
)
def test_a_release_takes_the_runner_of_its_own_list(
    release: str, architecture: str, what: tuple[bool, bool], expected: str
) -> None:
    assert _runner(release, architecture, what) == expected


@pytest.mark.parametrize(("release", "expected"), [("0.28", "v1"), ("0.30", "v1"), ("0.32", "v2")])
def test_on_rocm_some_stay_with_the_older_one(release: str, expected: str) -> None:
    card = find_card("mi300x-192gb")
    assert _runner(release, "deepseek_v4", MIXTURE, card=card) == expected
    assert _runner(release, "llama", DENSE, card=card) == "v2"


@pytest.mark.parametrize(("release", "expected"), [("0.22", False), ("0.23", False), ("0.24", True)])
def test_two_releases_leave_quantised_weights_to_the_older_one(release: str, *, expected: bool) -> None:
    """`not model_config.is_quantized` in _is_default_v2_model_runner_model of 0.22 and 0.23."""
    taken = find_rules(release).v2_runner
    plain, quantised = (
        takes_v2(taken, "qwen3", has_experts=False, has_states=False, asked=None, plain_weights=each)
        for each in (True, False)
    )
    assert (plain, quantised) == (True, expected)


def test_what_is_asked_for_is_taken() -> None:
    assert _runner("0.20.1", "llama", DENSE, asked=True) == "v2"
    assert _runner("0.33", "llama", DENSE, asked=False) == "v1"


def _cache_bytes(release: str, asked: str | None = None) -> int:
    settings = {} if asked is None else {"use_v2_model_runner": asked}
    engine = f"vllm@{release}"
    return kvplan.size("gpt-oss-20b", engine=engine, context=131_072, pp=2, settings=settings).total_bytes


def test_batches_in_flight_are_those_of_the_runner_that_runs() -> None:
    """Two stages have two batches in flight, and three with V2, which 0.29 alone takes for mixtures."""
    assert _cache_bytes("0.28") == _cache_bytes("0.28", "false") < _cache_bytes("0.28", "true")
    assert _cache_bytes("0.29", "false") < _cache_bytes("0.29") == _cache_bytes("0.29", "true")

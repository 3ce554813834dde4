"""Which models run with Model Runner V2: config/vllm.py of 0.20.1, 0.24, 0.26, 0.28 and 0.30."""

import pytest

from kvplan.engines.vllm.runners import takes_v2
from kvplan.engines.vllm.versions import find_rules

DENSE = {"has_experts": False, "has_states": False}
MIXTURE = {"has_experts": True, "has_states": False}
HYBRID = {"has_experts": False, "has_states": True}


@pytest.mark.parametrize(
    ("release", "architecture", "what", "expected"),
    [
        ("0.20.1", "llama", DENSE, "v1"),
        ("0.21", "qwen3", DENSE, "v1"),
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
        # All.
        ("0.29", "gpt_oss", MIXTURE, "v2"),
        ("0.33", "qwen3_5_text", HYBRID, "v2"),
    ],
)
def test_a_release_takes_the_runner_of_its_own_list(
    release: str, architecture: str, what: dict[str, bool], expected: str
) -> None:
    v2 = takes_v2(find_rules(release).v2_runner, architecture, **what, asked=None)
    assert v2 is (expected == "v2")


def test_what_is_asked_for_is_taken() -> None:
    assert takes_v2("v1", "llama", **DENSE, asked=True)
    assert not takes_v2("v2", "llama", **DENSE, asked=False)

"""What a release of vLLM no longer serves is refused, and what an older one served is planned."""

import pytest

import kvplan

# vLLM 0.33, model_executor/models/registry.py, as its ValueError says it: supported until this release.
UNTIL = [
    ("qwen-7b", "0.23", "0.24"),
    ("internlm-7b", "0.23", "0.24"),
    ("baichuan2-7b", "0.23", "0.24"),
    ("minimax-m1-80k", "0.23", "0.24"),
    ("bamba-9b", "0.23", "0.24"),
    ("dots.llm1", "0.23", "0.26"),
    ("mpt-7b", "0.28", "0.30"),
]


@pytest.mark.parametrize(("model", "last", "next_release"), UNTIL)
def test_a_removed_model_is_planned_up_to_its_last_release(model: str, last: str, next_release: str) -> None:
    assert kvplan.size(model, engine=f"vllm@{last}", context=4096, prefix_caching=False).total_bytes
    for release in (next_release, "0.33"):
        with pytest.raises(kvplan.KvplanError, match=f"no longer serves .*: {last} was the last"):
            kvplan.size(model, engine=f"vllm@{release}", context=4096)


def test_a_model_type_that_is_not_told_is_served() -> None:
    """A spec of one's own has no class that could have been taken away."""
    spec = kvplan.load("bamba-9b").model_copy(update={"architecture": None})
    assert kvplan.size(spec, engine="vllm", context=4096).total_bytes

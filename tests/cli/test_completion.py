"""Shell completion, asked for as bash does."""

import pytest

from tests.program import environment, start


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("kvplan ", {"fit", "size", "check", "show", "models", "gpus", "schema"}),
        ("kvplan fit llama-3.1-", {"llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b"}),
        ("kvplan size meta-llama/Llama-3.1-405", {"meta-llama/Llama-3.1-405b"}),
        ("kvplan fit llama-3.1-8b --gpu h100", {"h100-80gb", "h100-pcie-80gb", "h100-nvl-94gb"}),
        ("kvplan fit llama-3.1-8b --gpu H100-80", {"H100-80gb"}),
        ("kvplan size deepseek-v3 --kv-dtype fp8_d", {"fp8_ds_mla"}),
        ("kvplan size llama-3.1-8b --engine e", {"exact"}),
        ("kvplan models --kind m", {"mla", "mha", "mqa"}),
        ("kvplan validate --level ", {"L0", "L1", "L2", "L3", "L4"}),
        ("kvplan fit mimo-v2-flash --engine sglang --set swa_f", {"swa_full_tokens_ratio="}),
        ("kvplan fit mimo-v2-flash --set swa_f", {"swa_full=", "swa_full_tokens_ratio="}),
    ],
)
def test_names_are_completed(words: str, expected: set[str]) -> None:
    """Aliases may come beside the names; what is typed stays, because shells replace nothing of it."""
    typed = words.rsplit(" ", 1)[1]
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_KVPLAN_COMPLETE": "complete_bash"}
    done = start(env=environment(**asked))
    offered = set(done.stdout.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert offered >= expected
    assert [name for name in offered if not name.startswith(typed)] == []

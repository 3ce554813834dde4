"""The rows of a vocabulary over tensor-parallel ranks, as vLLM 0.33's own classes cut them."""

import pytest

import kvplan
from kvplan.engines.vocabulary import uncut_rows


@pytest.mark.parametrize(
    ("vocab", "tp", "rows"),
    [
        # phi-4: vLLM's class loads over 2 ranks, and says of 5 and 10 that 100352 is not divisible.
        (100_352, 2, None),
        (100_352, 5, 100_352),
        (100_352, 10, 100_352),
        # GPT-2 is padded to 786 x 64, Qwen2.5-14B's 152064 are 2376 x 64.
        (50_257, 2, None),
        (50_257, 5, 50_304),
        (152_064, 7, 152_064),
        (152_064, 8, None),
        (None, 7, None),
    ],
)
def test_rows_are_padded_to_64_and_cut_evenly(vocab: int | None, tp: int, rows: int | None) -> None:
    assert uncut_rows(vocab, tp) == rows


def test_a_degree_that_leaves_a_rest_is_vllms_refusal_alone() -> None:
    """phi-4 has 40 heads over 10 groups, which 5 divides."""
    assert kvplan.size("phi-4", engine="sglang", tp=5, context=4096).total_bytes
    assert kvplan.size("phi-4", engine="vllm", tp=2, context=4096).total_bytes
    with pytest.raises(kvplan.KvplanError, match="does not cut the 100,352 rows of the vocabulary over tp=5"):
        kvplan.size("phi-4", engine="vllm", tp=5, context=4096)


def test_check_says_which_engine_refuses() -> None:
    told = "vLLM does not cut the 100,352 rows of the vocabulary over tp=5; SGLang pads them"
    assert told in kvplan.check("phi-4", tp=5).advice
    assert not any("vocabulary" in line for line in kvplan.check("phi-4", tp=2).advice)

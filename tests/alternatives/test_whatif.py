"""A design changed step by step: rows, order, and what a card holds."""

import pytest

import kvplan
from kvplan.errors import KvplanError


def test_each_step_has_a_row_and_the_first_is_the_model() -> None:
    """LLaMA-65B: 80 layers of 64 heads of 128 in two bytes; 8 groups; then half of each byte."""
    answer = kvplan.whatif("llama-65b", gqa=8, kv_dtype="fp8", context="2k")
    mha = 80 * 2 * 64 * 128 * 2 * 2048
    assert [row.bytes_per_sequence for row in answer.rows] == [mha, mha // 8, mha // 16]
    assert [row.share for row in answer.rows] == [1, 1 / 8, 1 / 16]
    assert [row.kv_dtype for row in answer.rows] == ["fp16", "fp16", "fp8"]
    assert [change.words() for change in answer.changes] == ["gqa 8", "kv-dtype fp8"]
    assert answer.rows[0].model == "llama-65b"
    assert answer.spec == answer.specs[-1]
    assert repr(answer) == "<WhatIf llama-65b: gqa 8, kv-dtype fp8>"


def test_no_change_is_the_same_spec() -> None:
    spec = kvplan.load("llama-3.1-8b")
    answer = kvplan.whatif(spec)
    assert answer.specs == (spec,)
    assert answer.rows[0].share == 1


def test_changes_are_made_in_their_order() -> None:
    """A window that became a latent is none; latents get no window."""
    assert kvplan.whatif("llama-2-7b", window="1k", cla=None).spec.kinds()[0].kind == "sliding"
    with pytest.raises(KvplanError, match="--window has nothing to change"):
        kvplan.whatif("llama-2-7b", mla="512,d_rope=64", window="1k")


def test_a_card_says_what_each_step_holds() -> None:
    """The formula by hand: 80 GB, weights of 6,738,415,616 parameters less those of the projections."""
    answer = kvplan.whatif("llama-2-7b", gqa=8, gpu="80GB", utilization=1, overhead=0, context="4k", batch=4)
    weights = 6_738_415_616 * 2
    fewer = 32 * 2 * 4096 * 4096 * 3 // 4 * 2
    per_sequence = 32 * 2 * 32 * 128 * 2 * 4096
    before, after = answer.rows
    assert before.max_batch == (80 * 10**9 - weights) // per_sequence
    assert after.max_batch == (80 * 10**9 - weights + fewer) // (per_sequence // 4)
    assert after.smallest_gpus is not None
    assert after.smallest_gpus.gpus == 1
    assert before.projections == 32 * 4 * 4096 * 4096


def test_what_an_engine_does_not_keep_is_a_row_with_its_reason() -> None:
    answer = kvplan.whatif("llama-2-7b", h2o="heavy=512,recent=512", engine="vllm", context="4k")
    assert answer.rows[0].refusal is None
    assert answer.rows[1].bytes_per_sequence is None
    assert "no engine is known to keep" in str(answer.rows[1].refusal)

"""The profile run by hand, and each tensor of it in turn."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.attention.latent import MLA
from kvplan.engines.overheads import SELECTS
from kvplan.engines.vllm.mixing import mixed, tried
from kvplan.engines.vllm.profiling import (
    CUBLAS_BYTES,
    Batch,
    Widths,
    compiled_bytes,
    forward_bytes,
    kept_bytes,
    peak_bytes,
    sampler_bytes,
    workspace_bytes,
)
from kvplan.units import MIB

QWEN3_8B = Batch(tokens=8192, sequences=1024, hidden=4096, vocab=151_936, element_bytes=2, tp=1, v2=True)
DENSE = Widths(dense=12_288)
QWEN3_30B = Batch(tokens=8192, sequences=1024, hidden=2048, vocab=151_936, element_bytes=2, tp=1, v2=False)
EXPERTS = Widths(expert=768, experts_per_token=8)


def test_a_layer_has_three_inner_rows_and_three_hidden_states() -> None:
    """8192 x (3 x 12288 + 3 x 4096) x 2; five hidden states if eager, two inner rows alone without a gate."""
    assert forward_bytes(QWEN3_8B, DENSE) == 8192 * 49_152 * 2
    assert forward_bytes(replace(QWEN3_8B, eager=True), DENSE) == 8192 * 57_344 * 2
    assert forward_bytes(replace(QWEN3_8B, eager=True), replace(DENSE, states=3)) == 8192 * 49_152 * 2
    assert forward_bytes(QWEN3_8B, replace(DENSE, matrices=2)) == 8192 * 24_576 * 2


LATENT = MLA(kind="mla", heads=128, d_c=512, d_rope=64, d_nope=128, v_head_dim=128, q_lora_rank=1536)
"""DeepSeek-V3's; Kimi-K2 has half as many heads."""


@pytest.mark.parametrize(("heads", "said"), [(64, 2_608_878_080), (128, 5_091_906_048)])
def test_mla_tries_whether_contexts_have_room(heads: int, said: int) -> None:
    """
    What start-ups of 0.33 whose kernels compute nothing had at their peak beside what stays.

    They had 3 layers of Kimi-K2, and 11 of DeepSeek-V3 with 32 of its experts, and graphs. These are keys and
    values of 65,536 tokens, and of the batch of 8192 its queries, outputs, latent and one hidden state.
    """
    kind = LATENT.model_copy(update={"heads": heads})
    batch = replace(QWEN3_8B, hidden=7168, vocab=129_280)
    tried_bytes = 2 * tried(kind, 1, context=8192, sequences=1024)
    assert tried_bytes == 65_536 * heads * 256 * 2
    widths = Widths(
        dense=18_432, expert=2048, experts_per_token=8, mixed=mixed(kind, 1), tried_bytes=tried_bytes
    )
    assert 0 <= forward_bytes(batch, widths) - said <= 2 * MIB


def test_experts_have_the_tokens_of_all_replicas() -> None:
    """DeepSeek-V3 with dp 8: 65,536 tokens x 8 experts x (7168 + 7168) x 2; up to 0.18 of 32,768 tokens."""
    batch = replace(QWEN3_8B, hidden=7168, vocab=129_280)
    widths = Widths(dense=18_432, expert=2048, experts_per_token=8, replicas=8)
    assert workspace_bytes(batch, widths) == 65_536 * 8 * 14_336 * 2
    assert workspace_bytes(batch, replace(widths, piece=32_768)) == 32_768 * 8 * 14_336 * 2
    assert workspace_bytes(batch, replace(widths, replicas=1, piece=32_768)) == 8192 * 8 * 14_336 * 2
    own = replace(EXPERTS, workspaces=False, replicas=2)
    assert forward_bytes(QWEN3_30B, own) == 8192 * (2 * 2 * 8 * 768 + 3 * 2048) * 2


def test_what_mla_tries_is_shared_by_ranks_and_short_contexts_are_fewer() -> None:
    """Eight contexts of 1,000 tokens, or four pages of each of 64 sequences; of others nothing is tried."""
    assert tried(LATENT, 8, context=163_840, sequences=1024) == 65_536 * 16 * 256
    assert tried(LATENT, 1, context=1000, sequences=64) == 8000 * 128 * 256
    assert tried(LATENT, 1, context=100, sequences=64) == 4096 * 128 * 256


def test_experts_without_workspaces_have_two_rows_each() -> None:
    """8192 x (2 x 8 x 768 + 3 x 2048) x 2, and nothing that stays."""
    own = replace(EXPERTS, workspaces=False)
    assert (forward_bytes(QWEN3_30B, own), workspace_bytes(QWEN3_30B, own)) == (8192 * 18_432 * 2, 0)


def test_experts_have_two_workspaces_as_wide_as_the_model_or_their_own_rows() -> None:
    """8192 x 8 rows of 2048, twice: 512 MiB; with experts of 1408, of 2048 and 2 x 1408."""
    assert workspace_bytes(QWEN3_30B, EXPERTS) == 512 * MIB
    assert workspace_bytes(QWEN3_30B, replace(EXPERTS, expert=1408)) == 8192 * 8 * (2048 + 2816) * 2
    assert workspace_bytes(QWEN3_30B, replace(EXPERTS, experts_per_token=0)) == 0
    # Without a gate what goes into the activation is no wider than what comes out.
    ungated = replace(EXPERTS, expert=1856, matrices=2)
    assert workspace_bytes(QWEN3_30B, ungated) == 8192 * 8 * (2048 + 2048) * 2


def test_an_mlp_beside_experts_has_what_they_were_given_and_made() -> None:
    """8192 x (3 x 5632 + 5 x 2048) x 2, be it compiled or eager."""
    beside = replace(EXPERTS, dense=5632)
    assert forward_bytes(QWEN3_30B, beside) == 8192 * 27_136 * 2
    assert forward_bytes(replace(QWEN3_30B, eager=True), beside) == 8192 * 27_136 * 2


def test_a_wide_mixer_has_its_rows_and_four_hidden_states() -> None:
    """8192 x (9216 + 4 x 2048) x 2 beside experts, where an MLP has less."""
    assert forward_bytes(QWEN3_30B, replace(EXPERTS, mixed=9216)) == 8192 * 17_408 * 2
    assert forward_bytes(QWEN3_8B, replace(DENSE, mixed=9216)) == forward_bytes(QWEN3_8B, DENSE)


def test_sparse_attention_gathers_forty_contexts_of_keys() -> None:
    """
    825 MiB for 163,840 tokens, as get_max_prefill_buffer_size says, and 1 MiB, in the buffer of experts..

    512 MiB of logits are as a layer's inner rows.
    """
    sparse = replace(EXPERTS, gathered=40 * 163_840, key=128, logits_bytes=512 * MIB)
    assert workspace_bytes(QWEN3_30B, sparse) == (825 + 1) * MIB
    assert workspace_bytes(QWEN3_30B, replace(sparse, gathered=1024)) == 512 * MIB
    assert forward_bytes(QWEN3_30B, sparse) == 512 * MIB + 8192 * 3 * 2048 * 2


def test_the_second_runner_draws_from_the_logits_alone() -> None:
    """
    8192 + 1024 hidden states and 1024 x 151936 logits of 2 bytes.

    Two ranks gather and reorder them; 0.24 copies them to float32.
    """
    alone = sampler_bytes(QWEN3_8B, SELECTS)
    assert alone == (8192 + 1024) * 4096 * 2 + 1024 * 151_936 * 2
    copied = sampler_bytes(replace(QWEN3_8B, logit_bytes=4), SELECTS)
    assert copied - alone == 1024 * 151_936 * 4
    two = sampler_bytes(replace(QWEN3_8B, tp=2), SELECTS)
    assert two - alone == 1024 * 151_936 * 2 * 3 // 2


def test_the_first_runner_has_float32_logits_and_rows_of_the_vocabulary() -> None:
    """8192 + 2 x 1024 hidden states, 1024 x 14 bytes and 4 x 132 for each of 151936 tokens."""
    assert sampler_bytes(QWEN3_30B, SELECTS) == 10_240 * 2048 * 2 + (14 * 1024 + 528) * 151_936


def test_the_peak_is_the_larger_beside_the_workspaces() -> None:
    assert peak_bytes(QWEN3_8B, DENSE, SELECTS) == CUBLAS_BYTES + forward_bytes(QWEN3_8B, DENSE)
    drawn = sampler_bytes(QWEN3_30B, SELECTS)
    assert peak_bytes(QWEN3_30B, EXPERTS, SELECTS) == CUBLAS_BYTES + 512 * MIB + drawn


def test_a_first_compilation_has_a_copy_of_a_ranks_embedding_and_two_hidden_states() -> None:
    assert compiled_bytes(QWEN3_8B) == (151_936 + 2 * 8192) * 4096 * 2
    assert compiled_bytes(replace(QWEN3_8B, tp=2)) == (75_968 + 2 * 8192) * 4096 * 2


def test_the_second_runner_counts_the_tokens_of_each_request() -> None:
    """1024 x (4 x 151936 + 4 x 4748 + 36000); the first runner has a batch of 8192 x 2048 x 2, and 3 MiB."""
    assert kept_bytes(QWEN3_8B) == 1024 * (607_744 + 18_992 + 36_000)
    assert kept_bytes(QWEN3_30B) == (32 + 3) * MIB


@given(st.integers(1, 65_536), st.integers(1, 2048), st.integers(1, 64), st.booleans())
def test_a_larger_batch_never_takes_less(tokens: int, sequences: int, more: int, v2: bool) -> None:  # noqa: FBT001
    batch = replace(QWEN3_8B, tokens=tokens, sequences=min(sequences, tokens), v2=v2)
    longer = replace(batch, tokens=tokens + more)
    busier = replace(longer, sequences=batch.sequences + more)
    sizes = [peak_bytes(each, EXPERTS, SELECTS) for each in (batch, longer, busier)]
    assert sizes == sorted(sizes)
    assert kept_bytes(batch) <= kept_bytes(busier)

"""Keys and values per KV head, over all tokens: published caches and parameter counts, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.attention.base import groups_split, heads_split
from kvplan.attention.grouped import GQA, MHA, MQA, Indexer
from kvplan.dtypes import kv_format
from kvplan.terms import Fixed, Growing, Layer, Target

BF16 = Target(kv=kv_format("bf16"))
DIMS = st.integers(1, 64)


def held(layer: Layer, tokens: int, tp: int = 1) -> int:
    return sum(term.bytes_on_rank(tokens, tp) for term in layer)


LLAMA_2_7B = MHA(kind="mha", heads=32, head_dim=128)
LLAMA_3_8B = GQA(kind="gqa", heads=32, groups=8, head_dim=128)


def test_mha_caches_keys_and_values_of_every_head() -> None:
    """Llama-2-7B, 32 layers of 2 x 4096 elements: 2 GiB for 4096 tokens (golden llama2-7b-4096)."""
    assert held(LLAMA_2_7B.lower(BF16), 1) == 2 * 4096 * 2
    assert 32 * held(LLAMA_2_7B.lower(BF16), 4096) == 2 * 2**30


def test_gqa_caches_keys_and_values_of_its_groups() -> None:
    """Llama-3-8B keeps 128 KiB per token over 32 layers (golden llama3-8b-token)."""
    assert 32 * held(LLAMA_3_8B.lower(BF16), 1) == 128 * 1024 == 32 * 2 * 8 * 128 * 2
    assert {term.rows for term in LLAMA_3_8B.lower(BF16)} == {Growing(window=None, chunked=False)}


def test_mqa_divides_the_cache_by_the_heads() -> None:
    """Cross-Layer Attention, arXiv 2405.12981, 1B model of 20 layers: 163,840 B and 10,240 B a token."""
    mha = MHA(kind="mha", heads=16, head_dim=128).lower(BF16)
    mqa = MQA(kind="mqa", heads=16, head_dim=128).lower(BF16)
    assert 20 * held(mha, 1) == 163_840
    assert 20 * held(mqa, 1) == 10_240


def test_keys_and_values_may_differ_in_size() -> None:
    """MiMo-V2: 192 for K and 128 for V, (192 + 128) x 2 bytes per head and token in vLLM 0.33."""
    layer = GQA(kind="gqa", heads=64, groups=4, head_dim=192, v_head_dim=128).lower(BF16)
    assert held(layer, 1) == 4 * (192 + 128) * 2
    assert {term.role: term.width for term in layer} == {"key": 192, "value": 128}
    assert {term.allocation.pool for term in layer} == {"attention"}


def test_a_gate_of_the_output_caches_nothing() -> None:
    gated = LLAMA_3_8B.model_copy(update={"output_gate": True})
    assert gated.lower(BF16) == LLAMA_3_8B.lower(BF16)


@given(DIMS, DIMS, st.none() | DIMS, st.integers(1, 8192))
def test_mha_and_mqa_are_gqa_at_its_ends(heads: int, key: int, value: int | None, hidden: int) -> None:
    """As many groups as heads, or one."""
    for end, groups in (
        (MHA(kind="mha", heads=heads, head_dim=key, v_head_dim=value), heads),
        (MQA(kind="mqa", heads=heads, head_dim=key, v_head_dim=value), 1),
    ):
        gqa = GQA(kind="gqa", heads=heads, groups=groups, head_dim=key, v_head_dim=value)
        assert end.lower(BF16) == gqa.lower(BF16)
        assert end.projections(hidden) == gqa.projections(hidden)


@pytest.mark.parametrize(
    ("kind", "bytes_by_tp"),
    [
        (LLAMA_3_8B, {1: 4096, 2: 2048, 8: 512, 16: 512, 32: 512}),
        (MQA(kind="mqa", heads=32, head_dim=128), {1: 512, 2: 512, 8: 512}),
        (LLAMA_2_7B, {1: 16384, 32: 512}),
    ],
)
def test_ranks_share_kv_heads_and_then_copy_them(kind: GQA | MQA | MHA, bytes_by_tp: dict[int, int]) -> None:
    """A head takes 2 x 128 x 2 = 512 bytes a token; vLLM 0.33 gives a rank max(1, heads // tp)."""
    layer = kind.lower(BF16)
    assert {tp: held(layer, 1, tp) for tp in bytes_by_tp} == bytes_by_tp


def test_an_indexer_adds_one_key_per_token() -> None:
    """DeepSeek-V3.2, arXiv 2512.02556: 128 elements for all 64 query heads, whole on every rank."""
    selector = Indexer(heads=64, head_dim=128)
    layer = GQA(kind="gqa", heads=32, groups=8, head_dim=128, indexer=selector).lower(BF16)
    assert held(layer, 10) == 10 * (2 * 8 * 128 + 128) * 2
    assert held(layer, 10, tp=8) == 10 * (2 * 128 + 128) * 2
    assert [term.allocation.pool for term in layer] == ["attention", "attention", "indexer"]


@pytest.mark.parametrize(
    ("kv", "bytes_per_token"),
    [
        ("fp8", 8 * 2 * 128),
        ("int8_per_token_head", 8 * 264),
        ("int4_per_token_head", 8 * 136),
        ("nvfp4", 8 * 144),
        ("q8_0", 8 * 2 * 128 * 34 // 32),
        ("q8_0,value=q4_0", 8 * 128 * 34 // 32 + 8 * 128 * 18 // 32),
    ],
)
def test_quantised_keys_and_values(kv: str, bytes_per_token: int) -> None:
    """8 KV heads of 128; 264, 136 and 144 are what vLLM 0.33 prints for K and V of one of them."""
    assert held(LLAMA_3_8B.lower(Target(kv=kv_format(kv))), 100) == 100 * bytes_per_token


def test_kvquants_claim() -> None:
    """LLaMA-7B with 1M tokens at a plain 2 bits is 64 GiB, an eighth of 16: arXiv 2401.18079."""
    assert 32 * held(LLAMA_2_7B.lower(Target(kv=kv_format("bf16"))), 2**20) // 8 == 64 * 2**30


@pytest.mark.parametrize(
    ("kind", "hidden", "projections"),
    [
        # Q, K, V and O of 4096 x 4096 each: Llama 2, arXiv 2307.09288.
        (LLAMA_2_7B, 4096, 4 * 4096**2),
        # Q and O of 4096 x 4096, K and V of 4096 x 1024.
        (LLAMA_3_8B, 4096, 2 * 4096**2 + 2 * 4096 * 1024),
        # Q and O of 4096 x 4096, K and V of one head.
        (MQA(kind="mqa", heads=32, head_dim=128), 4096, 2 * 4096**2 + 2 * 4096 * 128),
        # Q of 64 x 192 and K of 4 x 192, V of 4 x 128 and O of 64 x 128.
        (
            GQA(kind="gqa", heads=64, groups=4, head_dim=192, v_head_dim=128),
            4096,
            4096 * (64 * 192 + 4 * 192 + 4 * 128 + 64 * 128),
        ),
        # Qwen3-Next: Q of 4096 and as large a gate of its output, K and V of 2 x 256, O of 4096.
        (
            GQA(kind="gqa", heads=16, groups=2, head_dim=256, output_gate=True),
            2048,
            2048 * 2 * 4096 + 2 * 2048 * 512 + 4096 * 2048,
        ),
        # The indexer: queries of 64 heads, one key and a weight for each head, all from the hidden state.
        (
            GQA(kind="gqa", heads=32, groups=8, head_dim=128, indexer=Indexer(heads=64, head_dim=128)),
            4096,
            2 * 4096**2 + 2 * 4096 * 1024 + 4096 * (64 * 128 + 128 + 64),
        ),
    ],
)
def test_projections_are_the_elements_of_their_matrices(
    kind: MHA | GQA | MQA, hidden: int, projections: int
) -> None:
    assert kind.projections(hidden) == projections


def test_a_learned_prefix_is_kept_beside_the_context() -> None:
    """Hymba-1.5B's global layers: 128 meta tokens of 2 x 5 x 64 elements, and a row per token."""
    row = 2 * 5 * 64 * 2
    plain = GQA(kind="gqa", heads=25, groups=5, head_dim=64)
    layer = plain.model_copy(update={"prefix_tokens": 128}).lower(BF16)
    assert [held(layer, n) for n in (0, 1, 8192)] == [128 * row, 129 * row, (8192 + 128) * row]
    assert layer[:2] == plain.lower(BF16)
    assert [(term.label, term.rows) for term in layer[2:]] == [
        ("prefix K", Fixed(count=128)),
        ("prefix V", Fixed(count=128)),
    ]
    assert {(term.allocation.pool, term.split) for term in layer} == {("attention", groups_split(5))}
    assert held(layer, 8192, tp=5) == (8192 + 128) * row // 5


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (MHA(kind="mha", heads=3, head_dim=5, v_head_dim=7, prefix_tokens=11), 3 * (5 + 7)),
        (MQA(kind="mqa", heads=3, head_dim=5, v_head_dim=7, prefix_tokens=11), 5 + 7),
    ],
)
def test_a_prefix_has_the_rows_and_the_format_of_the_context(kind: MHA | MQA, row: int) -> None:
    """8 bits a cached element in fp8, 16 in bf16: 11 rows before the first token."""
    assert held(kind.lower(BF16), 0) == 11 * row * 2
    assert held(kind.lower(Target(kv=kv_format("fp8"))), 0) == 11 * row


def test_query_heads_split_and_must_be_a_multiple_of_the_groups() -> None:
    """What `kvplan check` compares; MHA and MQA cannot break the rule."""
    assert LLAMA_3_8B.splits() == (heads_split(32),)
    assert LLAMA_3_8B.sharing() == ((heads_split(32), groups_split(8)),)
    for kind in (LLAMA_2_7B, MQA(kind="mqa", heads=32, head_dim=128)):
        assert kind.splits() == (heads_split(32),)
        assert kind.sharing() == ()

"""Latent attention: the published rows of DeepSeek's models, and their matrices by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kvplan.attention.grouped import Indexer
from kvplan.attention.latent import MLA, Compressed
from kvplan.dtypes import kv_format
from kvplan.errors import UnknownNameError
from kvplan.terms import Fixed, Growing, Layer, Target

BF16 = Target(kv=kv_format("bf16"))
FP8_DS = Target(kv=kv_format("fp8_ds_mla"))
INDEXER = Indexer(heads=64, head_dim=128)
MILLION = 2**20


def held(layer: Layer, tokens: int, tp: int = 1) -> int:
    return sum(term.bytes_on_rank(tokens, tp) for term in layer)


def mla(heads: int = 128, *, q_lora_rank: int | None = 1536, indexer: Indexer | None = None) -> MLA:
    """DeepSeek-V2 and V3: 512 + 64, heads of 128 + 64 and 128."""
    return MLA(
        kind="mla",
        heads=heads,
        d_c=512,
        d_rope=64,
        d_nope=128,
        v_head_dim=128,
        q_lora_rank=q_lora_rank,
        indexer=indexer,
    )


def v4(*, ratio: int | None = None, overlap: int | None = None, indexer: Indexer | None = None) -> Compressed:
    """DeepSeek-V4-Pro's config.json: entries of 512, of them 64 with RoPE; a window of 128."""
    return Compressed(
        kind="compressed",
        heads=128,
        head_dim=512,
        d_rope=64,
        window=128,
        ratio=ratio,
        overlap=overlap,
        state_dtype="fp32" if overlap else None,
        indexer=indexer,
        q_lora_rank=1536,
        o_groups=16,
        o_lora_rank=1024,
    )


def v41(**more: Any) -> Compressed:
    """DeepSeek-V4.1-Flash: 64 heads, a query rank of 1280, 8 output groups of rank 1024; V4's entries."""
    sizes = {"heads": 64, "head_dim": 512, "d_rope": 64, "window": 128}
    ranks = {"q_lora_rank": 1280, "o_groups": 8, "o_lora_rank": 1024}
    return Compressed.model_validate({"kind": "compressed", **sizes, **ranks, **more})


BY_ENTRIES = {"indexer": Indexer(heads=32, head_dim=128), "keys_from_entry": True}
PAIRS = v41(ratio=2, overlap=1, state_dtype="fp32", **BY_ENTRIES)
TOKENS = v41(ratio=1, **BY_ENTRIES)
READER = v41()
SPARSE = v4(ratio=4, overlap=2, indexer=INDEXER)
HEAVY = v4(ratio=128, overlap=1)
WINDOW = v4()


@pytest.mark.parametrize("tp", [1, 2, 8, 128])
@pytest.mark.parametrize("heads", [16, 128])
def test_every_rank_keeps_the_latent_whole(tp: int, heads: int) -> None:
    """(512 + 64) x 2 bytes: no head axis to shard, and no dependence on the heads."""
    assert held(mla(heads).lower(BF16), 1, tp) == 1152


def test_published_mla_caches() -> None:
    """DeepSeek-V2: 34,560 elements a token; V3: 70,272 B (arXiv 2505.09343), 68.63 GiB at 1M tokens."""
    token = held(mla().lower(BF16), 1)
    assert 60 * token == 34_560 * 2
    assert 61 * token == 70_272
    assert 61 * held(mla().lower(BF16), MILLION) == 73_685_532_672


def test_mla_equals_gqa_with_two_and_a_quarter_groups() -> None:
    """DeepSeek-V2, arXiv 2405.04434, section 2.1.4: 576 elements are 2.25 x 2 x 128, 9/2 of d_h."""
    assert held(mla().lower(BF16), 1) * 2 == 9 * 128 * 2


@pytest.mark.parametrize(
    ("kv", "latent_bytes", "indexer_bytes"),
    [
        ("bf16", 576 * 2, 128 * 2),
        ("fp8", 576, 128),
        ("fp8_ds_mla", 512 + 16 + 128, 128 + 4),
        ("nvfp4_ds_mla", 256 + 32 + 64, 128 + 4),
    ],
)
def test_rows_of_deepseek_v32(kv: str, latent_bytes: int, indexer_bytes: int) -> None:
    """656 and 352 bytes, and 132 for the indexer: vLLM 0.33, v1/kv_cache_interface.py and FlashMLA."""
    target = Target(kv=kv_format(kv))
    assert held(mla().lower(target), 7) == 7 * latent_bytes
    layer = mla(indexer=INDEXER).lower(target)
    assert held(layer, 7) == 7 * (latent_bytes + indexer_bytes)
    assert {term.allocation.pool for term in layer} == {"mla", "indexer"}


def test_published_caches_of_deepseek_v32() -> None:
    """At 1M tokens 83.9 GiB in bf16 (vLLM blog 2026-04-24) and 50 GB in its fp8 layout."""
    indexed = mla(indexer=INDEXER)
    assert 61 * held(indexed.lower(BF16), MILLION) == 90_060_095_488
    assert 61 * held(indexed.lower(FP8_DS), MILLION) == 50_402_951_168


@given(st.integers(1, 512), st.integers(1, 512), st.integers(0, 10**6))
def test_the_number_of_heads_does_not_matter(heads: int, more: int, tokens: int) -> None:
    assert held(mla(heads).lower(FP8_DS), tokens) == held(mla(heads + more).lower(FP8_DS), tokens)


def test_kivi_keeps_the_newest_latents_in_16_bits() -> None:
    """128 rows of 576 x 2 bytes, the older ones at 3 bits an element."""
    layer = mla().lower(Target(kv=kv_format("kivi2")))
    assert held(layer, 1000) == 128 * 576 * 2 + 872 * 576 * 3 // 8
    rows, newest = Growing(skip=128), Growing(window=128, newest=True)
    assert [term.rows for term in layer] == [rows, newest, rows, newest]


@pytest.mark.parametrize(
    ("kind", "hidden", "projections"),
    [
        # DeepSeek-V2, arXiv 2405.04434, section 3.1.2: hidden 5120, 128 heads, q rank 1536.
        (
            mla(),
            5120,
            5120 * 1536  # W_DQ
            + 1536 * 128 * (128 + 64)  # W_UQ and W_QR
            + 5120 * 512  # W_DKV
            + 5120 * 64  # W_KR
            + 512 * 128 * 128  # W_UK
            + 512 * 128 * 128  # W_UV
            + 128 * 128 * 5120,  # W_O
        ),
        # DeepSeek-V2-Lite: hidden 2048, 16 heads, queries without a latent.
        (
            mla(16, q_lora_rank=None),
            2048,
            2048 * 16 * 192 + 2048 * 576 + 512 * 16 * 256 + 16 * 128 * 2048,
        ),
        # DeepSeek-V3.2: V3's matrices at hidden 7168, and the indexer's: wq_b from the query latent,
        # wk and weights_proj from the hidden state (inference/model.py of its release).
        (
            mla(indexer=INDEXER),
            7168,
            7168 * 1536 + 1536 * 128 * 192 + 7168 * 576 + 512 * 128 * 256 + 128 * 128 * 7168
            # The indexer.
            + 1536 * 64 * 128 + 7168 * 128 + 7168 * 64,
        ),
        (
            mla(16, q_lora_rank=None, indexer=INDEXER),
            2048,
            2048 * 16 * 192 + 2048 * 576 + 512 * 16 * 256 + 16 * 128 * 2048
            # The indexer, its queries from the hidden state.
            + 2048 * (64 * 128 + 128 + 64),
        ),
        # DeepSeek-V4-Pro, hidden 7168: wq_a and wq_b, wkv, wo_a and wo_b.
        (
            WINDOW,
            7168,
            7168 * 1536 + 1536 * 128 * 512 + 7168 * 512 + 128 * 512 * 1024 + 16 * 1024 * 7168,
        ),
        # And the compressor's wkv and wgate, 512 wide.
        (
            HEAVY,
            7168,
            7168 * 1536 + 1536 * 128 * 512 + 7168 * 512 + 128 * 512 * 1024 + 16 * 1024 * 7168
            + 2 * 7168 * 512,
        ),
        # Twice as wide where blocks overlap; the indexer's wq_b, weights_proj, and own compressor.
        (
            SPARSE,
            7168,
            7168 * 1536 + 1536 * 128 * 512 + 7168 * 512 + 128 * 512 * 1024 + 16 * 1024 * 7168
            + 2 * 7168 * 2 * 512
            + 1536 * 64 * 128 + 7168 * 64 + 2 * 7168 * 2 * 128,
        ),
        # DeepSeek-V4.1-Flash, hidden 5120: an indexer whose wk reads the entry (vLLM 0.33,
        # models/deepseek_v41/attention.py), and wgate at ratio 2 alone (compressor.py).
        (
            PAIRS,
            5120,
            5120 * 1280 + 1280 * 64 * 512 + 5120 * 512 + 64 * 512 * 1024 + 8 * 1024 * 5120
            + 2 * 5120 * 512
            + 1280 * 32 * 128 + 5120 * 32 + 512 * 128,
        ),
        (
            TOKENS,
            5120,
            5120 * 1280 + 1280 * 64 * 512 + 5120 * 512 + 64 * 512 * 1024 + 8 * 1024 * 5120
            + 5120 * 512
            + 1280 * 32 * 128 + 5120 * 32 + 512 * 128,
        ),
        # Without indexer keys from entries, those of ratio 1 have a matrix of their own.
        (
            v41(ratio=1, indexer=Indexer(heads=32, head_dim=128)),
            5120,
            5120 * 1280 + 1280 * 64 * 512 + 5120 * 512 + 64 * 512 * 1024 + 8 * 1024 * 5120
            + 5120 * (512 + 128)
            + 1280 * 32 * 128 + 5120 * 32,
        ),
    ],
)  # fmt: skip
def test_projections_are_the_elements_of_their_matrices(
    kind: MLA | Compressed, hidden: int, projections: int
) -> None:
    assert kind.projections(hidden) == projections


@pytest.mark.parametrize("tokens", [1, 127, 128, 129, MILLION])
def test_without_a_ratio_there_is_the_window_alone(tokens: int) -> None:
    """An entry of vLLM 0.33 has 584 bytes, 448 fp8 + 8 of scales + 64 bf16, for 128 tokens at most."""
    assert held(WINDOW.lower(FP8_DS), tokens) == 584 * min(tokens, 128)


@pytest.mark.parametrize("tokens", [1, 3, 4, 7, 8, 127, 128, 129, 255, 256, 4096])
def test_a_sparse_layer_of_deepseek_v4(tokens: int) -> None:
    """
    One entry of 584 and one indexer key of 132 bytes per 4 whole tokens, and the window.

    Waiting tokens: key and gate of 2 x 512, and of 2 x 128 for the indexer, in float32, for 2 x 4
    tokens (vLLM 0.33: a window of 8, rows of 2 x 2 x 512 x 4 = 8,192 bytes).
    """
    window = 584 * min(tokens, 128)
    compressed = (584 + 132) * (tokens // 4)
    waiting = (8192 + 2048) * min(tokens, 8)
    assert held(SPARSE.lower(FP8_DS), tokens) == window + compressed + waiting


@pytest.mark.parametrize("tokens", [1, 127, 128, 129, 255, 256, 4096])
def test_a_heavily_compressed_layer_of_deepseek_v4(tokens: int) -> None:
    """One entry per 128 tokens, no indexer; key and gate of 512 in float32 for up to 128 tokens."""
    window = 584 * min(tokens, 128)
    assert held(HEAVY.lower(FP8_DS), tokens) == window + 584 * (tokens // 128) + 4096 * min(tokens, 128)


@pytest.mark.parametrize("tokens", [1, 2, 3, 127, 128, 129, 1000, 1001])
def test_layers_of_deepseek_v41(tokens: int) -> None:
    """
    Entries of 512 and keys of 128 in bf16: per 2 tokens, per token, or a window of entries alone.

    Waiting tokens of ratio 2 have [kv, score] rows of 2 x 512 float32, and none for the indexer
    (vLLM 0.33, CompressorStateCache in models/deepseek_v41/compressor.py); of ratio 1 none waits.
    """
    window = 1024 * min(tokens, 128)
    waiting = 4096 * min(tokens, 2)
    assert held(READER.lower(BF16), tokens) == window
    assert held(PAIRS.lower(BF16), tokens) == window + (1024 + 256) * (tokens // 2) + waiting
    assert held(TOKENS.lower(BF16), tokens) == window + (1024 + 256) * tokens


@pytest.mark.parametrize(("kv", "token_bytes"), [("bf16", 3200), ("nvfp4,indexer=mxfp4", 890)])
def test_published_caches_of_deepseek_v41(kv: str, token_bytes: int) -> None:
    """
    3,200 B per token in bf16, 16 x 3,200 per page: ROCm/ATOM at 3094e70, V41PoolGeometry's test.

    And 890, as the model card says: entries of 256 + 512 / 16 bytes, keys of 64 + 128 / 32.
    """
    target = Target(kv=kv_format(kv))
    pairs, tokens = (
        sum(term.growth_on_rank(2, 1) for term in each.lower(target)) for each in (PAIRS, TOKENS)
    )
    assert 3 * pairs + tokens == 2 * token_bytes


@pytest.mark.parametrize("facts", [{"overlap": 1}, {"state_dtype": "fp32"}])
def test_nothing_waits_at_a_ratio_of_1(facts: dict[str, Any]) -> None:
    with pytest.raises(
        ValidationError, match=f"no token waits to be compressed: leave out {next(iter(facts))}"
    ):
        v41(ratio=1, **facts)


def test_keys_from_entries_are_those_of_an_indexer() -> None:
    with pytest.raises(ValidationError, match="give its indexer"):
        v41(ratio=1, keys_from_entry=True)


@pytest.mark.parametrize("facts", [{"ratio": 4}, {"overlap": 2}, {"indexer": INDEXER}])
def test_half_a_compression_is_refused(facts: dict[str, Any]) -> None:
    """A layer that compresses keeps the states to compress; one that does not has no parts of it."""
    with pytest.raises(ValidationError, match="ratio"):
        v4(**facts)


def test_published_cache_of_deepseek_v4_pro() -> None:
    """9.62 GiB at 1M tokens in bf16 (vLLM blog 2026-04-24), which leaves out windows and states."""
    grow = sum(term.growth_on_rank(MILLION, 1) for term in SPARSE.lower(BF16)) * 30
    grow += sum(term.growth_on_rank(MILLION, 1) for term in HEAVY.lower(BF16)) * 31
    assert grow == 10_326_376_448
    sparse, heavy = held(SPARSE.lower(BF16), MILLION), held(HEAVY.lower(BF16), MILLION)
    windows = 61 * 128 * 512 * 2
    states = 30 * 8 * (8192 + 2048) + 31 * 128 * 4096
    assert 30 * sparse + 31 * heavy == 10_326_376_448 + windows + states


def test_every_rank_keeps_compressed_entries_whole() -> None:
    layer = SPARSE.lower(FP8_DS)
    assert held(layer, 10_000, tp=8) == held(layer, 10_000)
    assert not any(isinstance(term.rows, Fixed) for term in layer)
    assert {term.allocation.pool for term in layer} == {
        "window",
        "compressed",
        "indexer",
        "compressor state",
        "indexer compressor state",
    }


def test_ranks_share_query_heads_and_output_groups() -> None:
    """128 heads; V4's output projection has 16 groups of them."""
    assert [(split.unit, split.count) for split in mla().splits()] == [("heads", 128)]
    assert [(split.unit, split.count) for split in SPARSE.splits()] == [("heads", 128), ("output groups", 16)]


def test_a_format_for_latents_has_no_layout_for_v4_entries() -> None:
    """The nvfp4_ds_mla of vLLM 0.33 is for latents of V3 only."""
    with pytest.raises(UnknownNameError, match="nvfp4_ds_mla has no layout for entry rows"):
        WINDOW.lower(Target(kv=kv_format("nvfp4_ds_mla")))

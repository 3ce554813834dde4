"""Savings that papers print, each out of one change of a design."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

import kvplan
from kvplan.attention.budgets import Budget
from kvplan.errors import KvplanError
from kvplan.specs import ModelSpec


def spec(layers: int, attention: dict[str, object], **facts: object) -> ModelSpec:
    """A design of one kind, stored in two bytes an element."""
    written = {"layers": layers, "attention": attention, **facts}
    return ModelSpec.model_validate({"name": "paper", "dtype": "bfloat16", "max_context": 2**20, **written})


def share(answer: kvplan.WhatIf, row: int = -1) -> Fraction:
    """How much of the first row's sequence another one takes."""
    return Fraction(answer.rows[row].bytes_per_sequence or 0, answer.rows[0].bytes_per_sequence or 0)


@pytest.mark.parametrize(
    ("layers", "heads", "printed_mha", "printed_mla"), [(27, 16, 110.6, 15.6), (60, 56, 860.2, 34.6)]
)
def test_deepseek_v2s_ablations(layers: int, heads: int, printed_mha: float, printed_mla: float) -> None:
    """
    DeepSeek-V2, arXiv 2405.04434, table 9: thousands of elements per token, MHA against MLA.

    The small models have 27 layers of 16 heads of 128. The large ones have 60 layers, of which 56 heads of
    128 give what the table prints.
    """
    mha = spec(layers, {"kind": "mha", "heads": heads, "head_dim": 128})
    answer = kvplan.whatif(mha, mla="d_c=512,d_rope=64", context=1)
    elements = [Fraction(row.bytes_per_sequence or 0, 2) for row in answer.rows]
    assert elements == [layers * 2 * heads * 128, layers * 576]
    assert [round(float(each) / 1000, 1) for each in elements] == [printed_mha, printed_mla]


@pytest.mark.parametrize(
    ("model", "printed_kb"),
    [("deepseek-v3", 70.272), ("qwen2.5-72b", 327.680), ("llama-3.1-405b", 516.096)],
)
def test_deepseek_v3s_comparison(model: str, printed_kb: float) -> None:
    """Insights into DeepSeek-V3, arXiv 2505.09343, table 1: KB per token in BF16."""
    assert kvplan.size(model, kv_dtype="bf16").bytes_per_token == round(printed_kb * 1000)


def test_gqa_8_of_32_heads_saves_three_quarters() -> None:
    """GQA, arXiv 2305.13245, section 2: the cache of G groups is G / h of MHA's."""
    answer = kvplan.whatif("llama-2-7b", gqa=8, context="4k")
    assert share(answer) == 1 - Fraction(75, 100)
    assert answer.spec.layer_count == 32


def test_transmla() -> None:
    """TransMLA, arXiv 2502.07864, abstract: 93 % of LLaMA-2-7B's cache, 576 elements in place of 8192."""
    saved = 1 - share(kvplan.whatif("llama-2-7b", mla="d_c=512,d_rope=64", context="8k"))
    assert saved == 1 - Fraction(576, 8192)
    assert round(100 * float(saved)) == 93


@pytest.mark.parametrize(
    ("d_kv", "printed", "with_int4"), [(64, 68.75, 92.19), (32, 81.25, 95.31), (16, 87.5, 96.87)]
)
def test_mha2mla(d_kv: int, printed: float, with_int4: float) -> None:
    """
    MHA2MLA, arXiv 2502.14837, the table of LLaMA-2-7B: a latent of d_kv and 16 rotated dimensions per head.

    With 4 bits in place of 16 the paper prints 96.87 for 96.875.
    """
    widths = f"d_c={32 * d_kv},d_rope={32 * 16}"
    answer = kvplan.whatif("llama-2-7b", mla=widths, kv_dtype="int4", context="4k")
    saved = [100 * (1 - share(answer, row)) for row in (1, 2)]
    assert saved == [Fraction(printed), 100 * (1 - Fraction(16 + d_kv, 256) / 4)]
    assert abs(float(saved[1]) - with_int4) <= 0.005


def test_cla_2_halves() -> None:
    """Cross-Layer Attention, arXiv 2405.12981, section 2: CLA2 is a factor of 2."""
    assert share(kvplan.whatif("llama-2-7b", cla=2, context="4k")) == Fraction(1, 2)


def test_cla_of_the_papers_own_models() -> None:
    """Section 3's 1B model with MQA and CLA2 is that of the catalogue: 5,120 B a token."""
    changed = kvplan.whatif("cla-1b-h128-mha", mqa=True, cla=2, context="2k").rows[-1]
    assert changed.bytes_per_token == kvplan.size("cla-1b-h128-mqa-cla2").bytes_per_token == 5120


def test_yoco() -> None:
    """YOCO, arXiv 2405.05254, section 2.3: about the number of layers less; 80 layers at 1M tokens."""
    gqa = spec(80, {"kind": "gqa", "heads": 64, "groups": 8, "head_dim": 128})
    kept = share(kvplan.whatif(gqa, yoco="1k", context="1m"))
    # Forty windows beside one whole cache.
    assert kept == Fraction(2**20 + 40 * 1024, 80 * 2**20)
    assert 1 / kept > 76


@pytest.mark.parametrize(
    ("stored", "gib"),
    [("nuq4", 16.0), ("nuq4-1%", 17.3), ("nuq3", 12.0), ("nuq3-1%", 13.3), ("nuq2", 8.0), ("nuq2-1%", 9.3)],
)
def test_kvquants_cache_of_llama_7b(stored: str, gib: float) -> None:
    """
    KVQuant, arXiv 2401.18079, table 1: 128k tokens of LLaMA-7B, in GiB, beside 64.0 in fp16.

    Its averages at 32k, table 4 and the passkeys' table, are 4.33, 3.33 and 2.33 bits with 1 % of outliers.
    """
    taken = kvplan.size("llama-7b", context="128k", kv_dtype=stored).bytes_per_sequence
    assert round(taken / 2**30, 1) == gib
    answer = kvplan.whatif("llama-2-7b", kv_dtype=stored, context="32k")
    bits, average = int(stored[3]), round(16 * float(share(answer)), 2)
    assert average == (bits + 0.33 if stored.endswith("%") else bits)


@pytest.mark.parametrize(("model", "average"), [("llama-65b", "4.33"), ("llama-3-8b", "4.37")])
def test_kvquants_average_bits_count_one_index_of_two(model: str, average: str) -> None:
    """
    Appendix M gives the outliers of keys and of values an index of 32 bits for each token.

    The averages of table 18, 4.32 to 4.35 bits from the widest to the narrowest model, count one of them:
    32 / (2 x 8,192) and 32 / (2 x 1,024) of a bit less.
    """
    spec = kvplan.load(model)
    bits = 16 * float(share(kvplan.whatif(spec, kv_dtype="nuq4-1%", context="128k")))
    width = {"llama-65b": 8192, "llama-3-8b": 1024}[model]
    assert f"{bits:.2f}" == average
    assert f"{bits - 32 / (2 * width):.2f}" == {"llama-65b": "4.32", "llama-3-8b": "4.35"}[model]


def test_kvquants_plain_bits() -> None:
    """Table 18: 4.00 to 4.02 bits; section A: LLaMA-65B's 128k tokens in nuq2-1% are 46.5 GiB."""
    bits = [
        16 * float(share(kvplan.whatif(model, kv_dtype="nuq4", context="128k")))
        for model in ("llama-65b", "llama-3-8b")
    ]
    assert [f"{each:.2f}" for each in bits] == ["4.00", "4.02"]
    taken = kvplan.size("llama-65b", context="128k", kv_dtype="nuq2-1%").bytes_per_sequence
    assert round(taken / 2**30, 1) == 46.5


def test_kvquants_outliers_by_hand() -> None:
    """
    Llama 3 8B at 1,000 tokens on one of two ranks: a layer's 4 heads of 128 in 4 bits, for K and V.

    Of each head 10 x 128 outliers of 4 bytes; of each token 4 bytes for K's index, and 8 for V's scale,
    offset and index, on each rank.
    """
    taken = kvplan.size("llama-3-8b", context=1000, kv_dtype="nuq4-1%", tp=2).bytes_per_sequence
    assert taken == 32 * (2 * 4 * (64 * 1000 + 10 * 128 * 4) + (4 + 8) * 1000)


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        ("llama-7b", {"snapkv": 512}, "a budget of tokens would be kept in nuq3-1%"),
        ("hymba-1.5b", {}, "prefix K would be kept in nuq3-1%"),
        ("deepseek-v3", {}, "no layout for latent rows"),
    ],
)
def test_what_kvquant_does_not_tell_is_refused(model: str, asked: dict[str, Any], said: str) -> None:
    design = kvplan.whatif(model, **asked).spec
    with pytest.raises(KvplanError, match=said):
        kvplan.size(design, kv_dtype="nuq3-1%", context="4k")


def test_kivi_takes_3_bits_in_place_of_16() -> None:
    """
    KIVI, arXiv 2402.02750: 2 bits in groups of 32, each with two numbers of 16: 5.33 times less, not 8.

    The newest 128 tokens stay in 16 bits. The paper's 2.6 times is of the peak, weights included.
    """
    tokens = 2**17
    kept = share(kvplan.whatif("llama-2-7b", kv_dtype="kivi2", context=tokens))
    assert kept == (Fraction(3, 16) * (tokens - 128) + 128) / tokens
    assert round(float(1 / Fraction(3, 16)), 2) == 5.33


def test_snapkv_at_16k() -> None:
    """
    SnapKV, arXiv 2404.14469: a budget of 1024 of 16k tokens is a sixteenth of the cache.

    The paper's 8.2 times is of what fits in a card's memory, beside the weights.
    """
    answer = kvplan.whatif("mistral-7b-v0.3", snapkv=1024, context="16k")
    assert share(answer) == Fraction(1, 16)
    assert answer.rows[-1].bytes_per_sequence == 128 * 2**20


def test_streaming_llm() -> None:
    """StreamingLLM, arXiv 2309.17453: 4 sinks and 1020 newest tokens, 512 MiB for LLaMA-2-7B."""
    answer = kvplan.whatif("llama-2-7b", streaming="1020,sinks=4", context="64k")
    assert answer.rows[-1].bytes_per_sequence == 512 * 2**20


def test_minimax_01s_hybrid_keeps_an_eighth() -> None:
    """MiniMax-01, arXiv 2501.08313: one softmax layer in 8; 40,960 B a token for 80 layers of GQA-8."""
    softmax = spec(80, {"kind": "gqa", "heads": 64, "groups": 8, "head_dim": 128})
    hybrid = kvplan.whatif(softmax, hybrid="lightning,full_every=8", context="1m").rows
    assert hybrid[-1].bytes_per_token == kvplan.size("minimax-text-01").bytes_per_token == 40_960
    assert hybrid[0].bytes_per_token == 8 * 40_960


def test_jambas_hybrid_keeps_an_eighth() -> None:
    """Jamba, arXiv 2403.19887, table 1: 4 GB at 256k tokens, Mixtral 32 GB, one attention layer in 8."""
    answer = kvplan.whatif("mixtral-8x7b", hybrid="mamba2,full_every=8", context="256k")
    assert [row.bytes_per_token for row in answer.rows] == [131_072, 16_384]
    assert answer.rows[-1].bytes_per_token == kvplan.size("jamba-v0.1").bytes_per_token


def test_gemma_3s_windows() -> None:
    """Gemma 3, arXiv 2503.19786, section 2: five local layers of 1024 tokens to one global."""
    full = spec(62, {"kind": "gqa", "heads": 32, "groups": 16, "head_dim": 128})
    answer = kvplan.whatif(full, window="1k,full_every=6", context="128k")
    assert answer.rows[-1].bytes_per_sequence == kvplan.size("gemma-3-27b", context="128k").bytes_per_sequence
    assert answer.rows[0].bytes_per_sequence == 62 * 2**30


def test_kimi_linear() -> None:
    """Kimi Linear, arXiv 2510.26692, abstract: up to 75 %, three KDA layers to one of MLA."""
    mla = {"kind": "mla", "heads": 32, "d_c": 512, "d_rope": 64, "d_nope": 128, "v_head_dim": 128}
    answer = kvplan.whatif(spec(28, mla), hybrid="kda,full_every=4", context="1m").rows
    assert answer[0].bytes_per_token == 28 * 1152
    assert answer[-1].bytes_per_token == 28 * 1152 / 4


def test_moa_keeps_as_many_tokens_as_its_windows_have() -> None:
    """
    MoA, arXiv 2406.14909: heads with windows of their own.

    Of 16k tokens a quarter of the heads keeps all, and the others 4k: 7 of 16. Its 1.2 to 1.4 times are of a
    card's memory, weights included.
    """
    assert share(kvplan.whatif("llama-2-7b", moa="window=4k,full=8", context="16k")) == Fraction(7, 16)


def test_dms_keeps_an_eighth_and_a_window() -> None:
    """DMS, arXiv 2506.05345: one token in 8; the newest 256 wait for their turn to go."""
    kept = share(kvplan.whatif("qwen3-8b", dms="8,newest=256", context="32k"))
    assert kept == Fraction(256 + (32_768 - 256) // 8, 32_768)


@pytest.mark.parametrize(
    ("asked", "first", "last", "step"),
    [
        # min = 504 // 20 = 25, max = 2 x 504 - 25 = 983, and a step of 958 // 31 = 30.
        ("512", 8 + 983, 8 + 983 - 31 * 30, 30),
        # The code's own defaults: min = 256 // 20 = 12, max = 500, and a step of 488 // 31 = 15.
        ("320,recent=64", 64 + 500, 64 + 500 - 31 * 15, 15),
        # Nothing is left over: min = 155 // 5 = 31, max = 279, and a step of 248 // 31 = 8.
        ("163,beta=5", 8 + 279, 8 + 31, 8),
    ],
)
def test_pyramidkv_falls_in_whole_steps(asked: str, first: int, last: int, step: int) -> None:
    """
    PyramidKV, arXiv 2406.02069, in its authors' code: budgets of 32 layers fall in equal whole steps.

    PyramidKVCluster.update_kv in pyramidkv/pyramidkv_utils.py of Zefan-Cai/KVCache-Factory at c97f9d70:
    min_num, max_num, steps and the window, of prompts that are long enough.
    """
    changed = kvplan.whatif("llama-2-7b", pyramidkv=asked).spec
    kinds = [changed.attention[name][0] for name in changed.layer_types]
    budgets = [kind.kept or 0 for kind in kinds if isinstance(kind, Budget)]
    assert (budgets[0], budgets[-1]) == (first, last)
    assert {before - after for before, after in pairwise(budgets)} == {step}


@pytest.mark.parametrize("change", ["moh", "mohsa"])
def test_mixtures_of_heads_save_nothing(change: str) -> None:
    """MoH, arXiv 2410.11842, and MOHSA, arXiv 2410.14874: every KV head is cached once, as before."""
    answer = kvplan.whatif("llama-2-7b", **{change: True}, context="4k")  # type: ignore[arg-type]
    assert share(answer) == 1
    assert answer.changes[0].note


def test_dcmha_costs_two_matrices_a_token() -> None:
    """DCFormer, arXiv 2405.08553: 2 h^2 more elements for each token; 32 heads of 128: a quarter more."""
    assert share(kvplan.whatif("llama-2-7b", dcmha=True, context="4k")) == 1 + Fraction(
        2 * 32 * 32, 2 * 32 * 128
    )


@pytest.mark.parametrize(("model", "printed"), [("deepseek-v4-pro", 10), ("deepseek-v4-flash", 7)])
def test_deepseek_v4_against_v3_2(model: str, printed: int) -> None:
    """
    DeepSeek-V4's report: 10 % and 7 % of V3.2's cache at 1M tokens, its indexer's keys in 4 bits.

    With keys of 8 bits, as vLLM 0.33 keeps them by default, they are 11.5 % and 8.0 %.
    """
    of = kvplan.size("deepseek-v3.2", context="1m", kv_dtype="fp8_ds_mla").bytes_per_sequence
    kept = kvplan.size(model, context="1m", kv_dtype="fp8_ds_mla,indexer=mxfp4").bytes_per_sequence
    assert int(100 * kept / of) == printed

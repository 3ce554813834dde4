"""Every published number that kvplan's kinds cover, reproduced to the byte and named by its source."""

from fractions import Fraction
from pathlib import Path

import pytest
import yaml

import kvplan
from kvplan.dtypes import KIVI2, kv_format
from kvplan.specs import ModelSpec
from kvplan.terms import Target, Term
from tests.published import GIB, KIB, MIB, MILLION, NOT_REPRODUCED, SEQUENCES, Published

GOLDEN = Path(__file__).parents[2] / "shared" / "reference" / "golden.yaml"


def terms(model: str | ModelSpec, dtype: str = "bf16") -> list[Term]:
    spec = model if isinstance(model, ModelSpec) else kvplan.load(model)
    return [term for layer in spec.lower(Target(kv=kv_format(dtype))) for term in layer]


def elements(model: str | ModelSpec, tokens: int, *roles: str) -> int:
    """The cached elements of a sequence, of some roles or of all."""
    chosen = [term for term in terms(model) if not roles or term.role in roles]
    return sum(term.rows.at(tokens) * term.width * term.split.count for term in chosen)


def spec(layers: object, attention: object, **facts: object) -> ModelSpec:
    written = {"layers": layers, "attention": attention, **facts}
    return ModelSpec.model_validate(
        {"name": "paper", "source": "the paper", "dtype": "bfloat16", "max_context": 4096, **written}
    )


@pytest.mark.parametrize("published", SEQUENCES, ids=lambda each: each.id)
def test_a_published_cache_size(published: Published) -> None:
    answer = kvplan.size(
        published.model,
        context=published.tokens,
        batch=published.batch,
        tp=published.tp,
        kv_dtype=published.dtype,
    )
    assert answer.total_bytes == published.exact
    printed = published.printed * published.unit
    assert abs(published.exact - printed) <= printed * published.percent / 100


def test_opt175b_weights() -> None:
    """FlexGen, arXiv 2303.06865: OPT-175B in fp16 takes 325 GB, meaning GiB."""
    weights = spec(1, {"kind": "mha", "heads": 1, "head_dim": 1}, parameters=175 * 10**9).weights()
    assert weights == 350 * 10**9
    assert weights / GIB == pytest.approx(325, rel=0.005)
    assert kvplan.load("opt-175b").weights() == pytest.approx(weights, rel=0.005)


def test_llama2_70b_as_full_multi_head_attention() -> None:
    """Llama 2, arXiv 2307.09288: with 64 KV heads in place of 8 it would be 10 GiB at 4096 tokens."""
    mha = spec(80, {"kind": "mha", "heads": 64, "head_dim": 128})
    assert kvplan.size(mha, context=4096).total_bytes == 10 * GIB


def test_qwen25_needs_4_66_times_deepseek_v3() -> None:
    """Insights into DeepSeek-V3, arXiv 2505.09343, table 1."""
    qwen, deepseek = (kvplan.size(model).bytes_per_token for model in ("qwen2.5-72b", "deepseek-v3"))
    assert (qwen, deepseek) == (327_680, 70_272)
    assert round(qwen / deepseek, 2) == 4.66


@pytest.mark.parametrize(
    ("model", "count", "printed"),
    [
        ("deepseek-v2", 60 * 9 * 128 // 2, "34.6K"),
        ("deepseek-v2-ablation-large-mla", 60 * 576, "34.6K"),
        ("deepseek-v2-ablation-small-mha", 27 * 2 * 16 * 128, "110.6K"),
        ("deepseek-67b", 2 * 95 * 8 * 128, "194.6K"),
    ],
)
def test_elements_per_token(model: str, count: int, printed: str) -> None:
    """DeepSeek-V2, arXiv 2405.04434, tables 1 and 9; DeepSeek LLM, arXiv 2401.02954."""
    assert elements(model, 1) == count
    assert f"{count / 1000:.1f}K" == printed


def test_the_mla_row_equals_two_and_a_quarter_groups() -> None:
    """DeepSeek-V2, arXiv 2405.04434, section 2.1.4: d_c + d_rope = 576 against 2 x 128 a group."""
    assert Fraction(elements("deepseek-v2", 1), 60 * 2 * 128) == Fraction(9, 4)


def test_deepseek_v2_cuts_the_cache_by_93_3_percent() -> None:
    """DeepSeek-V2, abstract: only with the 6 bits of its deployed cache; at equal bits it is 82.2 %."""
    v2, dense = elements("deepseek-v2", 1), elements("deepseek-67b", 1)
    assert round(100 * (1 - v2 * 6 / (dense * 16)), 1) == 93.3
    assert round(100 * (1 - v2 / dense), 1) == 82.2


def test_deepseek_v4_pro_at_a_million_tokens() -> None:
    """
    VLLM's blog of 2026-04-24: 9.62 GiB in bf16, for the compressed entries and the indexer's keys.

    Windows and compressor states, which it leaves out, add 0.3 %: 61 windows of 128 entries of
    1024 bytes; float32 states of 31 x 128 x 1024, 30 x 8 x 2048 and 30 x 8 x 512 elements.
    """
    grown = 30 * (MILLION // 4) * (512 + 128) * 2 + 31 * (MILLION // 128) * 512 * 2
    assert grown == 10_326_376_448
    assert round(grown / GIB, 2) == 9.62
    bounded = 61 * 128 * 512 * 2 + 4 * (31 * 128 * 1024 + 30 * 8 * 2048 + 30 * 8 * 512)
    assert kvplan.size("deepseek-v4-pro", context=MILLION).total_bytes == grown + bounded


def test_deepseek_v4_pro_holds_a_tenth_of_v3_2() -> None:
    """DeepSeek-V4 model card: about 10 % at 1M tokens, with 584-byte entries and fp4 indexer keys."""
    v4 = kvplan.size("deepseek-v4-pro", context=MILLION, kv_dtype="fp8_ds_mla,indexer=mxfp4")
    v32 = kvplan.size("deepseek-v3.2", context=MILLION, kv_dtype="fp8_ds_mla")
    grown = 30 * (MILLION // 4) * (584 + 68) + 31 * (MILLION // 128) * 584
    assert v32.total_bytes == 61 * 788 * MILLION
    assert grown <= v4.total_bytes <= grown * 1.01
    assert 100 * v4.total_bytes / v32.total_bytes == pytest.approx(10, rel=0.08)


@pytest.mark.parametrize(
    ("model", "attention_layers", "gib"), [("jamba-v0.1", 4, 4), ("jamba-1.5-large", 9, 9)]
)
def test_jamba_keeps_keys_and_values_in_one_layer_of_eight(
    model: str, attention_layers: int, gib: int
) -> None:
    """Jamba, arXiv 2403.19887, table 1, and Jamba-1.5, arXiv 2408.12570, table 1, at 256K tokens."""
    grown = kvplan.size(model).bytes_per_token
    assert grown == attention_layers * 2 * 8 * 128 * 2
    assert grown * 262_144 == gib * GIB


def test_llama31_405b_changed_its_groups() -> None:
    """Jamba-1.5, table 1 lists 252 GB: the first release had 16 KV heads; today's has 8."""
    first = spec(126, {"kind": "gqa", "heads": 128, "groups": 16, "head_dim": 128})
    assert kvplan.size(first, context=262_144).total_bytes == 252 * GIB
    assert kvplan.size("llama-3.1-405b", context=262_144).total_bytes == 126 * GIB


def test_mistral_window_saves_eight_times() -> None:
    """Mistral 7B, arXiv 2310.06825, section 2: at 32k tokens."""
    windowed, full = (
        kvplan.size(model, context=32_768).total_bytes for model in ("mistral-7b-v0.1", "mistral-7b-v0.3")
    )
    assert full == 8 * windowed


def test_kimi_linear_cuts_the_growth_by_three_quarters() -> None:
    """Kimi Linear, arXiv 2510.26692: 7 of 27 layers grow, which is 74.1 %; 75 % is the 3:1 limit."""
    grown = kvplan.size("kimi-linear-48b-a3b").bytes_per_token
    assert grown == 7 * (512 + 64) * 2
    assert 27 * grown == 7 * 27 * 576 * 2
    assert round(100 * (1 - 7 / 27), 1) == 74.1


@pytest.mark.parametrize("model", ["minimax-text-01", "minimax-m1-80k"])
def test_minimax_grows_by_40_kib(model: str) -> None:
    """MiniMax-01, arXiv 2501.08313: 10 of 80 layers are softmax attention with 8 KV heads."""
    assert kvplan.size(model).bytes_per_token == 10 * 2 * 8 * 128 * 2 == 40 * KIB


@pytest.mark.parametrize(
    ("model", "roles", "count"),
    [
        # Eagle and Finch, arXiv 2404.05892: 64 D of state and 2 D of token shift per layer.
        ("rwkv-5-world-3b", (), 32 * 66 * 2560),
        # RWKV, arXiv 2305.13048: five vectors per layer.
        ("rwkv-4-169m-pile", (), 12 * 5 * 768),
        # Mamba, arXiv 2312.00752: d_inner x d_state; three columns of convolution.
        ("mamba-2.8b", ("state",), 64 * 5120 * 16),
        ("mamba-2.8b", ("conv",), 64 * 5120 * 3),
        # Mamba-Codestral-7B: 128 heads of 64 with 128 states; x and 8 groups of B and C.
        ("mamba-codestral-7b", ("state",), 64 * 128 * 64 * 128),
        ("mamba-codestral-7b", ("conv",), 64 * 3 * (8192 + 2 * 8 * 128)),
        # Nemotron-H-8B: 51,806,208 bytes in 16 bits for 24 Mamba-2 layers.
        ("nemotron-h-8b", ("state", "conv"), 51_806_208 // 2),
        # RetNet, arXiv 2307.08621: 16 heads of 256 x 512.
        ("retnet-6.7b", (), 32 * 16 * 256 * 512),
        # Griffin, arXiv 2402.19427: 18 recurrent layers of width 2560.
        ("recurrentgemma-2b", ("state",), 18 * 2560),
        ("recurrentgemma-2b", ("conv",), 18 * 2560 * 3),
    ],
)
def test_elements_of_states(model: str, roles: tuple[str, ...], count: int) -> None:
    assert elements(model, 0, *roles) == count


def test_recurrentgemma_saturates_at_16_mib() -> None:
    """Griffin, arXiv 2402.19427: 8 attention layers with a window of 2048 and one KV head of 256."""
    cached = [term for term in terms("recurrentgemma-2b") if term.role in ("key", "value")]
    assert sum(term.bytes_on_rank(65_536, 1) for term in cached) == 8 * 2048 * 2 * 256 * 2 == 16 * MIB


def test_gemma3_without_its_windows() -> None:
    """llama.cpp issue 12637: 62 GB at 128K tokens when every layer keeps every token."""
    full = spec(62, {"kind": "gqa", "heads": 32, "groups": 16, "head_dim": 128})
    assert kvplan.size(full, context=131_072).total_bytes == 62 * GIB


def test_character_ai() -> None:
    """
    Character.AI, Optimizing AI Inference: MQA alone is 8 x against 8 KV heads, all of it over 20 x.

    One layer in six is global, the others keep 1024 tokens, and pairs of layers share their cache.
    """
    before = spec(12, {"kind": "gqa", "heads": 8, "groups": 8, "head_dim": 128})
    mqa = spec(12, {"kind": "mqa", "heads": 8, "head_dim": 128})
    assert kvplan.size(before).total_bytes == 8 * kvplan.size(mqa).total_bytes
    shared = {"kind": "shared", "heads": 8, "head_dim": 128}
    local = {"kind": "sliding", "heads": 8, "groups": 1, "head_dim": 128, "window": 1024}
    attention = {"local": local, "global": {"kind": "mqa", "heads": 8, "head_dim": 128}, "shared": shared}
    runs = [
        {"repeat": 1, "pattern": ("global", "shared")},
        {"repeat": 5, "pattern": ("local", "shared")},
    ]
    after = spec(tuple(runs), attention)
    ratio = Fraction(
        kvplan.size(before, context=2048).total_bytes, kvplan.size(after, context=2048).total_bytes
    )
    # 12 layers x 8 heads x 2048 against 1 x 2048 + 5 x 1024 tokens of one head.
    assert ratio == Fraction(12 * 8 * 2048, 2048 + 5 * 1024)
    assert ratio > 20


def test_hunyuan_large_saves_95_percent() -> None:
    """Hunyuan-Large, arXiv 2411.02265: 8 of 80 heads, in every second layer."""
    mha = spec(64, {"kind": "mha", "heads": 80, "head_dim": 80})
    own, full = (kvplan.size(model).bytes_per_token for model in ("hunyuan-large", mha))
    assert 100 * own == (100 - 95) * full


def test_yoco_divides_by_80() -> None:
    """YOCO, arXiv 2405.05254: one global cache serves the upper half, the lower half is constant."""
    gqa = {"kind": "gqa", "heads": 64, "groups": 8, "head_dim": 128}
    attention = {
        "lower": {"kind": "sliding", "heads": 64, "groups": 8, "head_dim": 128, "window": 1024},
        "middle": gqa,
        "upper": {"kind": "shared", "heads": 64, "head_dim": 128},
    }
    runs = tuple(
        {"repeat": repeat, "pattern": (name,)}
        for name, repeat in (("lower", 39), ("middle", 1), ("upper", 40))
    )
    dense, yoco = spec(80, gqa), spec(runs, attention)
    assert kvplan.size(dense).bytes_per_token == 80 * kvplan.size(yoco).bytes_per_token


@pytest.mark.parametrize(("heads", "groups", "ratio"), [(64, 8, 8), (8, 1, 8)])
def test_fewer_groups_divide_the_cache(heads: int, groups: int, ratio: int) -> None:
    """GQA-8 of T5-XXL, arXiv 2305.13245; MQA of the WMT model, arXiv 1911.02150."""
    mha = spec(24, {"kind": "mha", "heads": heads, "head_dim": 64})
    gqa = spec(24, {"kind": "gqa", "heads": heads, "groups": groups, "head_dim": 64})
    assert kvplan.size(mha).total_bytes == ratio * kvplan.size(gqa).total_bytes


def test_kivi_costs_three_bits() -> None:
    """KIVI, arXiv 2402.02750: 2 bits and a scale and a zero of 16 bits for 32 elements."""
    assert Fraction(8 * KIVI2.row_bytes(128), 128) == 2 + Fraction(16 + 16, 32)


def test_streaming_llm_is_constant() -> None:
    """StreamingLLM, arXiv 2309.17453: 4 sinks and 1020 recent tokens of Llama-2-7B, 512 MiB."""
    kept = {"kind": "sliding", "heads": 32, "groups": 32, "head_dim": 128, "window": 1020, "sinks": 4}
    assert kvplan.size(spec(32, kept), context=4_000_000).total_bytes == 512 * MIB


def test_snapkv_keeps_its_budget() -> None:
    """SnapKV, arXiv 2404.14469: 1024 prompt tokens of Mistral-7B, a sixteenth of 16K."""
    kept = {"kind": "sliding", "heads": 32, "groups": 8, "head_dim": 128, "window": 1024}
    assert kvplan.size(spec(32, kept), context=16_384).total_bytes == 128 * MIB
    assert kvplan.size("mistral-7b-v0.2", context=16_384).total_bytes == 16 * 128 * MIB


@pytest.mark.parametrize(
    ("model", "dtype", "encoder", "mib"),
    [
        # whisper-large-v3: 32 layers of 20 heads of 64 over 1500 positions.
        ("whisper-large-v3", "fp16", 2 * 32 * 1280 * 2 * 1500, 234.375),
        # Llama-3.2-11B-Vision: 8 layers of 8 KV heads of 128 over 4 x 1601 positions.
        ("llama-3.2-11b-vision", "bf16", 2 * 8 * 8 * 128 * 2 * 6404, 200.125),
    ],
)
def test_cross_attention_is_fixed(model: str, dtype: str, encoder: int, mib: float) -> None:
    assert kvplan.size(model, kv_dtype=dtype).fixed_bytes == encoder == mib * MIB


def test_mixture_of_heads_leaves_the_cache_alone() -> None:
    """MoH, arXiv 2410.11842: every head keeps keys and values, so a MoH layer is its parent's GQA."""
    parent = {"kind": "gqa", "heads": 32, "groups": 8, "head_dim": 128}
    assert kvplan.size(spec(32, parent)).bytes_per_token == kvplan.size("llama-3-8b").bytes_per_token


def test_mixture_of_attention_heads_caches_one_head() -> None:
    """Mixture of Attention Heads, arXiv 2210.05144: one key and one value projection for all experts."""
    assert elements(spec(1, {"kind": "mqa", "heads": 16, "head_dim": 64}), 1) == 1 * 2 * 64


COVERED_BY_A_TEST_OF_ITS_OWN = {
    "kvquant-llama7b-1m",
    "opt175b-weights",
    "qwen25-vs-dsv3",
    "dsv2-token-elements",
    "dsv2-gqa-equivalent",
    "dsv2-ablation-small-mha",
    "dsv2-ablation-large-mla",
    "ds67b-elements",
    "dsv2-vs-67b",
    "dsv4pro-1m-bf16",
    "dsv4pro-vs-v32-report",
    "jamba-256k",
    "jamba15-large-256k",
    "llama31-405b-256k-paper",
    "mistral7b-window-ratio",
    "kimi-linear-75pct",
    "minimax-token",
    "rwkv5-3b-state",
    "rwkv4-169m-state",
    "mamba28b-ssm",
    "codestral-mamba-ssm",
    "nemotronh8b-state",
    "retnet-67b-state",
    "recurrentgemma2b-cap",
    "gemma3-27b-128k-full",
    "characterai-mqa",
    "characterai-total",
    "hunyuan-large-cla",
    "yoco-65b",
    "gqa-t5xxl",
    "mqa-shazeer",
    "kivi-2bit-effective",
    "streamingllm-llama2-7b",
    "snapkv-1024",
    "whisper-l3-cross",
    "mllama11b-cross",
    "moh-kv",
    "moa-heads-kv",
}


@pytest.mark.skipif(not GOLDEN.is_file(), reason="the list of published numbers is not beside the checkout")
def test_every_listed_number_is_accounted_for() -> None:
    entries = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))["entries"]
    in_table = {published.id for published in SEQUENCES}
    assert {entry["id"] for entry in entries} == in_table | COVERED_BY_A_TEST_OF_ITS_OWN | set(NOT_REPRODUCED)
    listed = {entry["id"]: entry["exact"] for entry in entries if entry["exact_unit"] == "B"}
    for published in SEQUENCES:
        assert published.exact == listed[published.id], published.id

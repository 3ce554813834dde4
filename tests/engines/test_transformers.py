"""What transformers caches, by hand: each figure is worked out from the model's published shape."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.dtypes import BF16, FP32
from kvplan.engines.transformers.caches import COMMON, Traits, allocated, kept, reserve, traits_of
from kvplan.errors import SplitError, UnknownNameError
from kvplan.planner.splits import heads_of
from kvplan.specs.load import load
from kvplan.terms import Allocation, Growing, Split, Stage, Term
from kvplan.validate.hf_models import stage_of

GROUPS = Split(unit="groups", count=4, replicable=True)


def stage(model: str, kv_dtype: str = "bf16") -> Stage:
    return stage_of(load(model), kv_dtype=kv_dtype)


def class_of(model: str) -> Traits:
    spec = load(model)
    return traits_of(spec.architecture, heads_of(spec).sharing)


def one_term(window: int | None) -> Stage:
    """Return one layer with one row of 4 x 8 bfloat16 numbers, 64 bytes, for each token."""
    term = Term(
        role="key",
        label="K",
        allocation=Allocation(pool="attention"),
        split=GROUPS,
        width=8,
        dtype=BF16,
        rows=Growing(window=window),
    )
    return Stage(types=("a",), counts=(((term,), 1),))


GROWTH = [
    # 2 x 32 layers x 8 heads x 128 x 2 bytes.
    ("llama-3.1-8b", 131_072, 0),
    # 61 layers x (512 + 64) x 2 bytes, and 128 more for the indexer's keys.
    ("deepseek-v3", 70_272, 0),
    ("deepseek-v3.2", 85_888, 0),
    # 10 global layers of 16 x 128, and 52 x 1023 tokens of local ones.
    ("gemma-3-27b", 81_920, 435_781_632),
    # 12 layers of 2 x 256; 36 x (4 columns of 8192 in bfloat16 + 32 x 128 x 128 in float32).
    ("qwen3-next-80b-a3b", 24_576, 77_856_768),
    # 64 x (4 columns of 8192 + 2 x 8 x 128, and 128 x 64 x 128 in float32).
    ("mamba-codestral-7b", 0, 273_678_336),
    # 4 layers of 8 x 128; 28 x (4 columns of 8192 and 8192 x 16 in float32).
    ("jamba-v0.1", 16_384, 16_515_072),
    # K and V of 128 query heads of 64 in 60 layers, and of 232 in 80.
    ("falcon-40b", 1_966_080, 0),
    ("falcon-180b", 4_751_360, 0),
]


@pytest.mark.parametrize(("model", "per_token", "fixed"), GROWTH)
def test_bytes_of_a_long_sequence(model: str, per_token: int, fixed: int) -> None:
    for tokens in (20_000, 50_001):
        expected = per_token * tokens + fixed
        assert kept(stage(model), tokens=tokens, batch=1, tp=1, traits=class_of(model)) == expected
        assert reserve(stage(model), tokens=tokens, batch=3, tp=1, traits=class_of(model)) == 3 * expected


@pytest.mark.parametrize(
    ("window", "rows"),
    [(None, [3, 4, 5, 6]), (5, [3, 4, 4, 4]), (1, [3, 4, 5, 6]), (2, [1, 1, 1, 1])],
)
def test_a_window_keeps_one_token_less(window: int | None, rows: list[int]) -> None:
    found = [kept(one_term(window), tokens=tokens, batch=1, tp=1) for tokens in (3, 4, 5, 6)]
    assert found == [64 * each for each in rows]


def test_a_slice_keeps_the_prompt_alive_until_the_next_step() -> None:
    sliding = one_term(5)
    assert allocated(sliding, tokens=9, batch=2, tp=1, moment="prefill") == 2 * 64 * 9
    assert allocated(sliding, tokens=9, batch=2, tp=1, moment="decode") == 2 * 64 * 5
    assert allocated(sliding, tokens=3, batch=2, tp=1, moment="decode") == 2 * 64 * 3


def test_the_published_run_of_gemma_3_27b() -> None:
    """
    64 sequences of 8192 tokens, run on shapes alone: data and memory after prefill and two steps.

    5 kinds of layers: 52 of them keep 1023 tokens, of which the prefill leaves 8192 in memory.
    """
    gemma = stage("gemma-3-27b")
    assert kept(gemma, tokens=8192, batch=64, tp=1) == 70_839_697_408
    assert allocated(gemma, tokens=8192, batch=64, tp=1, moment="prefill") == 266_287_972_352
    assert kept(gemma, tokens=8194, batch=64, tp=1) == 70_850_183_168
    assert allocated(gemma, tokens=8194, batch=64, tp=1, moment="decode") == 70_877_446_144


def test_deepseek_v4_counts_each_buffer() -> None:
    """2 layers without compression (K and V apart), 21 of ratio 4, 20 of ratio 128; 9002 tokens."""
    window = 127 * 512
    csa = window + 2250 * (512 + 128)
    csa += 2 * 2 * 2 * 512 + 4 * 2 * 512  # 2 tokens wait with 2 vectors of K and gate each
    csa += 2 * 2 * 2 * 128 + 4 * 2 * 128
    hca = window + 70 * 512 + 42 * 2 * 512
    expected = 2 * (2 * 2 * window + 21 * csa + 20 * hca)
    assert kept(stage("deepseek-v4-flash"), tokens=9002, batch=1, tp=1) == expected


@given(st.integers(1, 1100))
def test_the_reserve_is_the_most_that_was_kept_so_far(tokens: int) -> None:
    flash = stage("deepseek-v4-flash")
    layer_by_layer = [Stage(types=("a",), counts=((layer, 1),)) for layer, _ in flash.counts]
    for layer in layer_by_layer:
        now = reserve(layer, tokens=tokens, batch=1, tp=1)
        assert now >= kept(layer, tokens=tokens, batch=1, tp=1)
        assert now >= reserve(layer, tokens=tokens - 1, batch=1, tp=1)


def test_the_memory_of_deepseek_v4_is_not_guessed() -> None:
    with pytest.raises(UnknownNameError, match="DeepSeek-V4"):
        allocated(stage("deepseek-v4-flash"), tokens=9002, batch=1, tp=1, moment="decode")


def test_deepseek_v41_has_no_class() -> None:
    with pytest.raises(UnknownNameError, match=r"5\.23 has no class .* DeepSeek-V4\.1: use --engine exact"):
        kept(stage("deepseek-v4.1-flash"), tokens=9002, batch=1, tp=1)


def test_tensor_parallelism_divides_kv_heads_and_replicates_none() -> None:
    llama = stage("llama-3.1-8b")
    assert kept(llama, tokens=1, batch=1, tp=8) == 131_072 // 8
    with pytest.raises(SplitError, match="8 KV heads over tp=16: 8 % 16 is 8, not 0"):
        kept(llama, tokens=1, batch=1, tp=16)


def test_what_a_plan_does_not_name_is_on_every_rank_whole() -> None:
    assert kept(stage("deepseek-v3"), tokens=1, batch=1, tp=8) == 70_272
    qwen = stage("qwen3-next-80b-a3b")
    assert kept(qwen, tokens=1, batch=1, tp=2) == 24_576 // 2 + 77_856_768
    jamba = kept(stage("jamba-v0.1"), tokens=1, batch=1, tp=8, traits=class_of("jamba-v0.1"))
    assert jamba == 16_384 + 16_515_072


def test_other_cache_dtypes_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="not in fp8: use --kv-dtype bf16, fp16, fp32"):
        kept(stage("llama-3.1-8b", "fp8"), tokens=1, batch=1, tp=1)


def test_a_class_may_keep_states_in_another_dtype() -> None:
    model = stage("qwen3-next-80b-a3b")
    halved = replace(COMMON, state_dtype=BF16)
    saved = 36 * 32 * 128 * 128 * 2
    assert kept(model, tokens=1, batch=1, tp=1) - kept(model, tokens=1, batch=1, tp=1, traits=halved) == saved
    same = Traits(state_dtype=FP32)
    assert kept(model, tokens=1, batch=1, tp=1, traits=same) == kept(model, tokens=1, batch=1, tp=1)


def test_a_token_shift_is_no_convolution() -> None:
    """RWKV-4: 12 layers of 5 vectors of 768 float32 numbers."""
    assert kept(stage("rwkv-4-169m-pile", "fp32"), tokens=9, batch=1, tp=1) == 12 * 5 * 768 * 4

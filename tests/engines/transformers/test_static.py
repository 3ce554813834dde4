"""What the static cache of transformers allocates, by hand from each model's published shape."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.engines import Arrangement, EngineOptions
from kvplan.engines.transformers.caches import Traits, reserve, traits_of
from kvplan.engines.transformers.engine import TRANSFORMERS
from kvplan.engines.transformers.static import static_reserve
from kvplan.errors import KvplanError, OptionsError, SplitError, UnknownNameError
from kvplan.loads import uniform
from kvplan.planner.splits import heads_of
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load
from kvplan.terms import Growing, Stage
from kvplan.validate.hf_models import stage_of

NAMES = sorted(path.stem for path in spec_files())
LENGTHS = (1, 1000, 4096, 50_001)


def stage(model: str, kv_dtype: str = "bf16") -> Stage:
    return stage_of(load(model), kv_dtype=kv_dtype)


def arranged(model: str, cache: str | None = "static", tp: int = 1) -> Arrangement:
    settings = {} if cache is None else {"cache_implementation": cache}
    spec = load(model)
    options = EngineOptions(architecture=spec.architecture, heads=heads_of(spec), tp=tp, settings=settings)
    return TRANSFORMERS.arrange((stage(model),), options)


def class_of(model: str) -> Traits:
    spec = load(model)
    return traits_of(spec.architecture, heads_of(spec).sharing)


def taken(model: str, tokens: int, batch: int = 1, tp: int = 1) -> int:
    return arranged(model, tp=tp).reserved_bytes(rank=0, load=uniform(tokens, batch))


# Bytes per token of layers without a window, per token of those with one, the window, and states.
SHAPES = [
    # 2 x 32 layers x 8 heads x 128 x 2 bytes.
    ("llama-3.1-8b", 131_072, 0, 0, 0),
    # 2 x 32 x 8 x 128 x 2: every layer has the window.
    ("mistral-7b-v0.1", 0, 131_072, 4096, 0),
    # 10 global and 52 local layers of 2 x 16 x 128 x 2 bytes.
    ("gemma-3-27b", 81_920, 52 * 8192, 1024, 0),
    # 18 and 18 layers of 2 x 8 x 64 x 2 bytes.
    ("gpt-oss-120b", 36_864, 36_864, 128, 0),
    # 12 and 36 layers of 2 x 8 x 128 x 2 bytes; chunks of 8192.
    ("llama-4-scout-17b-16e", 49_152, 147_456, 8192, 0),
    # 9 layers of 4 x (192 + 128) x 2 bytes, 39 of 8 x (192 + 128) x 2; the class's window is 129.
    ("mimo-v2-flash", 23_040, 199_680, 129, 0),
    # 61 layers x (512 + 64) x 2 bytes, and 128 x 2 more for the indexer's keys.
    ("deepseek-v3", 70_272, 0, 0, 0),
    ("deepseek-v3.2", 85_888, 0, 0, 0),
    # 12 layers of 2 x 2 x 256 x 2; 36 x (4 columns of 8192 in bfloat16 + 32 x 128 x 128 in float32).
    ("qwen3-next-80b-a3b", 24_576, 0, 0, 77_856_768),
    # 4 layers of 2 x 8 x 128 x 2; 28 x (4 columns of 8192 and 8192 x 16 in float32).
    ("jamba-v0.1", 16_384, 0, 0, 16_515_072),
    # 64 x (4 columns of 10240 in bfloat16, and 128 x 64 x 128 in float32).
    ("mamba-codestral-7b", 0, 0, 0, 273_678_336),
    # K and V of 128 query heads of 64 in 60 layers.
    ("falcon-40b", 1_966_080, 0, 0, 0),
    # 32 layers of 2 x 20 x 64 x 2 bytes, and as many for each of 1500 tokens of the encoder.
    ("whisper-large-v3", 163_840, 0, 0, 163_840 * 1500),
]


@pytest.mark.parametrize(("model", "growing", "sliding", "window", "states"), SHAPES)
def test_bytes_of_a_whole_context(model: str, growing: int, sliding: int, window: int, states: int) -> None:
    for tokens in LENGTHS:
        expected = growing * tokens + sliding * min(window, tokens) + states
        assert taken(model, tokens) == expected
        assert taken(model, tokens, batch=3) == 3 * expected


def test_the_dynamic_cache_is_the_default_and_keeps_a_token_less_of_a_window() -> None:
    chosen = {cache: arranged("gemma-3-27b", cache) for cache in (None, "dynamic", "static")}
    sizes = {cache: each.reserved_bytes(rank=0, load=uniform(2000, 1)) for cache, each in chosen.items()}
    assert sizes[None] == sizes["dynamic"] == 81_920 * 2000 + 52 * 8192 * 1023
    assert sizes["static"] - sizes["dynamic"] == 52 * 8192


def test_the_lines_say_whole_windows() -> None:
    lines = arranged("mimo-v2-flash").lines(rank=0, load=uniform(1000, 2))
    assert [(line.name, line.size_bytes) for line in lines] == [
        # The formula has the published window of 128, the class one token more.
        ("formula", 2 * (23_040 * 1000 + 199_680 * 128)),
        ("library", 2 * 199_680),
    ]
    assert lines[1].reason == "whole windows, convolutions of k columns, what a class copies"
    (_, dynamic) = arranged("mimo-v2-flash", "dynamic").lines(rank=0, load=uniform(1000, 2))
    assert dynamic.reason.startswith("windows of w - 1 tokens, ")


def test_a_rank_allocates_its_own_heads() -> None:
    assert taken("llama-3.1-8b", 10, tp=8) == 10 * 131_072 // 8
    assert taken("deepseek-v3", 10, tp=8) == 10 * 70_272
    assert taken("qwen3-next-80b-a3b", 10, tp=2) == 10 * 24_576 // 2 + 77_856_768
    assert taken("gpt-oss-120b", 10, tp=8) == 10 * 2 * 36_864
    with pytest.raises(SplitError, match="8 KV heads over tp=16: 8 % 16 is 8, not 0"):
        arranged("llama-3.1-8b", tp=16)


@pytest.mark.parametrize(
    ("model", "term"),
    [
        ("deepseek-v4-flash", "window entry"),
        ("minimax-text-01", "state"),
        ("rwkv-7-world-0.4b", "state"),
        ("xlstm-7b", "state"),
        ("retnet-6.7b", "state"),
        ("hymba-1.5b", "prefix K"),
    ],
)
def test_what_has_no_static_cache_is_refused(model: str, term: str) -> None:
    with pytest.raises(
        UnknownNameError, match=f"no static cache .* {term}: use cache_implementation=dynamic"
    ):
        arranged(model)
    assert arranged(model, "dynamic").reserved_bytes(rank=0, load=uniform(9, 1))


def test_an_encoder_beside_a_window_is_refused() -> None:
    whisper, mistral = stage("whisper-large-v3"), stage("mistral-7b-v0.1")
    (decoder, _), (local, _) = whisper.counts[0], mistral.counts[0]
    mixed = Stage(types=("a",), counts=(((*local, *decoder[2:]), 1),))
    with pytest.raises(UnknownNameError, match="encoder K"):
        static_reserve(mixed, tokens=9, batch=1, tp=1)


@pytest.mark.parametrize("rows", [Growing(stride=4), Growing(skip=1)])
def test_rows_that_are_not_those_of_tokens_are_refused(rows: Growing) -> None:
    (((key, *_), _),) = stage("llama-3.1-8b").counts
    with pytest.raises(UnknownNameError, match="K: use cache_implementation=dynamic"):
        static_reserve(
            Stage(types=("a",), counts=(((replace(key, rows=rows),), 1),)), tokens=9, batch=1, tp=1
        )


def test_what_the_dynamic_cache_refuses_is_refused_alike() -> None:
    with pytest.raises(UnknownNameError, match=r"DeepSeek-V4\.1: use --engine exact"):
        arranged("deepseek-v4.1-flash")
    with pytest.raises(UnknownNameError, match="not in fp8: use --kv-dtype bf16, fp16, fp32"):
        static_reserve(stage("llama-3.1-8b", "fp8"), tokens=1, batch=1, tp=1)


def test_other_implementations_and_settings_are_refused() -> None:
    with pytest.raises(OptionsError, match="'quantized' is not one of dynamic, static"):
        arranged("llama-3.1-8b", "quantized")
    with pytest.raises(OptionsError, match="no setting 'max_cache_len'; it has cache_implementation"):
        TRANSFORMERS.require_taken(EngineOptions(settings={"max_cache_len": "9"}))


@given(st.sampled_from(NAMES), st.integers(1, 20_000), st.integers(1, 2000), st.integers(1, 9))
def test_it_never_falls_and_holds_what_the_dynamic_cache_keeps(
    model: str, tokens: int, more: int, batch: int
) -> None:
    layers, traits = stage(model), class_of(model)
    try:
        size = static_reserve(layers, tokens=tokens, batch=batch, tp=1, traits=traits)
    except KvplanError:
        return
    assert size >= reserve(layers, tokens=tokens, batch=batch, tp=1, traits=traits)
    assert size <= static_reserve(layers, tokens=tokens + more, batch=batch, tp=1, traits=traits)
    assert size == batch * static_reserve(layers, tokens=tokens, batch=1, tp=1, traits=traits)


def test_most_of_the_catalogue_has_one() -> None:
    """The law above is about these: all but the models of refused terms."""
    refused = []
    for model in NAMES:
        try:
            static_reserve(stage(model), tokens=1, batch=1, tp=1, traits=class_of(model))
        except (UnknownNameError, OptionsError):
            refused.append(model)
    assert "xlstm-7b" in refused
    assert len(refused) < len(NAMES) // 10, refused


def test_a_cache_of_which_a_part_is_known_is_refused() -> None:
    """modeling_qwen4_exp.py keeps the ids of two tokens for its n-grams."""
    with pytest.raises(UnknownNameError, match="token ids beside the states of qwen4_exp_text"):
        arranged("qwen3.8-flash-next", "dynamic")

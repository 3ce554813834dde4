"""From terms to pages: what a page is, and what vLLM would not store."""

from typing import Any

import pytest

from kvplan.dtypes import kv_format
from kvplan.engines.vllm import NEWEST, PageSpec, RefusedError, VllmOptions
from kvplan.engines.vllm.lowering import Lowering
from kvplan.errors import SplitError
from kvplan.specs.load import load
from kvplan.terms import Layer, Target
from tests.engines.vllm.planning import layout_of, layout_of_layers, pool_of


def layer_of(model: str, kv_dtype: str | None = None, index: int = 0) -> Layer:
    spec = load(model)
    return spec.lower(Target(kv=kv_format(kv_dtype or spec.dtype)))[index]


def pages_of(
    model: str, kv_dtype: str | None = None, *, tp: int = 1, block_size: int = 16
) -> tuple[PageSpec, ...]:
    lowering = Lowering(tp=tp, rules=NEWEST, options=VllmOptions(), block_size=block_size)
    return lowering.layer_specs(layer_of(model, kv_dtype))


@pytest.mark.parametrize(
    ("kv_dtype", "head_bytes"),
    [
        # Bytes of K and V of one head of 128 and one token.
        ("bf16", 512),
        ("fp16", 512),
        ("fp32", 1024),
        ("fp8", 256),
        ("int8_per_token_head", 264),
        ("fp8_per_token_head", 264),
        ("int4_per_token_head", 136),
        ("nvfp4", 144),
    ],
)
def test_bytes_per_head_and_token_of_quantised_caches(kv_dtype: str, head_bytes: int) -> None:
    (page,) = pages_of("llama-3.1-8b", kv_dtype)
    assert page.page_bytes == 8 * 16 * head_bytes


@pytest.mark.parametrize(
    ("kv_dtype", "latent", "indexer"),
    [("bf16", 1152, 132), ("fp8", 576, 132), ("fp8_ds_mla", 656, 132), ("nvfp4_ds_mla", 352, 132)],
)
def test_mla_rows_and_an_indexer_that_no_kv_dtype_changes(kv_dtype: str, latent: int, indexer: int) -> None:
    pages = pages_of("deepseek-v3.2", kv_dtype, tp=8, block_size=64)
    assert [page.page_bytes for page in pages] == [64 * latent, 64 * indexer]


@pytest.mark.parametrize(("tp", "heads"), [(1, 8), (4, 2), (8, 1), (16, 1), (32, 1)])
def test_kv_heads_are_shared_out_then_replicated(tp: int, heads: int) -> None:
    (page,) = pages_of("llama-3.1-8b", tp=tp)
    assert page.heads == heads


def test_heads_that_do_not_spread_are_refused() -> None:
    with pytest.raises(SplitError, match="8 groups do not spread over tp=3"):
        pages_of("llama-3.1-8b", tp=3)


def test_pages_of_deepseek_v4() -> None:
    """584 B a row in multiples of 576 B: 64 x 584 = 37,376 -> 37,440; 64 x 132 = 8448 -> 8640."""
    spec = load("deepseek-v4-flash")
    types = spec.lower_types(Target(kv=kv_format("fp8_ds_mla")))
    lowering = Lowering(tp=8, rules=NEWEST, options=VllmOptions(), block_size=256)
    csa, hca = (lowering.layer_specs(types[name]) for name in ("csa", "hca"))
    assert [(page.page_bytes, page.block_size) for page in csa] == [
        (37_440, 64),
        (37_440, 256),
        (8_640, 256),
        (32_832, 4),
        # 4 tokens of 2 x 2 x 128 float32: 8192 -> 8640.
        (8_640, 4),
    ]
    # 2 rows of 584 -> 1728; 8 tokens of 2 x 512 float32: 32,768 -> 32,832.
    assert [(page.page_bytes, page.block_size) for page in hca] == [(37_440, 64), (1_728, 256), (32_832, 8)]


@pytest.mark.parametrize(
    ("model", "choices", "words"),
    [
        (
            "llama-3.1-8b",
            {"kv_dtype": "q8_0"},
            f"{NEWEST.name} cannot store K and V in q8_0: choose another KV dtype",
        ),
        (
            "llama-3.1-8b",
            {"kv_dtype": "fp8,value=bf16"},
            f"{NEWEST.name} cannot store K and V in fp8 and bf16: choose another KV dtype",
        ),
        (
            "llama-3.1-8b",
            {"kv_dtype": "kivi2"},
            f"{NEWEST.name} keeps no newest tokens apart: choose another KV dtype",
        ),
        (
            "deepseek-v3",
            {"kv_dtype": "int8"},
            f"{NEWEST.name} cannot store latent d_c and RoPE key d_rope in int8: choose another KV dtype",
        ),
        (
            "llama-3.1-8b",
            {"block_size": 24},
            "a block of 24 tokens is no multiple of the attention kernel's 16: choose another block size",
        ),
        (
            "deepseek-v3",
            {"block_size": 16, "kv_dtype": "fp8"},
            "a block of 16 tokens is no multiple of the attention kernel's 64: choose another block size",
        ),
        (
            "deepseek-v4-flash",
            {"kv_dtype": "fp8_ds_mla", "block_size": 64},
            "a block of 64 tokens is no multiple of the 128 that share an entry: choose another block size",
        ),
        (
            "deepseek-v4-flash",
            {"kv_dtype": "fp8_ds_mla", "version": "0.19"},
            "how vLLM 0.19 pages compressed attention is not known to kvplan",
        ),
        (
            "deepseek-v4-flash",
            {"kv_dtype": "fp8_ds_mla", "hybrid_manager": False},
            f"{NEWEST.name} cannot serve compressed attention without its hybrid manager",
        ),
        (
            "deepseek-v4.1-flash",
            {"kv_dtype": "fp8_ds_mla"},
            f"how {NEWEST.name} pages compressed attention of ratio 2 (DeepSeek-V4.1) is not known to kvplan",
        ),
        (
            "minimax-m3",
            {"version": "0.30"},
            "how vLLM 0.30 pages a selector's keys beside K and V is not known to kvplan",
        ),
        (
            "rwkv-7-world-0.1b",
            {},
            f"{NEWEST.name} has no state function for token shifts: it cannot serve this model",
        ),
        (
            "mamba-codestral-7b",
            {"tp": 16},
            (
                f"{NEWEST.name} does not replicate 8 groups of conv history of B and C over tp=16: "
                "it takes a tp that divides them, or one group"
            ),
        ),
        (
            "jamba-v0.1",
            {"hybrid_manager": False},
            (
                f"without its hybrid manager {NEWEST.name} needs full attention in all layers, or in some "
                "and windows in the others"
            ),
        ),
        (
            "gemma-3-27b",
            {"tp": 32, "dcp": 2},
            f"{NEWEST.name} has no decode context parallelism for sliding windows: use dcp=1",
        ),
        ("llama-3.1-8b", {"tp": 8, "dcp": 3}, "tp=8 is no multiple of dcp=3, which shares its ranks"),
        (
            "llama-3.1-8b",
            {"tp": 8, "dcp": 2},
            "dcp=2 needs KV heads that are stored 2 times: tp=8 stores 8 of them 1 times",
        ),
        (
            "gemma-3n-e4b",
            {"pp": 5},
            "pipeline rank 3 caches nothing, so vLLM has no pool for it: choose another pp",
        ),
        ("llama-3.1-8b", {"max_num_batched_tokens": 0}, "max_num_batched_tokens=0 is not at least 1"),
    ],
)
def test_what_vllm_does_not_store_is_refused(model: str, choices: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError) as error:
        layout_of(model, **choices)
    assert str(error.value) == words


def test_states_beside_attention_of_two_sizes_are_not_guessed() -> None:
    layers = [layer_of("jamba-v0.1", index=index) for index in (0, 4)] + [layer_of("llama-3.2-1b")]
    with pytest.raises(RefusedError, match="attention layers of unlike sizes is not known"):
        layout_of_layers(layers)


def test_a_selector_beside_keys_and_values_is_kept_in_bf16() -> None:
    """MiniMax-M3: 128 elements of bf16 a token in 57 of 60 layers, whatever the KV dtype."""
    layout = layout_of("minimax-m3", kv_dtype="fp8")
    assert layout.block_size == 128
    assert layout.bytes_per_block == (128 * (60 * 4 * 2 * 128 + 57 * 256),)


def test_models_that_cache_nothing_have_one_block_and_no_lines() -> None:
    pool = pool_of("bert-base-uncased", 512)
    assert (pool.num_blocks, pool.kv_tokens, pool.max_concurrency, pool.max_batch) == (1, None, None, None)


@pytest.mark.parametrize(
    ("version", "kv_dtype", "block_size"),
    [
        # FlashMLA's own block up to 0.17.1; then FlashAttention's MLA comes first, which takes any 16 tokens
        # but no fp8: start-ups of vLLM 0.19.0 in github.com/llm-d-incubation/llm-d-planner/pull/205.
        ("0.17", "bf16", 64),
        ("0.18", "bf16", 16),
        ("0.19", "bf16", 16),
        ("0.33", "bf16", 16),
        ("0.33", "fp8", 64),
    ],
)
def test_the_block_of_a_latent_cache_is_its_kernels(version: str, kv_dtype: str, block_size: int) -> None:
    assert layout_of("deepseek-v3", version=version, kv_dtype=kv_dtype).block_size == block_size

"""Bytes of whole models in llama.cpp, worked out by hand from its source (0c1e57098)."""

import pytest

from kvplan.engines import ToStore
from kvplan.engines.llamacpp.engine import kv_dtype_name
from kvplan.units import MIB
from tests.engines.llamacpp.planning import printed, reserved


@pytest.mark.parametrize(
    ("model", "context", "expected"),
    [
        # 32 layers x 2 x 8 heads x 128 x 2 B = 131 072 B for each of 8192 cells, and of 256 at least.
        ("llama-3.1-8b", 8192, 131_072 * 8192),
        ("llama-3.1-8b", 1, 131_072 * 256),
        ("llama-3.1-8b", 8193, 131_072 * 8448),
        # 10 layers x 8192 B a token; 52 x 8192 B x 1536 cells, 1024 + 512 tokens.
        ("gemma-3-27b", 131_072, 81_920 * 131_072 + 654_311_424),
        # 61 layers x 576 x 2 B, K alone; with 128 of the indexer in DeepSeek-V3.2.
        ("deepseek-v3", 4096, 70_272 * 4096),
        ("deepseek-v3.2", 4096, 61 * (576 + 128) * 2 * 4096),
        # 12 layers of 2 x 2 heads x 256; 36 x 4 B x (3 x 8192 + 32 x 128 x 128).
        ("qwen3-next-80b-a3b", 262_144, 24_576 * 262_144 + 79_036_416),
        # 64 x 4 B x (3 x (8192 + 2 x 8 x 128) + 8192 x 128), whatever the context.
        ("mamba-codestral-7b", 1, 276_299_776),
        ("mamba-codestral-7b", 262_144, 276_299_776),
        # 4 layers x 2 x 8 heads x 128; 28 x 4 B x 8192 x (3 + 16).
        ("jamba-v0.1", 256, 16_384 * 256 + 17_432_576),
        # 24 layers x 4 B x (2 shifts x 2048 + 32 heads x 64 x 64).
        ("rwkv-6-world-1.6b", 4096, 24 * 4 * (2 * 2048 + 32 * 64 * 64)),
        # 6 layers of 2 x 8 heads x 64; 10 x 4 B x 2 columns x 2048.
        ("lfm2-1.2b", 1024, 6 * 2048 * 1024 + 10 * 4 * 2 * 2048),
        # 7 layers of 576; 20 KDA x 4 B x (3 x 3 x 4096 + 32 x 128 x 128).
        ("kimi-linear-48b-a3b", 1024, 7 * 1152 * 1024 + 20 * 4 * (9 * 4096 + 524_288)),
        # 10 layers of 2 x 8 heads x 128; 70 x 4 B x 64 heads x 128 x 128.
        ("minimax-text-01", 1024, 10 * 4096 * 1024 + 70 * 4 * 64 * 128 * 128),
        # No window in llama.cpp's Mistral: 131 072 B for every token.
        ("mistral-7b-v0.1", 32_768, 131_072 * 32_768),
    ],
)
def test_one_sequence(model: str, context: int, expected: int) -> None:
    assert reserved(model, context) == expected


def test_minimax_m3_keeps_values_for_its_indexer() -> None:
    """60 layers of 2 x 4 heads x 128; 57 of 128 for keys, 128 for values (llama-kv-cache-msa.cpp)."""
    found = printed("minimax-m3", 1024)
    assert (found["kv"].k_bytes, found["kv"].v_bytes) == (60 * 1024 * 1024,) * 2
    assert (found["indexer"].k_bytes, found["indexer"].v_bytes) == (57 * 256 * 1024,) * 2


def test_deepseek_v4_flash() -> None:
    """
    llama-kv-cache-dsv4.cpp: 43 layers of 512 in a window of 128 + 512 tokens, 768 cells with padding.

    21 layers have an entry of 512 and an indexer key of 128 for 4 tokens each, and states of 8 x 2 x 2 x
    512 and 8 x 2 x 2 x 128 float32; 20 have an entry for 128 tokens, and states of 128 x 2 x 512.
    """
    window, csa, lid = 43 * 768 * 1024, 21 * 16_384 * 1024, 21 * 16_384 * 256
    hca = 20 * 512 * 1024
    states = 4 * (21 * 8 * 4 * (512 + 128) + 20 * 128 * 2 * 512)
    assert reserved("deepseek-v4-flash", 65_536) == window + csa + lid + hca + states
    assert reserved("deepseek-v4-flash", 65_536, 2) == 2 * (window + csa + lid + hca + states)


def test_unified_slots_of_deepseek_v4_each_have_the_whole_context() -> None:
    """unified_raw and unified_compressed are false: kv_size is all slots' tokens, and streams are slots."""
    apart = reserved("deepseek-v4-flash", 65_536, 3, settings={"kv_unified": "on"})
    assert apart == 3 * reserved("deepseek-v4-flash", 3 * 65_536)


def test_compressed_rows_are_rounded_up_to_256() -> None:
    """1280 tokens are 320 and 10 entries: 512 and 256 cells."""
    found = printed("deepseek-v4-flash", 1280)
    assert {name: found[name].cells for name in ("raw", "csa", "lid", "hca")} == {
        "raw": 768,
        "csa": 512,
        "lid": 512,
        "hca": 256,
    }


@pytest.mark.parametrize(
    ("model", "bytes_per_token", "fixed"),
    [
        # 30 layers of 2 x 2 heads x 128; 32 of 2 x 8 heads x 128; 32 of 2 x 8 heads x 128.
        ("starcoder2-3b", 30 * 1024, 0),
        ("e5-mistral-7b", 32 * 4096, 0),
        ("phi-mini-moe", 32 * 4096, 0),
        # 8 layers of 2 x 1 head x 128; 8 x 4 B x 4096 channels x (3 + 64).
        ("plamo-2-1b", 8 * 512, 8 * 4 * 4096 * 67),
    ],
)
def test_windows_that_llama_cpp_does_not_know(model: str, bytes_per_token: int, fixed: int) -> None:
    """No file of src/models for these reads a window, so every token is kept."""
    assert reserved(model, 8192) == bytes_per_token * 8192 + fixed


def test_the_type_is_float16_for_a_bfloat16_model() -> None:
    rows = [ToStore(roles={"key", "value"}, dtype="bfloat16"), ToStore(roles=set(), dtype="float32")]
    assert [kv_dtype_name(None, rows[0]), kv_dtype_name("auto", rows[1])] == ["fp16", "fp16"]
    assert reserved("llama-3.1-8b", 256) == reserved("llama-3.1-8b", 256, kv_dtype="f16") == 32 * MIB
    assert reserved("llama-3.1-8b", 256, kv_dtype="f32") == 64 * MIB
    assert reserved("llama-3.1-8b", 256, kv_dtype="q8_0,value=q4_0") == 32 * 1024 * 256 * (34 + 18) // 32

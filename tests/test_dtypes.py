"""Storage formats: bytes of one row, held against the layouts of the engines and papers."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.dtypes import (
    Role,
    dtype_by_name,
    kv_format,
    kv_format_names,
    model_dtype,
    model_dtype_words,
    short_dtype,
)
from kvplan.errors import UnknownNameError

ROW_OF_128 = {
    "fp32": 128 * 4,
    "bf16": 128 * 2,
    "fp16": 128 * 2,
    # Per-tensor scales are module attributes in vLLM 0.33, not a part of the cache.
    "fp8": 128,
    "int8": 128,
    "int4": 128 // 2,
    # vLLM 0.33, v1/attention/backends/triton_attn.py: one float32 scale per token and head.
    "fp8_per_token_head": 128 + 4,
    "int8_per_token_head": 128 + 4,
    "int4_per_token_head": 128 // 2 + 4,
    # 4 bits an element and an fp8 scale for each 16: vLLM 0.33, nvfp4_kv_cache_full_dim.
    "nvfp4": 128 // 2 + 128 // 16,
    # OCP Microscaling Formats v1.0: an 8-bit exponent for each 32 elements.
    "mxfp4": 128 // 2 + 128 // 32,
    "mxfp8": 128 + 128 // 32,
    # ggml-common.h of llama.cpp 0c1e57098, per block of 32: a float16 scale, a float16 minimum for
    # _1, the fifth bits in 4 bytes for q5, and the low bits.
    "q8_0": 4 * (2 + 32),
    "q5_1": 4 * (2 + 2 + 4 + 16),
    "q5_0": 4 * (2 + 4 + 16),
    "q4_1": 4 * (2 + 2 + 16),
    "q4_0": 4 * (2 + 16),
    "iq4_nl": 4 * (2 + 16),
    # KIVI, arXiv 2402.02750: groups of 32 with a 16-bit scale and zero point, 2 + 32/32 = 3 bits
    # an element (golden number kivi-2bit-effective), and 4 + 1 = 5 bits.
    "kivi2": 128 * 3 // 8,
    "kivi4": 128 * 5 // 8,
}
MLA_FORMATS = {"fp8_ds_mla", "nvfp4_ds_mla"}


# head_dim * bits / 8, and 2 for a key, 4 for a value: turboquant/config.py of vLLM 0.33.
TURBOQUANT = {
    "turboquant_k8v4": 128 + 64 + 4,
    "turboquant_4bit_nc": 64 + 2 + 64 + 4,
    "turboquant_k3v4_nc": 48 + 2 + 64 + 4,
    "turboquant_3bit_nc": 48 + 2 + 48 + 4,
}

# 128 elements of so many bits. KVQuant, arXiv 2401.18079, appendix M: a token's values also have a scale and
# an offset of 16 bits, and with outliers each token of a sparse matrix an index of 32.
KVQUANT = {
    "nuq4": (64, 0, 4),
    "nuq4-1%": (64, 4, 8),
    "nuq3": (48, 0, 4),
    "nuq3-1%": (48, 4, 8),
    "nuq2": (32, 0, 4),
    "nuq2-1%": (32, 4, 8),
}


@pytest.mark.parametrize(("name", "sizes"), KVQUANT.items())
def test_kvquants_rows_and_what_is_beside_them(name: str, sizes: tuple[int, int, int]) -> None:
    row, of_keys, of_values = sizes
    key, value = (kv_format(name).dtype(role) for role in ("key", "value"))
    assert key.row_bytes(128) == value.row_bytes(128) == row
    assert (key.token_extra, value.token_extra) == (of_keys, of_values)
    assert {key.sparse, value.sparse} == ({100} if name.endswith("%") else {0})


def test_every_format_is_held_against_its_layout() -> None:
    """A format that is added needs a line above, or a test of its roles below."""
    assert set(kv_format_names()) == ROW_OF_128.keys() | MLA_FORMATS | TURBOQUANT.keys() | KVQUANT.keys()


@pytest.mark.parametrize(("short", "long"), [("bf16", "bfloat16"), ("fp16", "float16"), ("fp32", "float32")])
def test_a_model_runs_in_three_dtypes_of_many_names(short: str, long: str) -> None:
    """Torch's names, those of kvplan, and each in any case."""
    names = [name for name in model_dtype_words() if model_dtype(name) == long]
    assert {short, long} <= set(names)
    for name in (*names, f"torch.{long}", long.upper()):
        assert (short_dtype(name), model_dtype(name)) == (short, long)
        assert name.startswith("torch") or dtype_by_name(name) == dtype_by_name(short)


@given(st.text() | st.sampled_from(kv_format_names()))
def test_a_model_runs_in_no_other_dtype(name: str) -> None:
    assert model_dtype(name) is None or short_dtype(name) in ("bf16", "fp16", "fp32")
    assert model_dtype("fp8") is model_dtype("") is short_dtype("int8") is None


@pytest.mark.parametrize("name", ROW_OF_128)
def test_a_row_of_128_elements(name: str) -> None:
    assert dtype_by_name(name).row_bytes(128) == ROW_OF_128[name]


@pytest.mark.parametrize(
    ("name", "key_and_value_bytes"),
    [
        ("bf16", 512),
        ("fp8", 256),
        ("int8_per_token_head", 264),
        ("fp8_per_token_head", 264),
        ("int4_per_token_head", 136),
        ("nvfp4", 144),
    ],
)
def test_vllm_prints_these_bytes_per_head_and_token(name: str, key_and_value_bytes: int) -> None:
    """K and V of a head of 128, as vLLM 0.33's own planner computes them."""
    kv = kv_format(name)
    assert kv.dtype("key").row_bytes(128) + kv.dtype("value").row_bytes(128) == key_and_value_bytes


@pytest.mark.parametrize(
    ("name", "widths", "row_bytes"),
    [
        # FlashMLA: 512 fp8, a float32 scale for each 128 of them, 64 of RoPE in bf16.
        ("fp8_ds_mla", {"latent": 512, "rope": 64}, 512 + 16 + 128),
        # DeepSeek-V3.2's indexer keys: 128 fp8 and one float32 scale.
        ("fp8_ds_mla", {"indexer": 128}, 128 + 4),
        # DeepSeek-V4: 448 fp8, a byte of scale for each 64 and one of padding, 64 of RoPE in bf16.
        ("fp8_ds_mla", {"entry": 448, "rope": 64}, 448 + 8 + 128),
        # vLLM 0.33 for SM100: 256 bytes of fp4, 32 fp8 scales, 64 of RoPE in fp8.
        ("nvfp4_ds_mla", {"latent": 512, "rope": 64}, 256 + 32 + 64),
        ("bf16", {"latent": 512, "rope": 64}, 576 * 2),
        ("fp8", {"latent": 512, "rope": 64}, 576),
        # DeepSeek-V4's fp4 indexer: 64 bytes and an exponent for each 32 elements.
        ("fp8_ds_mla,indexer=mxfp4", {"indexer": 128}, 64 + 4),
    ],
)
def test_a_latent_row(name: str, widths: dict[Role, int], row_bytes: int) -> None:
    kv = kv_format(name)
    assert sum(kv.dtype(role).row_bytes(width) for role, width in widths.items()) == row_bytes


@given(st.sampled_from(sorted(ROW_OF_128)), st.integers(0, 1000), st.integers(0, 1000))
def test_rows_are_additive_over_blocks(name: str, blocks: int, more: int) -> None:
    """Only what is stored once a row, the scale of a head, does not double with the row."""
    dtype = dtype_by_name(name)
    joined = dtype.row_bytes((blocks + more) * dtype.block)
    apart = dtype.row_bytes(blocks * dtype.block) + dtype.row_bytes(more * dtype.block)
    assert joined == apart - dtype.row_extra


@pytest.mark.parametrize(("name", "slot"), TURBOQUANT.items())
def test_turboquants_slots(name: str, slot: int) -> None:
    fmt = kv_format(name)
    assert fmt.dtype("key").row_bytes(128) + fmt.dtype("value").row_bytes(128) == slot
    with pytest.raises(UnknownNameError, match="has no layout for latent rows"):
        fmt.dtype("latent")


@pytest.mark.parametrize("read", [kv_format, dtype_by_name])
def test_two_bits_alone_are_refused(read: Callable[[str], object]) -> None:
    """KIVI's 2 bits are 3 with the scale and zero point of each group of 32: 12 bytes in place of 8."""
    with pytest.raises(UnknownNameError, match=r"^'int2' does not say how its scales .* kivi2 has them$"):
        read("int2")
    assert dtype_by_name("kivi2").row_bytes(32) * 8 == 3 * 32


@pytest.mark.parametrize(("name", "width"), [("q8_0", 80), ("nvfp4", 72), ("kivi2", 16), ("int4", 7)])
def test_a_row_that_blocks_do_not_divide_is_refused(name: str, width: int) -> None:
    """80 % 32 is 16: half a block has no layout."""
    with pytest.raises(
        UnknownNameError, match=f"^{name} stores blocks of .* do not divide a row of {width}$"
    ):
        dtype_by_name(name).row_bytes(width)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("bfloat16", "bf16"),
        ("float16", "fp16"),
        ("half", "fp16"),
        ("f16", "fp16"),
        ("float32", "fp32"),
        ("float", "fp32"),
        ("f32", "fp32"),
        ("fp8_e4m3", "fp8"),
        ("fp8_e5m2", "fp8"),
        ("float8_e4m3fn", "fp8"),
        ("float8_e5m2", "fp8"),
        (" Q8_0 ", "q8_0"),
    ],
)
def test_torch_and_the_engines_have_their_own_names(alias: str, name: str) -> None:
    assert dtype_by_name(alias).name == name
    assert kv_format(alias).name == name


def test_one_role_can_be_stored_apart() -> None:
    """llama.cpp's --cache-type-k q8_0 --cache-type-v q4_0: 4 x 34 and 4 x 18 bytes of 128."""
    kv = kv_format("q8_0,value=q4_0")
    assert kv.name == "q8_0,value=q4_0"
    assert kv.dtype("key").row_bytes(128) == 4 * 34
    assert kv.dtype("value").row_bytes(128) == 4 * 18
    assert kv.dtype("latent").row_bytes(512) == 16 * 34


@pytest.mark.parametrize("name", kv_format_names())
def test_kivi_alone_keeps_its_newest_tokens_in_16_bits(name: str) -> None:
    """Up to 128 of them: KIVI, arXiv 2402.02750, section 4."""
    kv = kv_format(name)
    assert {dtype.residual for _, dtype in kv.roles} == {128 if name.startswith("kivi") else 0}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fp9", "unknown dtype 'fp9' (did you mean 'fp8'?)"),
        ("bfloat17", "unknown dtype 'bfloat17' (did you mean 'bfloat16'"),
        ("q8_0,value=q9", "unknown dtype 'q9'"),
        ("fp8,state=fp16", "'state=fp16' in the KV dtype 'fp8,state=fp16' is not ROLE=DTYPE with a role of"),
        ("fp8,", "'' in the KV dtype 'fp8,' is not ROLE=DTYPE with a role of key, value, latent, rope"),
        ("xyz", "unknown dtype 'xyz': use one of fp32, bf16, fp16, fp8,"),
        ("", "unknown dtype ''"),
    ],
)
def test_an_unknown_format_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        kv_format(text)
    assert str(caught.value).startswith(problem)


def test_a_format_has_no_layout_for_rows_that_it_is_not_for() -> None:
    with pytest.raises(UnknownNameError) as caught:
        kv_format("nvfp4_ds_mla").dtype("key")
    assert str(caught.value) == (
        "the cache format nvfp4_ds_mla has no layout for key rows: it is for latent and rope and indexer rows"
    )

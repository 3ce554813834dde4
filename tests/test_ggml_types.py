"""ggml's types as dtypes of weights: their real bits, and mixtures refused."""

import pytest

import kvplan
from kvplan.errors import UnknownNameError
from kvplan.ggml_types import weight_dtype


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("q2_k", 2.625),
        ("q3_k", 3.4375),
        ("q4_k", 4.5),
        ("Q5_K", 5.5),
        ("q6_k", 6.5625),
        ("iq4_xs", 4.25),
        ("q8_0", 8.5),
    ],
)
def test_a_type_has_the_bits_of_its_blocks(name: str, bits: float) -> None:
    """Block_q4_K of ggml-common.h: 2 + 2 + 12 + 128 bytes for 256 numbers."""
    dtype = weight_dtype(name)
    assert 8 * dtype.block_bytes / dtype.block == bits


def test_other_dtypes_keep_their_names() -> None:
    assert (weight_dtype("fp8").block_bytes, weight_dtype("bfloat16").name) == (1, "bf16")
    with pytest.raises(UnknownNameError, match="unknown dtype 'q9_k'"):
        weight_dtype("q9_k")


def test_weights_in_one_type_are_plain_arithmetic() -> None:
    """8,190,735,360 parameters in blocks of 144 bytes for 256."""
    answer = kvplan.fit("qwen3-8b", gpu="24GB", context="8k", engine="llamacpp", weight_dtype="q4_k")
    assert answer.to_dict()["sources"]["weights"] == "8,190,735,360 parameters in q4_k"
    spec = kvplan.load("qwen3-8b")
    assert spec.weights("q4_k") == 8_190_735_360 * 144 // 256


def test_a_mixture_is_asked_for_what_it_holds() -> None:
    with pytest.raises(UnknownNameError) as caught:
        kvplan.fit("qwen3-8b", gpu="24GB", context="8k", weight_dtype="Q4_K_M")
    assert str(caught.value) == (
        "Q4_K_M mixes types tensor by tensor, from q4_k (4.5 bits) to q6_k (6.5625 bits): give the .gguf "
        "file as the model, the weights' size (--weights 5GB), or one type for all of them"
    )


def test_no_cache_is_stored_in_them() -> None:
    with pytest.raises(UnknownNameError, match="unknown dtype 'q4_k'"):
        kvplan.size("qwen3-8b", context="8k", kv_dtype="q4_k")

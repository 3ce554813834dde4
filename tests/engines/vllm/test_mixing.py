"""The numbers of a token in a mixer, by hand."""

import kvplan
from kvplan.attention.grouped import GQA
from kvplan.attention.recurrent import RWKV4
from kvplan.attention.ssm import Mamba2
from kvplan.engines.vllm.mixing import mixed

ATTENTION = GQA(kind="gqa", heads=32, groups=4, head_dim=128)
MAMBA = Mamba2(
    kind="mamba2",
    heads=64,
    head_dim=64,
    groups=8,
    d_state=128,
    conv_kernel=4,
    conv_dtype="bf16",
    state_dtype="fp32",
)


def test_attention_has_all_three_twice_and_its_output() -> None:
    """Of 32 heads of 128 and 4 of keys and values; of 8 ranks each has one of these."""
    assert mixed(ATTENTION, 1) == 2 * (4096 + 2 * 512) + 4096
    assert mixed(ATTENTION, 8) == 2 * (512 + 2 * 128) + 512


def test_a_gate_comes_with_the_queries() -> None:
    """Qwen3.5-35B: 2 x 4096 and 2 x 512 come in, and five more are as wide as the queries."""
    gated = GQA(kind="gqa", heads=16, groups=2, head_dim=256, output_gate=True)
    assert mixed(gated, 1) == (2 * 4096 + 2 * 512) + 4096 + 4 * 4096


def test_mamba_2_normalizes_in_float32() -> None:
    """Nemotron 3 Nano: 161 MiB of 8192 tokens come in, 64 come out, and 128 are there twice."""
    assert mixed(MAMBA, 1) * 8192 * 2 == (161 + 64 + 2 * 128) * 2**20


def test_deepseek_v4_has_as_many_heads_as_its_kernel() -> None:
    """
    Flash: queries and outputs of 512 of 64 heads, 1024 + 512 twice, and 64 queries of 128 in 24 bits.

    A rank of two has 32 heads, and its kernel 64, or 32 on RTX PRO 6000; one of 32 has 2, and 16 there.
    """
    most = max(kvplan.load("deepseek-v4-flash").kinds(), key=lambda kind: mixed(kind, 1))
    beside = 2 * (1024 + 512) + 3 * 64 * 128 // 2
    assert mixed(most, 2) == mixed(most, 1) == 2 * 64 * 512 + beside
    assert mixed(most, 2, 12) == 2 * 32 * 512 + beside
    assert mixed(most, 32, 12) == 2 * 16 * 512 + beside


def test_of_other_mixers_nothing_is_known() -> None:
    assert mixed(RWKV4(kind="rwkv4", d_model=64, state_dtype="fp32", shift_dtype="bf16"), 1) == 0

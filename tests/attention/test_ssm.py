"""State-space models, RG-LRU and short convolutions: published states, and their matrices by hand."""

import pytest

from kvplan.attention.base import groups_split, state_split
from kvplan.attention.ssm import RGLRU, Mamba, Mamba2, ShortConv
from kvplan.attention.windowed import Sliding
from kvplan.dtypes import kv_format
from kvplan.errors import SplitError
from kvplan.terms import Layer, Target

TARGET = Target(kv=kv_format("bf16"))


def held(layer: Layer, tokens: int = 1, tp: int = 1) -> int:
    return sum(term.bytes_on_rank(tokens, tp) for term in layer)


def elements(layer: Layer, role: str) -> int:
    """Return the elements of the terms of *role*."""
    return sum(term.width * term.rows.at(1) * term.split.count for term in layer if term.role == role)


MAMBA_28B = Mamba(
    kind="mamba",
    d_inner=5120,
    d_state=16,
    dt_rank=160,
    conv_kernel=4,
    conv_dtype="bf16",
    state_dtype="fp32",
)
# Mamba-Codestral-7B and Nemotron-H-8B have the same mixer.
MAMBA_2 = Mamba2(
    kind="mamba2",
    heads=128,
    head_dim=64,
    groups=8,
    d_state=128,
    conv_kernel=4,
    conv_dtype="bf16",
    state_dtype="bf16",
)
GRIFFIN_2B = RGLRU(kind="rg_lru", heads=10, width=2560, conv_kernel=4, conv_dtype="bf16", state_dtype="fp32")
LFM2 = ShortConv(kind="short_conv", channels=2048, conv_kernel=3, conv_dtype="bf16")


def test_published_state_of_mamba() -> None:
    """Mamba-2.8B: 64 x 5120 x 16 = 5.24M elements, 64 x 5120 x 3 of convolution (golden mamba28b-ssm)."""
    layer = MAMBA_28B.lower(TARGET)
    assert 64 * elements(layer, "state") == 5_242_880
    assert 64 * elements(layer, "conv") == 64 * 5120 * 3
    assert 64 * held(layer) == 5_242_880 * 4 + 983_040 * 2


def test_published_state_of_jambas_mamba() -> None:
    """Jamba-v0.1 in bf16: 311,296 bytes a layer in vLLM 0.33's planner, an eighth of it at tp=8."""
    kind = MAMBA_28B.model_copy(update={"d_inner": 8192, "dt_rank": 256, "state_dtype": "bf16"})
    assert held(kind.lower(TARGET)) == 311_296 == 8192 * 16 * 2 + 3 * 8192 * 2
    assert held(kind.lower(TARGET), tp=8) == 311_296 // 8


def test_published_state_of_mamba_2() -> None:
    """
    67.1M elements of state in 64 layers (golden codestral-mamba-ssm), 138,149,888 bytes with its history.

    The bytes are those of vLLM 0.33's planner, 17,268,736 of them on a rank of 8.
    """
    layer = MAMBA_2.lower(TARGET)
    assert 64 * elements(layer, "state") == 67_108_864
    assert elements(layer, "conv") == (8192 + 2 * 8 * 128) * 3
    assert 64 * held(layer) == 138_149_888
    assert 64 * held(layer, tp=8) == 17_268_736


def test_published_state_of_nemotron_h() -> None:
    """Nemotron-H-8B: 24 x (1,048,576 + 3 x 10,240) x 2 bytes (golden nemotronh8b-state)."""
    assert 24 * held(MAMBA_2.lower(TARGET)) == 51_806_208


def test_a_float32_state_leaves_the_convolution_in_16_bits() -> None:
    """SGLang 0.5.23 for Mamba-2 7B: 64 x (61,440 + 4,194,304) bytes."""
    kind = MAMBA_2.model_copy(update={"state_dtype": "fp32"})
    assert 64 * held(kind.lower(TARGET)) == 272_367_616


def test_groups_of_b_and_c_are_copied_where_ranks_outnumber_them() -> None:
    """tp=16: 8 of 128 heads, and one of 8 groups of 2 x 128 channels, as vLLM 0.33 pads groups to tp."""
    layer = MAMBA_2.lower(TARGET)
    assert held(layer, tp=16) == (8 * 64 * 128 + 3 * (8 * 64 + 2 * 128)) * 2
    assert {term.allocation.pool for term in layer} == {"recurrent"}
    with pytest.raises(SplitError, match=r"8 groups do not spread over tp=12|128 state heads do not"):
        held(layer, tp=12)


def test_published_cache_of_recurrentgemma() -> None:
    """2B: 8 windows of 2048 tokens are 16 MiB; 18 x 2560 of state, 3 times that of convolution."""
    window = Sliding(kind="sliding", heads=10, groups=1, head_dim=256, window=2048)
    assert 8 * held(window.lower(TARGET), 65_536) == 16_777_216
    layer = GRIFFIN_2B.lower(TARGET)
    assert 18 * elements(layer, "state") == 18 * 2560
    assert 18 * elements(layer, "conv") == 18 * 2560 * 3
    assert held(layer) == 2560 * 4 + 3 * 2560 * 2


def test_a_short_convolution_keeps_its_last_inputs_alone() -> None:
    """LFM2.5-1.6B: conv_L_cache 3, so 2 columns of 2048 channels; vLLM 0.33's (k - 1) x d."""
    assert held(LFM2.lower(TARGET)) == 2 * 2048 * 2


@pytest.mark.parametrize("kind", [MAMBA_28B, MAMBA_2, GRIFFIN_2B, LFM2], ids=lambda kind: kind.kind)
def test_states_do_not_grow_and_ranks_share_them(kind: Mamba | Mamba2 | RGLRU | ShortConv) -> None:
    layer = kind.lower(TARGET)
    assert {held(layer, tokens, tp=8) for tokens in (0, 1, 10**6)} == {held(layer) // 8}
    assert sum(term.fixed_bytes_on_rank(1) for term in layer) == held(layer)


@pytest.mark.parametrize(
    ("kind", "hidden", "projections"),
    [
        # in_proj to x and z, x_proj to the step size, B and C, dt_proj, out_proj: Mamba-2.8B.
        (
            MAMBA_28B,
            2560,
            2560 * 2 * 5120 + 5120 * (160 + 2 * 16) + 160 * 5120 + 5120 * 2560,
        ),
        # in_proj to z, x, B, C and a step size per head, out_proj: Codestral-Mamba-7B.
        (MAMBA_2, 4096, 4096 * (2 * 8192 + 2 * 8 * 128 + 128) + 8192 * 4096),
        # linear_x, linear_y, linear_out; two gates of 10 blocks of 256 x 256: RecurrentGemma-2B.
        (GRIFFIN_2B, 2560, 3 * 2560 * 2560 + 2 * 10 * 256 * 256),
        # in_proj to B, C and x, out_proj: LFM2.
        (LFM2, 2048, 3 * 2048 * 2048 + 2048 * 2048),
    ],
    ids=lambda value: "" if isinstance(value, int) else value.kind,
)
def test_projections_are_the_elements_of_their_matrices(
    kind: Mamba | Mamba2 | RGLRU | ShortConv, hidden: int, projections: int
) -> None:
    assert kind.projections(hidden) == projections


def test_what_tensor_parallelism_has_to_divide() -> None:
    """Gates of RG-LRU are block-diagonal over 10 heads; Mamba-2's heads share B and C by groups."""
    assert GRIFFIN_2B.splits() == (state_split(10, "gate blocks"),)
    assert MAMBA_2.sharing() == ((state_split(128), groups_split(8)),)

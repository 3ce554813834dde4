"""Linear attention and its successors: published states, and their matrices by hand."""

import pytest

from kvplan.attention.base import state_split
from kvplan.attention.recurrent import (
    GLA,
    KDA,
    MLSTM,
    RWKV,
    RWKV4,
    GatedDeltaNet,
    Lightning,
    Linear,
    RetNet,
)
from kvplan.dtypes import kv_format
from kvplan.terms import Layer, Target

TARGET = Target(kv=kv_format("bf16"))
AnyKind = Linear | Lightning | RetNet | GLA | MLSTM | RWKV4 | RWKV | GatedDeltaNet | KDA


def held(layer: Layer, tokens: int = 1, tp: int = 1) -> int:
    return sum(term.bytes_on_rank(tokens, tp) for term in layer)


def rwkv(version: int) -> RWKV:
    """Return the mixer of the 3B model: 40 heads of 64, hidden 2560."""
    facts = {"heads": 40, "head_dim": 64, "state_dtype": "fp32", "shift_dtype": "bf16"}
    return RWKV.model_validate({"kind": "rwkv", "version": version, **facts})


RWKV4_169M = RWKV4(kind="rwkv4", d_model=768, state_dtype="fp32", shift_dtype="bf16")
RETNET_67B = RetNet(kind="retnet", heads=16, qk_head_dim=256, v_head_dim=512, state_dtype="bf16")
MINIMAX = Lightning(kind="lightning", heads=64, head_dim=128, state_dtype="fp32")
# fla-hub/gla-1B: hidden 2048, 4 heads, keys half as wide as the hidden state, gates of rank 16.
GLA_1B = GLA(kind="gla", heads=4, qk_head_dim=256, v_head_dim=512, gate_rank=16, state_dtype="fp32")
# xLSTM-7b: hidden 4096, keys half as wide as values.
XLSTM_7B = MLSTM(kind="mlstm", heads=8, qk_head_dim=256, v_head_dim=512, state_dtype="fp32")
QWEN3_NEXT = GatedDeltaNet(
    kind="gated_delta_net",
    qk_heads=16,
    v_heads=32,
    qk_head_dim=128,
    v_head_dim=128,
    conv_kernel=4,
    conv_dtype="bf16",
    state_dtype="bf16",
)
KIMI_LINEAR = KDA(kind="kda", heads=32, head_dim=128, conv_kernel=4, conv_dtype="bf16", state_dtype="fp32")


def linear(*, normalizer: bool) -> Linear:
    """8 heads with keys of 32, values of 48, and a feature map to 64."""
    return Linear(
        kind="linear",
        heads=8,
        qk_head_dim=32,
        feature_dim=64,
        v_head_dim=48,
        normalizer=normalizer,
        state_dtype="fp32",
    )


def test_the_linear_transformer_keeps_a_sum_and_its_normalizer() -> None:
    """Equations 10 and 11: s of 64 x 48 and z of 64 for each of 8 heads, in float32."""
    assert held(linear(normalizer=True).lower(TARGET)) == 8 * (64 * 48 + 64) * 4
    assert held(linear(normalizer=False).lower(TARGET)) == 8 * 64 * 48 * 4


def test_lightning_attention_keeps_a_square_per_head() -> None:
    """MiniMax-01 in vLLM 0.33: heads x head_dim x head_dim."""
    assert held(MINIMAX.lower(TARGET)) == 64 * 128 * 128 * 4


def test_published_state_of_retnet() -> None:
    """RetNet 6.7B: 32 layers x 16 heads x 256 x 512 = 67.1M elements (golden retnet-67b-state)."""
    assert 32 * held(RETNET_67B.lower(TARGET)) == 67_108_864 * 2


def test_gated_linear_attention_keeps_keys_by_values() -> None:
    """GLA, arXiv 2312.06635: d_k x d_v per head."""
    assert held(GLA_1B.lower(TARGET)) == 4 * 256 * 512 * 4


def test_the_matrix_lstm_keeps_memory_normalizer_and_stabilizer() -> None:
    """The xLSTMCache of transformers 5.23 has [8, 256, 512], [8, 256] and [8, 1]; here in float32."""
    layer = XLSTM_7B.lower(TARGET)
    assert [term.label for term in layer] == ["state", "normalizer", "stabilizer"]
    assert [held((term,)) for term in layer] == [8 * 256 * 512 * 4, 8 * 256 * 4, 8 * 4]


def test_published_state_of_rwkv4() -> None:
    """5 x 768 x 12 = 46,080 elements (golden rwkv4-169m-state): 3 in float32, 2 token shifts in bf16."""
    sums, shifts = (12 * held((term,)) for term in RWKV4_169M.lower(TARGET))
    assert (sums, shifts) == (3 * 768 * 12 * 4, 2 * 768 * 12 * 2)
    assert sums // 4 + shifts // 2 == 46_080


@pytest.mark.parametrize("version", [5, 6, 7])
def test_published_state_of_rwkv(version: int) -> None:
    """66 x D x L = 66 x 2560 x 32 = 5,406,720 elements (golden rwkv5-3b-state): 64 and 2 of them."""
    state, shifts = (32 * held((term,)) for term in rwkv(version).lower(TARGET))
    assert (state, shifts) == (64 * 2560 * 32 * 4, 2 * 2560 * 32 * 2)
    assert state // 4 + shifts // 2 == 5_406_720


def test_published_state_of_qwen3_next() -> None:
    """By vLLM 0.33's own planner: 1,097,728 bytes a layer in bf16, of them 3 x 8192 x 2 of convolution."""
    *history, state = QWEN3_NEXT.lower(TARGET)
    assert held(tuple(history)) == 3 * (2 * 16 * 128 + 32 * 128) * 2
    assert held((state,)) == 32 * 128 * 128 * 2
    assert held(QWEN3_NEXT.lower(TARGET)) == 1_097_728
    assert held(QWEN3_NEXT.lower(TARGET), tp=8) == 137_216


def test_a_float32_state_doubles_the_state_alone() -> None:
    """SGLang 0.5.23 keeps Qwen3-Next's in float32: 49,152 + 2,097,152 bytes, 36 layers of it."""
    kind = QWEN3_NEXT.model_copy(update={"state_dtype": "fp32"})
    assert 36 * held(kind.lower(TARGET)) == 77_266_944 == 36 * (49_152 + 2_097_152)


def test_kimi_delta_attention() -> None:
    """Kimi Linear: 32 heads of 128; 3 columns of q, k and v in bf16, a square per head in float32."""
    assert held(KIMI_LINEAR.lower(TARGET)) == 3 * 3 * 32 * 128 * 2 + 32 * 128 * 128 * 4


@pytest.mark.parametrize(
    ("kind", "split_bytes", "whole_bytes"),
    [
        (linear(normalizer=True), 8 * (64 * 48 + 64) * 4, 0),
        (MINIMAX, 64 * 128**2 * 4, 0),
        (RETNET_67B, 16 * 256 * 512 * 2, 0),
        (GLA_1B, 4 * 256 * 512 * 4, 0),
        (XLSTM_7B, 8 * (256 * 512 + 256 + 1) * 4, 0),
        (RWKV4_169M, 3 * 768 * 4, 2 * 768 * 2),
        (rwkv(6), 64 * 2560 * 4, 2 * 2560 * 2),
        (QWEN3_NEXT, 1_097_728, 0),
        (KIMI_LINEAR, 3 * 3 * 32 * 128 * 2 + 32 * 128**2 * 4, 0),
    ],
    ids=lambda value: value.kind if isinstance(value, AnyKind) else "",
)
def test_states_do_not_grow_and_ranks_share_them(kind: AnyKind, split_bytes: int, whole_bytes: int) -> None:
    """Each rank takes a fourth of the heads; token shifts are as wide as the model on each of them."""
    layer = kind.lower(TARGET)
    assert {held(layer, tokens, tp=4) for tokens in (0, 1, 10**6)} == {split_bytes // 4 + whole_bytes}
    assert sum(term.fixed_bytes_on_rank(1) for term in layer) == split_bytes + whole_bytes
    assert {term.allocation.pool for term in layer} == {"recurrent"}


@pytest.mark.parametrize(
    ("kind", "hidden", "projections"),
    [
        # Q, K of 8 x 32 and V, O of 8 x 48.
        (linear(normalizer=True), 256, 2 * 256 * 256 + 2 * 256 * 384),
        # Q, K, V, the output gate and O: MiniMax-01, arXiv 2501.08313.
        (MINIMAX, 6144, 5 * 6144 * 8192),
        # 8 d^2: Q and K of d x d, V, the gate and O of d x 2d (RetNet, arXiv 2307.08621, section 3.1).
        (RETNET_67B, 4096, 8 * 4096**2),
        # 4 d^2: Q, K of d x d/2, V, the gate and O of d x d; and W_a of d x 16 and 16 x d/2.
        (GLA_1B, 2048, 4 * 2048**2 + 2048 * 16 + 16 * 1024),
        # q, k of 4096 x 2048; v, the output gate and the output of 4096 x 4096; two gates of 4096 x 8.
        (XLSTM_7B, 4096, 2 * 4096 * 2048 + 3 * 4096**2 + 2 * 4096 * 8),
        # Receptance, key, value and output.
        (RWKV4_169M, 768, 4 * 768**2),
        # And a gate in 5 and 6; the gates of 7 have a low rank.
        (rwkv(5), 2560, 5 * 2560**2),
        (rwkv(6), 2560, 5 * 2560**2),
        (rwkv(7), 2560, 4 * 2560**2),
        # in_proj_qkvz of 2 x 2048 + 2 x 4096, in_proj_ba of 2 x 32, out_proj of 4096 (Qwen3-Next).
        (QWEN3_NEXT, 2048, 2048 * (2 * 2048 + 2 * 4096) + 2048 * 2 * 32 + 4096 * 2048),
        # Q, K, V, O; two gates of rank 128; the write strength of each head (Kimi Linear, hidden 2304).
        (KIMI_LINEAR, 2304, 4 * 2304 * 4096 + 2 * (2304 * 128 + 128 * 4096) + 2304 * 32),
    ],
)
def test_projections_are_the_elements_of_their_matrices(kind: AnyKind, hidden: int, projections: int) -> None:
    assert kind.projections(hidden) == projections


def test_value_heads_must_be_a_multiple_of_key_heads() -> None:
    """Two value heads share a key head in Qwen3-Next."""
    assert QWEN3_NEXT.sharing() == ((state_split(32), state_split(16, "q and k heads")),)

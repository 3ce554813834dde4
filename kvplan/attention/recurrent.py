"""Linear attention and its gated successors: a matrix per head in place of a growing cache."""

from dataclasses import replace
from typing import ClassVar, Literal

from kvplan.attention.base import (
    Count,
    Kind,
    StateDtype,
    conv_history,
    fixed,
    state_dtype,
    state_split,
    whole,
)
from kvplan.terms import Layer, Split, Stream, Target, Term


def _matrix(heads: int, key_dim: int, value_dim: int, dtype: StateDtype) -> Term:
    """Return the term of one key_dim x value_dim matrix per head."""
    return fixed(
        "state",
        "state",
        split=state_split(heads),
        width=key_dim * value_dim,
        dtype=state_dtype(dtype),
    )


class Linear(Kind):
    """
    The Linear Transformer: per head, a sum of feature-key x value outer products.

    Keeps feature_dim x v_head_dim elements per head, and with a `normalizer` the feature_dim sums
    of the keys (arXiv 2006.16236, equations 10 to 12). `feature_dim` is d', the size of phi(k).
    """

    kind: Literal["linear"]
    heads: Count
    qk_head_dim: Count | None = None
    feature_dim: Count
    v_head_dim: Count
    normalizer: bool
    state_dtype: StateDtype
    formula: ClassVar[str] = "h d' d_v, and h d' for the normalizer"
    source: ClassVar[str] = "Linear Transformer, arXiv 2006.16236"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the term of the state, and of the normalizer if any."""
        state = _matrix(self.heads, self.feature_dim, self.v_head_dim, self.state_dtype)
        if not self.normalizer:
            return (state,)
        sums = fixed(
            "sums",
            "normalizer",
            split=state_split(self.heads),
            width=self.feature_dim,
            dtype=state_dtype(self.state_dtype),
        )
        return (state, sums)

    def projections(self, hidden: int) -> int:
        (qk_head_dim,) = self.needed("qk_head_dim")
        return 2 * hidden * self.heads * (qk_head_dim + self.v_head_dim)


class Lightning(Kind):
    """
    Lightning attention: a decayed head_dim x head_dim matrix per head.

    Source: MiniMax-01, arXiv 2501.08313, section 2.2; Lightning Attention-2, arXiv 2401.04658.
    """

    kind: Literal["lightning"]
    heads: Count
    head_dim: Count
    state_dtype: StateDtype
    formula: ClassVar[str] = "h d^2"
    source: ClassVar[str] = "MiniMax-01, arXiv 2501.08313, section 2.2"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the term of the state."""
        return (_matrix(self.heads, self.head_dim, self.head_dim, self.state_dtype),)

    def projections(self, hidden: int) -> int:
        return 5 * hidden * self.heads * self.head_dim


class RetNet(Kind):
    """
    Retention: a decayed qk_head_dim x v_head_dim matrix per head.

    Source: RetNet, arXiv 2307.08621, equation 6 (its value dimension is twice its key dimension).
    """

    kind: Literal["retnet"]
    heads: Count
    qk_head_dim: Count
    v_head_dim: Count
    state_dtype: StateDtype
    formula: ClassVar[str] = "h d_k d_v"
    source: ClassVar[str] = "RetNet, arXiv 2307.08621, equation 6"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the term of the state."""
        return (_matrix(self.heads, self.qk_head_dim, self.v_head_dim, self.state_dtype),)

    def projections(self, hidden: int) -> int:
        return hidden * self.heads * (2 * self.qk_head_dim + 3 * self.v_head_dim)


class GLA(Kind):
    """
    Gated linear attention: a gated qk_head_dim x v_head_dim matrix per head.

    Source: Yang et al., arXiv 2312.06635, section 4; its forget gate has a low rank, `gate_rank`.
    """

    kind: Literal["gla"]
    heads: Count
    qk_head_dim: Count
    v_head_dim: Count
    gate_rank: Count | None = None
    state_dtype: StateDtype
    formula: ClassVar[str] = "h d_k d_v"
    source: ClassVar[str] = "GLA, arXiv 2312.06635, section 4"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the term of the state."""
        return (_matrix(self.heads, self.qk_head_dim, self.v_head_dim, self.state_dtype),)

    def projections(self, hidden: int) -> int:
        (gate_rank,) = self.needed("gate_rank")
        gate = gate_rank * (hidden + self.heads * self.qk_head_dim)
        return hidden * self.heads * (2 * self.qk_head_dim + 3 * self.v_head_dim) + gate


class MLSTM(Kind):
    """
    The matrix LSTM: exponential gates over a qk_head_dim x v_head_dim memory per head.

    Beside the memory C, each head keeps a normalizer n of qk_head_dim elements and the stabilizer
    m, the running maximum of its gates' logarithms. Sources: xLSTM, arXiv 2405.04517, section 2.3;
    xLSTM 7B, arXiv 2503.13427, for the projections. All three are in `state_dtype`.
    """

    kind: Literal["mlstm"]
    heads: Count
    qk_head_dim: Count
    v_head_dim: Count
    state_dtype: StateDtype
    formula: ClassVar[str] = "h d_k d_v of memory, h d_k for the normalizer, h for the stabilizer"
    source: ClassVar[str] = "xLSTM, arXiv 2405.04517, section 2.3"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the terms of the memory, the normalizer and the stabilizer."""
        memory = _matrix(self.heads, self.qk_head_dim, self.v_head_dim, self.state_dtype)
        return (
            memory,
            replace(memory, role="sums", label="normalizer", width=self.qk_head_dim),
            replace(memory, role="sums", label="stabilizer", width=1),
        )

    def projections(self, hidden: int) -> int:
        # q and k; v, its output gate and the output; the input and the forget gate per head.
        return hidden * self.heads * (2 * self.qk_head_dim + 3 * self.v_head_dim + 2)


class RWKV4(Kind):
    """
    RWKV-4: five vectors of the model's width, three of them the running WKV sums.

    Source: RWKV, arXiv 2305.13048, appendix on the recurrent form (numerator, denominator and
    maximum exponent, in `state_dtype`; two token shifts, in `shift_dtype`, which every rank needs).
    """

    kind: Literal["rwkv4"]
    d_model: Count
    state_dtype: StateDtype
    shift_dtype: StateDtype
    formula: ClassVar[str] = "3 D of state and 2 D of token shift"
    source: ClassVar[str] = "RWKV, arXiv 2305.13048"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the terms of the WKV sums and of the token shifts."""
        sums = fixed(
            "sums",
            "WKV sums",
            split=state_split(self.d_model, "channels"),
            width=3,
            dtype=state_dtype(self.state_dtype),
        )
        return (sums, _token_shift(self.d_model, self.shift_dtype))

    def projections(self, hidden: int) -> int:
        return 4 * hidden * self.d_model


class RWKV(Kind):
    """
    RWKV-5, 6 and 7: a head_dim x head_dim matrix per head, and two token-shift vectors.

    Keeps h d^2 + 2 h d elements per layer. Sources: Eagle and Finch, arXiv 2404.05892 (5 and 6);
    RWKV-7 Goose, arXiv 2503.14456. Every rank needs the token shifts whole.
    """

    kind: Literal["rwkv"]
    version: Literal[5, 6, 7] | None = None
    heads: Count
    head_dim: Count
    state_dtype: StateDtype
    shift_dtype: StateDtype
    formula: ClassVar[str] = "h d^2 of state and 2 h d of token shift"
    source: ClassVar[str] = "Eagle and Finch, arXiv 2404.05892; RWKV-7, arXiv 2503.14456"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the terms of the state and of the token shifts."""
        state = _matrix(self.heads, self.head_dim, self.head_dim, self.state_dtype)
        return (state, _token_shift(self.heads * self.head_dim, self.shift_dtype))

    def projections(self, hidden: int) -> int:
        # Receptance, key, value and output; 5 and 6 add a full gate, 7 has low-rank ones only.
        (version,) = self.needed("version")
        matrices = 4 if version == 7 else 5  # noqa: PLR2004 - RWKV's own version number
        return matrices * hidden * self.heads * self.head_dim


def _token_shift(width: int, dtype: StateDtype) -> Term:
    return fixed(
        "shift",
        "token shifts",
        split=whole("token shift"),
        width=width,
        dtype=state_dtype(dtype),
        rows=2,
    )


class GatedDeltaNet(Kind):
    """
    Gated DeltaNet: a qk_head_dim x v_head_dim matrix per value head, behind short convolutions.

    Keeps conv_kernel - 1 columns of q, k and v, and h_v d_k d_v of state. Sources: Gated Delta
    Networks, arXiv 2412.06464; Qwen3-Next's configuration (`linear_num_key_heads` and so on).
    """

    kind: Literal["gated_delta_net"]
    qk_heads: Count
    v_heads: Count
    qk_head_dim: Count
    v_head_dim: Count
    conv_kernel: Count
    conv_dtype: StateDtype
    state_dtype: StateDtype
    formula: ClassVar[str] = "h_v d_k d_v of state, (k - 1) (2 h_k d_k + h_v d_v) of convolution"
    source: ClassVar[str] = "Gated Delta Networks, arXiv 2412.06464"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the terms of the convolutions' history and of the state."""
        qk = state_split(self.qk_heads, "q and k heads")
        return (
            *conv_history(
                self.conv_kernel,
                self.conv_dtype,
                (qk, "q", self.qk_head_dim),
                (qk, "k", self.qk_head_dim),
                (state_split(self.v_heads), "v", self.v_head_dim),
            ),
            _matrix(self.v_heads, self.qk_head_dim, self.v_head_dim, self.state_dtype),
        )

    def sharing(self) -> tuple[tuple[Split, Split], ...]:
        return ((state_split(self.v_heads), state_split(self.qk_heads, "q and k heads")),)

    def projections(self, hidden: int) -> int:
        # q and k; v, its output gate and the output; the decay and the write strength per head.
        qk, v = self.qk_heads * self.qk_head_dim, self.v_heads * self.v_head_dim
        return hidden * (2 * qk + 3 * v + 2 * self.v_heads)


class KDA(Kind):
    """
    Kimi Delta Attention: a gated delta rule with one decay per channel.

    Keeps conv_kernel - 1 columns of q, k and v, and h d^2 of state. Source: Kimi Linear,
    arXiv 2510.26692, section 3; its gates have rank head_dim.
    """

    kind: Literal["kda"]
    heads: Count
    head_dim: Count
    conv_kernel: Count
    conv_dtype: StateDtype
    state_dtype: StateDtype
    formula: ClassVar[str] = "h d^2 of state, 3 (k - 1) h d of convolution"
    source: ClassVar[str] = "Kimi Linear, arXiv 2510.26692, section 3"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the terms of the convolutions' history and of the state."""
        split = state_split(self.heads)
        streams: tuple[Stream, ...] = ("q", "k", "v")
        parts = tuple((split, stream, self.head_dim) for stream in streams)
        return (
            *conv_history(self.conv_kernel, self.conv_dtype, *parts),
            _matrix(self.heads, self.head_dim, self.head_dim, self.state_dtype),
        )

    def projections(self, hidden: int) -> int:
        inner = self.heads * self.head_dim
        gates = 2 * self.head_dim * (hidden + inner) + hidden * self.heads
        return 4 * hidden * inner + gates

"""State-space models, gated recurrences and short convolutions: their state never grows."""

from typing import ClassVar, Literal

from kvplan.attention.base import (
    Count,
    Kind,
    StateDtype,
    conv_history,
    fixed,
    groups_split,
    state_dtype,
    state_split,
)
from kvplan.terms import Layer, Split, Stream, Target


class Mamba(Kind):
    """
    Mamba (S6): a d_state vector per channel, behind a short convolution.

    Keeps d_inner d_state of state and conv_kernel - 1 columns of d_inner. `dt_rank` is the rank of
    the step-size projection. Source: Gu and Dao, arXiv 2312.00752, section 3.
    """

    kind: Literal["mamba"]
    d_inner: Count
    d_state: Count
    dt_rank: Count | None = None
    conv_kernel: Count
    conv_dtype: StateDtype
    state_dtype: StateDtype
    formula: ClassVar[str] = "d_inner d_state of state, (k - 1) d_inner of convolution"
    source: ClassVar[str] = "Mamba, arXiv 2312.00752, section 3"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the terms of the convolution's history and of the state."""
        channels = state_split(self.d_inner, "channels")
        state = fixed(
            "state",
            "state",
            split=channels,
            width=self.d_state,
            dtype=state_dtype(self.state_dtype),
        )
        return (*conv_history(self.conv_kernel, self.conv_dtype, (channels, "x", 1)), state)

    def projections(self, hidden: int) -> int:
        (dt_rank,) = self.needed("dt_rank")
        selection = self.d_inner * (dt_rank + 2 * self.d_state) + dt_rank * self.d_inner
        return 3 * hidden * self.d_inner + selection


class Mamba2(Kind):
    """
    Mamba-2 (SSD): a head_dim x d_state matrix per head, behind a short convolution of x, B and C.

    Keeps h d N of state and conv_kernel - 1 columns of h d + 2 G N channels. B and C are shared by
    `groups` of heads and are stored again on each rank when there are more ranks than groups.
    Source: Dao and Gu, arXiv 2405.21060, section 7.
    """

    kind: Literal["mamba2"]
    heads: Count
    head_dim: Count
    groups: Count
    d_state: Count
    conv_kernel: Count
    conv_dtype: StateDtype
    state_dtype: StateDtype
    formula: ClassVar[str] = "h d N of state, (k - 1) (h d + 2 G N) of convolution"
    source: ClassVar[str] = "Mamba-2, arXiv 2405.21060, section 7"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the terms of the convolution's history and of the state."""
        heads = state_split(self.heads)
        state = fixed(
            "state",
            "state",
            split=heads,
            width=self.head_dim * self.d_state,
            dtype=state_dtype(self.state_dtype),
        )
        parts: tuple[tuple[Split, Stream, int], ...] = (
            (heads, "x", self.head_dim),
            (groups_split(self.groups), "B and C", 2 * self.d_state),
        )
        return (*conv_history(self.conv_kernel, self.conv_dtype, *parts), state)

    def sharing(self) -> tuple[tuple[Split, Split], ...]:
        return ((state_split(self.heads), groups_split(self.groups)),)

    def projections(self, hidden: int) -> int:
        inner = self.heads * self.head_dim
        return hidden * (3 * inner + 2 * self.groups * self.d_state + self.heads)

    def repeated(self, hidden: int, ranks: int) -> int:
        """
        Return what ranks have of B and C beyond one copy: rows of the matrix, and channels with a bias.

        Source: MambaMixer2 in model_executor/layers/mamba/mamba_mixer2.py of vLLM 0.33.
        """
        more = groups_split(self.groups).on_rank(ranks) * ranks - self.groups
        return 2 * self.d_state * more * (hidden + self.conv_kernel + 1)


class RGLRU(Kind):
    """
    Griffin's real-gated linear recurrent unit: one number per channel, behind a convolution.

    Keeps `width` of state and conv_kernel - 1 columns of it; its gates are block-diagonal over
    `heads`. Source: De et al., arXiv 2402.19427, section 2.4.
    """

    kind: Literal["rg_lru"]
    heads: Count
    width: Count
    conv_kernel: Count
    conv_dtype: StateDtype
    state_dtype: StateDtype
    formula: ClassVar[str] = "w of state, (k - 1) w of convolution"
    source: ClassVar[str] = "Griffin, arXiv 2402.19427, section 2.4"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the terms of the convolution's history and of the state."""
        channels = state_split(self.width, "channels")
        state = fixed(
            "state",
            "state",
            split=channels,
            width=1,
            dtype=state_dtype(self.state_dtype),
        )
        return (*conv_history(self.conv_kernel, self.conv_dtype, (channels, "x", 1)), state)

    def splits(self) -> tuple[Split, ...]:
        return (state_split(self.heads, "gate blocks"),)

    def projections(self, hidden: int) -> int:
        return 3 * hidden * self.width + 2 * self.width * self.width // self.heads


class ShortConv(Kind):
    """
    A gated short convolution alone, as LFM2 has it: no state but the last inputs.

    Keeps conv_kernel - 1 columns of `channels`. Source: LFM2's configuration (`conv_L_cache` is the
    kernel's width) and report, arXiv 2511.23404.
    """

    kind: Literal["short_conv"]
    channels: Count
    conv_kernel: Count
    conv_dtype: StateDtype
    formula: ClassVar[str] = "(k - 1) c of convolution"
    source: ClassVar[str] = "LFM2, arXiv 2511.23404"

    def lower(self, target: Target) -> Layer:  # noqa: ARG002 - states have their own dtype
        """Return the term of the convolution's history."""
        channels = state_split(self.channels, "channels")
        return conv_history(self.conv_kernel, self.conv_dtype, (channels, "x", 1))

    def projections(self, hidden: int) -> int:
        return 4 * hidden * self.channels

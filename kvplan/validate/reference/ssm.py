"""State-space models and gated recurrences behind short convolutions, and the convolution alone."""

from typing import ClassVar

import torch
from torch import Tensor

from kvplan.attention.ssm import RGLRU, Mamba, Mamba2, ShortConv
from kvplan.validate.reference.convolution import convolve, convolve_all
from kvplan.validate.reference.core import HIDDEN, Cache, Reference, Weights, causal

_HISTORY = ("column", "channel")
_silu, _softplus = torch.nn.functional.silu, torch.nn.functional.softplus


class Selective(Reference):
    """
    Mamba (S6): per channel a vector of d_state that decays by exp(A Delta_t).

    Source: arXiv 2312.00752, section 3 and algorithm 2. In full, token t reads token s with the
    weight C_t exp(A (Delta_{s+1} + ... + Delta_t)) Delta_s B_s, without a state.
    """

    axes: ClassVar = {"conv history": _HISTORY, "state": ("channel", "state channel")}

    def __init__(self, kind: Mamba) -> None:
        weights = Weights(seed=kind.d_inner)
        self.inner = weights.matrix(HIDDEN, kind.d_inner)
        self.kernel = weights.normal(kind.conv_kernel, kind.d_inner)
        (rank,) = kind.needed("dt_rank", by="its step size")
        self.step_down = weights.matrix(kind.d_inner, rank)
        self.step_up = weights.matrix(rank, kind.d_inner)
        self.write = weights.matrix(kind.d_inner, kind.d_state)
        self.read = weights.matrix(kind.d_inner, kind.d_state)
        self.rates = -weights.normal(kind.d_inner, kind.d_state).abs() / 2
        self.skip = weights.normal(kind.d_inner)

    def begin(self) -> Cache:
        columns, channels = self.kernel.shape
        return {
            "conv history": torch.zeros(columns - 1, channels, dtype=torch.float64),
            "state": torch.zeros_like(self.rates),
        }

    def steps(self, inner: Tensor) -> Tensor:
        """Return Delta, positive, of each channel."""
        return _softplus(inner @ self.step_down @ self.step_up)

    def full(self, inputs: Tensor) -> Tensor:
        inner = _silu(convolve_all(inputs @ self.inner, self.kernel))
        steps = self.steps(inner)
        since = steps.cumsum(dim=0)
        apart = (since[:, None] - since[None, :]).clamp(min=0)
        decayed = (self.rates * apart[..., None]).exp()
        weights = torch.einsum("tn,tscn,sn->tsc", inner @ self.read, decayed, inner @ self.write)
        weights = weights * causal(len(inputs))[:, :, None]
        return torch.einsum("tsc,sc->tc", weights, steps * inner) + self.skip * inner

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - no positions
        inner = _silu(convolve(cache, "conv history", token @ self.inner, self.kernel))
        steps = self.steps(inner)[:, None]
        written = steps * inner[:, None] * (inner @ self.write)
        cache["state"] = (self.rates * steps).exp() * cache["state"] + written
        return cache["state"] @ (inner @ self.read) + self.skip * inner


class Dual(Reference):
    """
    Mamba-2 (SSD): a head_dim x d_state matrix per head that one number per head and token decays.

    Source: arXiv 2405.21060: in full the attention-like dual form, (L * C B^T) X of section 3, in
    decode the recurrence. B and C are shared by groups of heads, and pass the convolution with x.
    """

    axes: ClassVar = {
        "conv history of x": _HISTORY,
        "conv history of B and C": _HISTORY,
        "state": ("head", "channel", "state channel"),
    }

    def __init__(self, kind: Mamba2) -> None:
        weights = Weights(seed=kind.heads)
        self.kind = kind
        shared = 2 * kind.groups * kind.d_state
        self.inner = weights.matrix(HIDDEN, kind.heads * kind.head_dim)
        self.shared = weights.matrix(HIDDEN, shared)
        self.inner_kernel = weights.normal(kind.conv_kernel, kind.heads * kind.head_dim)
        self.shared_kernel = weights.normal(kind.conv_kernel, shared)
        self.steps = weights.matrix(HIDDEN, kind.heads)
        self.rates = -weights.normal(kind.heads).abs() / 2

    def begin(self) -> Cache:
        kind = self.kind
        state = torch.zeros(kind.heads, kind.head_dim, kind.d_state, dtype=torch.float64)
        histories = {
            "conv history of x": torch.zeros_like(self.inner_kernel[1:]),
            "conv history of B and C": torch.zeros_like(self.shared_kernel[1:]),
        }
        return {**histories, "state": state}

    def shaped(self, inner: Tensor, shared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return x [..., head, channel], and B and C [..., head, state channel]."""
        kind = self.kind
        both = _silu(shared).unflatten(-1, (2, kind.groups, kind.d_state))
        both = both.repeat_interleave(kind.heads // kind.groups, dim=-2)
        return _silu(inner).unflatten(-1, (kind.heads, kind.head_dim)), both[..., 0, :, :], both[..., 1, :, :]

    def full(self, inputs: Tensor) -> Tensor:
        inner, write, read = self.shaped(
            convolve_all(inputs @ self.inner, self.inner_kernel),
            convolve_all(inputs @ self.shared, self.shared_kernel),
        )
        steps = _softplus(inputs @ self.steps)
        since = (self.rates * steps).cumsum(dim=0).T
        decay = (since[:, :, None] - since[:, None, :]).clamp(max=0).exp() * causal(len(inputs))
        weights = decay * torch.einsum("thn,shn->hts", read, write)
        return torch.einsum("hts,shd->thd", weights, steps[:, :, None] * inner).flatten(1)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - no positions
        inner, write, read = self.shaped(
            convolve(cache, "conv history of x", token @ self.inner, self.inner_kernel),
            convolve(cache, "conv history of B and C", token @ self.shared, self.shared_kernel),
        )
        steps = _softplus(token @ self.steps)
        written = (steps[:, None] * inner)[:, :, None] * write[:, None, :]
        cache["state"] = (self.rates * steps).exp()[:, None, None] * cache["state"] + written
        return torch.einsum("hdn,hn->hd", cache["state"], read).flatten()


class RealGated(Reference):
    """
    Griffin's RG-LRU: one number per channel, decayed by a recurrence gate that its input sets.

    Source: arXiv 2402.19427, equations 1 to 4, behind its temporal convolution; the gates' matrices
    are block-diagonal over the heads.
    """

    axes: ClassVar = {"conv history": _HISTORY, "state": ("channel",)}
    sharpness: ClassVar = 8.0

    def __init__(self, kind: RGLRU) -> None:
        weights = Weights(seed=kind.width)
        self.inner = weights.matrix(HIDDEN, kind.width)
        self.kernel = weights.normal(kind.conv_kernel, kind.width)
        block = kind.width // kind.heads
        blocks = [weights.matrix(block, block) for _ in range(2 * kind.heads)]
        self.recurrence = torch.block_diag(*blocks[: kind.heads])
        self.input = torch.block_diag(*blocks[kind.heads :])
        self.rates = weights.normal(kind.width).sigmoid().log() / self.sharpness

    def begin(self) -> Cache:
        columns, channels = self.kernel.shape
        return {
            "conv history": torch.zeros(columns - 1, channels, dtype=torch.float64),
            "state": torch.zeros(channels, dtype=torch.float64),
        }

    def gated(self, inner: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithm of the decay a_t, and the gated input that it leaves room for."""
        log_decay = self.sharpness * self.rates * (inner @ self.recurrence).sigmoid()
        room = (1 - (2 * log_decay).exp()).sqrt()
        return log_decay, room * (inner @ self.input).sigmoid() * inner

    def full(self, inputs: Tensor) -> Tensor:
        log_decay, gated = self.gated(convolve_all(inputs @ self.inner, self.kernel))
        since = log_decay.cumsum(dim=0)
        weights = (since[:, None] - since[None, :]).clamp(max=0).exp() * causal(len(inputs))[:, :, None]
        return torch.einsum("tsc,sc->tc", weights, gated)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - no positions
        log_decay, gated = self.gated(convolve(cache, "conv history", token @ self.inner, self.kernel))
        cache["state"] = log_decay.exp() * cache["state"] + gated
        return cache["state"]


class GatedConvolution(Reference):
    """LFM2's short convolution between two gates: C_t * conv(B * x)_t. Source: arXiv 2511.23404."""

    axes: ClassVar = {"conv history": _HISTORY}

    def __init__(self, kind: ShortConv) -> None:
        weights = Weights(seed=kind.channels)
        self.before = weights.matrix(HIDDEN, kind.channels)
        self.after = weights.matrix(HIDDEN, kind.channels)
        self.inner = weights.matrix(HIDDEN, kind.channels)
        self.kernel = weights.normal(kind.conv_kernel, kind.channels)

    def begin(self) -> Cache:
        return {"conv history": torch.zeros_like(self.kernel[1:])}

    def full(self, inputs: Tensor) -> Tensor:
        gated = (inputs @ self.before) * (inputs @ self.inner)
        return (inputs @ self.after) * convolve_all(gated, self.kernel)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:  # noqa: ARG002 - no positions
        gated = (token @ self.before) * (token @ self.inner)
        return (token @ self.after) * convolve(cache, "conv history", gated, self.kernel)

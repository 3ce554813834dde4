"""Recurrent layers in place of most attention layers, in the shapes that published hybrids have."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, cast

from kvplan.attention import Kind, kind_class
from kvplan.attention.base import Count
from kvplan.attention.grouped import SoftmaxKind
from kvplan.attention.latent import MLA
from kvplan.changes.base import Change, Kinds, each_layer, swapped
from kvplan.changes.softmax import is_full
from kvplan.changes.windows import stays_full
from kvplan.dtypes import short_dtype
from kvplan.errors import OptionsError
from kvplan.specs.model import ModelSpec

Facts = dict[str, Any]

_KERNEL = 4
"""The width of the short convolutions of Mamba-2, Gated DeltaNet and KDA, in their papers."""

_MAMBA2 = {"head_dim": 64, "groups": 1, "d_state": 128, "expand": 2}
"""The shape of Mamba-2's own models: arXiv 2405.21060, section 9, and Mamba2 in mamba_ssm."""


class Heads(NamedTuple):
    """What shapes a recurrent layer: the heads in whose place it is, the model's width and dtype."""

    heads: int
    head_dim: int
    hidden: int | None
    conv_dtype: str | None


def _sees_all(kind: Kind) -> bool:
    return is_full(kind) or isinstance(kind, MLA)


def _heads_of(kind: Kind, spec: ModelSpec) -> Heads:
    if isinstance(kind, MLA):
        (width,) = kind.needed("v_head_dim", by="a recurrent layer in its place")
        return Heads(kind.heads, width, spec.hidden, short_dtype(spec.dtype))
    softmax = cast("SoftmaxKind", kind)
    return Heads(softmax.heads, softmax.head_dim, spec.hidden, short_dtype(spec.dtype))


def _linear(heads: Heads) -> Facts:
    width = heads.head_dim
    return {"heads": heads.heads, "qk_head_dim": width, "feature_dim": width, "v_head_dim": width} | {
        "normalizer": True
    }


def _lightning(heads: Heads) -> Facts:
    return {"heads": heads.heads, "head_dim": heads.head_dim}


def _retnet(heads: Heads) -> Facts:
    return {"heads": heads.heads, "qk_head_dim": heads.head_dim, "v_head_dim": 2 * heads.head_dim}


def _mamba2(heads: Heads) -> Facts:
    if heads.hidden is None:
        raise OptionsError("mamba2 is twice as wide as the model, whose spec has no hidden: add it")
    inner = _MAMBA2["expand"] * heads.hidden
    if inner % _MAMBA2["head_dim"]:
        raise OptionsError(f"mamba2: heads of {_MAMBA2['head_dim']} do not divide {inner} channels")
    shape = {"head_dim": _MAMBA2["head_dim"], "groups": _MAMBA2["groups"], "d_state": _MAMBA2["d_state"]}
    return {"heads": inner // _MAMBA2["head_dim"], **shape} | _convolved(heads)


def _delta_net(heads: Heads) -> Facts:
    # Qwen3-Next has two value heads for each head of queries and keys.
    qk_heads = heads.heads // 2 if heads.heads % 2 == 0 else heads.heads
    widths = {"qk_head_dim": heads.head_dim, "v_head_dim": heads.head_dim}
    return {"qk_heads": qk_heads, "v_heads": heads.heads, **widths} | _convolved(heads)


def _kda(heads: Heads) -> Facts:
    return {"heads": heads.heads, "head_dim": heads.head_dim} | _convolved(heads)


def _convolved(heads: Heads) -> Facts:
    return {"conv_kernel": _KERNEL, "conv_dtype": heads.conv_dtype}


_SHAPES: Mapping[str, Callable[[Heads], Facts]] = {
    "linear": _linear,
    "lightning": _lightning,
    "retnet": _retnet,
    "mamba2": _mamba2,
    "gated_delta_net": _delta_net,
    "kda": _kda,
}


def recurrent_layer(kind: str, heads: Heads, *, state_dtype: str) -> Kind:
    """Return a recurrent layer in its published shape; raise OptionsError where the model has none for it."""
    facts = _SHAPES[kind](heads)
    return kind_class(kind).model_validate({"kind": kind, "state_dtype": state_dtype, **facts})


class Hybrid(Change):
    """
    Full attention becomes recurrent, in states of float32; each `full_every`-th layer stays as it is.

    Shapes follow the heads that were there: MiniMax-01's (lightning), Qwen3-Next's (gated_delta_net), Kimi
    Linear's (kda); RetNet's values are twice as wide, and Mamba-2 has its own models' shape.
    """

    kind: Literal["linear", "lightning", "retnet", "mamba2", "gated_delta_net", "kda"]
    full_every: Count | None = None
    name: ClassVar[str] = "hybrid"
    help: ClassVar[str] = "Recurrent layers, some left full: gated_delta_net,full_every=4."
    source: ClassVar[str] = (
        "MiniMax-01, arXiv 2501.08313; Kimi Linear, arXiv 2510.26692; Jamba, arXiv 2403.19887"
    )
    note: ClassVar[str] = "a state takes as much however short the context: short ones may take more"
    grows: ClassVar[bool] = True

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def recurrent(kind: Kind) -> Kind:
            return recurrent_layer(self.kind, _heads_of(kind, spec), state_dtype="fp32")

        def layer(number: int, kinds: Kinds) -> Kinds:
            return kinds if stays_full(number, self.full_every) else swapped(kinds, _sees_all, recurrent)

        return each_layer(spec, self, layer, _sees_all)

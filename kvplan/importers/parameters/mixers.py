"""Mixers: what each attention or recurrent kind of a layer holds, as families vary it."""

from collections.abc import Callable
from typing import NamedTuple

from kvplan.attention import Kind
from kvplan.attention.grouped import MHA, MQA, Grouped
from kvplan.attention.latent import MLA
from kvplan.attention.recurrent import KDA, GatedDeltaNet, Lightning
from kvplan.attention.ssm import RGLRU, Mamba, Mamba2, ShortConv
from kvplan.attention.uncached import Cross, NoCache, Shared
from kvplan.errors import SpecError
from kvplan.importers.fields import Fields
from kvplan.importers.parameters import attention, recurrent
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.decoder import Flag, Mixer, always, flag, never

_ATTENTION_BIAS = flag("attention_bias")


class Heads(NamedTuple):
    """The dimensions of a layer of softmax attention."""

    heads: int
    groups: int
    head_dim: int
    v_head_dim: int
    output_gate: int = 0


def heads_of(kind: Kind) -> Heads | None:
    """Return the dimensions of a softmax kind with keys and values of its own, or None."""
    match kind:
        case Grouped() | Cross():
            values = (kind.v_head_dim if isinstance(kind, Grouped) else None) or kind.head_dim
            gate = kind.heads * values if isinstance(kind, Grouped) and kind.output_gate else 0
            return Heads(kind.heads, kind.groups, kind.head_dim, values, gate)
        case MHA():
            return Heads(kind.heads, kind.heads, kind.head_dim, kind.v_head_dim or kind.head_dim)
        case MQA():
            return Heads(kind.heads, 1, kind.head_dim, kind.v_head_dim or kind.head_dim)
        case NoCache() if kind.heads and kind.head_dim:
            return Heads(kind.heads, kind.heads, kind.head_dim, kind.head_dim)
        case _:
            return None


def softmax(
    *,
    bias: Flag = never,
    output_bias: Flag | None = None,
    qk_norm: attention.QkNorm = "none",
    qk_norm_if: Flag = always,
) -> Mixer:
    """
    Return the mixer of softmax attention; *output_bias* is as *bias* where it is not given.

    Layers that read another layer's keys and values have queries and an output alone. Of a layer that
    keeps nothing the spec does not tell the KV heads; the file does.
    """

    def count(fields: Fields, kind: Kind, hidden: int) -> Parameters:
        qkv, output = bias(fields), (output_bias or bias)(fields)
        norm = qk_norm if qk_norm_if(fields) else "none"
        if isinstance(kind, Shared):
            (width,) = kind.needed("head_dim")
            return attention.queries_only(
                hidden, kind.heads, width, kind.v_head_dim, bias=qkv, q_norm=norm == "head"
            )
        dims = heads_of(kind)
        if dims is None and isinstance(kind, NoCache):
            return NONE
        if dims is None:
            raise unexpected(kind)
        groups = dims.groups
        if isinstance(kind, NoCache):
            groups = fields.take_count("num_key_value_heads")
        return attention.grouped(
            hidden,
            dims.heads,
            groups,
            dims.head_dim,
            dims.v_head_dim,
            output_gate=dims.output_gate,
            qkv_bias=qkv,
            output_bias=output,
            qk_norm=norm,
        )

    return count


def latent(*, bias: Flag = _ATTENTION_BIAS) -> Mixer:
    """Return the mixer of multi-head latent attention, with its indexer where the layer owns one."""

    def count(fields: Fields, kind: Kind, hidden: int) -> Parameters:
        if not isinstance(kind, MLA):
            raise unexpected(kind)
        d_nope, v_head_dim = kind.needed("d_nope", "v_head_dim")
        parameters = attention.latent(
            hidden,
            kind.heads,
            d_c=kind.d_c,
            d_rope=kind.d_rope,
            d_nope=d_nope,
            v_head_dim=v_head_dim,
            q_lora_rank=kind.q_lora_rank,
            bias=bias(fields),
        )
        if kind.indexer is None:
            return parameters
        inputs = kind.q_lora_rank or hidden
        heads, width = kind.indexer.needed("heads", "head_dim")
        return parameters + attention.latent_indexer(hidden, heads, width, inputs)

    return count


def mamba(*, bias: Flag, conv_bias: Flag, selection_norms: bool = False) -> Mixer:
    """Return the mixer of a Mamba block."""

    def count(fields: Fields, kind: Kind, hidden: int) -> Parameters:
        if not isinstance(kind, Mamba):
            raise unexpected(kind)
        (dt_rank,) = kind.needed("dt_rank")
        return recurrent.mamba(
            hidden,
            kind.d_inner,
            d_state=kind.d_state,
            dt_rank=dt_rank,
            conv_kernel=kind.conv_kernel,
            conv_bias=conv_bias(fields),
            bias=bias(fields),
            selection_norms=selection_norms,
        )

    return count


def mamba2(
    *, bias: Flag, conv_bias: Flag, gated_norm: Flag = always, output_bias: Flag | None = None
) -> Mixer:
    """Return the mixer of a Mamba-2 block; *output_bias* is as *bias* where it is not given."""

    def count(fields: Fields, kind: Kind, hidden: int) -> Parameters:
        if not isinstance(kind, Mamba2):
            raise unexpected(kind)
        return recurrent.mamba2(
            hidden,
            kind.heads,
            kind.head_dim,
            groups=kind.groups,
            d_state=kind.d_state,
            conv_kernel=kind.conv_kernel,
            conv_bias=conv_bias(fields),
            bias=bias(fields),
            output_bias=(output_bias or bias)(fields),
            gated_norm=gated_norm(fields),
        )

    return count


def gated_delta_net(fields: Fields, kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - a Mixer
    """Return a gated delta net."""
    if not isinstance(kind, GatedDeltaNet):
        raise unexpected(kind)
    return recurrent.gated_delta_net(
        hidden,
        qk_heads=kind.qk_heads,
        v_heads=kind.v_heads,
        qk_head_dim=kind.qk_head_dim,
        v_head_dim=kind.v_head_dim,
        conv_kernel=kind.conv_kernel,
    )


def kda(fields: Fields, kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - a Mixer
    """Return Kimi Delta Attention."""
    if not isinstance(kind, KDA):
        raise unexpected(kind)
    return recurrent.kda(hidden, kind.heads, kind.head_dim, kind.conv_kernel)


def lightning(fields: Fields, kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - a Mixer
    """Return lightning attention."""
    if not isinstance(kind, Lightning):
        raise unexpected(kind)
    return recurrent.lightning(hidden, kind.heads, kind.head_dim)


def rg_lru(fields: Fields, kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - a Mixer
    """Return Griffin's recurrent block."""
    if not isinstance(kind, RGLRU):
        raise unexpected(kind)
    return recurrent.rg_lru(hidden, kind.width, kind.heads, kind.conv_kernel)


def short_conv(fields: Fields, kind: Kind, hidden: int) -> Parameters:
    """Return LFM2's short convolution."""
    if not isinstance(kind, ShortConv):
        raise unexpected(kind)
    bias = fields.take_bool("conv_bias", absent=False)
    return recurrent.short_conv(hidden, kind.channels, kind.conv_kernel, bias=bias)


def by_kind(choices: dict[type[Kind] | tuple[type[Kind], ...], Mixer], otherwise: Mixer) -> Mixer:
    """Return the mixer of a hybrid: that of the first class that the kind is of, else *otherwise*."""

    def count(fields: Fields, kind: Kind, hidden: int) -> Parameters:
        for classes, mixer in choices.items():
            if isinstance(kind, classes):
                return mixer(fields, kind, hidden)
        return otherwise(fields, kind, hidden)

    return count


def with_extra(mixer: Mixer, extra: Callable[[Kind, int], Parameters]) -> Mixer:
    """Return *mixer* and what a family adds to it, for a kind and the model's width."""

    def count(fields: Fields, kind: Kind, hidden: int) -> Parameters:
        return mixer(fields, kind, hidden) + extra(kind, hidden)

    return count


def sinks(kind: Kind, hidden: int) -> Parameters:  # noqa: ARG001 - the signature of an extra
    """Return one learned sink per head, which is divided with the heads: gpt-oss."""
    dims = heads_of(kind)
    return NONE if dims is None else Parameters(sharded=dims.heads)


def unexpected(kind: Kind) -> SpecError:
    """Return the error of a kind that the family has no layers of."""
    return SpecError(f"parameters of the kind {kind.kind!r} are not known for this family of models")

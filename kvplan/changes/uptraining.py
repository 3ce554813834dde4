"""Fewer KV heads, or a latent in their place: what a trained model can be brought to."""

from typing import ClassVar, cast

from kvplan.attention import Kind
from kvplan.attention.base import Count, Width
from kvplan.attention.grouped import GQA, MHA, MQA, SoftmaxKind
from kvplan.attention.latent import MLA
from kvplan.changes.base import Change, each_kind
from kvplan.changes.softmax import is_full, is_softmax, shape
from kvplan.errors import OptionsError
from kvplan.specs.model import ModelSpec
from kvplan.units import counted


class ToGQA(Change):
    """Every attention over keys and values has `groups` KV heads, each the mean of those that it replaces."""

    groups: Count
    name: ClassVar[str] = "gqa"
    help: ClassVar[str] = "Uptrain to so many KV heads: 8."
    source: ClassVar[str] = "GQA, arXiv 2305.13245, section 2"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def grouped(kind: Kind) -> Kind:
            softmax = cast("SoftmaxKind", kind)
            _require_merging(softmax, self.groups)
            if isinstance(kind, MHA | MQA):
                return GQA(kind="gqa", **shape(softmax) | {"groups": self.groups})
            return kind.model_copy(update={"groups": self.groups})

        return each_kind(spec, self, grouped, is_softmax)


def _require_merging(kind: SoftmaxKind, groups: int) -> None:
    """Raise OptionsError where the KV heads of a layer cannot be merged into *groups* alike ones."""
    if kind.heads % groups:
        raise OptionsError(f"--gqa {groups}: {counted(groups, 'group')} do not divide {kind.heads} heads")
    if kind.kv_heads % groups:
        raise OptionsError(
            f"--gqa {groups}: {counted(kind.kv_heads, 'KV head')} cannot be merged into {groups}; "
            "--mha first gives every head its own"
        )


class ToMQA(Change):
    """Every attention over keys and values has one KV head."""

    name: ClassVar[str] = "mqa"
    help: ClassVar[str] = "Uptrain to one KV head."
    source: ClassVar[str] = "MQA, arXiv 1911.02150; GQA, arXiv 2305.13245, section 2"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def single(kind: Kind) -> Kind:
            if not is_full(kind):
                return kind.model_copy(update={"groups": 1})
            facts = shape(cast("SoftmaxKind", kind))
            return MQA(kind="mqa", **{name: value for name, value in facts.items() if name != "groups"})

        return each_kind(spec, self, single, is_softmax)


class ToMHA(Change):
    """Every attention over keys and values has a KV head for each query head: what others are measured by."""

    name: ClassVar[str] = "mha"
    help: ClassVar[str] = "A KV head for each query head: what the others save."
    source: ClassVar[str] = "Attention Is All You Need, arXiv 1706.03762"
    grows: ClassVar[bool] = True

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def whole(kind: Kind) -> Kind:
            softmax = cast("SoftmaxKind", kind)
            if not is_full(kind):
                return kind.model_copy(update={"groups": softmax.heads})
            facts = {name: value for name, value in shape(softmax).items() if name != "groups"}
            return MHA(kind="mha", **facts)

        return each_kind(spec, self, whole, is_softmax)


class ToMLA(Change):
    """
    Full attention keeps a latent of `d_c` and a rotated key of `d_rope`; what is latent already gets these.

    `d_nope` and `v_head_dim` are those of the heads before unless they are given. MHA2MLA keeps `d_rope` and
    `d_c` for each KV head: give all heads' together.
    """

    d_c: Count
    d_rope: Width
    d_nope: Count | None = None
    name: ClassVar[str] = "mla"
    help: ClassVar[str] = "A latent in place of keys and values: d_c=512,d_rope=64."
    source: ClassVar[str] = "TransMLA, arXiv 2502.07864; MHA2MLA, arXiv 2502.14837"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        return each_kind(spec, self, self._latent, _can_be_latent)

    def _latent(self, kind: Kind) -> Kind:
        widths = {"d_c": self.d_c, "d_rope": self.d_rope} | ({"d_nope": self.d_nope} if self.d_nope else {})
        if isinstance(kind, MLA):
            return kind.model_copy(update=widths)
        softmax = cast("SoftmaxKind", kind)
        value = softmax.v_head_dim or softmax.head_dim
        facts = {"heads": softmax.heads, "d_nope": softmax.head_dim, "v_head_dim": value}
        return MLA.model_validate({"kind": "mla", **facts, **widths})


def _can_be_latent(kind: Kind) -> bool:
    return is_full(kind) or isinstance(kind, MLA)

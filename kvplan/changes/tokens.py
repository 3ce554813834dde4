"""Policies that drop tokens from the cache of a model as it is: by place, by weight, by layer or by head."""

from typing import ClassVar, cast

from kvplan.attention import Kind
from kvplan.attention.base import Count
from kvplan.attention.budgets import Budget
from kvplan.attention.grouped import GQA, SoftmaxKind
from kvplan.attention.windowed import Sliding
from kvplan.changes.base import Change, Kinds, each_kind, each_layer, swapped
from kvplan.changes.softmax import is_full, shape
from kvplan.errors import OptionsError
from kvplan.specs.model import ModelSpec


class StreamingLLM(Change):
    """Full attention keeps its first `sinks` tokens and the newest `recent` ones."""

    recent: Count
    sinks: Count = 4
    name: ClassVar[str] = "streaming"
    help: ClassVar[str] = "StreamingLLM, so many newest tokens beside sinks: 1020,sinks=4."
    source: ClassVar[str] = "StreamingLLM, arXiv 2309.17453, section 3"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def streaming(kind: Kind) -> Kind:
            facts = shape(cast("SoftmaxKind", kind))
            return Sliding(kind="sliding", window=self.recent, sinks=self.sinks, **facts)

        return each_kind(spec, self, streaming, is_full)


def _kept(kind: Kind, tokens: int) -> Kind:
    return Budget(kind="budget", kept=tokens, **shape(cast("SoftmaxKind", kind)))


class H2O(Change):
    """Full attention keeps the `heavy` tokens that were attended to most, and the newest `recent` ones."""

    heavy: Count
    recent: Count
    name: ClassVar[str] = "h2o"
    help: ClassVar[str] = "Heavy hitters and recent tokens: heavy=512,recent=512."
    source: ClassVar[str] = "H2O, arXiv 2306.14048, section 4"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        tokens = self.heavy + self.recent
        return each_kind(spec, self, lambda kind: _kept(kind, tokens), is_full)


class SnapKV(Change):
    """Full attention keeps `kept` tokens of the prompt; what is generated comes on top."""

    kept: Count
    name: ClassVar[str] = "snapkv"
    help: ClassVar[str] = "So many tokens of the prompt: 1024."
    source: ClassVar[str] = "SnapKV, arXiv 2404.14469, section 4"
    note: ClassVar[str] = (
        "the context is that of the prompt: generated tokens are all kept, beside the budget"
    )

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        return each_kind(spec, self, lambda kind: _kept(kind, self.kept), is_full)


class PyramidKV(Change):
    """
    Lower layers keep more tokens of the prompt than higher ones, about `kept` on average, in equal steps.

    Beside the newest `recent` tokens, which all keep, the last layer has a `beta`-th of the average and the
    first what makes the average up. The steps are whole, as in the authors' code (PyramidKVCluster of
    pyramidkv/pyramidkv_utils.py in KVCache-Factory at c97f9d70), so that what a division leaves over is kept
    on top: in the last layer all of it.
    """

    kept: Count
    recent: Count = 8
    beta: Count = 20
    name: ClassVar[str] = "pyramidkv"
    help: ClassVar[str] = "As snapkv, more in lower layers than in higher ones: 1024."
    source: ClassVar[str] = "PyramidKV, arXiv 2406.02069, section 4, and its authors' KVCache-Factory"
    note: ClassVar[str] = (
        f"{SnapKV.note}; of less than twice the budget each layer keeps the same, as --snapkv has it"
    )

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        if self.kept <= self.recent:
            raise OptionsError(f"--pyramidkv: {self.kept} tokens are no more than the newest {self.recent}")
        count = sum(any(map(is_full, spec.attention[name])) for name in spec.layer_types)
        average = self.kept - self.recent
        last = average // self.beta
        first = 2 * average - last
        step = (first - last) // max(1, count - 1)

        def layer(number: int, kinds: Kinds) -> Kinds:
            tokens = self.recent + first - number * step
            return swapped(kinds, is_full, lambda kind: _kept(kind, tokens))

        return each_layer(spec, self, layer, is_full)


class MoA(Change):
    """Of the KV heads of full attention `full` keep all tokens, the others a `window` and `sinks`."""

    window: Count
    full: Count
    sinks: Count | None = None
    name: ClassVar[str] = "moa"
    help: ClassVar[str] = "Windows for most KV heads: window=4k,full=2."
    source: ClassVar[str] = "MoA, arXiv 2406.14909; DuoAttention, arXiv 2410.10819"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def layer(_: int, kinds: Kinds) -> Kinds:
            return tuple(
                each for kind in kinds for each in (self._parted(kind) if is_full(kind) else (kind,))
            )

        return each_layer(spec, self, layer, is_full)

    def _parted(self, kind: Kind) -> Kinds:
        softmax = cast("SoftmaxKind", kind)
        facts, groups = shape(softmax), softmax.kv_heads
        if self.full >= groups:
            raise OptionsError(f"--moa: full={self.full} leaves none of {groups} KV heads a window")
        shared = softmax.heads // groups
        whole = facts | {"heads": self.full * shared, "groups": self.full}
        rest = facts | {"heads": (groups - self.full) * shared, "groups": groups - self.full}
        return (
            GQA(kind="gqa", **whole),
            Sliding(kind="sliding", window=self.window, sinks=self.sinks, **rest),
        )


class DMS(Change):
    """Full attention keeps one token in `one_of`, and the newest `newest` before their turn to go."""

    one_of: Count
    newest: Count = 256
    name: ClassVar[str] = "dms"
    help: ClassVar[str] = "Dynamic memory sparsification: one token in so many: 8,newest=256."
    source: ClassVar[str] = "DMS, arXiv 2506.05345"

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def sparse(kind: Kind) -> Kind:
            facts = shape(cast("SoftmaxKind", kind))
            return Budget(kind="budget", one_of=self.one_of, newest=self.newest, **facts)

        return each_kind(spec, self, sparse, is_full)

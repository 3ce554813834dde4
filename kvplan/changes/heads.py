"""What is done to heads: mixtures that save no cache, and compositions that cost some."""

from typing import ClassVar, cast

from kvplan.attention import Kind
from kvplan.attention.budgets import Composed
from kvplan.attention.grouped import SoftmaxKind
from kvplan.changes.base import Change, each_kind
from kvplan.changes.softmax import is_full, is_softmax, shape
from kvplan.errors import OptionsError
from kvplan.specs.model import ModelSpec


class SavesNothing(Change):
    """What is done to heads on the way to attention: no row more or less is kept."""

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        return each_kind(spec, self, lambda kind: kind, is_softmax)


class MoH(SavesNothing):
    """Each token is routed to some of the query heads: the cache stays as it is."""

    name: ClassVar[str] = "moh"
    help: ClassVar[str] = "Mixture of heads: saves no cache, and says why."
    source: ClassVar[str] = "MoH, arXiv 2410.11842"
    note: ClassVar[str] = (
        "every head's keys and values are still cached: a later token may be routed to any of them"
    )


class MOHSA(SavesNothing):
    """Each head also sees parts of its neighbours' keys and values: the cache stays as it is."""

    name: ClassVar[str] = "mohsa"
    help: ClassVar[str] = "Overlapped heads: cost no cache, and says why."
    source: ClassVar[str] = "MOHSA, arXiv 2410.14874"
    note: ClassVar[str] = (
        "an overlap is read from the neighbours' rows, which are cached once, before they are overlapped"
    )


class DCMHA(Change):
    """Heads are mixed anew for every pair of tokens: each token also keeps two h x h matrices."""

    name: ClassVar[str] = "dcmha"
    help: ClassVar[str] = "Dynamically composable heads: costs 2 h^2 elements a token."
    source: ClassVar[str] = "DCFormer, arXiv 2405.08553"
    note: ClassVar[str] = "each token keeps the matrices by which it mixes heads: the cache grows"
    grows: ClassVar[bool] = True

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        def composed(kind: Kind) -> Kind:
            softmax = cast("SoftmaxKind", kind)
            if softmax.kv_heads != softmax.heads:
                raise OptionsError(
                    f"--dcmha mixes heads with keys and values of their own; {spec.name} has "
                    f"{softmax.kv_heads} for {softmax.heads}: give --mha before it"
                )
            facts = {name: value for name, value in shape(softmax).items() if name != "groups"}
            return Composed(kind="dcmha", **facts)

        return each_kind(spec, self, composed, is_full)

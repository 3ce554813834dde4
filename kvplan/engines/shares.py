"""Over how many ranks an engine cuts each part of a model's weights."""

from typing import TYPE_CHECKING, NamedTuple

from kvplan.errors import OptionsError
from kvplan.units import ceil_div

if TYPE_CHECKING:
    from kvplan.engines.base import EngineOptions


class Shares(NamedTuple):
    """
    The ranks of one pipeline stage over which each part of its weights is cut.

    The parts are those of LayerParts and ModelParts, a tower being cut as the embedding is unless `tower`
    says over how many ranks. Whole routed experts are dealt out over `experts` ranks, `spare` copies of some
    with them or up to so many `slots`, and each is cut over `expert` ranks.
    """

    attention: int
    dense: int
    shared: int
    embedding: int
    head: int
    expert: int
    experts: int = 1
    spare: int = 0
    slots: int = 0
    tower: int = 0

    @property
    def together(self) -> int:
        """How many ranks have parts of one layer between them."""
        return max(self.attention, self.dense, self.expert * self.experts)

    def on_rank(self, experts: int, rank: int = 0) -> int:
        """
        Return how many of a layer's *experts* a rank holds of those among which they are dealt out.

        What does not divide evenly goes to the first ranks, so that the first one is the fullest:
        determine_expert_map in model_executor/layers/fused_moe/expert_map_manager.py of vLLM 0.33. Raises
        OptionsError for fewer slots than experts.
        """
        if not experts:
            return 0
        if self.slots and self.slots < experts:
            raise OptionsError(f"{self.slots} slots do not hold the {experts} experts of a layer")
        return max(0, ceil_div((self.slots or experts + self.spare) - rank, self.experts))


def over_tp(options: "EngineOptions") -> Shares:
    """Return shares of all parts over the tensor-parallel ranks; whole experts are dealt out as asked."""
    tp, ep = options.tp, options.ep
    if (tp * options.dp) % ep:
        raise OptionsError(
            f"ep={ep} does not divide the {tp * options.dp} GPUs of tp={tp} x dp={options.dp}: deal whole "
            "experts out over a divisor of them"
        )
    return _over(tp)._replace(expert=max(1, tp // ep), experts=ep)


def together(options: "EngineOptions", ep: int) -> Shares:
    """
    Return shares where dp replicas of tp ranks hold one set of experts together, dealt out over *ep* ranks.

    All other parts are as over the tp ranks of a replica alone.
    """
    tp, ranks = options.tp, options.tp * options.dp
    return _over(tp)._replace(expert=ranks // ep, experts=ep)


def _over(tp: int) -> Shares:
    return Shares(attention=tp, dense=tp, shared=tp, embedding=tp, head=tp, expert=tp)

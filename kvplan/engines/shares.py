"""Over how many ranks an engine cuts each part of a model's weights."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kvplan.engines.base import EngineOptions


class Shares(NamedTuple):
    """
    The ranks of one pipeline stage over which each part of its weights is cut.

    The parts are those of LayerParts and ModelParts; `ends` are the embedding and the output head. Whole
    routed experts are dealt out over `experts` ranks, `spare` copies of some with them, and each is cut over
    `expert` ranks.
    """

    attention: int
    dense: int
    shared: int
    ends: int
    expert: int
    experts: int = 1
    spare: int = 0

    def on_rank(self, experts: int) -> int:
        """
        Return how many of a layer's *experts* the fullest rank holds.

        What does not divide evenly goes to the first ranks: determine_expert_map in
        model_executor/layers/fused_moe/expert_map_manager.py of vLLM 0.33.
        """
        return -(-(experts + self.spare) // self.experts)


def over_tp(options: "EngineOptions") -> Shares:
    """Return shares of all parts over the tensor-parallel ranks."""
    tp = options.tp
    return Shares(attention=tp, dense=tp, shared=tp, ends=tp, expert=tp)

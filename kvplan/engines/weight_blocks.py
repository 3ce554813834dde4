"""The blocks of quantised weights that a degree of tensor parallelism cuts, and who refuses that."""

import math

from kvplan.errors import OptionsError
from kvplan.records import record
from kvplan.specs.weight_blocks import WeightBlocks

LEAST_REFINED = 32
"""The smallest block for which vLLM repeats the scales of experts (refine_fp8_moe_block_shape)."""


@record
class Cutting:
    """
    How an engine cuts weights: over `tp` ranks, and each routed expert over `expert_tp` of them.

    `refines` says that it repeats the scales of experts for smaller blocks, where their method is fp8.
    """

    engine: str
    tp: int
    expert_tp: int
    refines: bool


def require_whole_blocks(blocks: WeightBlocks | None, cutting: Cutting) -> None:
    """Raise OptionsError if a rank would hold a part of a block of weights that shares a scale."""
    if blocks is not None and (reason := cut_blocks(blocks, cutting)) is not None:
        raise OptionsError(reason)


def cut_blocks(blocks: WeightBlocks, cutting: Cutting) -> str | None:
    """Return why an engine refuses to cut weights so, or None if ranks hold whole blocks."""
    tp, expert_tp = cutting.tp, cutting.expert_tp
    cut = [width for width in blocks.inputs if tp > 1 and width % (tp * blocks.columns)]
    if cut:
        return _refusal(f"matrices of {cut[0]:,} inputs", cut[0], blocks, cutting.engine, tp)
    blocks = blocks.of_experts()
    cut = [width for width in blocks.experts if _cuts_expert(width, blocks, expert_tp)]
    refined = cutting.refines and blocks.by == "fp8"
    if cut and not (refined and all(_is_refined(width, blocks, expert_tp) for width in cut)):
        return _refusal(f"experts of {cut[0]:,}", cut[0], blocks, cutting.engine, expert_tp)
    return None


def _cuts_expert(width: int, blocks: WeightBlocks, tp: int) -> bool:
    """Return whether a rank's part of an expert is no whole blocks: its outputs, and its divided inputs."""
    return width % (tp * blocks.rows) > 0 or (tp > 1 and width % (tp * blocks.columns) > 0)


def _is_refined(width: int, blocks: WeightBlocks, tp: int) -> bool:
    return math.gcd(blocks.rows, blocks.columns, width // tp) >= LEAST_REFINED


def _refusal(what: str, width: int, blocks: WeightBlocks, engine: str, tp: int) -> str:
    return (
        f"{engine} does not cut {what} over {tp} ranks: a scale is for {blocks.rows} x {blocks.columns} "
        f"weights, and {width / tp:,g} are no whole blocks; choose another tp, or another --weight-dtype"
    )

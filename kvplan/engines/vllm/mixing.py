"""What a layer's mixer has of each token."""

from typing import TYPE_CHECKING

from kvplan.units import ceil_div

if TYPE_CHECKING:
    from kvplan.attention import Kind


def mixed(kind: "Kind", ranks: int) -> int:
    """
    Return the numbers of a token that a mixer has at once beside hidden states, on one of so many ranks.

    Of softmax attention these are queries, keys and values in one tensor, once more turned or normed, and its
    output; an output gate comes with the queries, and both are taken apart, turned and multiplied
    (qwen3_moe.py and qwen3_next.py of 0.28 and 0.30). Of
    Mamba-2 these are all inputs in one tensor, the scan's output, and two copies of it in float32 for its
    gated norm (mamba_mixer2.py, alike). 0 for kinds whose mixers are not known to be the most.
    """
    from kvplan.attention.grouped import SoftmaxKind  # noqa: PLC0415 - a cold command has no kind but its own
    from kvplan.attention.ssm import Mamba2  # noqa: PLC0415

    if isinstance(kind, SoftmaxKind):
        queries = ceil_div(kind.heads, ranks) * kind.head_dim
        values = kind.v_head_dim or kind.head_dim
        both = max(1, kind.kv_heads // ranks) * (kind.head_dim + values)
        output = ceil_div(kind.heads, ranks) * values
        if kind.output_gate:
            return 2 * queries + both + 4 * queries + output
        return 2 * (queries + both) + output
    if isinstance(kind, Mamba2):
        heads = ceil_div(kind.heads, ranks)
        inner, groups = heads * kind.head_dim, max(1, kind.groups // ranks)
        return 2 * inner + 2 * groups * kind.d_state + heads + inner + 2 * 2 * inner
    return 0

"""Which kinds attend over keys and values, and the same attention in another kind."""

from typing import Any

from kvplan.attention import Kind
from kvplan.attention.grouped import GQA, MHA, MQA, Grouped, SoftmaxKind


def is_softmax(kind: Kind) -> bool:
    """Return whether a kind keeps keys and values of KV heads, over whichever tokens."""
    return isinstance(kind, MHA | MQA | Grouped)


def is_full(kind: Kind) -> bool:
    """Return whether a kind keeps keys and values of all tokens."""
    return isinstance(kind, MHA | MQA | GQA)


def shape(kind: SoftmaxKind) -> dict[str, Any]:
    """Return the facts that every attention over keys and values has, its KV heads as groups."""
    return {
        "heads": kind.heads,
        "groups": kind.kv_heads,
        "head_dim": kind.head_dim,
        "v_head_dim": kind.v_head_dim,
        "output_gate": kind.output_gate,
        "prefix_tokens": kind.prefix_tokens,
    }

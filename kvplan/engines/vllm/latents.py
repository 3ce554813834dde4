"""Which widths of latent attention vLLM's backends have kernels for."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from kvplan.engines.base import EngineOptions
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import VllmRules
from kvplan.gpus import Card
from kvplan.terms import Layer

_PREFILLS: dict[tuple[int, int], tuple[tuple[int, int, int], ...]] = {
    (0, 26): ((128, 64, 128), (192, 64, 256), (64, 64, 128)),
    (0, 30): ((256, 0, 256),),
}
"""
What a prefill expands a latent to (d_nope, d_rope, v_head_dim), by the release that took it first.

Before 0.26 FlashAttention took any; other backends have no more than these. Source: supports_mla_dimensions
in v1/attention/backends/mla/prefill of 0.24.0, 0.26.0, 0.28.0, 0.30.0, 0.32.0 and 0.33.0.
"""

_ROWS = {(0, 0): frozenset({320, 576}), (0, 30): frozenset({512})}
"""
The widths of rows that the kernels of Hopper and Blackwell read, by the release that took them first.

Triton's reads any. Source: get_supported_head_sizes of MLACommonBackend in
model_executor/layers/attention/mla_attention.py of 0.19.1, 0.24.0, 0.26.0, 0.28.0, 0.30.0 and 0.33.0.
"""


def require_prefill(options: EngineOptions, rules: VllmRules) -> None:
    """
    Raise RefusedError for heads that no prefill backend of the release has on NVIDIA's cards.

    Sparse attention does without one (MLAAttention.__init__ in mla_attention.py).
    """
    known = {heads for since, found in _PREFILLS.items() if since <= rules.version for heads in found}
    if not known or not _is_nvidia(options.card):
        return
    for heads in sorted(options.heads.latents - known):
        found = ", ".join(map(str, sorted(known)))
        raise RefusedError(
            f"{rules.name} has no prefill backend for MLA heads of {heads} (qk_nope_head_dim, "
            f"qk_rope_head_dim, v_head_dim): it has {found}"
        )


def reads_any_width(layers: Sequence[Layer], rules: VllmRules) -> bool:
    """Return whether a latent's row is of a width that Triton's kernel alone reads."""
    return not _widths(layers) <= {
        width for since, found in _ROWS.items() if since <= rules.version for width in found
    }


def _widths(layers: Sequence[Layer]) -> AbstractSet[int]:
    """Return the widths of rows: of a latent, and of the RoPE key beside it."""
    rows = ([term for term in layer if term.role in ("latent", "rope")] for layer in layers)
    return {sum(term.width for term in row) for row in rows if row}


def _is_nvidia(card: Card | None) -> bool:
    return card is None or card.vendor in (None, "nvidia")

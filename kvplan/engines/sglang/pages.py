"""The page that an attention backend of SGLang forces, where the card and the model's class choose it."""

from kvplan.engines.base import EngineOptions
from kvplan.engines.sglang.speculation import follows_one_branch
from kvplan.gpus import Card

_BLACKWELL = 10
"""The major compute capability of B200, GB200 and B300; workstation cards have another backend."""

_OF_TENSORRT = 64
"""trtllm_mha and trtllm_mla: _mla_backend_page_constraints in arg_groups/overrides.py of SGLang 0.5.23."""

_ROWS = frozenset({"key", "value"})
_UNLIKE = frozenset({"mimo_v2", "mimo_v2_flash"})
"""Classes whose keys and values differ in width: they run on another backend (get_default_attn_backend)."""

_LATENTS = frozenset({"deepseek_v3", "kimi_k2"})
"""Classes that take trtllm_mla there: arg_groups/model_overrides/deepseek_v2.py."""


def forced_page(options: EngineOptions) -> int:
    """
    Return the tokens of a page unless one is asked for: 64 with TensorRT-LLM's kernels, else 1.

    Those are the choice on large Blackwell cards, of heads unless a tree of tokens is drafted or may be;
    beside states a rehearsal had 1. Sources: get_default_attn_backend in
    arg_groups/model_override_base.py, and the files above.
    """
    if not _is_blackwell(options.card):
        return 1
    if runs_trtllm_mla(options.architecture, options.card):
        return _OF_TENSORRT
    heads = options.roles == _ROWS and options.architecture not in _UNLIKE
    return _OF_TENSORRT if heads and follows_one_branch(options) else 1


def runs_trtllm_mla(architecture: str | None, card: Card | None) -> bool:
    """Return whether latents run on TensorRT-LLM's kernels, unless another backend is asked for."""
    return architecture in _LATENTS and _is_blackwell(card)


def _is_blackwell(card: Card | None) -> bool:
    return card is not None and card.capability is not None and card.capability[0] == _BLACKWELL

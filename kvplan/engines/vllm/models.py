"""Which models a release of vLLM has a class for, as far as it took some away."""

from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import RELEASES, VllmRules

_LAST = {
    "phi3small": (0, 9),
    "bart": (0, 10),
    "mllama_text_model": (0, 10),
    "phi4flash": (0, 10),
    "baichuan": (0, 23),
    "bamba": (0, 23),
    "dots1": (0, 23),
    "internlm": (0, 23),
    "minimax_m1": (0, 23),
    "minimax_text_01": (0, 23),
    "qwen": (0, 23),
    "xverse": (0, 23),
    "plamo2": (0, 26),
    "mpt": (0, 28),
}
"""
The last release that serves a model type, where a later one no longer does.

Source: vLLM 0.33, model_executor/models/registry.py: _PREVIOUSLY_SUPPORTED_MODELS, and
_OOT_SUPPORTED_MODELS for what needs a plugin since encoder-decoders went with 0.11.
"""


def require_served(architecture: str | None, rules: VllmRules) -> None:
    """
    Raise RefusedError for a model type that a release, as vLLM itself says, no longer serves.

    The oldest known rules stand for the releases before them, too.
    """
    last = _LAST.get(architecture or "")
    if last is not None and rules.version > max(last, RELEASES[0].version):
        raise RefusedError(
            f"{rules.name} no longer serves {architecture}: {last[0]}.{last[1]} was the last release that did"
        )

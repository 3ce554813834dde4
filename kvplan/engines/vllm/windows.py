"""What vLLM's own classes make of a model's windows, where that is not what its config says."""

from collections.abc import Sequence

from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import VllmRules
from kvplan.records import record
from kvplan.terms import Growing, Layer

_ALL_OR_NONE = frozenset(
    {
        "mimo",
        "qwen2",
        "qwen2_5_omni_text",
        "qwen2_5_vl",
        "qwen2_5_vl_text",
        "qwen2_vl",
        "qwen2_vl_text",
        "qwen3",
    }
)
"""
Model types of Qwen2Model and its kin, which start with windows in all layers or in none.

Source: Qwen2Model.__init__ in model_executor/models/qwen2.py, alike in 0.19.1, 0.24.0, 0.28.0 and 0.33.0.
"""

_DROPPED_IN_SOME = frozenset({"mixtral", "phimoe", "qwen2_moe"})
"""
Model types whose class gives no layer a window of its own, so that one in some layers is in none.

Only a window of all layers reaches them, as that of the cache: create_engine_config in engine/arg_utils.py,
and mixtral.py, phimoe.py and qwen2_moe.py in model_executor/models, alike in 0.19.1, 0.24.0,
0.28.0 and 0.33.0.
"""

_ONE_MORE = frozenset({"cohere2", "cohere2_moe"})
_ONE_MORE_SINCE = (0, 30)
"""
Model types whose windows hold a token more than their config says, and since when.

Source: model_executor/models/commandr.py and cohere2_moe.py of 0.30.0 and 0.33.0; not so in 0.28.0.
"""


@record
class Windows:
    """Whether windows are `kept`, or every token is; and how many tokens `more` than the spec's they hold."""

    kept: bool = True
    more: int = 0

    def of(self, window: int | None) -> int | None:
        """Return the tokens that a layer with such a window holds, None for all."""
        return None if window is None or not self.kept else window + self.more


def windows_of(layers: Sequence[Layer], architecture: str | None, rules: VllmRules) -> Windows:
    """Return what the class of an architecture makes of windows; raise RefusedError where it has none."""
    windows = {_window(layer) for layer in layers if any(term.role == "key" for term in layer)}
    in_some = None in windows and len(windows) > 1
    if in_some and architecture in _ALL_OR_NONE:
        raise RefusedError(
            f"{rules.name} serves windows in all layers of {architecture} or in none, not in some: "
            "choose another engine"
        )
    more = architecture in _ONE_MORE and rules.version >= _ONE_MORE_SINCE
    return Windows(kept=not (in_some and architecture in _DROPPED_IN_SOME), more=int(more))


def _window(layer: Layer) -> int | None:
    """Return the window of a layer's keys."""
    found = [term.known_rows for term in layer if term.role == "key"]
    return next((rows.window for rows in found if isinstance(rows, Growing)), None)

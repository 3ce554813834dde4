"""Attention layers that speculative decoding adds: multi-token prediction, EAGLE, DFlash, a draft model."""

from collections.abc import Sequence
from dataclasses import replace

from kvplan.dtypes import Dtype, Role
from kvplan.engines.vllm.errors import RefusedError
from kvplan.records import record
from kvplan.terms import Allocation, Growing, Layer, Split, Term, distinct, fullest, keeps_all


@record
class Draft:
    """
    `layers` further layers of attention on the last pipeline rank, in the model's KV dtype.

    They are like the model's own attention over all tokens, but for what is given here: KV heads and
    their size, or a window. Drafts are held beside the model's layers and planned with them: vLLM
    0.33, v1/worker/gpu/attn_utils.py (get_kv_cache_spec) and model_executor/models/qwen3_5_mtp.py.
    """

    layers: int
    kv_heads: int | None = None
    head_dim: int | None = None
    window: int | None = None

    @property
    def sized(self) -> bool:
        """Whether nothing of the draft's heads is taken from the model."""
        return self.kv_heads is not None and self.head_dim is not None

    def lower(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the draft's layers beside those of a model; raise RefusedError if they are not known."""
        return (self._layer(distinct(layers)),) * self.layers

    def _layer(self, layers: Sequence[Layer]) -> Layer:
        if any(term.role == "entry" for layer in layers for term in layer):
            return self._window_alone(layers)
        if self.sized:
            return self._resized(_keys_and_values(layers))
        # Where layers of sparse MLA share an indexer's choice of tokens, a module for multi-token prediction
        # has an indexer of its own: GLM-5.2's indexer_types, in vLLM 0.33 models/deepseek_v32.
        whole = fullest([layer for layer in layers if keeps_all(layer)])
        if len(whole) != 1:
            found = "several sizes" if whole else "none"
            raise RefusedError(
                f"the model has {found} of attention over all tokens that a draft layer could be like: "
                "give draft_kv_heads and draft_head_dim"
            )
        if self == Draft(layers=self.layers):
            return whole[0]
        if [term.role for term in whole[0]] != ["key", "value"]:
            raise RefusedError(
                "a draft beside this model has heads of its own: give draft_kv_heads and draft_head_dim"
            )
        return self._resized(whole[0])

    def _window_alone(self, layers: Sequence[Layer]) -> Layer:
        """
        Return the layer of DeepSeek-V4's module for multi-token prediction: a window, nothing compressed.

        Source: the last of compress_ratios is the module's, and 0 (DeepSeek-V4-Flash and -Pro).
        """
        if self != Draft(layers=self.layers):
            raise RefusedError("a draft beside compressed attention is the model's own: leave its sizes out")
        return tuple(term for term in layers[0] if term.allocation.pool == "window")

    def _resized(self, like: Layer) -> Layer:
        return tuple(
            replace(
                term,
                split=replace(term.split, count=self.kv_heads or term.split.count),
                width=self.head_dim or term.width,
                rows=Growing(window=self.window),
            )
            for term in like
        )


DRAFT_PROJECTIONS = frozenset(
    {
        "exaone4_5",
        "exaone_moe",
        "nemotron_h",
        "qwen3_next",
        "qwen3_5",
        "qwen3_5_text",
        "qwen3_5_moe",
        "qwen3_5_moe_text",
    }
)
"""Models whose modules have a ColumnParallelLinear in front: *_mtp.py of model_executor/models, vLLM 0.33."""

_OF_MODELS = """
    deepseek_v3 deepseek_v32 deepseek_v4 deepseek_v41_text glm_moe_dsa pangu_ultra_moe kimi_k3 mimo mimo_v2
    mimo_v2_flash glm4_moe glm4_moe_lite glm_ocr_text ernie4_5_moe nemotron_h qwen3_next qwen4_exp_text
    bailing_hybrid exaone_moe exaone4_5 qwen3_5 qwen3_5_text qwen3_5_moe qwen3_5_moe_text longcat_flash
    step3p5 step3p7 hy_v3 hy_v4 minimax_m3 glm5_next_text
"""
MODULES = frozenset(_OF_MODELS.split())
"""Models whose modules vLLM 0.33 has a class for: hf_config_override in config/speculative.py."""

FILLS_BLOCKS = ("dflash",)
"""Architectures of drafts that fill a block of tokens at once: num_lookahead_tokens in config/vllm.py."""


@record
class Known:
    """
    The layers of a draft with a spec of its own, or of the module that the model's checkpoint brings.

    A draft that `fills` a block of tokens at once asks for one token more than it drafts.
    """

    layers: tuple[Layer, ...]
    fills: bool = False

    def lower(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:  # noqa: ARG002 - that of Draft.lower
        """Return the draft's layers, whatever the model's are."""
        return self.layers


def _keys_and_values(layers: Sequence[Layer]) -> Layer:
    """Return K and V in the model's KV dtype, whose sizes are yet to be given."""
    cached = [term for layer in layers for term in layer if term.role in ("key", "value", "latent", "rope")]
    dtypes = {term.role: {each.dtype for each in cached if each.role == term.role} for term in cached}
    key = dtypes.get("key") or {dtype for each in dtypes.values() for dtype in each}
    value = dtypes.get("value") or key
    if len(key) != 1 or len(value) != 1:
        raise RefusedError("kvplan does not know in which dtype a draft is cached beside this model")
    (key_dtype,), (value_dtype,) = key, value
    return _term("key", "K", key_dtype), _term("value", "V", value_dtype)


def _term(role: Role, label: str, dtype: Dtype) -> Term:
    split = Split(unit="groups", count=1, replicable=True)
    return Term(
        role=role,
        label=label,
        allocation=Allocation(pool="attention"),
        split=split,
        width=1,
        dtype=dtype,
        rows=Growing(),
    )

"""Which storage vLLM takes where a user or a config leaves it open."""

from kvplan.dtypes import SPARSE_MLA_ROLES, Dtype, kv_format, short_dtype
from kvplan.engines.base import ToStore
from kvplan.engines.vllm.backends import BLACKWELL, major_of
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import VllmRules
from kvplan.gpus import Card

_NOT_IN_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})

_FP8 = ("fp8", "fp8_e4m3", "fp8_e5m2")


_FP8_UNASKED = frozenset({"glm_moe_dsa"})
_FP8_UNASKED_SINCE: tuple[int, int] = (0, 32)
"""
Model types whose class asks for fp8_e4m3 on Blackwell where nobody asks, and since which release.

Source: GlmMoeDsaForCausalLM in model_executor/models/config.py of 0.32.0 and 0.33.0; not so in 0.30.0.
"""

_SPARSE_FP8: tuple[int, int] = (0, 18)
"""The release from which FLASHMLA_SPARSE is asked for `fp8` (supported_kv_cache_dtypes)."""

_UNTOLD = frozenset({"falcon"})
"""
Model types whose attention with rotary or ALiBi embeddings is not told the KV dtype.

Source: model_executor/models/falcon.py, alike in 0.11.0, 0.19.1, 0.28.0, 0.32.0 and 0.33.0.
"""

_FLOAT16: tuple[int, int] = (0, 18)
"""The release from which --kv-cache-dtype takes float16 (CacheDType in config/cache.py)."""


def kv_dtype_name(asked: str | None, rows: ToStore, *, rules: VllmRules) -> str:
    """
    Return the cache format that `--kv-cache-dtype` *asked* stands for, in kvplan's names.

    Left open, it is the model's dtype; DeepSeek-V4 takes fp8_ds_mla then. Source: vLLM 0.33,
    models/deepseek_v4/attention.py (_resolve_dsv4_kv_cache_dtype).
    """
    automatic = asked is None or asked == "auto"
    if "entry" in rows.roles and (automatic or asked in _FP8):
        return "fp8_ds_mla"
    if rows.roles >= SPARSE_MLA_ROLES and (automatic or asked in _FP8):
        return _sparse_name(asked, rows, rules)
    if automatic or asked is None:
        return rows.dtype
    if asked == "fp8_e5m2" and "latent" in rows.roles:
        raise RefusedError(f"no attention backend of {rules.name} stores a latent in fp8_e5m2: use fp8")
    if asked == "fp8_e5m2" and rows.scaled and "key" in rows.roles:
        # _init_kv_cache_quant in model_executor/layers/attention/attention.py, alike since 0.19.1.
        raise RefusedError(f"{rules.name} takes no fp8_e5m2 with a checkpoint in fp8: use fp8")
    if rows.architecture in _UNTOLD and kv_format(asked).name != short_dtype(rows.dtype):
        raise RefusedError(
            f"{rules.name} keeps the cache of {rows.architecture} in the model's dtype whatever is asked: "
            "leave the KV dtype out"
        )
    _require_cache_dtype(asked, rows, rules)
    return asked


def _sparse_name(asked: str | None, rows: ToStore, rules: VllmRules) -> str:
    """
    Return the format of sparse MLA's rows: fp8 in FlashMLA's packed ones of 656 bytes, or plain ones of 576.

    FlashMLA is taken on Hopper, FlashInfer on Blackwell; the kernel of compute capability 12 has packed rows
    only. Sources: _get_backend_priorities in platforms/cuda.py and
    _canonicalize_sparse_mla_kv_cache_dtype in model_executor/layers/attention/mla_attention.py.
    """
    if asked == "fp8_e5m2":
        raise RefusedError(f"no attention backend of {rules.name} stores a latent in fp8_e5m2: use fp8")
    backend, major = rows.settings.get("attention_backend"), major_of(rows.card)
    by_class = rows.architecture in _FP8_UNASKED and rules.version >= _FP8_UNASKED_SINCE
    if by_class and major == BLACKWELL and asked in (None, "auto"):
        asked = "fp8_e4m3"
    if backend == "FLASHINFER_MLA_SPARSE_SM120" or (backend is None and major == 12):  # noqa: PLR2004 - as above
        return "fp8_ds_mla"
    if asked not in _FP8:
        return rows.dtype
    packed = backend == "FLASHMLA_SPARSE" or (backend is None and major != BLACKWELL)
    if asked == "fp8_e4m3" and packed and rules.version >= _SPARSE_FP8:
        raise RefusedError(
            f"{rules.name} takes fp8 for FlashMLA's rows of sparse MLA, not fp8_e4m3: give the KV dtype, fp8 "
            "or bf16, or a card of Blackwell"
        )
    if backend in ("FLASHINFER_MLA_SPARSE", "FLASHINFER_MLA_SPARSE_SM90"):
        return "fp8"
    if backend is not None or major != BLACKWELL or rules.sparse_fp8 == "packed":
        return "fp8_ds_mla"
    if rules.sparse_fp8 == "by heads":
        raise RefusedError(
            f"in which rows {rules.name} stores fp8 on Blackwell depends on the heads of a rank: choose "
            "the setting attention_backend, FLASHMLA_SPARSE or FLASHINFER_MLA_SPARSE"
        )
    return "fp8"


def _require_cache_dtype(asked: str, rows: ToStore, rules: VllmRules) -> None:
    """Raise RefusedError for a float dtype that the release takes for models in that dtype only."""
    name = kv_format(asked).name
    missing = name == "fp32" or (name == "fp16" and rules.version < _FLOAT16)
    missing = missing or (rules.same_floats and name in ("bf16", "fp16"))
    if missing and name != short_dtype(rows.dtype):
        raise RefusedError(
            f"{rules.name} has no KV dtype {asked[:40]} beside a model that runs in {rows.dtype}: "
            "choose another, or --dtype"
        )


def model_dtype(dtype: str, architecture: str | None, card: Card | None) -> str:
    """
    Return the dtype in which vLLM runs a model unless told: float32 in the first that the card supports.

    That is bfloat16 from compute capability 8.0 on, and float16 below, which also replaces bfloat16 there;
    for the few that float16 makes unstable it is float32. A card that is not named is taken for a newer
    one. Sources: vLLM 0.33, config/model.py (_resolve_auto_dtype, _FLOAT16_NOT_SUPPORTED_MODELS) and
    platforms/cuda.py (supported_dtypes).
    """
    old = card is not None and card.capability is not None and card.capability < (8, 0)
    supported = ["float16", "float32"] if old else ["bfloat16", "float16", "float32"]
    if architecture in _NOT_IN_FLOAT16:
        supported.remove("float16")
    return dtype if dtype != "float32" and dtype in supported else supported[0]


def state_dtypes(model_dtype: Dtype, fixed: Dtype | None) -> tuple[Dtype, Dtype]:
    """
    Return the dtypes of convolutions and of states that vLLM takes unasked.

    Both are the model's, unless one is *fixed* for the state: by the config (`mamba_ssm_dtype` of
    Qwen3.5, `mamba_ssm_cache_dtype` of Nemotron-H, float32 where that is missing), or float32 for
    Kimi Delta Attention. Sources: vLLM 0.33, model_executor/layers/mamba/mamba_utils.py and
    model_executor/models/config.py.
    """
    return model_dtype, fixed or model_dtype

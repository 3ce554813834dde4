"""Which storage vLLM takes where a user or a config leaves it open."""

from collections.abc import Set as AbstractSet

from kvplan.dtypes import Dtype, Role
from kvplan.gpus import Card

_NOT_IN_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})

_FP8 = ("fp8", "fp8_e4m3", "fp8_e5m2")


def kv_dtype_name(asked: str | None, roles: AbstractSet[Role], model_dtype: str) -> str:
    """
    Return the cache format that `--kv-cache-dtype` *asked* stands for, in kvplan's names.

    *roles* are those of the model's terms. Left open, it is the model's dtype; DeepSeek-V4 takes
    fp8_ds_mla then. Sparse MLA stores fp8 as fp8_ds_mla with FlashMLA, its backend on Hopper.
    Sources: vLLM 0.33, models/deepseek_v4/attention.py (_resolve_dsv4_kv_cache_dtype) and
    model_executor/layers/attention/mla_attention.py (_canonicalize_sparse_mla_kv_cache_dtype).
    """
    automatic = asked is None or asked == "auto"
    if "entry" in roles and (automatic or asked in _FP8):
        return "fp8_ds_mla"
    if {"latent", "indexer"} <= roles and asked in _FP8:
        return "fp8_ds_mla"
    return model_dtype if automatic or asked is None else asked


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

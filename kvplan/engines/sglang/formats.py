"""Which storage SGLang takes for what `--kv-cache-dtype` asks, in kvplan's names."""

from collections.abc import Set as AbstractSet

from kvplan.dtypes import SPARSE_MLA_ROLES, Role
from kvplan.engines.base import ToStore
from kvplan.engines.sglang.errors import OptionsError
from kvplan.gpus import Card

_PLAIN = {
    "fp8_e5m2": "fp8",
    "fp8_e4m3": "fp8",
    "mxfp8": "mxfp8",
    "bf16": "bf16",
    "bfloat16": "bf16",
    "nvfp4": "nvfp4",
}
# Formats of kvplan that are no name of SGLang's but mean one thing only.
_OURS = {"fp8": "fp8", "fp8_ds_mla": "fp8_ds_mla", "fp16": "fp16", "fp32": "fp32"}

_BLACKWELL = 10
"""The first number of the compute capability from which TensorRT-LLM's kernel reads sparse MLA."""

_GLM_KERNEL = 12


def model_dtype(dtype: str, architecture: str | None, card: Card | None) -> str:
    """
    Return the dtype in which SGLang runs a model unless told: float32 in float16, but Gemma in bfloat16.

    Below compute capability 8.0 everything runs in float16. Sources: SGLang 0.5.23,
    configs/model_config.py (_get_and_verify_dtype, by the model type) and model_executor/model_runner.py
    (load_model).
    """
    if card is not None and card.capability is not None and card.capability < (8, 0):
        return "float16"
    if dtype != "float32":
        return dtype
    return "bfloat16" if architecture is not None and architecture.startswith("gemma") else "float16"


def kv_dtype_name(asked: str | None, rows: ToStore) -> str:
    """
    Return the cache format that *asked* stands for; left open it is the model's dtype.

    Raises OptionsError for a dtype that SGLang does not take. Source: SGLang 0.5.23,
    mem_cache/kv_cache_dtype.py.
    """
    if rows.roles >= SPARSE_MLA_ROLES:
        return _sparse_name(asked, rows)
    if asked is None or asked == "auto":
        return rows.dtype
    return _named(asked)


def _sparse_name(asked: str | None, rows: ToStore) -> str:
    """
    Return the format of sparse MLA's rows: bf16 unasked, on Blackwell fp8.

    `fp8_e4m3` is FlashMLA's scaled row of 656 bytes, which Hopper takes, where no card is named; on
    Blackwell TensorRT-LLM's kernel takes the plain row of 576, as do AMD's, which kvplan also calls `fp8`.
    GLM has scaled rows on compute capability 12, in a kernel of its own. Sources: SGLang 0.5.23,
    arg_groups/overrides.py (_dsa_kv_cache_dtype_default, _dsa_split_backend_resolution) and
    mem_cache/kv_cache_configurator.py (calculate_mla_kv_cache_dim).
    """
    card = rows.card
    named = card is not None and card.vendor is not None
    major = card.capability[0] if card is not None and card.capability is not None else 0
    if asked is None or asked == "auto":
        if not named:
            raise OptionsError(
                "SGLang stores the cache of sparse MLA in bf16 on Hopper and in fp8 on Blackwell: name the "
                "card, or give the KV dtype: bf16, fp8_e4m3 (656 bytes a row) or fp8 (576, TensorRT-LLM's "
                "kernel)"
            )
        asked = "fp8_e4m3" if major >= _BLACKWELL else "bf16"
    key = asked.strip().lower()
    if key == "fp8_e4m3":
        own_kernel = major == _GLM_KERNEL and rows.architecture == "glm_moe_dsa"
        raw = card is not None and (card.vendor == "amd" or (major >= _BLACKWELL and not own_kernel))
        return "fp8" if raw else "fp8_ds_mla"
    name = _named(asked)
    if key not in ("bf16", "bfloat16", "fp8", "fp8_ds_mla"):
        raise OptionsError(f"SGLang stores sparse MLA in bf16 or fp8_e4m3 only, not in {asked[:40]}")
    return name


def _named(asked: str) -> str:
    key = asked.strip().lower()
    if key not in _PLAIN and key not in _OURS:
        raise OptionsError(
            f"SGLang has no KV dtype {asked[:40]!r}: use one of {', '.join(('auto', *_PLAIN))}"
        )
    return _PLAIN.get(key) or _OURS[key]


def declared_kv(dtype: str, by: str | None, roles: AbstractSet[Role]) -> str | None:
    """
    Return the KV dtype that a checkpoint's declaration counts as, None where SGLang takes no heed of it.

    ModelOpt's fp8 alone is taken; the default of sparse MLA comes before it. Sources: SGLang 0.5.23,
    mem_cache/kv_cache_dtype.py (configure_kv_cache_dtype) and layers/quantization/modelopt_quant.py.
    """
    sparse = roles >= SPARSE_MLA_ROLES
    return "fp8_e4m3" if (dtype, by) == ("fp8", "modelopt") and not sparse else None

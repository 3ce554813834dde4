"""Which storage SGLang takes for what `--kv-cache-dtype` asks, in kvplan's names."""

from kvplan.engines.base import Rows
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


def kv_dtype_name(asked: str | None, rows: Rows) -> str:
    """
    Return the cache format that *asked* stands for; *roles* are those of the model's terms.

    Left open it is the model's dtype, but sparse MLA (DeepSeek-V3.2) then takes bf16 on Hopper and fp8 on
    Blackwell, so that it must be given. There `fp8_e4m3` is the scaled row of 656 bytes, FlashMLA's,
    which Hopper takes; the plain row of 576 that TensorRT-LLM's kernel takes on Blackwell is `fp8`.
    Sources: SGLang 0.5.23, mem_cache/kv_cache_dtype.py; arg_groups/overrides.py
    (_dsa_kv_cache_dtype_default, _dsa_split_backend_resolution); kv_cache_configurator.py
    (calculate_mla_kv_cache_dim). Raises OptionsError for a dtype that SGLang does not take.
    """
    sparse = {"latent", "indexer"} <= rows.roles
    if asked is None or asked == "auto":
        if sparse:
            raise OptionsError(
                "SGLang stores the cache of sparse MLA in bf16 on Hopper and in fp8 on Blackwell: "
                "give the KV dtype: bf16, fp8_e4m3 (656 bytes a row) or fp8 (576, TensorRT-LLM's kernel)"
            )
        return rows.dtype
    key = asked.strip().lower()
    if sparse and key == "fp8_e4m3":
        return "fp8_ds_mla"
    if key not in _PLAIN and key not in _OURS:
        raise OptionsError(
            f"SGLang has no KV dtype {asked[:40]!r}: use one of {', '.join(('auto', *_PLAIN))}"
        )
    if sparse and key not in ("bf16", "bfloat16", "fp8", "fp8_ds_mla"):
        raise OptionsError(f"SGLang stores sparse MLA in bf16 or fp8_e4m3 only, not in {asked[:40]}")
    return _PLAIN.get(key) or _OURS[key]

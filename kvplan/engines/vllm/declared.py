"""What vLLM makes of the KV cache dtype that a checkpoint declares, where nobody asks for one."""

from collections.abc import Set as AbstractSet

from kvplan.dtypes import SPARSE_MLA_ROLES, Role
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import VllmRules

_MODELOPT = ("fp8", "nvfp4")


def declared_kv(dtype: str, by: str | None, roles: AbstractSet[Role], rules: VllmRules) -> str | None:
    """
    Return the KV dtype that a declaration of *dtype* counts as, None where vLLM takes no heed of it.

    ModelOpt's is resolved with the arguments, for every layer; an unknown one is passed over with a
    warning. compressed-tensors' holds in layers of K and V alone, and must be fp8. Other methods declare
    nothing. Sources: vLLM 0.33, utils/torch_utils.py (get_kv_cache_quant_algo_string),
    model_executor/layers/attention/attention.py (Attention.__init__) and
    layers/quantization/compressed_tensors/compressed_tensors.py (validate_kv_cache_scheme); since when:
    pull requests 30785 and 30141. Raises RefusedError for what vLLM refuses.
    """
    if by is None or by not in rules.declared_kv:
        return None
    if by == "compressed-tensors":
        if dtype != "fp8":
            raise RefusedError(
                f"{rules.name} takes no KV cache in {dtype} from compressed-tensors, but fp8 alone"
            )
        return dtype if "key" in roles else None
    if dtype not in _MODELOPT:
        return None
    if roles >= SPARSE_MLA_ROLES:
        return _of_sparse_mla(dtype, rules)
    return dtype


def _of_sparse_mla(dtype: str, rules: VllmRules) -> str:
    """
    Return fp8_e4m3, which FlashInfer's kernel on Blackwell has and FlashMLA's has not (formats.py).

    Source: MODELOPT_TO_VLLM_KV_CACHE_DTYPE_MAP in utils/torch_utils.py of vLLM 0.33.
    """
    if dtype != "fp8":
        raise RefusedError(
            f"which row {rules.name} gives sparse MLA for the {dtype} that the checkpoint declares is not "
            "known to kvplan: give the KV dtype, such as bf16 or fp8"
        )
    return "fp8_e4m3"

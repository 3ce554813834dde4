"""
TensorRT-LLM's options: tensorrt_llm/commands/serve.py, NVIDIA/TensorRT-LLM@00209af149e7.

`--kv_cache_dtype` came later, with pull request 11487.
"""

from kvplan.serving.harmless import TRTLLM_FLAGS, TRTLLM_VALUES
from kvplan.serving.rows import asks, either, file, harmless, left_out, refused, setting
from kvplan.serving.table import Dialect, Row
from kvplan.serving.trtllm_file import CHUNKED, IN_FILE, OF_DRAFT, WHOLE, gather, spread
from kvplan.serving.values import RATIO, cache_format

_KV = cache_format("fp8 nvfp4", {}, {})


# click takes no dashes for these underscores; both are read.
_ROWS: tuple[Row, ...] = (
    asks("--tp-size --tensor-parallel-size", "tp"),
    asks("--pp-size --pipeline-parallel-size", "pp"),
    asks("--ep-size --moe-expert-parallel-size", "ep"),
    asks("--max-seq-len", "context"),
    asks("--max-num-tokens", "max_num_batched_tokens"),
    asks("--max-batch-size", "max_num_seqs"),
    asks("--kv-cache-free-gpu-memory-fraction --free-gpu-memory-fraction", "utilization", RATIO),
    asks("--kv-cache-dtype", "kv_dtype", _KV),
    setting("--enable-attention-dp", "enable_attention_dp"),
    file("--config --extra-llm-api-options"),
    refused("--max-beam-width", "kvplan plans one beam for each sequence", "1"),
    refused(
        "--context-parallel-size --cp-size",
        "kvplan does not know what of the cache each rank keeps then: leave it out",
        "1",
    ),
    left_out(
        "--backend", either("the cache is counted as PyTorch's flow of TensorRT-LLM keeps it"), "pytorch"
    ),
    left_out("--moe-cluster-parallel-size --cluster-size", either("weights are counted as divided over tp")),
    left_out("--server-role", either("a server for one phase keeps other buffers")),
    left_out("--enable-chunked-prefill", CHUNKED, takes="nothing"),
    harmless(TRTLLM_FLAGS, "nothing"),
    harmless(TRTLLM_VALUES, "value"),
)

TRTLLM = Dialect(
    engine="trtllm",
    rows=_ROWS,
    head=lambda model: ["trtllm-serve", model],
    underscores=True,
    gather=gather,
    spread=spread,
    in_file=IN_FILE,
    whole=WHOLE,
    of_draft=OF_DRAFT,
)

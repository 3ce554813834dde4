"""
TensorRT-LLM's options: tensorrt_llm/commands/serve.py, NVIDIA/TensorRT-LLM@00209af149e7.

`--kv_cache_dtype` came later, with pull request 11487.
"""

from dataclasses import replace

from kvplan.serving.harmless import TRTLLM_FLAGS, TRTLLM_VALUES
from kvplan.serving.rows import asks, either, harmless, left_out, refused, setting
from kvplan.serving.served import SETTING, Answer, Found
from kvplan.serving.table import Dialect, Row
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
    refused(
        "--config --extra-llm-api-options",
        "kvplan does not read the file, and its kv_cache_config decides the memory: leave it out, and give "
        "what it says as --kv-dtype, --utilization, --block-size, --ep, --draft or --set max_tokens=N",
    ),
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
    harmless(TRTLLM_FLAGS, "nothing"),
    harmless(TRTLLM_VALUES, "value"),
)

_ATTENTION = f"{SETTING}enable_attention_dp"


def _gather(found: Found, _program: str) -> Found:
    """Turn the ranks of attention data parallelism, TensorRT-LLM's tp_size, into a plan's dp."""
    answers = dict(found.answers)
    if answers.get(_ATTENTION) == "true" and "tp" in answers:
        answers["dp"] = answers.pop("tp")
    return replace(found, answers=answers)


def _spread(answers: dict[str, Answer]) -> dict[str, Answer]:
    """Undo `_gather`."""
    given = dict(answers)
    if given.get(_ATTENTION) == "true" and "dp" in given:
        given["tp"] = given.pop("dp")
    return given


TRTLLM = Dialect(
    engine="trtllm",
    rows=_ROWS,
    head=lambda model: ["trtllm-serve", model],
    underscores=True,
    gather=_gather,
    spread=_spread,
)

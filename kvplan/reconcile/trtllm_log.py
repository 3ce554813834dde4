"""
The start-up lines of TensorRT-LLM.

Sources: cpp/tensorrt_llm/batch_manager/kvCacheManager.cpp (pool and blocks) of TensorRT-LLM 0.7 to
1.0, and published logs; `(N)` behind the pool's size is its tokens.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from kvplan.reconcile.fields import count, field_text, ratio, read_fields
from kvplan.reconcile.lines import Line, marked
from kvplan.reconcile.log import Figure, FigureName, StartUpLog, gather
from kvplan.reconcile.printed import Printed
from kvplan.reconcile.starts import Reader

LOOKED_FOR = "`Allocated ... for max tokens in paged KV cache (...)`"

_SIZE = r"(\d{1,12}(?:\.\d{1,6})?) (GiB|GB|MiB|MB)"
_POOL = re.compile(rf"Allocated {_SIZE} for max tokens in paged KV cache \((\d{{1,15}})\)")
# 0.7 and 0.8: Allocate N bytes for k/v cache. / Using N [total ]tokens in paged KV cache
_BYTES = re.compile(r"Allocate (\d{1,15}) bytes for k/v cache")
_USING = re.compile(r"Using (\d{1,12}) (?:total )?tokens in paged KV cache")
_FREE = re.compile(rf"max tokens in paged kv cache: total: {_SIZE}, available: {_SIZE}")
_BLOCKS = re.compile(r"Number of blocks in KV cache primary pool: (\d{1,12})")
_TOKENS_PER_BLOCK = re.compile(r"Number of tokens per block: (\d{1,9})")
_VERSION = re.compile(
    r"TensorRT[-_ ]?LLM(?:\]? ?TensorRT-LLM)? version:? ?v?(\d+\.\d+[\w.+!-]{0,20})", re.IGNORECASE
)
_LIMITS = {
    "max_seq_len": ("context", count),
    "max_num_requests": ("max_num_seqs", count),
    "max_num_tokens": ("max_num_batched_tokens", count),
    "free_gpu_memory_fraction": ("utilization", ratio),
    "kv_cache_free_gpu_mem_fraction": ("utilization", ratio),
    "tensor_parallel_size": ("tp", count),
    "pipeline_parallel_size": ("pp", count),
}
_SIGNS = (
    *("max tokens in paged KV cache", "max tokens in paged kv cache", "KV cache primary pool: "),
    *("bytes for k/v cache", "tokens in paged KV cache"),
)
_MARKS = (*_SIGNS, "TRT", "TensorRT", "trtllm", "LlmArgs", "tokens per block")


def read_trtllm(lines: Sequence[Line]) -> StartUpLog:
    """Return what TensorRT-LLM's lines say; a log of another engine has no figures."""
    return gather("trtllm", marked(lines, _MARKS), version=_version, options=_options, figures=_figures)


def _version(text: str) -> str | None:
    match = _VERSION.search(text)
    return match[1].rstrip(",.;)") if match else None


def _options(text: str) -> Iterator[dict[str, Any]]:
    if "TRT" in text or "trtllm" in text or "LlmArgs" in text:
        found = dict(read_fields(text, _LIMITS))
        model = field_text(text, "model") if "LlmArgs" in text else None
        yield {**found, **({"model": model} if model else {})}
    if match := _TOKENS_PER_BLOCK.search(text):
        yield {"block_size": count(match[1])}


def _figures(line: Line) -> Iterator[Figure]:
    def figure(name: FigureName, number: str, unit: str, **given: int) -> Figure:
        printed = Printed(number, unit, decimals=2 if unit in ("GiB", "GB", "MiB", "MB") else 0)
        return Figure(name=name, printed=printed, line=line.number, worker=line.worker, given=given)

    if match := _POOL.search(line.text):
        yield figure("KV size", match[1], match[2], tokens=int(match[3]))
        yield figure("KV tokens", match[3], "tokens")
    if match := _BYTES.search(line.text):
        yield figure("KV size", match[1], "B")
    if match := _USING.search(line.text):
        yield figure("KV tokens", match[1], "tokens")
    if match := _FREE.search(line.text):
        yield figure("GPU memory", match[1], match[2])
        yield figure("free memory", match[3], match[4])
    if match := _BLOCKS.search(line.text):
        yield figure("blocks", match[1], "blocks")


READER = Reader(read=read_trtllm, signs=_SIGNS, starts=_VERSION)

"""
The start-up lines of vLLM, from 0.4 to 0.33.

Sources: worker/model_runner.py, worker/worker.py and executor/executor_base.py of 0.4 to 0.9 (the
old engine); v1/engine/core.py, v1/worker/gpu_worker.py and v1/core/kv_cache_utils.py of 0.8 to
0.33; entrypoints/utils.py for the arguments; worker/worker_v1.py of vllm-ascend, which prints bytes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kvplan.reconcile.drafts import MARKS as DRAFT_MARKS
from kvplan.reconcile.drafts import UNNAMED, command_draft, command_tokens
from kvplan.reconcile.fields import count, field_text, flag, ratio, read_fields, word
from kvplan.reconcile.lines import Line, marked
from kvplan.reconcile.log import NO_DRAFT, Figure, FigureName, StartUpLog, gather
from kvplan.reconcile.printed import Printed
from kvplan.reconcile.starts import Reader

_STARTS = re.compile(r"vLLM API server version|LLM engine \(v")
LOOKED_FOR = "`GPU KV cache size: ... tokens`, `Available KV cache memory: ...` or `# GPU blocks: ...`"

_SIZE = r"(-?\d{1,15}(?:\.\d{1,6})?) ?(GiB|GB|MiB|MB)"
_COUNT = r"(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})\b"
# Each pattern yields a number, and a unit if the figure is a size.
_FIGURES: tuple[tuple[FigureName, str, re.Pattern[str]], ...] = (
    (
        "weights",
        "",
        re.compile(rf"(?:Model loading took|[Ll]oading model weights took|model weights take) {_SIZE}"),
    ),
    ("activation", "", re.compile(rf"activation peak(?: memory)?(?: takes)? {_SIZE}")),
    ("non-torch memory", "", re.compile(rf"non_torch_memory(?: takes)? {_SIZE}")),
    ("CUDA graphs", "", re.compile(rf"Graph capturing finished in [\d.]+ secs, took {_SIZE}")),
    ("GPU memory", "", re.compile(rf"total_gpu_memory(?:=| \(){_SIZE}")),
    ("KV memory", "", re.compile(rf"Available KV cache memory:? {_SIZE}")),
    ("KV memory", "", re.compile(rf"(?:reserved for )?KV Cache is {_SIZE}")),
    ("KV memory", "", re.compile(rf"\b(?:kv_cache_size=|available_kv_cache_memory[= ]){_SIZE}")),
    ("KV memory", "", re.compile(rf"available KV cache memory \({_SIZE}\)")),
    ("KV memory", "", re.compile(rf"reserved {_SIZE} memory for KV Cache as specified")),
    ("KV memory", "B", re.compile(r"\bAvailable memory: (\d{6,15}), total memory: \d")),
    ("KV memory", "GiB", re.compile(r"\bAvailable memory: (\d{1,6}\.\d{1,20}) GiB, total memory: \d")),
    ("KV tokens", "tokens", re.compile(rf"KV cache size: {_COUNT} tokens")),
    ("KV tokens", "tokens", re.compile(rf"that can be stored in KV cache \({_COUNT}\)")),
    ("blocks", "blocks", re.compile(rf"# (?!CPU)\w+ blocks: {_COUNT}")),
    ("CPU blocks", "blocks", re.compile(rf"# CPU blocks: {_COUNT}")),
    ("block size", "tokens", re.compile(rf"Setting attention block size to {_COUNT} tokens")),
    ("concurrency", "x", re.compile(r"tokens per request: (\d{1,12}\.\d{1,6})x")),
    ("needed memory", "", re.compile(rf"{_SIZE} KV cache is needed")),
    ("longest context", "tokens", re.compile(rf"estimated maximum model length is {_COUNT}")),
    ("padding layers", "layers", re.compile(rf"Add {_COUNT} padding layers")),
)
_SAID: tuple[tuple[str, Callable[[str], Any], re.Pattern[str]], ...] = (
    ("context", count, re.compile(rf"Using max model len {_COUNT}")),
    ("context", count, re.compile(rf"max seq len \({_COUNT}\)")),
    ("context", count, re.compile(rf"\b(?:for )?{_COUNT} tokens per request")),
    ("max_num_batched_tokens", count, re.compile(rf"is enabled with max_num_batched_tokens={_COUNT}")),
    ("block_size", count, re.compile(rf"Forcing kv cache block size to {_COUNT} ")),
    ("dcp", count, re.compile(rf"Multiplying the GPU KV cache size by .*?\bdcp_world_size {_COUNT}")),
    ("kv_dtype", str, re.compile(r"Using (\w+) data type to store kv cache")),
    ("utilization", ratio, re.compile(r"gpu_memory_utilization(?:=| \()(0\.\d+|1\.0+)")),
)
_SAID_SETTINGS = (
    ("num_gpu_blocks_override", re.compile(rf"with num_gpu_blocks_override={_COUNT}")),
    ("mamba_cache_mode", re.compile(r"Mamba cache mode is set to '(\w+)'")),
)
_HYBRID_OFF = re.compile(r"Turning off hybrid kv cache manager")
_VERSIONS = (
    re.compile(r"Initializing an? (?:V1 )?LLM engine \(v([^()\s]{1,60})\)"),
    re.compile(r"vLLM API server version ([\w.+!-]{1,60})"),
    re.compile(r"[█▀▄]\s+version (\d[\w.+!-]{0,60})"),
)
_CONFIG = re.compile(r"with config: model=|non-default args: |\bargs: Namespace\(")
_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "model": ("model", str),
    "dtype": ("dtype", lambda text: None if text == "auto" else word(text)),
    "kv_cache_dtype": ("kv_dtype", word),
    "quantization": ("quantization", str),
    "tensor_parallel_size": ("tp", count),
    "pipeline_parallel_size": ("pp", count),
    "data_parallel_size": ("dp", count),
    "decode_context_parallel_size": ("dcp", count),
    "max_model_len": ("context", count),
    "max_seq_len": ("context", count),
    "block_size": ("block_size", count),
    "gpu_memory_utilization": ("utilization", ratio),
    "max_num_seqs": ("max_num_seqs", count),
    "max_num_batched_tokens": ("max_num_batched_tokens", count),
    "enable_prefix_caching": ("prefix_caching", flag),
}
_SETTINGS = {
    "num_gpu_blocks_override": "num_gpu_blocks_override",
    "mamba_cache_dtype": "mamba_cache_dtype",
    "mamba_ssm_cache_dtype": "mamba_ssm_cache_dtype",
    "mamba_cache_mode": "mamba_cache_mode",
    "num_speculative_tokens": "num_speculative_tokens",
    "num_spec_tokens": "num_speculative_tokens",
}
_SIGNS = (
    *("KV cache size", "KV cache memory", "KV Cache is", "kv_cache_size", "kv_cache_memory"),
    *("for KV Cache as", "stored in KV cache", "KV cache is needed", "oading took", "weights took"),
    *("weights take", "activation peak", "non_torch_memory", "secs, took", "total_gpu_memory", " blocks: "),
    *("Available memory: ", "block size to ", "tokens per request", "maximum model length", "padding layers"),
)
_MARKS = (
    *_SIGNS,
    *("with config: model=", "Namespace(", "non-default args", "ersion", "LLM engine (v", "max model len"),
    *("max seq len", "num_batched_tokens=", "data type to store", "gpu_memory_utilization"),
    *("num_gpu_blocks_override", "Mamba cache mode", "Turning off hybrid", "dcp_world_size"),
    *DRAFT_MARKS,
)
"""One of these is in every line that is read: a server's log is long, and few of its lines are of use."""


def read_vllm(lines: Sequence[Line]) -> StartUpLog:
    """Return what vLLM's lines say; a log of another engine has no figures."""
    chosen = marked(lines, _MARKS)
    return gather("vllm", chosen, version=_version, options=_options, figures=_figures)


def _version(text: str) -> str | None:
    if "ersion" not in text and "LLM engine (v" not in text:
        return None
    return next((match[1] for pattern in _VERSIONS if (match := pattern.search(text))), None)


def _figures(line: Line) -> Iterator[Figure]:
    for name, unit, pattern in _FIGURES:
        for match in pattern.finditer(line.text):
            # format_gib of 0.12 and later drops zeros after rounding to two decimals.
            printed = Printed(match[1], unit) if unit else Printed(match[1], match[2], decimals=2)
            yield Figure(name=name, printed=printed, line=line.number, worker=line.worker)


def _options(text: str) -> Iterator[dict[str, Any]]:
    if _CONFIG.search(text):
        yield _configured(text)
    for name, read, pattern in _SAID:
        if match := pattern.search(text):
            yield {name: read(match[1])}
    for name, pattern in _SAID_SETTINGS:
        if match := pattern.search(text):
            yield {"settings": {name: match[1].replace(",", "")}}
    if _HYBRID_OFF.search(text):
        yield {"settings": {"hybrid_manager": "false"}}
    yield from command_draft(text)
    yield from command_tokens(text)


def _configured(text: str) -> dict[str, Any]:
    """Return the options of the line in which vLLM repeats its configuration or its arguments."""
    start = _CONFIG.search(text)
    body = text[start.start() :] if start else text
    found: dict[str, Any] = dict(read_fields(body, _OPTIONS))
    method = field_text(body, "method")
    if "SpeculativeConfig(" in body or "'speculative_config': {" in body:
        found["draft"] = method or UNNAMED
    elif "speculative_config=None" in body:
        found["draft"] = NO_DRAFT
    settings = {ours: value for key, ours in _SETTINGS.items() if (value := field_text(body, key))}
    if flag(field_text(body, "disable_hybrid_kv_cache_manager") or ""):
        settings["hybrid_manager"] = "false"
    return {**found, "settings": settings}


READER = Reader(read=read_vllm, signs=_SIGNS, starts=_STARTS, ends=("KV tokens", "blocks"))

"""
The start-up lines of SGLang.

Sources: SGLang 0.5.23, mem_cache/memory_pool.py (pools), mem_cache/swa_memory_pool.py,
model_executor/model_runner.py (weights), managers/scheduler.py (max_total_num_tokens),
entrypoints/engine.py (server_args).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kvplan.reconcile.drafts import MARKS as DRAFT_MARKS
from kvplan.reconcile.drafts import command_draft
from kvplan.reconcile.fields import count, field_text, flag, ratio, read_fields, word
from kvplan.reconcile.lines import Line, marked
from kvplan.reconcile.log import NO_DRAFT, Figure, FigureName, StartUpLog, gather
from kvplan.reconcile.printed import Printed
from kvplan.reconcile.starts import Reader

_STARTS = re.compile(r"\bServerArgs\(")
LOOKED_FOR = "`KV Cache is allocated. ... #tokens: ...` or `max_total_num_tokens=...`"

_GB = r"(-?\d{1,15}(?:\.\d{1,6})?) ?(GB|GiB)"
_TOKENS = re.compile(r"#tokens: (\d{1,15})")
_KV: tuple[tuple[FigureName, re.Pattern[str]], ...] = (
    ("K size", re.compile(rf"\bK size: {_GB}")),
    ("V size", re.compile(rf"\bV size: {_GB}")),
    ("KV size", re.compile(rf"\bKV size: {_GB}")),
)
_SLOTS = re.compile(r"max_mamba_cache_size: (\d{1,15})")
_STATES: tuple[tuple[FigureName, re.Pattern[str]], ...] = (
    ("conv size", re.compile(rf"conv_state size: {_GB}")),
    ("state size", re.compile(rf"ssm_state size: {_GB}")),
)
# torch's names of what --kv-cache-dtype calls otherwise (mem_cache/kv_cache_dtype.py); each is a byte.
_TORCH_FP8 = {
    "float8_e4m3fn": "fp8_e4m3",
    "float8_e4m3fnuz": "fp8_e4m3",
    "float8_e5m2": "fp8_e5m2",
    "float8_e5m2fnuz": "fp8_e5m2",
}
_POOL_DTYPE = re.compile(r"(?:KV Cache is allocated\. dtype|Using KV cache dtype): torch\.(\w+)")
_TOTAL = re.compile(r"max_total_num_tokens=(\d{1,15})")
_SIZES: tuple[tuple[FigureName, re.Pattern[str]], ...] = (
    ("weights", re.compile(rf"Load weight end\..*\bmem usage={_GB}")),
    ("free memory", re.compile(rf"Load weight begin\. avail mem={_GB}")),
)
_COUNTS: tuple[tuple[FigureName, re.Pattern[str]], ...] = (
    ("KV tokens", _TOTAL),
    ("full tokens", re.compile(r"(?:full_layer_tokens|full size)[=:] ?(\d{1,15})")),
    ("window tokens", re.compile(r"(?:swa_layer_tokens|swa size)[=:] ?(\d{1,15})")),
)
_VERSION = re.compile(r"\bsglang[ =:v]*(?:version[ =:v]*)?(\d+\.\d+\.\d+[\w.+!-]{0,30})", re.IGNORECASE)
_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "model_path": ("model", str),
    "dtype": ("dtype", lambda text: None if text == "auto" else word(text)),
    "kv_cache_dtype": ("kv_dtype", word),
    "quantization": ("quantization", str),
    "tp_size": ("tp", count),
    "pp_size": ("pp", count),
    "dp_size": ("dp", count),
    "dcp_size": ("dcp", count),
    "context_length": ("context", count),
    "page_size": ("block_size", count),
    "mem_fraction_static": ("utilization", ratio),
    "max_running_requests": ("max_num_seqs", count),
    "chunked_prefill_size": ("max_num_batched_tokens", count),
}
_SETTINGS = (
    "swa_full_tokens_ratio",
    "mamba_full_memory_ratio",
    "max_mamba_cache_size",
    "mamba_ssm_dtype",
    "max_total_tokens",
    "disable_hybrid_swa_memory",
)
_TOTALS = {
    "context_len": ("context", count),
    "max_running_requests": ("max_num_seqs", count),
    "chunked_prefill_size": ("max_num_batched_tokens", count),
}
_SIGNS = (
    *("#tokens: ", "max_mamba_cache_size: ", "max_total_num_tokens=", "Load weight "),
    *("layer_tokens", "swa size", "full size"),
)
_MARKS = (*_SIGNS, "ServerArgs(", "KV cache dtype", "sglang", "SGLang", *DRAFT_MARKS)


def read_sglang(lines: Sequence[Line]) -> StartUpLog:
    """Return what SGLang's lines say; a log of another engine has no figures."""
    return gather("sglang", marked(lines, _MARKS), version=_version, options=_options, figures=_figures)


def _version(text: str) -> str | None:
    match = _VERSION.search(text)
    return match[1].rstrip(",.;)") if match else None


def _options(text: str) -> Iterator[dict[str, Any]]:
    if "ServerArgs(" in text:
        body = text[text.index("ServerArgs(") :]
        settings = {name: value for name in _SETTINGS if (value := field_text(body, name))}
        radix = flag(field_text(body, "disable_radix_cache") or "")
        draft = (
            NO_DRAFT if "speculative_algorithm=None" in body else field_text(body, "speculative_algorithm")
        )
        yield {
            **dict(read_fields(body, _OPTIONS)),
            "settings": {name: value for name, value in settings.items() if value != "False"},
            **({} if radix is None else {"prefix_caching": not radix}),
            **({"draft": draft} if draft else {}),
        }
    if _TOTAL.search(text):
        yield dict(read_fields(text, _TOTALS))
    if match := _POOL_DTYPE.search(text):
        yield {"kv_dtype": _TORCH_FP8.get(match[1], match[1])}
    yield from command_draft(text)


def _figures(line: Line) -> Iterator[Figure]:
    text = line.text
    tokens, slots = _TOKENS.search(text), _SLOTS.search(text)
    if tokens:
        yield _figure(line, "KV tokens", tokens[1], "tokens")
        yield from _sizes(line, _KV, tokens=int(tokens[1]))
    if slots:
        yield _figure(line, "state slots", slots[1], "slots")
        yield from _sizes(line, _STATES, slots=int(slots[1]))
    yield from _sizes(line, _SIZES)
    for name, pattern in _COUNTS:
        if match := pattern.search(text):
            yield _figure(line, name, match[1], "tokens")


def _sizes(
    line: Line, patterns: Sequence[tuple[FigureName, re.Pattern[str]]], **given: int
) -> Iterator[Figure]:
    for name, pattern in patterns:
        if match := pattern.search(line.text):
            yield _figure(line, name, match[1], match[2], **given)


def _figure(line: Line, name: FigureName, number: str, unit: str, **given: int) -> Figure:
    printed = Printed(number, unit, decimals=2 if unit in ("GB", "GiB") else 0)
    return Figure(name=name, printed=printed, line=line.number, worker=line.worker, given=given)


READER = Reader(read=read_sglang, signs=_SIGNS, starts=_STARTS)

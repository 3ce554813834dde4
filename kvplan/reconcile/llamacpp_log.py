"""
The start-up lines of llama.cpp, from `llama_kv_cache_init` of 2023 to `llama_kv_cache` of today.

Sources: llama.cpp's llama.cpp (until 2024), src/llama-kv-cache.cpp, src/llama-kv-cache-iswa.cpp,
src/llama-memory-recurrent.cpp and src/llama-context.cpp at 0c1e57098; `c^KV` is ik_llama.cpp's word
for a cache of MLA latents.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from kvplan.reconcile.drafts import MARKS as DRAFT_MARKS
from kvplan.reconcile.drafts import command_draft
from kvplan.reconcile.fields import count, flag
from kvplan.reconcile.lines import Line, marked
from kvplan.reconcile.log import Figure, FigureName, StartUpLog, merged
from kvplan.reconcile.printed import Printed
from kvplan.reconcile.starts import Reader

LOOKED_FOR = "`llama_kv_cache: size = ... MiB` or `KV self size = ... MiB`"

_MIB = r"(\d{1,12}(?:\.\d{1,6})?) (MiB|MB)"
# llama_kv_cache: size =  512.00 MiB ( 32768 cells,   4 layers,  4/1 seqs), K (f16):  256.00 MiB, V ...
_POOL = re.compile(
    rf"llama_kv_cache\w*: +size += +{_MIB} \( *(\d{{1,12}}) cells, *(\d{{1,6}}) layers"
    r"(?:, *(\d{1,6})(?:/ *(\d{1,6}))? seqs)?"
)
_SELF = re.compile(rf"[Kk][Vv] self size +=\s+{_MIB}")
_PARTS: tuple[tuple[FigureName, re.Pattern[str]], ...] = (
    ("K size", re.compile(rf"\bK \((\w+)\): +{_MIB}")),
    ("V size", re.compile(rf"\bV \((\w+)\): +{_MIB}")),
)
_LATENT = re.compile(r"c\^KV \((\w+)\)")
_STATES = re.compile(
    rf"llama_(?:memory|kv_cache)_recurrent: +size += +{_MIB} \( *(\d{{1,12}}) cells?, *(\d{{1,6}}) layers"
    r"(?:, *(\d{1,6}) seqs)?"
)
_STATE_PARTS: tuple[tuple[FigureName, re.Pattern[str]], ...] = (
    ("conv size", re.compile(rf"\bR \((\w+)\): +{_MIB}")),
    ("state size", re.compile(rf"\bS \((\w+)\): +{_MIB}")),
)
_CREATES = re.compile(r"creating +(non-SWA|SWA) KV cache")
_CONTEXT = re.compile(r"\bn_(ctx|seq_max|ubatch) += (\d{1,12})\b")
_SWITCH = re.compile(r"\b(flash_attn|kv_unified|swa_full) += (\w+)")
_NAME = re.compile(r"general\.name(?: +str)? += (.+)")
_VERSION = re.compile(r"\bbuild(?:_info)?(?::| =) (b?\d{1,6})\b")
_SIGNS = ("llama_kv_cache", "KV self size", "kv self size", "llama_memory_recurrent")
_MARKS = (
    *_SIGNS,
    *("creating", "n_ctx", "n_seq_max", "n_ubatch", "general.name", "build"),
    *("flash_attn", "kv_unified", "swa_full"),
    *DRAFT_MARKS,
)
_OPTIONS = {"ctx": "context", "seq_max": "max_num_seqs", "ubatch": "max_num_batched_tokens"}


def read_llamacpp(lines: Sequence[Line]) -> StartUpLog:
    """Return what llama.cpp's lines say; a log of another engine has no figures."""
    options: list[dict[str, Any]] = []
    figures: list[Figure] = []
    version: str | None = None
    window: bool | None = None
    for line in marked(lines, _MARKS):
        if build := _VERSION.search(line.text):
            version = build[1].removeprefix("b")
        if creates := _CREATES.search(line.text):
            window = creates[1] == "SWA"
        options += _options(line.text)
        figures += _pools(line, window)
    options = [_from_pools(figures), *options]
    return StartUpLog(engine="llamacpp", version=version, options=merged(options), figures=tuple(figures))


def _from_pools(figures: Sequence[Figure]) -> dict[str, Any]:
    """Return what the caches say of the options: `4/1 seqs` are four slots that share one stream."""
    pools = [each.given for each in figures if each.name == "KV size" and "cells" in each.given]
    whole = next((given for given in pools if not given.get("window")), None)
    if whole is None:
        return {}
    slots, streams = whole.get("sequences", 1), whole.get("streams", 1)
    unified = {"kv_unified": "on" if streams == 1 else "off"} if slots > 1 and "streams" in whole else {}
    return {"context": whole["cells"] * streams, "max_num_seqs": slots, "settings": unified}


def _options(text: str) -> Iterator[dict[str, Any]]:
    # A server's slots say n_ctx too, each its own.
    for match in _CONTEXT.finditer("" if "slot" in text else text):
        yield {_OPTIONS[match[1]]: count(match[2])}
    for match in _SWITCH.finditer(text):
        if (on := flag(match[2])) is not None:
            yield {"settings": {match[1]: "on" if on else "off"}}
    yield from command_draft(text)
    if name := _NAME.search(text):
        yield {"model": name[1].strip()}
    key, value = (pattern.search(text) for _, pattern in _PARTS)
    if latent := _LATENT.search(text):
        yield {"kv_dtype": latent[1]}
    elif key and value:
        yield {"kv_dtype": key[1] if key[1] == value[1] else f"{key[1]},value={value[1]}"}


def _pools(line: Line, window: bool | None) -> Iterator[Figure]:  # noqa: FBT001 - which cache is made
    """Yield the figures of a line that sums a cache up; the lines of single devices are not read."""
    which = {} if window is None else {"window": int(window)}
    if states := _STATES.search(line.text):
        yield from _cache(line, "state memory", states, _STATE_PARTS, _given(*states.groups()[2:]))
    elif pool := _POOL.search(line.text):
        yield from _cache(line, "KV size", pool, _PARTS, which | _given(*pool.groups()[2:]))
    elif whole := _SELF.search(line.text):
        yield from _cache(line, "KV size", whole, _PARTS, {})


def _cache(
    line: Line,
    name: FigureName,
    match: re.Match[str],
    parts: Sequence[tuple[FigureName, re.Pattern[str]]],
    given: dict[str, int],
) -> Iterator[Figure]:
    def figure(which: FigureName, number: str, unit: str) -> Figure:
        printed = Printed(number, unit, decimals=2)
        return Figure(name=which, printed=printed, line=line.number, given=given)

    yield figure(name, match[1], match[2])
    for part, pattern in parts:
        if found := pattern.search(line.text):
            yield figure(part, found[2], found[3])


def _given(*counts: str | None) -> dict[str, int]:
    names = ("cells", "layers", "sequences", "streams")
    return {name: int(each) for name, each in zip(names, counts, strict=False) if each}


_STARTS = re.compile(rf"{_VERSION.pattern}|msg=\"starting (?:go |llama )?(?:runner|server)\"")
"""llama.cpp's own line, or ollama's, which runs one model after another (its llm/server.go)."""

READER = Reader(read=read_llamacpp, signs=_SIGNS, starts=_STARTS)

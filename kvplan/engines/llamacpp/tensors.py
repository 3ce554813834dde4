"""From the terms of a layer to the K and V (or R and S) tensors that llama.cpp makes for it."""

from collections.abc import Iterator
from itertools import groupby

from kvplan.dtypes import FP32, RECURRENT_ROLES
from kvplan.engines.llamacpp.cells import CacheId
from kvplan.engines.llamacpp.errors import RefusedError
from kvplan.records import record
from kvplan.terms import Fixed, Growing, Layer, Term

KV_TYPES = ("fp32", "fp16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
"""What --cache-type-k and --cache-type-v take (common/arg.cpp, kv_cache_types)."""

# llama-kv-cache-dsv4.cpp: entries of 4 tokens (csa) and of 128 (hca), by what it calls their caches.
_COMPRESSED = {4: "csa", 128: "hca"}


@record
class Tensors:
    """
    What one layer has in one cache: bytes of each cell in its first tensor (K, R) and second (V, S).

    `extra` says which of them the formula does not have, or has more of: a line's name and bytes.
    """

    cache: CacheId
    terms: Layer
    first_bytes: int
    second_bytes: int
    extra: tuple[tuple[str, int], ...] = ()

    @property
    def cell_bytes(self) -> int:
        """Bytes of a cell in both tensors."""
        return self.first_bytes + self.second_bytes


def layer_tensors(layer: Layer, *, windows: bool) -> Iterator[Tensors]:
    """
    Yield the tensors of one layer, an allocation each, in the order of its terms.

    *windows* says whether a sliding layer has a cache of its own. Raises RefusedError for what
    llama.cpp cannot store, or kvplan does not know of it.
    """
    for term in layer:
        if isinstance(term.known_rows, Growing) and term.known_rows.skip:
            raise _no_type(term)
    for allocation, grouped in groupby(layer, key=lambda term: term.allocation):
        terms = tuple(grouped)
        roles = {term.role for term in terms}
        if roles == {"key", "value"}:
            yield _keys_and_values(terms, windows=windows)
        elif roles == {"latent", "rope"}:
            yield _one_tensor(CacheId(name="kv", rule="full"), terms)
        elif roles == {"indexer"}:
            yield _indexer(terms, layer)
        elif roles == {"entry", "rope"}:
            yield _entries(terms)
        elif roles == {"state"} and isinstance(terms[0].known_rows, Growing):
            yield _compressor(allocation.pool, terms)
        elif roles <= RECURRENT_ROLES:
            yield _state(terms)
        else:
            raise _unknown(terms)


def _keys_and_values(terms: Layer, *, windows: bool) -> Tensors:
    if len(terms) > 2 or isinstance(terms[0].known_rows, Fixed):  # noqa: PLR2004 - K and V alone
        raise _unknown(terms)
    key, value = terms
    window = key.known_rows.window if isinstance(key.known_rows, Growing) else None
    if window is None or not windows:
        cache = CacheId(name="kv", rule="full")
    else:
        cache = CacheId(name="swa", rule="window", window=window)
    return Tensors(cache=cache, terms=terms, first_bytes=_cell(key), second_bytes=_cell(value))


def _one_tensor(cache: CacheId, terms: Layer) -> Tensors:
    """Return rows that are one tensor and so have one type: no V is cached (llama-kv-cache.cpp, has_v)."""
    if len({term.dtype for term in terms}) > 1:
        names = " and ".join(dict.fromkeys(term.dtype.name for term in terms))
        raise RefusedError(f"llama.cpp keeps {terms[0].label} and all beside it in one type, not in {names}")
    return Tensors(cache=cache, terms=terms, first_bytes=sum(map(_cell, terms)), second_bytes=0)


def _indexer(terms: Layer, layer: Layer) -> Tensors:
    """
    Return the indexer's keys; beside K and V they have values of one head, which nothing reads.

    llama-kv-cache-dsa.cpp and -dsv4.cpp tell the cache that it holds latents, without V;
    llama-kv-cache-msa.cpp (MiniMax-M3) does not.
    """
    (term,) = terms
    stride = term.known_rows.stride if isinstance(term.known_rows, Growing) else 1
    if stride > 1:
        return _one_tensor(CacheId(name="lid", rule="compressed", stride=stride, apart=True), terms)
    plain = _one_tensor(CacheId(name="indexer", rule="full"), terms)
    values = [other for other in layer if other.role == "value"]
    if not values:
        return plain
    unread = values[0].row_bytes
    return Tensors(
        cache=plain.cache,
        terms=terms,
        first_bytes=plain.first_bytes,
        second_bytes=unread,
        extra=(("indexer values", unread),),
    )


def _entries(terms: Layer) -> Tensors:
    """Return DeepSeek-V4's entries, of its window or compressed (llama-kv-cache-dsv4.cpp)."""
    rows = terms[0].known_rows
    if not isinstance(rows, Growing):
        raise _unknown(terms)
    if rows.window is not None:
        return _one_tensor(CacheId(name="raw", rule="window", window=rows.window, apart=True), terms)
    if rows.stride not in _COMPRESSED:
        raise RefusedError(f"llama.cpp compresses 4 or 128 tokens to an entry, not {rows.stride}")
    name = _COMPRESSED[rows.stride]
    return _one_tensor(CacheId(name=name, rule="compressed", stride=rows.stride, apart=True), terms)


def _compressor(name: str, terms: Layer) -> Tensors:
    """Return the rows that wait to be compressed: a `kv` and a `score` half, in float32."""
    (term,) = terms
    window = term.known_rows.window if isinstance(term.known_rows, Growing) else None
    half = FP32.row_bytes(term.width * term.split.count) // 2
    return Tensors(
        cache=CacheId(name=name, rule="ring", window=window or 0, apart=True),
        terms=terms,
        first_bytes=half,
        second_bytes=half,
        extra=_float32(2 * half - term.row_bytes * term.split.count),
    )


def _state(terms: Layer) -> Tensors:
    """
    Return the R and S tensors of a recurrent layer, both in float32.

    R holds the convolutions' inputs or the token shifts, S the states: n_embd_r and n_embd_s in
    llama-hparams.cpp, GGML_TYPE_F32 in llama-model.cpp (create_memory).
    """
    if any(term.role == "sums" for term in terms):
        raise _unknown(terms)
    convolutions = sum(_float32_bytes(term) for term in terms if term.role in ("conv", "shift"))
    states = sum(_float32_bytes(term) for term in terms if term.role == "state")
    formula = sum(term.bytes_on_rank(0, 1) for term in terms)
    return Tensors(
        cache=CacheId(name="rs", rule="state"),
        terms=terms,
        first_bytes=convolutions,
        second_bytes=states,
        extra=_float32(convolutions + states - formula),
    )


def _cell(term: Term) -> int:
    """Return the bytes of one cell; raise RefusedError for a type that llama.cpp does not cache in."""
    if term.dtype.name not in KV_TYPES:
        raise _no_type(term)
    return term.row_bytes * term.split.count


def _float32_bytes(term: Term) -> int:
    return FP32.row_bytes(term.width) * term.rows.at(0) * term.split.count


def _float32(more: int) -> tuple[tuple[str, int], ...]:
    return (("float32 states", more),) if more else ()


def _no_type(term: Term) -> RefusedError:
    known = ", ".join(KV_TYPES)
    return RefusedError(f"llama.cpp keeps no {term.role} rows in {term.dtype.name}: use --kv-dtype {known}")


def _unknown(terms: Layer) -> RefusedError:
    names = ", ".join(dict.fromkeys(term.label for term in terms))
    return RefusedError(f"kvplan does not know how llama.cpp keeps {names}: choose another engine")

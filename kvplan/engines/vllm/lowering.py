"""From the terms of a layer to the pages that vLLM keeps for it."""

from collections.abc import Iterable
from dataclasses import replace

from kvplan.dtypes import BF16, FP8_SCALED_64, FP8_SCALED_128, RECURRENT_ROLES, Dtype
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.options import VllmOptions
from kvplan.engines.vllm.pages import PageSpec, Paging
from kvplan.engines.vllm.versions import VllmRules
from kvplan.records import record
from kvplan.terms import Allocation, Fixed, Growing, Layer, Term, distinct

# vLLM 0.33, model_executor/layers/attention/mla_attention.py: rows of one opaque size each.
_PACKED_MLA_ROWS: dict[tuple[str, ...], int] = {(FP8_SCALED_128.name, "bf16"): 656, ("nvfp4", "fp8"): 352}
_PLAIN = ("fp32", "bf16", "fp16", "fp8")
# vLLM 0.33, v1/attention/backends/triton_attn.py and utils/torch_utils.py (nvfp4).
_PER_HEAD = ("int8_per_token_head", "fp8_per_token_head", "int4_per_token_head", "nvfp4")

# vLLM 0.33: v1/attention/backends/mla/sparse_swa.py; models/deepseek_v4/compressor.py and
# attention.py. A compressor's block size follows from its window, 2 x 4 or 1 x 128 tokens.
_WINDOW_BLOCK = 64
_COMPRESSOR_BLOCKS = {8: 4, 128: 8}
# models/deepseek_v41 has 1 and 2, with other records, blocks and a ring for what waits.
_RATIOS = (4, 128)
_PACKED_ALIGNMENT = 576
_PLAIN_ALIGNMENT = 512


def allocations(layer: Layer) -> tuple[Layer, ...]:
    """Return the terms of a layer apart by what is paged together, in their order."""
    found: dict[Allocation, list[Term]] = {}
    for term in layer:
        found.setdefault(term.allocation, []).append(term)
    return tuple(tuple(terms) for terms in found.values())


@record
class Lowering:
    """What turns terms into pages beside the terms themselves; `block_size` is that of attention."""

    tp: int
    rules: VllmRules
    options: VllmOptions
    block_size: int

    def layer_specs(self, layer: Layer) -> tuple[PageSpec, ...]:
        """
        Return the pages of one layer on one rank, an allocation each, in the order of its terms.

        Raises SplitError where units do not spread over tp, and RefusedError for what vLLM cannot
        store: a dtype, or a state that it has no function for.
        """
        return tuple(self._page(terms, layer) for terms in allocations(layer))

    def pages(self, layers: Iterable[Layer]) -> list[PageSpec]:
        """Return the pages that occur in *layers*, those of equal layers once."""
        return [spec for layer in distinct(layers) for spec in self.layer_specs(layer)]

    def _page(self, terms: Layer, layer: Layer) -> PageSpec:
        roles = {term.role for term in terms}
        if any(isinstance(term.known_rows, Growing) and term.known_rows.skip for term in terms):
            raise RefusedError(f"{self.rules.name} keeps no newest tokens apart: choose another KV dtype")
        if roles == {"key", "value"}:
            return self._keys_and_values(terms)
        if any(term.role == "entry" for term in layer):
            return self._compressed(terms, packed=any(term.dtype == FP8_SCALED_64 for term in layer))
        if roles <= RECURRENT_ROLES:
            return self._state(terms)
        if roles == {"indexer"}:
            return self._indexer(terms, beside_keys=any(term.role == "key" for term in layer))
        return self._latent(terms)

    def _keys_and_values(self, terms: Layer) -> PageSpec:
        if len(terms) > 2:  # noqa: PLR2004 - K and V; a learned prefix has its own K and V beside them
            raise self._unknown("a learned prefix beside K and V")
        key, value = terms
        if key.dtype != value.dtype or key.dtype.name not in _PLAIN + _PER_HEAD:
            raise self._no_dtype(terms)
        rows = key.known_rows
        given = rows.window if isinstance(rows, Growing) else None
        window = self.options.windows.of(given)
        return PageSpec(
            paging="full" if window is None and given else _paging(rows),
            heads=key.split.on_rank(self.tp),
            widths=(key.width, value.width),
            dtype=key.dtype.name,
            row_bytes=key.row_bytes + value.row_bytes,
            block_size=self.block_size,
            window=window,
        )

    def _latent(self, terms: Layer) -> PageSpec:
        dtypes = tuple(dict.fromkeys(term.dtype.name for term in terms))
        row_bytes = sum(term.row_bytes for term in terms)
        if dtypes not in _PACKED_MLA_ROWS and (len(dtypes) > 1 or dtypes[0] not in _PLAIN):
            raise self._no_dtype(terms)
        if _PACKED_MLA_ROWS.get(dtypes, row_bytes) != row_bytes:
            raise RefusedError(
                f"{self.rules.name} packs MLA rows of 512 + 64 elements ({_PACKED_MLA_ROWS[dtypes]} bytes) "
                f"only; these take {row_bytes}"
            )
        width = sum(term.width for term in terms)
        return self._mla("mla", width, "+".join(dtypes), row_bytes)

    def _indexer(self, terms: Layer, *, beside_keys: bool) -> PageSpec:
        """Source: DeepseekV32IndexerCache in deepseek_v2.py; MiniMaxM3IndexerCache (bf16 unless asked)."""
        (term,) = terms
        if beside_keys and not self.rules.selectors:
            raise self._unknown("a selector's keys beside K and V")
        row_bytes = BF16.row_bytes(term.width) if beside_keys else _indexer_row(term.width)
        return self._mla("mla", term.width, "indexer", row_bytes)

    def _compressed(self, terms: Layer, *, packed: bool) -> PageSpec:
        """Source: vLLM 0.24 to 0.33, models/deepseek_v4."""
        rows = terms[0].known_rows
        if self.rules.compressed == "unknown" or not isinstance(rows, Growing):
            raise self._unknown("compressed attention")
        if self.rules.compressed == "by page size" and not packed:
            raise self._unknown("compressed attention in rows that are not packed")
        alignment = _PACKED_ALIGNMENT if packed else _PLAIN_ALIGNMENT
        page = replace(self._compressed_rows(terms, packed=packed), alignment=alignment)
        if rows.window is not None:
            block = self._compressor_block(rows.window) if terms[0].role == "state" else _WINDOW_BLOCK
            return replace(page, paging="sliding mla", block_size=block, window=rows.window)
        if rows.stride not in _RATIOS:
            raise self._unknown(f"compressed attention of ratio {rows.stride} (DeepSeek-V4.1)")
        if self.block_size % rows.stride:
            raise RefusedError(
                f"a block of {self.block_size} tokens is no multiple of the {rows.stride} that share "
                "an entry: choose another block size"
            )
        return replace(page, stride=rows.stride)

    def _compressed_rows(self, terms: Layer, *, packed: bool) -> PageSpec:
        """Return the page before its alignment and its window or stride."""
        width = sum(term.width for term in terms)
        if terms[0].role == "indexer":
            return self._mla("mla", width, "indexer", _indexer_row(width))
        dtypes = sorted({term.dtype.name for term in terms})
        if terms[0].role == "entry" and not packed and (len(dtypes) > 1 or dtypes[0] not in _PLAIN):
            raise self._no_dtype(terms)
        return self._mla("mla", width, "+".join(dtypes), sum(term.row_bytes for term in terms))

    def _compressor_block(self, window: int) -> int:
        if window not in _COMPRESSOR_BLOCKS:
            raise self._unknown(f"a compressor of {window} tokens")
        return _COMPRESSOR_BLOCKS[window]

    def _state(self, terms: Layer) -> PageSpec:
        for term in terms:
            if term.role not in ("state", "conv"):
                raise RefusedError(
                    f"{self.rules.name} has no state function for {term.label}: it cannot serve this model"
                )
            # model_executor/layers/mamba/mamba_mixer2.py (0.33) asserts it.
            if term.split.replicable and 1 < term.split.count < self.tp:
                raise RefusedError(
                    f"{self.rules.name} does not replicate {term.split.count} groups of {term.label} over "
                    f"tp={self.tp}: it takes a tp that divides them, or one group"
                )
        if self.options.speculative_tokens and not self.rules.speculative_states:
            raise self._unknown("states with speculative tokens")
        kept = [(term, self._state_dtype(term), self._state_rows(term, terms)) for term in terms]
        units = [(term, dtype, rows * term.split.on_rank(self.tp)) for term, dtype, rows in kept]
        return PageSpec(
            paging="state",
            heads=1,
            widths=tuple(count * term.width for term, _, count in units),
            dtype="+".join(dtype.name for _, dtype, _ in units),
            row_bytes=sum(count * dtype.row_bytes(term.width) for term, dtype, count in units),
            checkpoints=self._checkpoints(terms),
        )

    def _state_dtype(self, term: Term) -> Dtype:
        chosen = self.options.conv_dtype if term.role == "conv" else self.options.state_dtype
        return chosen or term.dtype

    def _state_rows(self, term: Term, terms: Layer) -> int:
        """
        Return the rows of a state: a convolution keeps a column more for each speculative token.

        But not that of Mamba-1, whose state has the convolution's own channels: mamba_utils.py.
        """
        of_channels = any(each.role == "state" and each.split.unit == "channels" for each in terms)
        longer = term.role == "conv" and not of_channels
        return term.rows.at(0) + (self.options.speculative_tokens if longer else 0)

    def _checkpoints(self, terms: Layer) -> int:
        """
        Return the state blocks that a prefill exports beside the two of mode align.

        Mamba-2 layers, whose convolution also covers B and C, always have one since 0.32
        (mamba_mixer2.py); others only with some kernels.
        """
        if self.options.checkpoint_blocks is not None:
            return self.options.checkpoint_blocks
        groups = any(term.role == "conv" and term.split.replicable for term in terms)
        return self.rules.checkpoints if groups else 0

    def _mla(self, paging: Paging, width: int, dtype: str, row_bytes: int) -> PageSpec:
        return PageSpec(
            paging=paging,
            heads=1,
            widths=(width,),
            dtype=dtype,
            row_bytes=row_bytes,
            block_size=self.block_size,
        )

    def _no_dtype(self, terms: Layer) -> RefusedError:
        dtypes = " and ".join(dict.fromkeys(term.dtype.name for term in terms))
        return RefusedError(
            f"{self.rules.name} cannot store {_names(terms)} in {dtypes}: choose another KV dtype"
        )

    def _unknown(self, what: str) -> RefusedError:
        return RefusedError(f"how {self.rules.name} pages {what} is not known to kvplan")


def _paging(rows: Fixed | Growing) -> Paging:
    if isinstance(rows, Fixed):
        return "cross"
    if rows.window is None:
        return "full"
    return "chunked" if rows.chunked else "sliding"


def _indexer_row(width: int) -> int:
    """Return the bytes of an indexer's key: fp8 and a float32 scale per 128, whatever the KV dtype."""
    return width + width // 128 * 4


def _names(terms: Layer) -> str:
    return " and ".join(dict.fromkeys(term.label for term in terms))

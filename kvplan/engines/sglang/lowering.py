"""From the terms of one layer to what SGLang stores of a token, and of a state."""

from kvplan.dtypes import BF16, FP8_SCALED_128, FP32, NVFP4, RECURRENT_ROLES, Dtype
from kvplan.engines.sglang.errors import RefusedError
from kvplan.engines.sglang.options import SglangOptions
from kvplan.engines.sglang.versions import SglangRules
from kvplan.records import record
from kvplan.terms import Fixed, Growing, Layer, Term

_PLAIN = ("fp32", "bf16", "fp16", "fp8")
_HEADS = (*_PLAIN, "mxfp8")
# Latent and RoPE key of sparse MLA in 656 bytes: calculate_mla_kv_cache_dim, kv_cache_configurator.py.
_SCALED_LATENT = [FP8_SCALED_128, BF16]


@record
class Cell:
    """
    What one layer stores of a token on a rank, in bytes: its row, and the key of its indexer.

    `window` is None for a layer that keeps all tokens.
    """

    row_bytes: int
    indexer_bytes: int
    window: int | None


@record
class Lowering:
    """What turns terms into bytes on a rank beside the terms themselves."""

    options: SglangOptions
    rules: SglangRules

    def cell(self, layer: Layer) -> Cell | None:
        """
        Return what a layer stores of a token; None for one that stores nothing.

        Raises SplitError where units do not spread over tp, and RefusedError for what SGLang cannot
        store or kvplan has not read.
        """
        terms = [term for term in layer if term.role not in RECURRENT_ROLES]
        rows = [term for term in terms if term.role != "indexer"]
        if not terms:
            return None
        for term in terms:
            self._require_row(term)
        # One attention, or LongCat's two alike, for which num_attention_layers counts a layer twice.
        if len({(term.role, term.split, term.width, term.known_rows) for term in rows}) != 2:  # noqa: PLR2004 - a pair
            raise self._unknown("unlike attentions in one layer")
        indexer = [term for term in terms if term.role == "indexer"]
        self._require_dtypes(rows, beside_indexer=bool(indexer))
        return Cell(
            row_bytes=sum(term.row_bytes * term.split.on_rank(self.options.tp) for term in rows),
            indexer_bytes=sum(indexer_row(term.width) for term in indexer),
            window=rows[0].known_rows.window if isinstance(rows[0].known_rows, Growing) else None,
        )

    def slot_bytes(self, layer: Layer) -> int:
        """Return the bytes of one slot of a layer's recurrent states; 0 for one that has none."""
        return sum(self._state_bytes(term) for term in layer if term.role in RECURRENT_ROLES)

    def _require_row(self, term: Term) -> None:
        if isinstance(term.known_rows, Fixed):
            raise self._unknown(
                f"{term.label} of a fixed number of tokens (cross-attention, a learned prefix)"
            )
        if term.role == "entry" or term.known_rows.stride != 1:
            raise self._unknown("compressed attention")
        if term.known_rows.skip or term.known_rows.newest:
            raise RefusedError(f"{self.rules.name} keeps no newest tokens apart: choose another KV dtype")

    def _require_dtypes(self, rows: list[Term], *, beside_indexer: bool) -> None:
        roles = {term.role for term in rows}
        dtypes = [term.dtype for term in rows]
        if roles == {"key", "value"}:
            if beside_indexer:
                raise self._unknown("a selector's keys beside K and V")
            known = dtypes[0] == dtypes[1] and dtypes[0].name in _HEADS
        else:
            # Layers that reuse another's choice of tokens have the rows of those with an indexer.
            sparse = self.options.sparse
            alike = all(dtype == dtypes[0] for dtype in dtypes)
            known = (alike and (dtypes[0].name in _PLAIN or (dtypes[0] == NVFP4 and not sparse))) or (
                sparse and dtypes == _SCALED_LATENT
            )
        if not known:
            names = " and ".join(dict.fromkeys(dtype.name for dtype in dtypes))
            raise RefusedError(
                f"how {self.rules.name} stores {' and '.join(term.label for term in rows)} in {names} is not "
                "known to kvplan: choose another KV dtype"
            )

    def _state_bytes(self, term: Term) -> int:
        """
        Return the bytes of a part of a state: k - 1 columns of a convolution, or the state itself.

        Source: Mamba2StateShape and KimiLinearStateShape in configs/mamba_utils.py; replicated groups
        in layers/attention/mamba/mamba.py, which takes a tp that divides them, or one group.
        """
        if isinstance(term.known_rows, Growing) or term.role not in ("state", "conv"):
            raise RefusedError(f"{self.rules.name} has no pool for {term.label}: it cannot serve this model")
        if term.split.replicable and 1 < term.split.count < self.options.tp:
            raise RefusedError(
                f"{self.rules.name} does not replicate {term.split.count} groups of {term.label} over "
                f"tp={self.options.tp}: it takes a tp that divides them, or one group"
            )
        units = term.known_rows.count * term.split.on_rank(self.options.tp)
        return units * self._state_dtype(term).row_bytes(term.width)

    def _state_dtype(self, term: Term) -> Dtype:
        """
        Return bfloat16 for convolutions, whatever the model's dtype, and for states float32 unless told.

        Source: mamba2_state_dtype in configs/mamba_utils.py: SGLANG_MAMBA_CONV_DTYPE, then mamba_ssm_dtype
        as given, as in the release's config, or float32.
        """
        if term.role == "conv":
            return BF16
        return self.options.state_dtype or (term.dtype if self.options.states_fixed else FP32)

    def _unknown(self, what: str) -> RefusedError:
        return RefusedError(f"how {self.rules.name} stores {what} is not known to kvplan")


def indexer_row(width: int) -> int:
    """
    Return the bytes of an indexer's key: fp8 and a float32 scale per 128, whatever the KV dtype.

    Source: _compute_dsa_indexer_cell_size in model_executor/pool_configurator.py.
    """
    return width + width // 128 * 4

"""Blocks that are raised and pages that are padded so that unlike layers share them."""

from collections.abc import Sequence
from dataclasses import replace
from math import lcm

from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.options import VllmOptions
from kvplan.engines.vllm.pages import PageSpec
from kvplan.engines.vllm.versions import VllmRules
from kvplan.records import record
from kvplan.units import ceil_div

# v1/attention/backends/flashinfer.py: the kernel's blocks, and that from which on some GPUs have more.
_FLASHINFER_BLOCKS = (16, 32, 64)
_FLASHINFER_LARGE = 128


@record
class Alignment:
    """
    The block size of attention, and the pages that states and windows are padded to; None leaves them.

    The block of a padded window is a multiple of `kernel_block`, the attention kernel's smallest; with
    `powers` one of FlashInfer's, the only backend that stores nvfp4.
    """

    block_size: int
    kernel_block: int = 1
    state_page_bytes: int | None = None
    window_page_bytes: int | None = None
    powers: bool = False

    def padded(self, spec: PageSpec) -> PageSpec:
        """Return *spec* at this alignment's page size, if it is a state or a window that is padded."""
        if spec.paging == "sliding" and self.window_page_bytes is not None:
            return self._padded_window(spec, self.window_page_bytes)
        if spec.paging != "state" or self.state_page_bytes in (None, spec.content_bytes):
            return spec
        return replace(spec, padded_bytes=self.state_page_bytes)

    def _padded_window(self, spec: PageSpec, page_bytes: int) -> PageSpec:
        """Return a window in the largest block of its own that a page holds (attention.py)."""
        tokens = page_bytes // (spec.heads * spec.row_bytes)
        if self.powers and tokens >= _FLASHINFER_LARGE:
            raise RefusedError(
                f"in which blocks FlashInfer reads windows in pages of {tokens} tokens is not known to "
                "kvplan: choose a smaller block size, or another KV dtype"
            )
        block = max(1, tokens // self.kernel_block) * self.kernel_block
        if self.powers:
            block = max(
                (each for each in _FLASHINFER_BLOCKS if each <= tokens), default=_FLASHINFER_BLOCKS[0]
            )
        return replace(spec, block_size=block, padded_bytes=page_bytes)


def align(
    specs: Sequence[PageSpec],
    *,
    block_size: int,
    kernel_block: int,
    rules: VllmRules,
    options: VllmOptions,
) -> Alignment:
    """
    Return the block that vLLM raises *block_size* to, so that an attention page holds a state.

    *specs* are those of all layers; without states or without attention nothing changes. Raises
    RefusedError where attention layers differ, because vLLM then aligns to the size of one of them.
    Source: vLLM 0.33, platforms/interface.py, _align_hybrid_block_size.
    """
    state_bytes = max((spec.content_bytes for spec in specs if spec.paging == "state"), default=0)
    attention = _attention(specs)
    if not state_bytes or not attention:
        return Alignment(block_size=block_size, kernel_block=kernel_block)
    token_bytes = _token_bytes(attention, "states", rules)
    unit = max(kernel_block, block_size) if rules.align_from_block else kernel_block
    if any(spec.paging == "mla" for spec in attention):
        unit = max(unit, rules.align_mla)
    if options.states(rules, hybrid=True) == "align" and rules.align_checkpoints:
        unit = lcm(unit, options.checkpoint_alignment)
    block = max(block_size, unit * ceil_div(state_bytes, unit * token_bytes))
    return Alignment(block_size=block, kernel_block=kernel_block, state_page_bytes=block * token_bytes)


def align_skipped(
    alignment: Alignment, quantised: Sequence[PageSpec], plain: Sequence[PageSpec], rules: VllmRules
) -> Alignment:
    """
    Return the block in which a quantised page holds one of a layer that is left in the model's dtype.

    *quantised* are the pages of all layers if none is left so, *plain* if all are. Source: vLLM 0.33,
    platforms/interface.py, _align_heterogeneous_kv_block_size; alike since 0.26.
    """
    token_bytes, plain_bytes = (
        _token_bytes(_attention(specs), "skipped layers", rules) for specs in (quantised, plain)
    )
    if plain_bytes < token_bytes:
        raise RefusedError(f"{rules.name} skips no layers of a cache that is wider than the model's dtype")
    if plain_bytes == token_bytes:
        return alignment
    unit = max(alignment.kernel_block, alignment.block_size)
    needed = max(plain_bytes * alignment.kernel_block, alignment.state_page_bytes or 0)
    block = max(alignment.block_size, unit * ceil_div(needed, unit * token_bytes))
    shared = block * token_bytes
    return replace(
        alignment,
        block_size=block,
        state_page_bytes=None if alignment.state_page_bytes is None else shared,
        window_page_bytes=shared,
        powers=any(spec.dtype == "nvfp4" for spec in quantised),
    )


def _attention(specs: Sequence[PageSpec]) -> list[PageSpec]:
    return [spec for spec in specs if spec.paging != "state" and spec.dtype != "indexer"]


def _token_bytes(attention: Sequence[PageSpec], what: str, rules: VllmRules) -> int:
    """
    Return the bytes of one token in an attention layer, as the alignment counts them.

    A packed MLA row counts as its elements at one byte each, without its scales.
    """
    sizes = {
        spec.widths[0] if spec.paging == "mla" and "+" in spec.dtype else spec.heads * spec.row_bytes
        for spec in attention
    }
    if len(sizes) != 1 or any(len(set(spec.widths)) > 1 for spec in attention):
        raise RefusedError(
            f"how {rules.name} aligns {what} to attention layers of unlike sizes is not known to kvplan"
        )
    return sizes.pop()

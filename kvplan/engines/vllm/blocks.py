"""The block of a cache: what vLLM takes unasked, and the kernel's, of which every block is a multiple."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from kvplan.dtypes import Role
from kvplan.engines.vllm.backends import BLACKWELL, HOPPER, family_of, find_backend, major_of, roles_of
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.latents import reads_any_width
from kvplan.engines.vllm.versions import VllmRules
from kvplan.gpus import Card
from kvplan.records import record
from kvplan.terms import Layer


@record
class BlockSizes:
    """The block that is taken unasked, and the kernel's smallest, of which every block is a multiple."""

    block_size: int
    kernel_block: int


def choose_blocks(
    layers: Sequence[Layer], rules: VllmRules, backend: str | None, major: int | None
) -> BlockSizes:
    """Return the blocks of a *backend*, of the release's usual one on such a card if none is named."""
    roles = roles_of(layers)
    if backend is None:
        return _usual_blocks(layers, roles, rules, major)
    chosen = find_backend(backend)
    if family_of(roles) != chosen.reads:
        raise RefusedError(
            f"the attention backend {backend} reads {chosen.reads}: choose another for this model, or none"
        )
    if backend == "FLASHINFER_MLA":
        return BlockSizes(block_size=rules.flashinfer_mla_block, kernel_block=chosen.kernel_block)
    if backend == "FLASH_ATTN" and major == BLACKWELL and rules.version >= _HEADS_OF_256:
        _require_other_heads(layers)
    wide = _wide_block(layers, rules, major) if backend in ("FLASH_ATTN", "TRITON_FLASH_ATTN") else None
    block = wide or chosen.kernel_block
    return BlockSizes(block_size=block, kernel_block=block)


_HEADS_OF_256: tuple[int, int] = (0, 30)
"""The release from which FlashAttention 4 has pages of 128 for heads of 256 on Blackwell."""


def _require_other_heads(layers: Sequence[Layer]) -> None:
    """
    Raise RefusedError for heads of 256 elements, of which sinks, soft caps and the block decide the kernel.

    Source: get_flash_attn_version in v1/attention/backends/fa_utils.py of vLLM 0.33. Unasked, vLLM takes
    FlashInfer's kernel on Blackwell.
    """
    if any(term.role == "key" and term.width == 256 for layer in layers for term in layer):  # noqa: PLR2004
        raise RefusedError(
            "which blocks FLASH_ATTN has on Blackwell for heads of 256 is not known to kvplan: "
            "choose another attention backend, or none"
        )


_SEES_AHEAD = frozenset(
    {"gemma3", "gemma3_text", "gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text"}
)
"""Model types of which some releases let the tokens of an image see each other (is_mm_prefix_lm)."""

_COMPOSITE_WIDTHS = {256, 512}


def sees_ahead(architecture: str | None) -> bool:
    """Return whether the tokens of an image see each other in a model type, if it takes images."""
    return architecture in _SEES_AHEAD


def may_see_ahead(
    layers: Sequence[Layer], rules: VllmRules, architecture: str | None, card: Card | None
) -> bool:
    """
    Return whether vLLM would take TRITON_FLASHINFER, in blocks of 64, if images see ahead in this model.

    Source: _get_backend_priorities in platforms/cuda.py, and the head sizes in
    v1/attention/backends/triton_flashinfer.py.
    """
    widths = {term.width for layer in layers for term in layer if term.role == "key"}
    newer = find_backend("TRITON_FLASHINFER").since <= rules.version
    blackwell = card is not None and major_of(card) == BLACKWELL
    return newer and blackwell and sees_ahead(architecture) and widths <= _COMPOSITE_WIDTHS


def _usual_blocks(
    layers: Sequence[Layer], roles: AbstractSet[Role], rules: VllmRules, major: int | None
) -> BlockSizes:
    """
    Return the block that vLLM's usual backends take: 16, and more where a kernel asks for it.

    DeepSeek-V4 256 in kernels of 64, MiniMax-M3's selector 128, the indexer 64: vLLM 0.33, config/cache.py,
    platforms/cuda.py and get_supported_kernel_block_sizes of v1/attention/backends.
    """
    if "entry" in roles:
        return BlockSizes(block_size=256, kernel_block=64)
    if {"indexer", "key"} <= roles:
        return BlockSizes(block_size=128, kernel_block=128)
    if "indexer" in roles:
        return BlockSizes(block_size=64, kernel_block=64)
    if "latent" in roles:
        return _latent_blocks(layers, rules, major)
    block = _wide_block(layers, rules, major) or 16
    return BlockSizes(block_size=block, kernel_block=block)


def _latent_blocks(layers: Sequence[Layer], rules: VllmRules, major: int | None) -> BlockSizes:
    """
    Return the blocks of the first backend of MLA that the release tries on a card.

    On Hopper it is the release's own, but FlashMLA's 64 where that does not take the dtype; on Blackwell
    CUTLASS's or FlashInfer's; on other cards, and for widths that these do not read, Triton's. Sources:
    _get_backend_priorities in platforms/cuda.py; supported_kv_cache_dtypes in mla/flashattn_mla.py and
    flashmla.py.
    """
    if reads_any_width(layers, rules):
        return BlockSizes(block_size=16, kernel_block=16)
    if major == BLACKWELL:
        block = rules.blackwell_mla_block
        return BlockSizes(block_size=block, kernel_block=min(block, 32) if block < 128 else block)  # noqa: PLR2004
    if major is not None and major != HOPPER:
        return BlockSizes(block_size=16, kernel_block=16)
    latents = {term.dtype.name for layer in layers for term in layer if term.role == "latent"}
    block = rules.mla_block if latents <= {"bf16", "fp16"} else 64
    return BlockSizes(block_size=block, kernel_block=block)


def _wide_block(layers: Sequence[Layer], rules: VllmRules, major: int | None) -> int | None:
    """
    Return the block of keys of 512 elements in fp8 on Hopper, which FlashAttention 4 reads in tiles of 64.

    Source: _get_sm90_fa4_fp8_kv_block_size in v1/attention/backends/flash_attn.py of vLLM 0.33.
    """
    wide = any(
        term.role == "key" and term.width == 512 and term.dtype.name == "fp8"  # noqa: PLR2004 - the kernel's
        for layer in layers
        for term in layer
    )
    return 64 if wide and major == HOPPER and rules.wide_keys_in_64 else None

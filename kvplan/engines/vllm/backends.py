"""What the kernels decide: the block of attention, and the states that a prefill exports."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from kvplan.dtypes import FP8_SCALED_128, RECURRENT_ROLES, Role
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import VllmRules
from kvplan.terms import Layer, Unit

Family = Literal["keys and values", "a latent", "a latent and an indexer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The block that is taken unasked, and the kernel's smallest, of which every block is a multiple."""

    block_size: int
    kernel_block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Backend:
    reads: Family
    kernel_block: int


# get_supported_kernel_block_sizes in v1/attention/backends, alike in vLLM 0.15.1, 0.17.1, 0.19.0 and
# 0.33.0; beside a sparse backend the indexer's kernel takes 64 (v1/attention/backends/mla/indexer.py).
_BACKENDS = {
    "FLASH_ATTN": _Backend(reads="keys and values", kernel_block=16),
    "FLASHINFER": _Backend(reads="keys and values", kernel_block=16),
    "TRITON_ATTN": _Backend(reads="keys and values", kernel_block=16),
    "FLEX_ATTENTION": _Backend(reads="keys and values", kernel_block=16),
    "ROCM_ATTN": _Backend(reads="keys and values", kernel_block=16),
    "FLASH_ATTN_MLA": _Backend(reads="a latent", kernel_block=16),
    "TRITON_MLA": _Backend(reads="a latent", kernel_block=16),
    "FLASHINFER_MLA": _Backend(reads="a latent", kernel_block=32),
    "FLASHMLA": _Backend(reads="a latent", kernel_block=64),
    "CUTLASS_MLA": _Backend(reads="a latent", kernel_block=128),
    "FLASHMLA_SPARSE": _Backend(reads="a latent and an indexer", kernel_block=64),
    "FLASHINFER_MLA_SPARSE": _Backend(reads="a latent and an indexer", kernel_block=64),
}

BACKENDS = tuple(_BACKENDS)
"""The attention backends whose blocks are known."""


def choose_blocks(layers: Sequence[Layer], rules: VllmRules, backend: str | None) -> Blocks:
    """Return the blocks of a *backend*, of the release's usual one if none is named."""
    roles = {term.role for layer in layers for term in layer}
    if backend is None:
        return _usual_blocks(layers, roles, rules)
    family = _family(roles)
    chosen = _BACKENDS[backend]
    if family != chosen.reads:
        raise RefusedError(
            f"the attention backend {backend} reads {chosen.reads}: choose another for this model, or none"
        )
    forced = rules.flashinfer_mla_block if backend == "FLASHINFER_MLA" else chosen.kernel_block
    return Blocks(block_size=forced, kernel_block=chosen.kernel_block)


def require_backend(layers: Sequence[Layer], rules: VllmRules) -> None:
    """
    Raise RefusedError for rows of fp8_ds_mla without an indexer: only backends of sparse MLA read them.

    Source: supported_kv_cache_dtypes in v1/attention/backends/mla of vLLM: flashmla_sparse.py has it,
    flashmla.py fp8 alone.
    """
    roles = {term.role for layer in layers for term in layer}
    scaled = any(term.role == "latent" and term.dtype == FP8_SCALED_128 for layer in layers for term in layer)
    if scaled and "indexer" not in roles:
        raise RefusedError(
            f"{rules.name} reads fp8_ds_mla in sparse MLA only, and this model has no indexer: "
            "choose another KV dtype, as in fp8"
        )


def _family(roles: AbstractSet[Role]) -> Family | None:
    """Return what a model's attention reads; None where its code chooses the backend by itself."""
    if "entry" in roles or {"indexer", "key"} <= roles:
        return None
    if "latent" in roles:
        return "a latent and an indexer" if "indexer" in roles else "a latent"
    return "keys and values" if "key" in roles else None


def _usual_blocks(layers: Sequence[Layer], roles: AbstractSet[Role], rules: VllmRules) -> Blocks:
    """
    Return the block that vLLM's usual backends take: 16, and more where a kernel asks for it.

    DeepSeek-V4 256 in kernels of 64, MiniMax-M3's selector 128, the indexer 64, a latent by the
    release's first backend on Hopper, but FlashMLA's 64 where that does not take the dtype: vLLM 0.33,
    config/cache.py, platforms/cuda.py and get_supported_kernel_block_sizes of v1/attention/backends.
    """
    if "entry" in roles:
        return Blocks(block_size=256, kernel_block=64)
    if {"indexer", "key"} <= roles:
        return Blocks(block_size=128, kernel_block=128)
    if "indexer" in roles:
        return Blocks(block_size=64, kernel_block=64)
    latents = {term.dtype.name for layer in layers for term in layer if term.role == "latent"}
    # supported_kv_cache_dtypes in v1/attention/backends/mla/flashattn_mla.py and flashmla.py.
    block = 16 if not latents else rules.mla_block if latents <= {"bf16", "fp16"} else 64
    return Blocks(block_size=block, kernel_block=block)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """State blocks that a prefill fills beside those of a request, and the tokens that blocks are cut to."""

    blocks: int
    alignment: int = 1


def exports(layers: Sequence[Layer], rules: VllmRules, *, gdn: str | None, kda: str | None) -> Exports | None:
    """
    Return what the prefill kernels of Gated DeltaNet and of Kimi Delta Attention export, if anything.

    FlashInfer's kernel for Gated DeltaNet exports a state per prefill and has blocks of whole 64
    tokens since 0.33; FlashKDA exports one and leaves blocks alone. Sources, vLLM 0.33:
    model_executor/layers/mamba/gdn/qwen_gdn_linear_attn.py, models/kimi_k3/nvidia/kda.py and
    get_mamba_prefill_checkpoint_alignment in model_executor/layers/mamba/abstract.py.
    """
    states = [layer for layer in layers if any(term.role in RECURRENT_ROLES for term in layer)]
    if gdn == "flashinfer" and rules.align_checkpoints and states and all(map(_is_gated_delta_net, states)):
        return Exports(blocks=1, alignment=64)
    if kda != "flashkda" or not any(map(_is_kda, states)):
        return None
    if not rules.align_checkpoints:
        raise RefusedError(f"what FlashKDA exports in {rules.name} is not known to kvplan: it knows 0.33")
    return Exports(blocks=1)


def has_delta_net(layers: Sequence[Layer]) -> bool:
    """Return whether a model has layers of Gated DeltaNet that FlashInfer's kernel can run."""
    return any(map(_is_gated_delta_net, layers))


def _is_gated_delta_net(layer: Layer) -> bool:
    """Return whether FlashInfer can run a layer: OLMo's, with keys of 96, always runs Triton's kernel."""
    return _key_width(layer, "q and k heads") == 128  # noqa: PLR2004 - the kernel's only head size


def _is_kda(layer: Layer) -> bool:
    return _key_width(layer, "state heads") is not None


def _key_width(layer: Layer, heads: Unit) -> int | None:
    """Return the size of a key that goes through a convolution of its own, None without one."""
    keys = [term for term in layer if term.stream == "k" and term.split.unit == heads]
    return keys[0].width if keys else None

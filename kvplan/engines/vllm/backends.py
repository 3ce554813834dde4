"""What the attention kernels decide: the rows that they store, the cards they run on, and the block."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal

from kvplan.dtypes import FP8_SCALED_128, Role
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import VllmRules
from kvplan.gpus import Card
from kvplan.terms import Layer

Family = Literal["keys and values", "a latent", "a latent and an indexer"]
Release = tuple[int, int]

HOPPER = 9
"""The first number of the compute capability that is taken where no card is named: H100's and H200's."""

BLACKWELL = 10

_ALWAYS: Release = (0, 11)
_PLAIN: Mapping[str, Release] = {"bf16": _ALWAYS, "fp16": _ALWAYS}
_FP8: Mapping[str, Release] = {**_PLAIN, "fp8": _ALWAYS}
_PACKED = "fp8_ds_mla"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The block that is taken unasked, and the kernel's smallest, of which every block is a multiple."""

    block_size: int
    kernel_block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """
    An attention backend: what it reads, in which blocks, since which release, and on which cards.

    `stores` are the dtypes of its rows, each with the release from which it has them, and `shares` those
    that it shares out over decode context parallel ranks. `majors` are the first numbers of the compute
    capabilities that run it, None where all do.
    """

    reads: Family
    kernel_block: int
    stores: Mapping[str, Release] = field(default_factory=lambda: _FP8)
    shares: Mapping[str, Release] = field(default_factory=dict)
    majors: tuple[int, ...] | None = None
    since: Release = _ALWAYS

    def keeps(self, dtypes: AbstractSet[str], rules: VllmRules) -> bool:
        """Return whether a release stores rows of all *dtypes* with this backend."""
        return self.since <= rules.version and _all_since(self.stores, dtypes, rules)

    def shares_out(self, dtypes: AbstractSet[str], rules: VllmRules) -> bool:
        """Return whether a release shares rows of all *dtypes* out over dcp ranks with this backend."""
        return self.keeps(dtypes, rules) and _all_since(self.shares, dtypes, rules)

    def runs_on(self, major: int | None) -> bool:
        """Return whether a card runs this backend; True for one whose capability is not known."""
        return major is None or self.majors is None or major in self.majors


def _all_since(releases: Mapping[str, Release], dtypes: AbstractSet[str], rules: VllmRules) -> bool:
    return all(dtype in releases and releases[dtype] <= rules.version for dtype in dtypes)


_PER_HEAD: Mapping[str, Release] = {
    "int8_per_token_head": (0, 20),
    "fp8_per_token_head": (0, 20),
    "int4_per_token_head": (0, 26),
}
_AMPERE_ON = (8, 9, 10, 11, 12)

# get_supported_kernel_block_sizes, supported_kv_cache_dtypes and supports_compute_capability in
# v1/attention/backends, and registry.py for the names: read in vLLM 0.12.0, 0.14.1, 0.17.1, 0.18.0, 0.19.1,
# 0.20.1, 0.24.0, 0.26.0, 0.28.0, 0.30.0 and 0.33.0. Beside a sparse backend the indexer's kernel takes 64
# (v1/attention/backends/mla/indexer.py).
_BACKENDS = {
    "FLASH_ATTN": Backend(reads="keys and values", kernel_block=16, majors=_AMPERE_ON),
    "FLASHINFER": Backend(
        reads="keys and values", kernel_block=16, majors=_AMPERE_ON, stores={**_FP8, "nvfp4": (0, 24)}
    ),
    "TRITON_ATTN": Backend(
        reads="keys and values", kernel_block=16, stores={**_FP8, "fp32": _ALWAYS, **_PER_HEAD}
    ),
    "TRITON_FLASH_ATTN": Backend(reads="keys and values", kernel_block=16, majors=(HOPPER,), since=(0, 30)),
    "TRITON_FLASHINFER": Backend(
        reads="keys and values", kernel_block=64, majors=(BLACKWELL,), since=(0, 30)
    ),
    "FLEX_ATTENTION": Backend(reads="keys and values", kernel_block=16, stores={**_PLAIN, "fp32": _ALWAYS}),
    "ROCM_ATTN": Backend(reads="keys and values", kernel_block=16),
    "FLASH_ATTN_MLA": Backend(reads="a latent", kernel_block=16, majors=(HOPPER,), stores=_PLAIN),
    "TRITON_MLA": Backend(reads="a latent", kernel_block=16, stores={**_PLAIN, "fp8": (0, 18)}),
    "FLASHINFER_MLA": Backend(reads="a latent", kernel_block=32, majors=(BLACKWELL,)),
    "TOKENSPEED_MLA": Backend(
        reads="a latent", kernel_block=32, majors=(BLACKWELL,), stores={"fp8": (0, 24)}, since=(0, 24)
    ),
    "FLASHMLA": Backend(reads="a latent", kernel_block=64, majors=(HOPPER, BLACKWELL)),
    "CUTLASS_MLA": Backend(reads="a latent", kernel_block=128, majors=(BLACKWELL,)),
    "FLASHMLA_SPARSE": Backend(
        reads="a latent and an indexer",
        kernel_block=64,
        majors=(HOPPER, BLACKWELL),
        stores={"bf16": _ALWAYS, _PACKED: _ALWAYS, "nvfp4_ds_mla": (0, 30)},
        shares={_PACKED: (0, 30), "nvfp4_ds_mla": (0, 30)},
    ),
    "FLASHINFER_MLA_SPARSE": Backend(
        reads="a latent and an indexer",
        kernel_block=64,
        majors=(BLACKWELL,),
        stores={**_PLAIN, "fp8": (0, 18)},
        shares={"bf16": (0, 26), "fp16": (0, 26), "fp8": (0, 26)},
        since=(0, 17),
    ),
    "FLASHINFER_MLA_SPARSE_SM90": Backend(
        reads="a latent and an indexer",
        kernel_block=64,
        majors=(HOPPER,),
        stores={"bf16": (0, 30), "fp8": (0, 30)},
        since=(0, 30),
    ),
    "FLASHINFER_MLA_SPARSE_SM120": Backend(
        reads="a latent and an indexer",
        kernel_block=64,
        majors=(12,),
        stores={_PACKED: (0, 24)},
        since=(0, 24),
    ),
    "FLASH_ATTN_MLA_SPARSE": Backend(
        reads="a latent and an indexer", kernel_block=64, majors=(HOPPER,), stores=_PLAIN, since=(0, 26)
    ),
}

BACKENDS = tuple(_BACKENDS)
"""The attention backends whose blocks are known."""


def major_of(card: Card | None) -> int | None:
    """Return the first number of a card's compute capability: Hopper's for none, None if it is not known."""
    if card is None or card.vendor is None:
        return HOPPER
    return card.capability[0] if card.capability is not None else None


def choose_blocks(
    layers: Sequence[Layer], rules: VllmRules, backend: str | None, major: int | None
) -> Blocks:
    """Return the blocks of a *backend*, of the release's usual one on such a card if none is named."""
    roles = _roles(layers)
    if backend is None:
        return _usual_blocks(layers, roles, rules, major)
    chosen = _BACKENDS[backend]
    if _family(roles) != chosen.reads:
        raise RefusedError(
            f"the attention backend {backend} reads {chosen.reads}: choose another for this model, or none"
        )
    if backend == "FLASHINFER_MLA":
        return Blocks(block_size=rules.flashinfer_mla_block, kernel_block=chosen.kernel_block)
    wide = _wide_block(layers, rules, major) if backend in ("FLASH_ATTN", "TRITON_FLASH_ATTN") else None
    block = wide or chosen.kernel_block
    return Blocks(block_size=block, kernel_block=block)


def require_backend(
    layers: Sequence[Layer], rules: VllmRules, backend: str | None, card: Card | None
) -> None:
    """
    Raise RefusedError if no attention backend, or not the *backend* that is named, serves the layers.

    It must be of the release, run on the card and store the rows' dtypes. A backend that is named stands for
    a card that runs it where none is. Of cards that are not NVIDIA's nothing is known.
    """
    dtypes = _stored(layers)
    if backend is not None:
        _require_named(backend, dtypes, rules, card)
        return
    family, major = _family(_roles(layers)), major_of(card)
    if family is None or major is None:
        return
    if not any(each.keeps(dtypes, rules) for each in _able(family, major)):
        raise RefusedError(
            f"no attention backend of {rules.name} stores {family} in {_written(dtypes)} on compute "
            f"capability {major}.x: choose another KV dtype, or another card"
        )


def require_shares(layers: Sequence[Layer], rules: VllmRules, backend: str | None, card: Card | None) -> None:
    """
    Raise RefusedError if no backend of sparse MLA shares such rows out over decode context parallel ranks.

    FLASHMLA_SPARSE raises for bf16 (v1/attention/backends/mla/flashmla_sparse.py of 0.33), and shares out
    nothing before 0.30.
    """
    family, major = _family(_roles(layers)), major_of(card)
    if family != "a latent and an indexer" or major is None:
        return
    dtypes = _stored(layers)
    able = _able(family, major) if backend is None else [_BACKENDS[backend]]
    if not any(each.shares_out(dtypes, rules) for each in able):
        raise RefusedError(
            f"{rules.name} does not share out sparse MLA in {_written(dtypes)} over dcp ranks: use dcp=1, "
            "or another KV dtype"
        )


_SEES_AHEAD = frozenset({"gemma3", "gemma3_text", "gemma4", "gemma4_text"})
"""Model types of which some releases let the tokens of an image see each other (is_mm_prefix_lm)."""

_COMPOSITE_WIDTHS = {256, 512}


def may_see_ahead(
    layers: Sequence[Layer], rules: VllmRules, architecture: str | None, card: Card | None
) -> bool:
    """
    Return whether vLLM would take TRITON_FLASHINFER, in blocks of 64, if images see ahead in this model.

    Source: _get_backend_priorities in platforms/cuda.py, and the head sizes in
    v1/attention/backends/triton_flashinfer.py.
    """
    widths = {term.width for layer in layers for term in layer if term.role == "key"}
    newer = _BACKENDS["TRITON_FLASHINFER"].since <= rules.version
    blackwell = card is not None and major_of(card) == BLACKWELL
    return newer and blackwell and architecture in _SEES_AHEAD and widths <= _COMPOSITE_WIDTHS


def _able(family: Family, major: int) -> list[Backend]:
    return [each for each in _BACKENDS.values() if each.reads == family and each.runs_on(major)]


def _require_named(backend: str, dtypes: AbstractSet[str], rules: VllmRules, card: Card | None) -> None:
    chosen = _BACKENDS[backend]
    if rules.version < chosen.since:
        since = ".".join(map(str, chosen.since))
        raise RefusedError(f"{rules.name} has no attention backend {backend}, which came with {since}")
    major = card.capability[0] if card is not None and card.capability is not None else None
    if not chosen.runs_on(major):
        runs = " or ".join(f"{each}.x" for each in chosen.majors or ())
        raise RefusedError(
            f"the attention backend {backend} runs on compute capability {runs}, not on {major}.x: "
            "choose another, or none"
        )
    if dtypes and not chosen.keeps(dtypes, rules):
        raise RefusedError(
            f"the attention backend {backend} of {rules.name} does not store {_written(dtypes)}: "
            "choose another, or another KV dtype"
        )


def _written(dtypes: AbstractSet[str]) -> str:
    return " and ".join(sorted(dtypes))


def _roles(layers: Sequence[Layer]) -> set[Role]:
    return {term.role for layer in layers for term in layer}


def _stored(layers: Sequence[Layer]) -> set[str]:
    """Return the dtypes of keys, values and latents; those of packed rows by the names of their formats."""
    return {name for layer in dict.fromkeys(layers) for name in _row_dtypes(layer)}


def _row_dtypes(layer: Layer) -> Iterator[str]:
    latents = {term.dtype.name for term in layer if term.role in ("latent", "rope")}
    if FP8_SCALED_128.name in latents:
        yield _PACKED
    elif latents == {"nvfp4", "fp8"}:
        yield "nvfp4_ds_mla"
    else:
        yield from latents
    yield from (term.dtype.name for term in layer if term.role in ("key", "value"))


def _family(roles: AbstractSet[Role]) -> Family | None:
    """Return what a model's attention reads; None where its code chooses the backend by itself."""
    if "entry" in roles or {"indexer", "key"} <= roles:
        return None
    if "latent" in roles:
        return "a latent and an indexer" if "indexer" in roles else "a latent"
    return "keys and values" if "key" in roles else None


def _usual_blocks(
    layers: Sequence[Layer], roles: AbstractSet[Role], rules: VllmRules, major: int | None
) -> Blocks:
    """
    Return the block that vLLM's usual backends take: 16, and more where a kernel asks for it.

    DeepSeek-V4 256 in kernels of 64, MiniMax-M3's selector 128, the indexer 64: vLLM 0.33, config/cache.py,
    platforms/cuda.py and get_supported_kernel_block_sizes of v1/attention/backends.
    """
    if "entry" in roles:
        return Blocks(block_size=256, kernel_block=64)
    if {"indexer", "key"} <= roles:
        return Blocks(block_size=128, kernel_block=128)
    if "indexer" in roles:
        return Blocks(block_size=64, kernel_block=64)
    if "latent" in roles:
        return _latent_blocks(layers, rules, major)
    block = _wide_block(layers, rules, major) or 16
    return Blocks(block_size=block, kernel_block=block)


def _latent_blocks(layers: Sequence[Layer], rules: VllmRules, major: int | None) -> Blocks:
    """
    Return the blocks of the first backend of MLA that the release tries on a card.

    On Hopper it is the release's own, but FlashMLA's 64 where that does not take the dtype; on Blackwell
    CUTLASS's or FlashInfer's; on other cards Triton's. Sources: _get_backend_priorities in
    platforms/cuda.py; supported_kv_cache_dtypes in mla/flashattn_mla.py and flashmla.py.
    """
    if major == BLACKWELL:
        block = rules.blackwell_mla_block
        return Blocks(block_size=block, kernel_block=min(block, 32) if block < 128 else block)  # noqa: PLR2004
    if major is not None and major != HOPPER:
        return Blocks(block_size=16, kernel_block=16)
    latents = {term.dtype.name for layer in layers for term in layer if term.role == "latent"}
    block = rules.mla_block if latents <= {"bf16", "fp16"} else 64
    return Blocks(block_size=block, kernel_block=block)


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

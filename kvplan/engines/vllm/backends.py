"""The attention backends: the rows that they store, since which release, and the cards that they run on."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field
from typing import Literal

from kvplan.dtypes import FP8_SCALED_128, Role
from kvplan.engines.cards import WRITTEN
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import VllmRules
from kvplan.gpus import Card, Vendor
from kvplan.records import record
from kvplan.terms import Layer, distinct

Family = Literal["keys and values", "a latent", "a latent and an indexer"]
Release = tuple[int, int]
Since = Release | Mapping[int, Release]
"""The release that first had something, by the first number of the compute capability where cards differ."""

HOPPER = 9
"""The first number of the compute capability that is taken where no card is named: H100's and H200's."""

BLACKWELL = 10

_ANY: tuple[Vendor, ...] = ("nvidia", "amd", "intel")
_ALWAYS: Release = (0, 11)
_PLAIN: Mapping[str, Since] = {"bf16": _ALWAYS, "fp16": _ALWAYS}
_FP8: Mapping[str, Since] = {**_PLAIN, "fp8": _ALWAYS}
_PACKED = "fp8_ds_mla"


@record
class Backend:
    """
    An attention backend: what it reads, in which blocks, since which release, and on which cards.

    `stores` are the dtypes of its rows, each with the release from which it has them, and `shares` those
    that it shares out over decode context parallel ranks. It runs on cards of `vendors`; `majors` are the
    first numbers of the compute capabilities that run it, None where all do.
    """

    reads: Family
    kernel_block: int
    stores: Mapping[str, Since] = field(default_factory=lambda: _FP8)
    shares: Mapping[str, Since] = field(default_factory=dict)
    vendors: tuple[Vendor, ...] = ("nvidia",)
    majors: tuple[int, ...] | None = None
    since: Release = _ALWAYS

    def keeps(self, dtypes: AbstractSet[str], rules: VllmRules, major: int | None) -> bool:
        """Return whether a release stores rows of all *dtypes* with this backend on such a card."""
        return self.since <= rules.version and _are_there(self.stores, dtypes, rules, major)

    def shares_out(self, dtypes: AbstractSet[str], rules: VllmRules, major: int | None) -> bool:
        """Return whether a release shares rows of all *dtypes* out over dcp ranks with this backend."""
        return self.keeps(dtypes, rules, major) and _are_there(self.shares, dtypes, rules, major)

    def runs_on(self, major: int | None) -> bool:
        """Return whether an NVIDIA card runs this backend; True where its capability is not known."""
        return "nvidia" in self.vendors and (major is None or self.majors is None or major in self.majors)


def _are_there(
    since: Mapping[str, Since], dtypes: AbstractSet[str], rules: VllmRules, major: int | None
) -> bool:
    found = [_release(since.get(dtype), major) for dtype in dtypes]
    return all(release is not None and release <= rules.version for release in found)


def _release(since: Since | None, major: int | None) -> Release | None:
    """Return the release that first had something on such a card, on any if that is not known."""
    if not isinstance(since, Mapping):
        return since
    return min(since.values()) if major is None else since.get(major)


_PER_HEAD: Mapping[str, Since] = {
    "int8_per_token_head": (0, 20),
    "fp8_per_token_head": (0, 20),
    "int4_per_token_head": (0, 26),
}
_AMPERE_ON = (8, 9, 10, 11, 12)
# supports_kv_cache_dtype and _nvfp4_kv_on_fa2 in v1/attention/backends/flashinfer.py.
_NVFP4: Since = {8: (0, 32), 9: (0, 32), BLACKWELL: (0, 24), 12: (0, 32)}

# get_supported_kernel_block_sizes, supported_kv_cache_dtypes and supports_compute_capability in
# v1/attention/backends, registry.py for the names, platforms/rocm.py and xpu.py for the vendors: read in vLLM
# 0.12.0, 0.14.1, 0.17.1, 0.18.0, 0.19.1, 0.20.1, 0.24.0, 0.26.0, 0.28.0, 0.30.0 and 0.33.0. Beside a sparse
# backend the indexer's kernel takes 64 (v1/attention/backends/mla/indexer.py).
_BACKENDS = {
    "FLASH_ATTN": Backend(reads="keys and values", kernel_block=16, majors=_AMPERE_ON),
    "FLASHINFER": Backend(
        reads="keys and values", kernel_block=16, majors=_AMPERE_ON, stores={**_FP8, "nvfp4": _NVFP4}
    ),
    "TRITON_ATTN": Backend(
        reads="keys and values",
        kernel_block=16,
        vendors=_ANY,
        stores={**_FP8, "fp32": _ALWAYS, **_PER_HEAD},
    ),
    "TRITON_FLASH_ATTN": Backend(reads="keys and values", kernel_block=16, majors=(HOPPER,), since=(0, 30)),
    "TRITON_FLASHINFER": Backend(
        reads="keys and values", kernel_block=64, majors=(BLACKWELL,), since=(0, 30)
    ),
    "FLEX_ATTENTION": Backend(reads="keys and values", kernel_block=16, stores={**_PLAIN, "fp32": _ALWAYS}),
    "ROCM_ATTN": Backend(reads="keys and values", kernel_block=16, vendors=("amd",)),
    "FLASH_ATTN_MLA": Backend(reads="a latent", kernel_block=16, majors=(HOPPER,), stores=_PLAIN),
    "TRITON_MLA": Backend(reads="a latent", kernel_block=16, vendors=_ANY, stores={**_PLAIN, "fp8": (0, 18)}),
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
        stores={"bf16": _ALWAYS, _PACKED: _ALWAYS, "nvfp4_ds_mla": {BLACKWELL: (0, 30)}},
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
    """Return the first number of a card's compute capability: Hopper's where no card says it is another's."""
    if card is None or card.vendor is None:
        return HOPPER
    return card.capability[0] if card.capability is not None else None


def has_unknown_kernels(card: Card | None) -> bool:
    """Return whether kvplan does not know which kernels, and so which blocks, vLLM takes on a card."""
    return card is not None and card.vendor in ("amd", "intel")


def find_backend(name: str) -> Backend:
    """Return a backend by one of the names in BACKENDS."""
    return _BACKENDS[name]


def require_backend(
    layers: Sequence[Layer], rules: VllmRules, backend: str | None, card: Card | None
) -> None:
    """
    Raise RefusedError if no attention backend, or not the *backend* that is named, serves the layers.

    It must be of the release, run on the card and store the rows' dtypes; where no card is named, on any.
    Of those that vLLM takes unasked on cards that are not NVIDIA's nothing is known.
    """
    dtypes = _stored(layers)
    if backend is not None:
        _require_named(backend, dtypes, rules, card)
        return
    family = family_of(roles_of(layers))
    if family is None or not _is_nvidia(card):
        return
    major = _known_major(card)
    if not any(each.keeps(dtypes, rules, major) for each in _able(family, major)):
        where = "" if major is None else f" on compute capability {major}.x"
        raise RefusedError(
            f"no attention backend of {rules.name} stores {family} in {_written(dtypes)}{where}: "
            "choose another KV dtype, or another card"
        )


def require_shares(layers: Sequence[Layer], rules: VllmRules, backend: str | None, card: Card | None) -> None:
    """
    Raise RefusedError if no backend shares such rows out over decode context parallel ranks.

    Of sparse MLA FLASHMLA_SPARSE raises for bf16 (v1/attention/backends/mla/flashmla_sparse.py of 0.33), and
    shares out nothing before 0.30. Keys and values in nvfp4 are shared out by the kernels of Blackwell alone
    (flashinfer.py, FlashInferMetadataBuilder).
    """
    family, major, dtypes = family_of(roles_of(layers)), major_of(card), _stored(layers)
    if family == "a latent and an indexer" and major is not None:
        able = _able(family, major) if backend is None else [_BACKENDS[backend]]
        what, shared = "sparse MLA", any(each.shares_out(dtypes, rules, major) for each in able)
    else:
        what, shared = "keys and values", "nvfp4" not in dtypes or _known_major(card) in (None, BLACKWELL)
    if not shared:
        raise RefusedError(
            f"{rules.name} does not share out {what} in {_written(dtypes)} over dcp ranks: use dcp=1, "
            "or another KV dtype"
        )


def require_head_size(layers: Sequence[Layer], rules: VllmRules, card: Card | None) -> None:
    """
    Raise RefusedError for keys of 64 elements in nvfp4 on a card that reads these with FlashAttention 2.

    Source: supports_combination in v1/attention/backends/flashinfer.py of vLLM 0.33.
    """
    if _known_major(card) in (None, BLACKWELL):
        return
    narrow = 64
    if any(
        term.role == "key" and term.dtype.name == "nvfp4" and term.width == narrow
        for layer in distinct(layers)
        for term in layer
    ):
        raise RefusedError(
            f"{rules.name} does not read keys of {narrow} elements in nvfp4 on this card: "
            "choose another KV dtype"
        )


def _is_nvidia(card: Card | None) -> bool:
    """Return whether a card is NVIDIA's, as one is taken to be of which nothing else is said."""
    return card is None or card.vendor in (None, "nvidia")


def _known_major(card: Card | None) -> int | None:
    """Return the first number of a card's compute capability, None where no card says it."""
    return card.capability[0] if card is not None and card.capability is not None else None


def _able(family: Family, major: int | None) -> list[Backend]:
    return [each for each in _BACKENDS.values() if each.reads == family and each.runs_on(major)]


def _require_named(backend: str, dtypes: AbstractSet[str], rules: VllmRules, card: Card | None) -> None:
    chosen = _BACKENDS[backend]
    if rules.version < chosen.since:
        since = ".".join(map(str, chosen.since))
        raise RefusedError(f"{rules.name} has no attention backend {backend}, which came with {since}")
    if card is not None and card.vendor is not None and card.vendor not in chosen.vendors:
        makers = " and ".join(WRITTEN[vendor] for vendor in chosen.vendors)
        raise RefusedError(
            f"the attention backend {backend} runs on cards of {makers}, not on {card.label}: "
            "choose another, or none"
        )
    major = _known_major(card)
    if _is_nvidia(card) and not (chosen.majors is None or major is None or major in chosen.majors):
        runs = " or ".join(f"{each}.x" for each in chosen.majors)
        raise RefusedError(
            f"the attention backend {backend} runs on compute capability {runs}, not on {major}.x: "
            "choose another, or none"
        )
    if dtypes and not chosen.keeps(dtypes, rules, major):
        raise RefusedError(
            f"the attention backend {backend} of {rules.name} does not store {_written(dtypes)}: "
            "choose another, or another KV dtype"
        )


def _written(dtypes: AbstractSet[str]) -> str:
    return " and ".join(sorted(dtypes))


def roles_of(layers: Sequence[Layer]) -> set[Role]:
    """Return the roles of all terms of some layers."""
    return {term.role for layer in layers for term in layer}


def _stored(layers: Sequence[Layer]) -> set[str]:
    """Return the dtypes of keys, values and latents; those of packed rows by the names of their formats."""
    return {name for layer in distinct(layers) for name in _row_dtypes(layer)}


def _row_dtypes(layer: Layer) -> Iterator[str]:
    latents = {term.dtype.name for term in layer if term.role in ("latent", "rope")}
    if FP8_SCALED_128.name in latents:
        yield _PACKED
    elif latents == {"nvfp4", "fp8"}:
        yield "nvfp4_ds_mla"
    else:
        yield from latents
    yield from (term.dtype.name for term in layer if term.role in ("key", "value"))


def family_of(roles: AbstractSet[Role]) -> Family | None:
    """Return what a model's attention reads; None where its code chooses the backend by itself."""
    if "entry" in roles or {"indexer", "key"} <= roles:
        return None
    if "latent" in roles:
        return "a latent and an indexer" if "indexer" in roles else "a latent"
    return "keys and values" if "key" in roles else None

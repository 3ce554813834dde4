"""From the kinds of a layer to what it mixes tokens by in llama.cpp's graph."""

from typing import TYPE_CHECKING

from kvplan.attention.grouped import GQA, MHA, MQA, Indexer, SoftmaxKind
from kvplan.attention.latent import MLA
from kvplan.attention.recurrent import GatedDeltaNet
from kvplan.attention.ssm import Mamba as Ssm
from kvplan.attention.ssm import Mamba2 as Ssd
from kvplan.attention.ssm import ShortConv as Convolution
from kvplan.attention.uncached import NoCache
from kvplan.attention.windowed import Chunked, Sliding
from kvplan.dtypes import CacheFormat
from kvplan.engines.llamacpp.architectures import Traits
from kvplan.engines.llamacpp.blocks import Attention
from kvplan.engines.llamacpp.latents import LatentAttention, Sparse
from kvplan.engines.llamacpp.layers import Beside, Mixer
from kvplan.engines.llamacpp.mamba import Convolving, Mamba, Mamba2, ShortConv
from kvplan.engines.llamacpp.recurrent import DeltaNet
from kvplan.records import record

if TYPE_CHECKING:
    from kvplan.attention import Kind


class NotKnownError(Exception):
    """A part of a model whose graph is not known; it is caught where a graph is asked for."""


@record
class Reading:
    """
    How the kinds of a model are read: by its architecture's traits, in the format of its cache.

    Sliding layers may have a cache of their own (`windows`); a layer of the model may scan (`scans`).
    """

    traits: Traits
    kv: CacheFormat
    flash: bool
    windows: bool
    scans: bool

    def mixer(self, kinds: "tuple[Kind, ...]") -> Mixer | None:
        """Return what a layer of such kinds mixes tokens by, if any; raise NotKnownError for others."""
        match kinds, self.traits:
            case (NoCache(),), Traits(alternates=True):
                return None
            case (MLA() as kind,), Traits(latents=True):
                return self._latents(kind)
            case (SoftmaxKind() as kind, Ssd() as other), Traits(scans=True):
                return Beside(attention=self._attention(kind), scan=_scan(other))
            case (SoftmaxKind() as kind,), Traits(latents=False):
                return self._attention(kind)
            case (kind,), _:
                return self._recurrence(kind)
            case _:
                raise NotKnownError

    def _recurrence(self, kind: "Kind") -> DeltaNet | Convolving:
        match kind, self.traits:
            case GatedDeltaNet(), Traits(remembers=True):
                return _delta(kind, repeats=self.traits.repeats)
            case Ssd(), Traits(scans=True):
                return _scan(kind)
            case Ssm(dt_rank=int(rank)), Traits(scans=True):
                return Mamba(
                    inner=kind.d_inner,
                    state=kind.d_state,
                    rank=rank,
                    kept=kind.conv_kernel - 1,
                    normed=self.traits.scan_normed,
                )
            case Convolution(), Traits(scans=True):
                return ShortConv(width=kind.channels, kept=kind.conv_kernel - 1)
            case _:
                raise NotKnownError

    def _latents(self, kind: MLA) -> LatentAttention:
        """Return the latent attention of a layer whose heads, kernel and indexer are known."""
        width = kind.d_c + kind.d_rope
        multiple = _LATENT_KERNELS.get((width, kind.d_c))
        if self.flash and (multiple is None or kind.heads % multiple):
            raise NotKnownError
        indexer = kind.indexer
        if kind.d_nope is None or kind.v_head_dim is None or (indexer is None) == self.traits.sparse:
            raise NotKnownError
        dtype = self.kv.dtype("latent")
        return LatentAttention(
            heads=kind.heads,
            latent=kind.d_c,
            rotated=kind.d_rope,
            plain=kind.d_nope,
            value=kind.v_head_dim,
            query_latent=kind.q_lora_rank,
            flash=self.flash,
            widened_bytes=0 if dtype.name in _HALVES else _HALF * width,
            latent_bytes=dtype.row_bytes(kind.d_c),
            sparse=None if indexer is None else _sparse(indexer),
        )

    def _attention(self, kind: SoftmaxKind) -> Attention:
        """Return the attention of a layer that all tokens or a window's are seen by."""
        traits = self.traits
        more = (
            not isinstance(kind, GQA | MHA | MQA | Sliding | Chunked),
            kind.output_gate and not traits.remembers,
            kind.prefix_tokens,
            getattr(kind, "indexer", None),
            getattr(kind, "sinks", None),
        )
        value = kind.v_head_dim or kind.head_dim
        if any(more) or (self.flash and not _has_kernel(kind, value)):
            raise NotKnownError
        slides = self.windows and isinstance(kind, Sliding | Chunked)
        stands = traits.whole_stand and self.scans == traits.scans
        return Attention(
            heads=kind.heads,
            kv_heads=kind.kv_heads,
            key=kind.head_dim,
            value=value,
            widened_bytes=self._widened(kind, value) if self.flash else 0,
            flash=self.flash,
            key_first=self.windows,
            places=slides or not stands,
            norms_value=traits.norms_value,
            one_with_key=traits.whole_share and not slides,
            joined=traits.joined,
            gated=kind.output_gate,
        )

    def _widened(self, kind: SoftmaxKind, value: int) -> int:
        """Return the bytes of a token's row in float16, of a key or value that the cache has otherwise."""
        key_elements = kind.head_dim if self.kv.dtype("key").name not in _HALVES else 0
        value_elements = value if self.kv.dtype("value").name not in _HALVES else 0
        return _HALF * kind.kv_heads * (key_elements + value_elements)


_HALF = 2
_HALVES = ("fp16",)

_KERNELS = frozenset({40, 64, 72, 80, 96, 112, 128, 256})
_SHARED_KERNEL = 512
_LATENT_KERNELS = {(576, 512): 2, (320, 256): 32}
"""How wide a row and its latent are for which CUDA has a kernel, and what heads are a multiple of."""


def _has_kernel(kind: SoftmaxKind, value: int) -> bool:
    """Return whether CUDA has a kernel of flash attention for heads so wide (ggml-cuda/fattn.cu)."""
    shared = kind.head_dim == _SHARED_KERNEL and kind.heads > kind.kv_heads
    return kind.head_dim == value and (kind.head_dim in _KERNELS or shared)


def _sparse(indexer: Indexer) -> Sparse:
    if indexer.heads is None or indexer.top_k is None:
        raise NotKnownError
    return Sparse(heads=indexer.heads, width=indexer.head_dim, most=indexer.top_k)


def _scan(kind: Ssd) -> Mamba2:
    return Mamba2(
        inner=kind.heads * kind.head_dim,
        heads=kind.heads,
        shared=2 * kind.groups * kind.d_state,
        state=kind.heads * kind.head_dim * kind.d_state,
        kept=kind.conv_kernel - 1,
    )


def _delta(kind: GatedDeltaNet, *, repeats: bool) -> DeltaNet:
    return DeltaNet(
        keys=kind.qk_heads * kind.qk_head_dim,
        values=kind.v_heads * kind.v_head_dim,
        heads=kind.v_heads,
        state=kind.v_heads * kind.v_head_dim * kind.qk_head_dim,
        kept=kind.conv_kernel - 1,
        repeats=repeats,
    )

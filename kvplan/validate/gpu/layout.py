"""
The tensors in which an engine keeps a layer's cache, written out per kind as the engine does.

Nothing here reads terms. Shapes are those of vLLM 0.33 (`get_kv_cache_shape` of its backends, and
`mamba_utils.py`) with one row per token, so that any number of tokens can be held.
"""

from typing import Any

import torch

from kvplan.attention import Kind
from kvplan.attention.grouped import GQA, MHA, MQA, SoftmaxKind
from kvplan.attention.latent import MLA
from kvplan.attention.recurrent import GatedDeltaNet
from kvplan.attention.ssm import Mamba2
from kvplan.attention.uncached import NoCache
from kvplan.attention.windowed import Sliding
from kvplan.records import record
from kvplan.validate.results import SkippedError

_STATES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
KV = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "fp8": torch.float8_e4m3fn}


@record
class TensorShape:
    """One tensor to allocate."""

    sizes: tuple[int, ...]
    dtype: torch.dtype

    def empty(self, device: str) -> Any:  # noqa: ANN401 - a tensor
        """Return the tensor, not yet written to."""
        return torch.empty(self.sizes, dtype=self.dtype, device=device)

    @property
    def data_bytes(self) -> int:
        """The bytes of its elements."""
        count = 1
        for size in self.sizes:
            count *= size
        return count * int(self.dtype.itemsize)


def shapes(kind: Kind, *, sequences: int, tokens: int, kv: str) -> list[TensorShape]:
    """
    Return the tensors of one layer for *sequences* sequences of *tokens* tokens.

    Raises SkippedError for a kind that this level does not lay out.
    """
    match kind:
        case NoCache():
            return []
        case MHA() | MQA() | GQA() | Sliding():
            return _softmax(kind, sequences, tokens, KV[kv])
        case MLA(indexer=None):
            return [TensorShape(sizes=(sequences * tokens, kind.d_c + kind.d_rope), dtype=KV[kv])]
        case Mamba2():
            channels = kind.heads * kind.head_dim + 2 * kind.groups * kind.d_state
            state = kind.heads * kind.head_dim * kind.d_state
        case GatedDeltaNet():
            channels = 2 * kind.qk_heads * kind.qk_head_dim + kind.v_heads * kind.v_head_dim
            state = kind.v_heads * kind.v_head_dim * kind.qk_head_dim
        case _:
            raise SkippedError(f"no engine layout is written here for the kind {kind.kind}")
    history = (kind.conv_kernel - 1) * channels * _STATES[kind.conv_dtype].itemsize
    # One page of raw bytes a sequence, of which history and state are views.
    page = history + state * _STATES[kind.state_dtype].itemsize
    return [TensorShape(sizes=(sequences, page), dtype=torch.uint8)]


def _softmax(kind: SoftmaxKind, sequences: int, tokens: int, dtype: torch.dtype) -> list[TensorShape]:
    heads = kind.heads if isinstance(kind, MHA) else 1 if isinstance(kind, MQA) else kind.groups  # type: ignore[attr-defined]
    rows = sequences * (min(tokens, kind.window) if isinstance(kind, Sliding) else tokens)
    return [
        TensorShape(sizes=(rows, heads, width), dtype=dtype)
        for width in (kind.head_dim, kind.v_head_dim or kind.head_dim)
    ]

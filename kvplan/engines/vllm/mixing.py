"""What a layer's mixer has of each token."""

from typing import TYPE_CHECKING

from kvplan.units import ceil_div

if TYPE_CHECKING:
    from kvplan.attention import Kind


_KERNEL_HEADS = (64, 128)
_SM120_HEADS = (16, 32, *_KERNEL_HEADS)
_SM120 = 12
"""
The query heads of DeepSeek-V4's kernels, of which a rank has the first that are enough, and Blackwell's of
compute capability 12: get_padded_num_q_heads in models/deepseek_v4/nvidia of 0.26.
"""


def mixed(kind: "Kind", ranks: int, major: int | None = None) -> int:
    """
    Return the numbers of a token that a mixer has at once beside hidden states, on one of so many ranks.

    The ranks' cards are of a compute capability that begins with *major*.

    Of softmax attention these are queries, keys and values in one tensor, once more turned or normed, and its
    output; an output gate comes with the queries, and both are taken apart, turned and multiplied
    (qwen3_moe.py and qwen3_next.py of 0.28 and 0.30). Of Mamba-2 these are all inputs in one tensor, the
    scan's output, and two copies of it in float32 for its gated norm (mamba_mixer2.py, alike). Of DeepSeek-V4
    these are queries and outputs of so many heads as its kernel has, what both come from, before its norm and
    after it, and the indexer's queries in 16 and in 8 bits (models/deepseek_v4/attention.py of 0.26); its
    four hidden states are those of its hyper-connections. Of MLA these are queries, outputs and the latent,
    where room for up-projected contexts is tried (model_executor/layers/attention/mla_attention.py of 0.33).
    0 for kinds whose mixers are not known to be the most.
    """
    from kvplan.attention.grouped import SoftmaxKind  # noqa: PLC0415 - a cold command has no kind but its own
    from kvplan.attention.latent import MLA, Compressed  # noqa: PLC0415
    from kvplan.attention.ssm import Mamba2  # noqa: PLC0415

    if isinstance(kind, SoftmaxKind):
        queries = ceil_div(kind.heads, ranks) * kind.head_dim
        values = kind.v_head_dim or kind.head_dim
        both = max(1, kind.kv_heads // ranks) * (kind.head_dim + values)
        output = ceil_div(kind.heads, ranks) * values
        if kind.output_gate:
            return 2 * queries + both + 4 * queries + output
        return 2 * (queries + both) + output
    if isinstance(kind, Mamba2):
        heads = ceil_div(kind.heads, ranks)
        inner, groups = heads * kind.head_dim, max(1, kind.groups // ranks)
        return 2 * inner + 2 * groups * kind.d_state + heads + inner + 2 * 2 * inner
    if isinstance(kind, MLA):
        query, value = (kind.d_nope or 0) + kind.d_rope, kind.v_head_dim or 0
        return ceil_div(kind.heads, ranks) * (query + value) + kind.d_c + kind.d_rope
    if isinstance(kind, Compressed):
        sizes = _SM120_HEADS if major == _SM120 else _KERNEL_HEADS
        heads = next((size for size in sizes if size * ranks >= kind.heads), ceil_div(kind.heads, ranks))
        sought = (kind.indexer.heads or 0) * kind.indexer.head_dim if kind.indexer else 0
        return 2 * heads * kind.head_dim + 2 * ((kind.q_lora_rank or 0) + kind.head_dim) + 3 * sought // 2
    return 0


_TRIED_TOKENS = 64 * 1024
_TRIED_CONTEXTS, _TRIED_PAGES = 8, 4
_LEAST_BLOCK = 16


def tried(kind: "Kind", ranks: int, *, context: int, sequences: int) -> int:
    """
    Return the numbers of contexts' keys and values for which MLA tries whether there is room, on a rank.

    Those are of up to 64 Ki tokens, up-projected from latents: determine_chunked_prefill_workspace_size
    and forward_impl in model_executor/layers/attention/mla_attention.py of 0.33, alike in
    v1/attention/backends/mla/common.py before.
    """
    from kvplan.attention.latent import MLA  # noqa: PLC0415 - as above

    if not isinstance(kind, MLA):
        return 0
    wanted = max(_TRIED_CONTEXTS * context, _TRIED_PAGES * sequences * _LEAST_BLOCK)
    tokens = min(wanted, _TRIED_TOKENS)
    return tokens * ceil_div(kind.heads, ranks) * ((kind.d_nope or 0) + (kind.v_head_dim or 0))

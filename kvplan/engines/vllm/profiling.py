"""
What vLLM's profile run takes of torch's memory on a rank, from its code.

Each figure is arithmetic over tensors that vllm/v1/worker and the model classes allocate; they were
compared with start-ups of unmodified releases whose kernels compute nothing (tests/rehearsed).
"""

from typing import NamedTuple

from kvplan.engines.overheads import Sampler
from kvplan.records import record
from kvplan.units import MIB, ceil_div

CUBLAS_BYTES = 32 * MIB
"""The workspace that torch gives cuBLAS on Hopper (aten/src/ATen/cuda/CublasHandlePool.cpp)."""

EAGER_STATES = 5
_COMPILED_STATES = 3
"""
Copies of the hidden states beside an MLP: residual, input, output; up to two more without torch.compile.

Compiled and without a gate there are none: what is activated lies where it came from.
"""

_BESIDE_EXPERTS = 2
"""More of them beside an MLP of a mixture that is compiled: what experts were given, and made."""

_MIXER_STATES = 4
"""The same beside a mixer; three where one of them is let go first, as in Qwen3's class."""

_TRIED_STATES = 1
"""The same where MLA tries contexts: Kimi-K2's and DeepSeek-V3's by 0.33; one more without torch.compile."""

_STATES_BYTES = 36_000
"""
What Model Runner V2 keeps of a request beside its penalties: biased, allowed and bad tokens, its blocks.

Source: v1/worker/gpu/sample of 0.28, in start-ups with 64 and 1024 sequences.
"""

_V1_TABLES_BYTES = 3 * MIB
"""Block tables and other buffers of the older runner, in start-ups of 0.21 to 0.28 with 1024 sequences."""


@record
class Batch:
    """
    The batch of a profile run on one of *tp* ranks.

    `tokens` in `sequences` of a model `hidden` wide with `vocab` tokens, in `element_bytes`; `copies` of the
    hidden states are alive beside a layer. `v2` says which runner runs it, and `eager` whether without
    torch.compile. `logit_bytes` are what the second runner has beside each logit.
    """

    tokens: int
    sequences: int
    hidden: int
    vocab: int
    element_bytes: int
    tp: int
    v2: bool
    eager: bool = False
    logit_bytes: int = 0
    copies: int = 1

    @property
    def states_bytes(self) -> int:
        """The hidden states of all tokens."""
        return self.tokens * self.hidden * self.element_bytes


@record
class Widths:
    """
    The widths of a rank's MLPs: of a dense one, and of an expert of which a token visits `experts_per_token`.

    0 where the model has none. Of so many `replicas` each rank's experts have all tokens, in one piece of at
    most `piece` tokens, or `places` for so many, whatever comes. `matrices` are those whose outputs are alive
    at once, three with a gate. A mixer has `mixed` numbers of a token, where that is known, and MLA
    `tried_bytes` of contexts once. Experts that keep no `workspaces` allocate rows as they need them. Sparse
    attention gathers `gathered` keys, each `key` wide, and allocates `logits_bytes` for them. `states` are
    the hidden states beside an MLP without torch.compile.
    """

    dense: int = 0
    expert: int = 0
    experts_per_token: int = 0
    matrices: int = 3
    mixed: int = 0
    tried_bytes: int = 0
    states: int = EAGER_STATES
    workspaces: bool = True
    replicas: int = 1
    piece: int | None = None
    places: int = 0
    gathered: int = 0
    key: int = 0
    logits_bytes: int = 0


_GATED = 3
_SCALE_BYTES = 4
_RADIX_BYTES = MIB


def expert_tokens(batch: Batch, widths: Widths) -> int:
    """
    Return the tokens that a rank's experts have at once: those of all replicas, which are gathered first.

    Sources: make_moe_prepare_and_finalize_naive_dp_ep in all2all_utils.py and _allocate_buffers in
    modular_kernel.py, both in model_executor/layers/fused_moe, for the default of all2all_backend; alike in
    0.24, 0.28 and 0.33.
    """
    tokens = batch.tokens * widths.replicas
    return tokens if widths.piece is None else min(tokens, widths.piece)


def workspace_bytes(batch: Batch, widths: Widths) -> int:
    """
    Return the buffer that stays until the engine ends: what experts or sparse attention want of it, the more.

    Source: TritonExperts.workspace_shapes in model_executor/layers/fused_moe (alike in 0.19.1 and 0.28), and
    BatchedDeepGemmExperts' there, which have places; v1/worker/workspace.py, and sparse_attn_indexer.py in
    the layers: keys in fp8, their scales, and 1 MiB.
    """
    rows = expert_tokens(batch, widths) * widths.experts_per_token * widths.workspaces
    into = (widths.matrices - 1) * widths.expert
    both = max(widths.expert, batch.hidden) + max(into, batch.hidden)
    if widths.places:
        rows, both = widths.places, widths.expert + max(into, batch.hidden)
    keys = widths.gathered * (widths.key + _SCALE_BYTES)
    return max(rows * both * batch.element_bytes, keys and keys + _RADIX_BYTES)


def forward_bytes(batch: Batch, widths: Widths) -> int:
    """Return what a layer has at once: the MLP's inner rows or an indexer's logits, and hidden states."""
    inner = widths.matrices * widths.dense
    if not widths.workspaces:
        of_experts = 2 * widths.experts_per_token * widths.expert * expert_tokens(batch, widths)
        inner = max(inner, ceil_div(of_experts, batch.tokens))
    compiled = _COMPILED_STATES if widths.matrices == _GATED else 0
    if widths.experts_per_token and widths.dense:
        compiled += _BESIDE_EXPERTS
    states = widths.states if batch.eager else compiled
    rows = batch.tokens * batch.element_bytes
    mlp = max(rows * inner, widths.logits_bytes) + rows * states * batch.hidden
    return max(mlp, _mixer_bytes(batch, widths, rows))


def _mixer_bytes(batch: Batch, widths: Widths, rows: int) -> int:
    """Return what a mixer has at once: an indexer scores, or MLA tries contexts, while the rest is there."""
    if not widths.mixed:
        return 0
    if widths.tried_bytes:
        tried = rows * (widths.mixed + (_TRIED_STATES + batch.eager) * batch.hidden)
        return tried + max(widths.tried_bytes, widths.logits_bytes)
    return rows * (widths.mixed + _MIXER_STATES * batch.hidden) + widths.logits_bytes


def sampler_bytes(batch: Batch, sampler: Sampler) -> int:
    """
    Return what drawing a token for each sequence takes, with the hidden states of all tokens alive.

    Model Runner V2 draws without top-k and top-p up to 0.32 (_dummy_sampler_run in
    v1/worker/gpu/model_runner.py); a rank's share of them is gathered, and copied into order.
    """
    states = batch.copies * batch.states_bytes + batch.sequences * batch.hidden * batch.element_bytes
    logits = batch.sequences * batch.vocab * batch.element_bytes
    gathered = logits if batch.tp == 1 else 2 * logits + ceil_div(logits, batch.tp)
    if batch.v2:
        return states + max(gathered, logits + batch.sequences * batch.vocab * batch.logit_bytes)
    again = batch.sequences * batch.hidden * batch.element_bytes
    drawn = batch.sequences * sampler.bytes_per_logit + 4 * sampler.rows
    return states + again + max(gathered, logits + drawn * batch.vocab)


class Encoding(NamedTuple):
    """
    What a tower of images has at once beside its weights, and what it leaves for the text model.

    `buffer_bytes` are of the text model's class from the start, for outputs of the tower's deeper layers, and
    `inputs_bytes` of Model Runner V2, for a batch of tokens that are embedded before the model runs.
    """

    peak_bytes: int = 0
    encoded_bytes: int = 0
    buffer_bytes: int = 0
    inputs_bytes: int = 0


NO_IMAGES = Encoding()


def peak_bytes(batch: Batch, widths: Widths, sampler: Sampler, images: Encoding = NO_IMAGES) -> int:
    """Return the most that a profile run has at once of what it did not have before: images come first."""
    most = max(forward_bytes(batch, widths), sampler_bytes(batch, sampler))
    text = workspace_bytes(batch, widths) + images.encoded_bytes + most
    return CUBLAS_BYTES + max(images.peak_bytes, text)


def copied_bytes(batch: Batch) -> int:
    """Return the copy of a rank's embedding that torch.compile has when it first compiles a model."""
    return ceil_div(batch.vocab, batch.tp) * batch.hidden * batch.element_bytes


def compiled_bytes(batch: Batch) -> int:
    """
    Return what torch.compile has, the first time that it compiles a model.

    That is a copy of the embedding and two hidden states, before anything that cuBLAS wants. Seen in
    start-ups of 0.21 to 0.33, and printed: 1.18 GiB cold, 0.19 warm (Qwen3-8B on RTX 4090, 0.27.1).
    """
    return copied_bytes(batch) + 2 * batch.states_bytes


def kept_bytes(batch: Batch) -> int:
    """
    Return what a runner keeps beside the weights from before its profile run.

    The older runner has room for a batch of embedded tokens (inputs_embeds in v1/worker/gpu_model_runner.py).
    Model Runner V2 counts for each request which tokens it has drawn, in four bytes, and which its prompt
    has, in a bit (v1/worker/gpu/sample/penalties.py).
    """
    if not batch.v2:
        return batch.states_bytes + _V1_TABLES_BYTES
    of_tokens = 4 * batch.vocab + 4 * ceil_div(batch.vocab, 32)
    return batch.sequences * (of_tokens + _STATES_BYTES)

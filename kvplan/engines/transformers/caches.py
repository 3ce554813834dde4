"""
What the cache of Hugging Face transformers holds: its classes' own tensors, read from terms.

Read and run in transformers 5.23.0; file names are relative to that package. 5.17.0, run too, agrees
but for MLA with a sparse indexer (DeepSeek-V3.2, GLM-5: K and V of every head, not the latent) and
MiMo-V2-Flash (one token less). 5.24.0, run too, keeps the gates of DeepSeek-V4's last closed block
(`overlap_gate`) in float32, as its `position_bias` is, and the rest as before. The DynamicCache
reserves nothing ahead: it grows by concatenation, so the figures are what a rank holds once `tokens`
tokens of each sequence have been fed to the model. A generation of N tokens from a prompt of S feeds S
+ N - 1: the last is not fed back. The StaticCache is in static.py.

`kept` counts what the cache's tensors contain and `reserve` is its envelope; `allocated` counts the
memory behind them, which is more while a tensor is a view of a longer one.
"""

from dataclasses import replace
from typing import Literal

from kvplan.dtypes import BF16, FP16, FP32, Dtype
from kvplan.errors import SplitError, UnknownNameError
from kvplan.records import record
from kvplan.terms import Fixed, Growing, Layer, Stage, Term

_STORED = (BF16, FP16, FP32)

Moment = Literal["prefill", "decode"]
"""When memory is looked at: after one forward pass over the whole prompt, or after a decode step."""


@record
class Traits:
    """
    Facts of a model's class that no config tells; the defaults are those of most classes.

    `kv_copies`: how often K and V of each of several KV heads are written into the cache; Falcon does so
    in its new_decoder_architecture alone, the one that has several.
    `window_offset`: tokens that a full window holds, beyond the spec's window. -1, as
    DynamicSlidingWindowLayer.update slices `-sliding_window + 1 :` (cache_utils.py).
    `conv_columns`: columns kept of a convolution's inputs, beyond the kernel - 1 that suffice. 1,
    as LinearAttentionLayer.update_conv_state keeps `conv_kernel_size` of them (cache_utils.py).
    `state_dtype`: that of recurrent states, where the class departs from the spec.
    `indexer_dtype`: that of an indexer's keys, where the class rotates them in another than the model's.
    `shards_heads`: whether the class's tensor-parallel plan divides attention by heads.
    """

    kv_copies: int = 1
    window_offset: int = -1
    conv_columns: int = 1
    state_dtype: Dtype | None = None
    indexer_dtype: Dtype | None = None
    shards_heads: bool = True


COMMON = Traits()

# A class without attention in its base_model_tp_plan (configuration_*.py), or without a plan.
_WHOLE = Traits(shards_heads=False)
# `conv1d_state` has conv1d_width - 1 columns (models/recurrent_gemma/modeling_recurrent_gemma.py).
_RECURRENT_GEMMA = Traits(conv_columns=0, shards_heads=False)
# The last columns alone, of two convolutions and of values (models/zaya/modeling_zaya.py of 5.24).
_ZAYA = Traits(conv_columns=0, shards_heads=False)
# Indexed layers have float32 tables of RoPE (models/dots3_note/modeling_dots3_note.py of 5.24).
_DOTS3 = Traits(indexer_dtype=FP32, shards_heads=False)
# `sliding_window` is the published window plus the query (models/mimo_v2_flash/
# configuration_mimo_v2_flash.py: `sliding_window_size + 1`, 129 by default).
_MIMO = Traits(window_offset=0)
# xLSTMModel makes its xLSTMCache in the dtype of the embeddings (models/xlstm/modeling_xlstm.py).
_XLSTM = Traits(state_dtype=BF16, shards_heads=False)

# Phi3Config gathers the joint projection of Q, K and V, so that every rank has all heads.
_WITHOUT_A_PLAN = """
    bamba bart bitnet bloom dbrx falcon falcon_h1 gpt2 gpt_bigcode gpt_oss gptj granitemoe granitemoehybrid
    granitemoeshared hunyuan hunyuan_v1_dense hunyuan_v1_moe jamba lfm2 lfm2_moe mllama_text_model mpt
    nemotron_h opt phi3 phi3_v phi3small phi4flash phimoe stablelm step3p7 t5 whisper zamba zamba2
"""

_TRAITS = {
    **dict.fromkeys(_WITHOUT_A_PLAN.split(), _WHOLE),
    "dots3_note_text": _DOTS3,
    "mimo_v2_flash": _MIMO,
    "recurrent_gemma": _RECURRENT_GEMMA,
    "xlstm": _XLSTM,
    "zaya": _ZAYA,
}
"""
Architectures whose class departs from COMMON, by the model type of the text model.

Level L2 of `kvplan validate` holds it against the plans of the classes that it builds.
"""

_IN_PART = frozenset({"qwen4_exp_text"})
"""
Model types whose class keeps token ids, in whole numbers of 8 bytes, beside its states: no kind has them.

Source: modeling_qwen4_exp.py of transformers 5.20.
"""


def require_whole(architecture: str | None) -> None:
    """Raise UnknownNameError for a model type of whose class's cache kvplan knows a part."""
    if architecture in _IN_PART:
        raise UnknownNameError(
            f"transformers keeps token ids beside the states of {architecture}, which kvplan does not "
            "model: choose another engine"
        )


# `key = torch.broadcast_to(key, query.shape)` before the cache's update (models/falcon/modeling_falcon.py).
_BROADCASTS = frozenset({"falcon"})


def traits_of(architecture: str | None, sharing: int) -> Traits:
    """
    Return the traits of an architecture's class, COMMON unless it departs.

    *sharing* are the query heads that share a KV head.
    """
    traits = COMMON if architecture is None else _TRAITS.get(architecture, COMMON)
    return replace(traits, kv_copies=sharing) if architecture in _BROADCASTS else traits


def reserve(stage: Stage, *, tokens: int, batch: int, tp: int, traits: Traits = COMMON) -> int:
    """
    Return the most bytes that *batch* sequences of up to *tokens* tokens ever keep on a rank.

    Raises SplitError where transformers' tensor parallelism cannot shard the KV heads, and
    UnknownNameError for a dtype in which its cache stores nothing.
    """
    return batch * sum(
        count * size_of_rows(term, layer, _most_rows(term, layer, tokens, traits), tp, traits)
        for layer, count in stage.counts
        for term in layer
    )


def kept(stage: Stage, *, tokens: int, batch: int, tp: int, traits: Traits = COMMON) -> int:
    """
    Return the bytes of data in the cache's tensors on a rank with exactly *tokens* tokens fed.

    It differs from `reserve` for DeepSeek-V4 alone, whose buffers empty at each compression.
    """
    return batch * sum(
        count * size_of_rows(term, layer, _kept_rows(term, layer, tokens, traits), tp, traits)
        for layer, count in stage.counts
        for term in layer
    )


def allocated(  # noqa: PLR0913 - the arguments of a Reserve, and the two that it leaves open
    stage: Stage, *, tokens: int, batch: int, tp: int, moment: Moment, traits: Traits = COMMON
) -> int:
    """
    Return the bytes of memory behind the cache's tensors on a rank.

    A sliding layer keeps a slice of the K and V that it has just attended to, and a slice keeps all
    of them alive: after a prefill the whole prompt, after a decode step the token before the window
    too (cache_utils.py, DynamicSlidingWindowLayer.update). Raises UnknownNameError for DeepSeek-V4.
    """
    return batch * sum(
        count * size_of_rows(term, layer, _live_rows(term, layer, tokens, moment, traits), tp, traits)
        for layer, count in stage.counts
        for term in layer
    )


def _most_rows(term: Term, layer: Layer, tokens: int, traits: Traits) -> int:
    """Return the rows of *term* at the worst moment on the way to *tokens* tokens."""
    if not _is_compressor(term):
        return _kept_rows(term, layer, tokens, traits)
    # Just before the last block was closed, if it has not grown as full again since.
    before = max(tokens - tokens % _ratio(layer) - 1, 0)
    return max(_kept_rows(term, layer, fed, traits) for fed in (before, tokens))


def _kept_rows(term: Term, layer: Layer, tokens: int, traits: Traits) -> int:
    rows = term.known_rows
    if isinstance(rows, Fixed):
        return fixed_rows(rows, term, traits)
    if _is_compressor(term):
        return _waiting_rows(rows, _ratio(layer), tokens)
    return _newest(rows, tokens, traits) // rows.stride


def fixed_rows(rows: Fixed, term: Term, traits: Traits) -> int:
    """Return the *rows* of a state, of a convolution's columns, or of an encoder's tokens."""
    return rows.count + (traits.conv_columns if is_conv(term) else 0)


def _live_rows(term: Term, layer: Layer, tokens: int, moment: Moment, traits: Traits) -> int:
    rows = term.known_rows
    if isinstance(rows, Fixed):
        # RecurrentGemma decodes on kernel columns and keeps a slice of them.
        decoding = moment == "decode" and is_conv(term)
        return max(_kept_rows(term, layer, tokens, traits), rows.count + 1 if decoding else 0)
    if _ratio(layer) > 1:
        raise UnknownNameError(
            "transformers keeps DeepSeek-V4's prompt alive in ways that kvplan does not model; use `kept`"
        )
    newest = _newest(rows, tokens, traits)
    return tokens if moment == "prefill" else min(tokens, newest + 1)


def _newest(rows: Growing, tokens: int, traits: Traits) -> int:
    """
    Return how many of *tokens* tokens a layer keeps: window - 1 of them once there are more.

    Chunked layers are cached as sliding ones (cache_utils.py, DYNAMIC_LAYER_TYPE_MAPPING). A window
    of 1 slices from 0, which keeps all.
    """
    if rows.window is None:
        return tokens
    held = rows.window + traits.window_offset
    return min(tokens, held) if held else tokens


def is_conv(term: Term) -> bool:
    """Whether these are the inputs that a convolution keeps."""
    return term.role == "conv"


def _is_compressor(term: Term) -> bool:
    """Whether these are the tokens that DeepSeek-V4 has yet to compress, the only state that grows."""
    return term.role == "state" and isinstance(term.known_rows, Growing)


def _ratio(layer: Layer) -> int:
    return max((term.known_rows.stride for term in layer if isinstance(term.known_rows, Growing)), default=1)


def _waiting_rows(rows: Growing, ratio: int, tokens: int) -> int:
    """
    Return the rows of a DeepSeek-V4 compressor: a key and a gate vector per overlap of a token each.

    The tokens of the open block wait whole; where blocks overlap, half of the vectors of the last
    closed block wait too (models/deepseek_v4/modeling_deepseek_v4.py, `store_compression_weights`
    and `update_overlap_state`).
    """
    overlap = (rows.window or ratio) // ratio
    closed = (overlap - 1) * ratio // overlap if tokens >= ratio else 0
    return tokens % ratio + closed


def size_of_rows(term: Term, layer: Layer, rows: int, tp: int, traits: Traits) -> int:
    """Return the bytes of so many *rows* of a layer's *term* on a rank, all its units and copies."""
    row_bytes = _dtype(term, layer, traits).row_bytes(term.width)
    return row_bytes * rows * _copies(term, layer, traits) * _units(term, tp, traits)


def _copies(term: Term, layer: Layer, traits: Traits) -> int:
    """
    Return how often a row is written.

    DeepSeek-V4's entry is key and value at once, and its own cache layers hold it once; a layer of it
    that does not compress has the common sliding layer, which holds it as keys and again as values
    (models/deepseek_v4/modeling_deepseek_v4.py, DeepseekV4HCACache.update).
    """
    _refuse_keys_from_entries(layer)
    if term.allocation.pool == "window" and _ratio(layer) == 1:
        return 2
    return traits.kv_copies if term.role in ("key", "value") and term.split.count > 1 else 1


def _refuse_keys_from_entries(layer: Layer) -> None:
    """Raise UnknownNameError for DeepSeek-V4.1: the indexers of models/deepseek_v4 pool their own keys."""
    pools = {term.allocation.pool for term in layer}
    if {"compressed", "indexer"} <= pools and "indexer compressor state" not in pools:
        raise UnknownNameError(
            "transformers 5.23 has no class whose indexer keys come from compressed entries, as in "
            "DeepSeek-V4.1: use --engine exact"
        )


def _dtype(term: Term, layer: Layer, traits: Traits) -> Dtype:
    if _is_compressor(term):  # Projections of the model, kept as they come.
        return next(other.dtype for other in layer if other.role == "entry")
    own = {"state": traits.state_dtype, "sums": traits.state_dtype, "indexer": traits.indexer_dtype}
    dtype = own.get(term.role) or term.dtype
    if dtype not in _STORED:
        raise UnknownNameError(
            f"transformers keeps its cache in the model's dtype, not in {dtype.name}: "
            f"use --kv-dtype {', '.join(stored.name for stored in _STORED)}"
        )
    return dtype


def _units(term: Term, tp: int, traits: Traits) -> int:
    """
    Return the units of *term* on a rank: KV heads are divided, all else is on every rank whole.

    A plan cuts k_proj and v_proj by columns without regard to heads (integrations/tensor_parallel.py),
    so that fewer KV heads than ranks are not stored again: the first forward fails.
    """
    split = term.split
    if term.role not in ("key", "value") or not traits.shards_heads:
        return split.count
    if split.count % tp:
        raise SplitError(
            f"transformers does not spread {split.count} KV heads over tp={tp}: "
            f"{split.count} % {tp} is {split.count % tp}, not 0, and it replicates none"
        )
    return split.count // tp

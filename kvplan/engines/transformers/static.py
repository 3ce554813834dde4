"""
What the static cache of transformers allocates: all the rows that it may ever hold, at its first token.

Read and run in transformers 5.23.0 (cache_utils.py: StaticCache and its layers). The tokens here are its
`max_cache_len`. `generate(cache_implementation="static")` makes that `max_length - 1`: the prompt and
the new tokens, but for the last, which is not fed back (generation/utils.py, `max_cache_length`). A
sequence is a beam, and a model that has generated more tokens before gets the cache of then
(`_previous_max_cache_length`). It gives an encoder's keys and values the length of the encoder's output,
and Llama 3.2 Vision's that of all tiles of its images (models/mllama/modeling_mllama.py,
`_prepare_static_cache`); a StaticCache that is made by hand gives the latter `max_cache_len` instead.
"""

from kvplan.engines.transformers.caches import COMMON, Traits, fixed_rows, is_conv, size_of_rows
from kvplan.errors import UnknownNameError
from kvplan.terms import Fixed, Growing, Layer, Stage, Term


def static_reserve(stage: Stage, *, tokens: int, batch: int, tp: int, traits: Traits = COMMON) -> int:
    """
    Return the bytes that a static cache of *tokens* tokens for *batch* sequences takes on a rank.

    Raises SplitError and UnknownNameError as `caches.reserve` does, and UnknownNameError for what no
    static layer holds.
    """
    return batch * sum(
        count * size_of_rows(term, layer, _rows(term, layer, tokens, traits), tp, traits)
        for layer, count in stage.counts
        for term in layer
    )


def _rows(term: Term, layer: Layer, tokens: int, traits: Traits) -> int:
    """
    Return the rows that are allocated of *term*.

    A sliding layer has `min(max_cache_len, sliding_window)` of them, a chunked one alike
    (StaticSlidingWindowLayer.__init__); states and convolutions are the dynamic cache's own layers
    (STATIC_LAYER_TYPE_MAPPING).
    """
    _refuse_unheld(term, layer)
    rows = term.known_rows
    if isinstance(rows, Fixed):
        return fixed_rows(rows, term, traits)
    if rows.window is None:
        return tokens
    # The dynamic cache keeps one token less than the class's own window.
    return min(tokens, rows.window + traits.window_offset + 1)


def _refuse_unheld(term: Term, layer: Layer) -> None:
    """Raise UnknownNameError for a term that no layer of a StaticCache was seen to hold."""
    held = (
        _holds_state(term, layer)
        if isinstance(term.known_rows, Fixed)
        else _holds_tokens(term, term.known_rows)
    )
    if not held:
        raise UnknownNameError(
            f"transformers 5.23 has no static cache that kvplan knows for this model's {term.label}: "
            "use cache_implementation=dynamic"
        )


def _holds_tokens(term: Term, rows: Growing) -> bool:
    """
    Whether a StaticLayer, a sliding one or a StaticIndexedLayer holds the rows of tokens.

    STATIC_LAYER_TYPE_MAPPING lacks the compressed layers of DeepSeek-V4, whose entries these are not.
    """
    return rows.stride == 1 and not rows.skip and term.role in ("key", "value", "latent", "rope", "indexer")


def _holds_state(term: Term, layer: Layer) -> bool:
    """
    Whether a LinearAttentionLayer, or the StaticCache of an encoder's tokens, holds these rows.

    Every class of it that ran has a convolution. Those without have a cache of their own that takes
    the place of any other: MiniMax-01, RWKV, xLSTM (generation/utils.py,
    `_supports_default_dynamic_cache`). An encoder's layers get the decoder's windows; no class with
    both was run.
    """
    if term.allocation.pool == "cross":
        return not any(isinstance(other.known_rows, Growing) and other.known_rows.window for other in layer)
    return is_conv(term) or (term.role == "state" and any(is_conv(other) for other in layer))

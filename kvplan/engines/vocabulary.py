"""The rows of a vocabulary that engines cut over tensor-parallel ranks."""

from kvplan.units import ceil_div

_PADDED_TO = 64
"""Source: DEFAULT_VOCAB_PADDING_SIZE in model_executor/layers/vocab_parallel_embedding.py of vLLM 0.33."""


def uncut_rows(vocab: int | None, tp: int) -> int | None:
    """
    Return the padded rows of a vocabulary that vLLM refuses to cut over *tp* ranks; None if it cuts them.

    They must divide evenly (vocab_range_from_global_vocab_size in the same file). SGLang 0.5.23 pads them
    further instead, to a multiple of 64 x tp.
    """
    if vocab is None:
        return None
    padded = ceil_div(vocab, _PADDED_TO) * _PADDED_TO
    return padded if padded % tp else None

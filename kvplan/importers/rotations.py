"""What a file says of rotations: how far they stretch its positions, and how long their tables are."""

from collections.abc import Iterator, Mapping

from kvplan.importers.fields import MAX_COUNT, Fields
from kvplan.importers.strict_json import Json
from kvplan.units import ceil_div

_NAMED_STRETCHED = frozenset(
    {"su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling", "mrope", "default"}
)
"""Types of rotations that stretch nothing, or whose `max_position_embeddings` is the stretched context."""


def stretched_context(fields: Fields, max_context: int, model_type: str) -> int | None:
    """
    Return the longest context that the rotations reach, None where it is the one that the file names.

    A `factor` multiplies `max_position_embeddings`, but for Gemma 3, whose files name the product. Source:
    _get_and_verify_max_len in config/model.py of vLLM 0.33, which reads the outer config alone.
    """
    if "gemma3" in model_type:
        return None
    stretched = max_context
    for scaling in _scalings(fields):
        kind = scaling.get("rope_type", scaling.get("type", "default"))
        factor = scaling.get("factor")
        if kind not in _NAMED_STRETCHED and type(factor) in (int, float):
            stretched = int(max_context * min(float(str(factor)), MAX_COUNT))
    return stretched if stretched > max_context else None


def _scalings(fields: Fields) -> Iterator[Mapping[str, Json]]:
    """Yield what the file says of rotations: of all layers, or of those of each type."""
    for name in ("rope_parameters", "rope_scaling"):
        found = fields.values.get(name)
        if isinstance(found, Mapping):
            parts = [part for part in found.values() if isinstance(part, Mapping)]
            yield from parts or [found]


_MILLION = 1_000_000
"""Factors are read in millionths: they are floats in a file."""


def read_rotations(text: Fields) -> int | None:
    """
    Return the positions of all tables; None where there is one of the longest context.

    Positions that are scaled linearly have a table as many times longer, and windows with a base of their
    own (rope_local_base_freq) one more (LinearScalingRotaryEmbedding and gemma3.py of vLLM 0.30). No field is
    refused here: the tables are a small part of an estimate.
    """
    longest, scaling = text.values.get("max_position_embeddings"), text.values.get("rope_scaling")
    if type(longest) is not int or not isinstance(scaling, dict):
        return None
    factor = scaling.get("factor")
    linear = "linear" in (scaling.get("rope_type"), scaling.get("type"))
    if (
        not linear
        or not isinstance(factor, int | float)
        or isinstance(factor, bool)
        or not 1 < factor < 10**4
    ):
        return None
    scaled = ceil_div(longest * round(factor * _MILLION), _MILLION)
    return scaled + (longest if "rope_local_base_freq" in text.values else 0)

"""How far a file stretches the positions that its model was trained on, beyond the context that it names."""

from collections.abc import Iterator, Mapping

from kvplan.importers.fields import MAX_COUNT, Fields
from kvplan.importers.strict_json import Json

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

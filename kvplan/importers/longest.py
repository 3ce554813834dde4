"""The longest context that an engine takes by all that a file says of lengths and of rotations."""

from collections.abc import Iterator, Mapping

from kvplan.importers.fields import MAX_COUNT, Fields
from kvplan.importers.strict_json import Json

_LENGTHS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
_NAMED_STRETCHED = frozenset(
    {"su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling", "mrope", "default"}
)
"""Types of rotations that stretch nothing, or whose `max_position_embeddings` is the stretched context."""


def longest_context(text: Fields, max_context: int) -> int | None:
    """
    Return the longest context that is taken, None where it is *max_context*.

    The least of all lengths that the text model's fields name, but for `model_max_length`, which wins; times
    the factor of its rotations, but for Gemma 3, whose files name the product. Source:
    derive_max_model_len_and_key in transformers_utils/model_arch_config_convertor.py, and
    _get_and_verify_max_len in config/model.py of vLLM 0.33.
    """
    text.skip(*_LENGTHS)
    named = {name: text.values.get(name) for name in _LENGTHS}
    lengths = {name: value for name, value in named.items() if type(value) is int and value > 0}
    least = lengths.get("model_max_length") or min(lengths.values(), default=max_context)
    factor = 1.0 if "gemma3" in str(text.values.get("model_type")) else _factor(text)
    longest = int(least * factor)
    if longest == max_context:
        return None
    text.state("longest_context", "all lengths that the file names, and the factor of its rotations")
    return longest


def yarn_context(text: Fields, longest: int) -> int | None:
    """
    Return the positions before YaRN times its factor, None where there is none or that is the *longest*.

    Where a file does not name them, they are its context: standardize_rope_params in modeling_rope_utils.py
    of transformers 5.23.
    """
    for scaling in _scalings(text):
        factor = scaling.get("factor")
        original = scaling.get("original_max_position_embeddings") or text.values.get(_LENGTHS[0])
        kind = scaling.get("rope_type", scaling.get("type"))
        if kind == "yarn" and type(factor) in (int, float) and type(original) is int:
            stretched = int(original * min(max(float(str(factor)), 0.0), float(MAX_COUNT)))
            return stretched if 0 < stretched <= MAX_COUNT and stretched != longest else None
    return None


def _factor(fields: Fields) -> float:
    factor = 1.0
    for scaling in _scalings(fields):
        kind, given = scaling.get("rope_type", scaling.get("type", "default")), scaling.get("factor")
        if kind not in _NAMED_STRETCHED and type(given) in (int, float):
            factor = min(max(float(str(given)), 1.0), float(MAX_COUNT))
    return factor


def _scalings(fields: Fields) -> Iterator[Mapping[str, Json]]:
    """Yield what the file says of rotations: of all layers, or of those of each type."""
    for name in ("rope_parameters", "rope_scaling"):
        found = fields.values.get(name)
        if isinstance(found, Mapping):
            parts = [part for part in found.values() if isinstance(part, Mapping)]
            yield from parts or [found]

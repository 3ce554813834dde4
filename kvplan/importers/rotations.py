"""How long the tables of rotary embeddings are, where a config.json has longer ones than its context."""

from kvplan.importers.fields import Fields
from kvplan.units import ceil_div

_MILLION = 1_000_000
"""Factors are read in millionths: they are floats in a file."""

_PLACES = 4


def read_rotations(text: Fields) -> int | None:
    """
    Return the positions of all tables; None where there is one of the longest context.

    Positions that are scaled linearly have a table as many times longer, and windows with a base of their
    own (rope_local_base_freq) one more (LinearScalingRotaryEmbedding and gemma3.py of vLLM 0.30). Places in
    images and films have a table four times as long (MRotaryEmbedding), but for interleaved ones since 0.32.
    No field is refused here: the tables are a small part of an estimate.
    """
    longest, scaling = text.values.get("max_position_embeddings"), text.values.get("rope_scaling")
    if type(longest) is not int or not isinstance(scaling, dict):
        return None
    if "mrope_section" in scaling and not scaling.get("mrope_interleaved"):
        return _PLACES * longest
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

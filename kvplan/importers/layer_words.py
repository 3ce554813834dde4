"""
The list of layer types that newer files of every family have, against what the family's reader found.

Since 4.53 transformers writes `layer_types` for families whose layers are all alike, too, and its caches
follow it (cache_utils.py, get_layer_types_and_kwargs): a list that says otherwise is another model.
"""

from kvplan.importers.families.common import Reading, by_types
from kvplan.importers.fields import Fields

_KINDS = {
    "full_attention": ("mha", "mqa", "gqa", "mla", "none"),
    "sliding_attention": ("sliding",),
    "chunked_attention": ("chunked",),
}
"""Which of our kinds each of transformers' words is."""


def check_layer_types(fields: Fields, reading: Reading) -> None:
    """Take `layer_types` where the reader did not; raise ImportedError where it contradicts the reading."""
    if not fields.has("layer_types") or "layer_types" in fields.used:
        return
    words = by_types(fields, len(reading.layers), {word: word for word in _KINDS})
    for number, (word, layer) in enumerate(zip(words, reading.layers, strict=True)):
        kinds = reading.attention[layer]
        for kind in [kinds] if isinstance(kinds, dict) else kinds:
            if kind["kind"] not in _KINDS[word]:
                found = f"layer {number} is {word!r}, but by all other fields it is {kind['kind']}"
                raise fields.error("layer_types", found)

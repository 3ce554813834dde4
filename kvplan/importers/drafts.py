"""Draft layers (multi-token prediction), which a spec counts apart, and how files tell of them."""

from collections.abc import Sequence

from kvplan.importers.fields import Fields
from kvplan.specs.draft_module import DraftModule

_COUNTS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers")
_PATTERNS = {
    "mtp_hybrid_override_pattern": "hybrid_override_pattern",
    "mtp_layers_block_type": "layers_block_type",
    "mtp_layer_types": "layer_types",
}
"""What the layers of a module are, in the words in which another field tells the model's own."""

_DETAILS = (
    "use_mtp",
    "mtp_transformer_layers",
    "mtp_hybrid_override_pattern",
    "mtp_layers_block_type",
    "mtp_use_dedicated_embeddings",
    "mtp_block_configs",
)

_INSIDE = "mtp_config"


def draft_layers(fields: Fields) -> tuple[str, ...]:
    """
    Take the fields of draft layers and return what they say is not counted.

    Their cache exists only where speculative decoding uses them.
    """
    fields.skip(*_DETAILS)
    inner = _inside(fields) if isinstance(fields.values.get(_INSIDE), dict) else ()
    counts = {name: fields.take_optional_whole(name) for name in _COUNTS}
    return inner + tuple(
        f"{count} draft layer{'s' if count > 1 else ''} for multi-token prediction ({fields.path}{name})"
        for name, count in counts.items()
        if count
    )


def draft_module(fields: Fields, layers: Sequence[str]) -> DraftModule | None:
    """
    Return the module for multi-token prediction that a model brings, whose *layers* are of these types.

    None without one, or where the file contradicts itself or tells its layers in words that are not known.
    """
    counts = {fields.values.get(name) for name in _COUNTS} - {None, 0}
    count = counts.pop() if len(counts) == 1 else None
    if not isinstance(count, int) or isinstance(count, bool):
        return None
    told = [
        (fields.values[own], fields.values.get(of_model))
        for own, of_model in _PATTERNS.items()
        if fields.values.get(own)
    ]
    every = fields.values.get("layer_types")
    if isinstance(every, list) and len(every) > len(layers):  # Step 3.5: the module's layers are the last.
        told.append((list(dict.fromkeys(map(str, every[len(layers) :]))), every[: len(layers)]))
    if not told:
        return DraftModule(layers=count)
    patterns = {_named(words, own, layers) for words, own in told}
    pattern = patterns.pop() if len(patterns) == 1 else None
    return None if pattern is None else DraftModule(layers=count, pattern=pattern)


def _named(words: object, own: object, layers: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names of the types that *words* mean, as those of the model's *own* layers do."""
    if not isinstance(words, str | list) or not isinstance(own, str | list) or len(own) != len(layers):
        return None
    known = dict(zip(map(str, own), layers, strict=True))
    named = tuple(known.get(str(word)) for word in words)
    found = tuple(name for name in named if name is not None)
    return found if len(found) == len(named) else None


def _inside(fields: Fields) -> tuple[str, ...]:
    """Return what an object of draft layers' facts says: Inkling."""
    part = fields.nested(_INSIDE)
    part.skip(*(name for name in part.values if name not in _COUNTS))
    return draft_layers(part)

"""Draft layers (multi-token prediction), which a spec does not count, and how files tell of them."""

from kvplan.importers.fields import Fields

_COUNTS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers")
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

    Their cache exists only where speculative decoding uses them, and it is the engine's to say.
    """
    fields.skip(*_DETAILS)
    inner = _inside(fields) if isinstance(fields.values.get(_INSIDE), dict) else ()
    counts = {name: fields.take_optional_whole(name) for name in _COUNTS}
    return inner + tuple(
        f"{count} draft layer{'s' if count > 1 else ''} for multi-token prediction ({fields.path}{name})"
        for name, count in counts.items()
        if count
    )


def _inside(fields: Fields) -> tuple[str, ...]:
    """Return what an object of draft layers' facts says: Inkling."""
    part = fields.nested(_INSIDE)
    part.skip(*(name for name in part.values if name not in _COUNTS))
    return draft_layers(part)

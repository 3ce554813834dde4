"""
Every attention kind: one class each, a file per family.

A family is imported when a spec names one of its kinds, so that a cold start builds only those.
"""

from importlib import import_module

from kvplan.attention.base import Kind
from kvplan.errors import UnknownNameError, did_you_mean

_CLASSES = {
    "mha": "grouped.MHA",
    "mqa": "grouped.MQA",
    "gqa": "grouped.GQA",
    "sliding": "windowed.Sliding",
    "chunked": "windowed.Chunked",
    "budget": "budgets.Budget",
    "dcmha": "budgets.Composed",
    "cross": "uncached.Cross",
    "shared": "uncached.Shared",
    "none": "uncached.NoCache",
    "mla": "latent.MLA",
    "compressed": "latent.Compressed",
    "linear": "recurrent.Linear",
    "lightning": "recurrent.Lightning",
    "retnet": "recurrent.RetNet",
    "gla": "recurrent.GLA",
    "mlstm": "recurrent.MLSTM",
    "rwkv4": "recurrent.RWKV4",
    "rwkv": "recurrent.RWKV",
    "gated_delta_net": "recurrent.GatedDeltaNet",
    "kda": "recurrent.KDA",
    "mamba": "ssm.Mamba",
    "mamba2": "ssm.Mamba2",
    "rg_lru": "ssm.RGLRU",
    "short_conv": "ssm.ShortConv",
}


def kind_names() -> list[str]:
    """Return what `kind` may say in a spec."""
    return list(_CLASSES)


def kind_class(name: str) -> type[Kind]:
    """Return the class of a kind; raise UnknownNameError if there is none."""
    try:
        module, _, class_name = _CLASSES[name].partition(".")
    except KeyError:
        hint = did_you_mean(name, kind_names())
        raise UnknownNameError(
            f"found the kind {name[:40]!r}, which is unknown{hint}; the kinds are {', '.join(_CLASSES)}"
        ) from None
    found: type[Kind] = getattr(import_module(f"{__name__}.{module}"), class_name)
    return found


__all__ = ["Kind", "kind_class", "kind_names"]

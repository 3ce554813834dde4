"""The module for multi-token prediction of a model as a model of its own."""

from collections.abc import Sequence

from kvplan.dtypes import dtype_by_name, kv_format
from kvplan.errors import KvplanError
from kvplan.frozen import FrozenDict
from kvplan.specs.model import ModelSpec
from kvplan.specs.parts import Amount, LayerParts, Measure, ModelParts
from kvplan.specs.runs import LayerRun
from kvplan.terms import Fixed, Layer, Target, fullest, keeps_all

_MODULE = "module"
"""The type of a module's layers that are like none of the model's."""

_NORMS = 3
"""Of the token, of the hidden state, and the last: enorm, hnorm, shared_head.norm in DeepSeek-V3's files."""


def own_draft(spec: ModelSpec, *, cut: bool, embeds: bool) -> ModelSpec:
    """
    Return the module with which a model drafts for itself; raise KvplanError if its spec names none.

    Each of its layers is as the model's, behind a projection of a token's embedding and a hidden state, both
    `hidden` wide, to one of them: DeepSeek-V3, arXiv 2412.19437, equation 21. That is *cut* over the ranks,
    or whole on each. The head is the model's own, and so is the embedding, unless the module *embeds* itself.
    """
    if spec.draft is None:
        raise KvplanError(
            f"the spec of {spec.name} names no module for multi-token prediction, so that it is no draft of "
            "its own: give the model that drafts, as in --draft FILE"
        )
    own = spec.draft.attention
    pattern = (_MODULE,) if own else spec.draft.pattern or (_like(spec),)
    runs = (LayerRun(repeat=spec.draft.layers, pattern=pattern),)
    parts = _parts(spec, pattern, runs, cut=cut, embeds=embeds)
    released = parts is not None and spec.parts is not None and _is_released(spec, spec.parts)
    element_bytes = dtype_by_name(spec.dtype).row_bytes(1)
    changes = {
        "name": f"{spec.name}-mtp",
        "hf_id": None,
        "attention": FrozenDict({name: (own,) if own else spec.attention[name] for name in pattern}),
        "layers": runs,
        "parts": parts,
        "parameters": parts and parts.parameters(),
        "weight_bytes": parts.total(Measure(element_bytes)) if parts and released else None,
        "vocab": None,
        "tied": None,
        "replicated": None,
        "tensors": None,
        "draft": None,
    }
    return spec.model_copy(update=changes)


def _is_released(spec: ModelSpec, parts: ModelParts) -> bool:
    """Return whether parts have the bytes of the weights: a file's own, or those that add up to them."""
    return (
        spec.tensors is not None
        or parts.total(Measure(dtype_by_name(spec.dtype).row_bytes(1))) == spec.weight_bytes
    )


def _like(spec: ModelSpec) -> str:
    """Return the attention over all tokens that a module is like; raise KvplanError where it is not known."""
    layers = spec.lower_types(Target(kv=kv_format(spec.dtype)))
    # The last of DeepSeek-V4's compress_ratios is the module's, and 0: a window, nothing compressed.
    entries = any(term.role == "entry" for layer in layers.values() for term in layer)
    kept = {name: layer for name, layer in layers.items() if (_is_window if entries else keeps_all)(layer)}
    like = fullest(tuple(dict.fromkeys(kept.values())))
    # Beside windows a module may have one or none: only the file can tell.
    windows = any(layer and not keeps_all(layer) and not _is_state(layer) for layer in layers.values())
    if len(like) != 1 or (windows and not entries):
        raise KvplanError(
            f"which layer of {spec.name} its module for multi-token prediction is like is not known: "
            "give a spec of the module, as in --draft FILE"
        )
    return next(name for name, layer in kept.items() if layer == like[0])


def _is_state(layer: Layer) -> bool:
    return all(isinstance(term.rows, Fixed) for term in layer)


def _is_window(layer: Layer) -> bool:
    return bool(layer) and all(term.allocation.pool == "window" for term in layer)


def _parts(
    spec: ModelSpec, pattern: Sequence[str], runs: tuple[LayerRun, ...], *, cut: bool, embeds: bool
) -> ModelParts | None:
    """Return the weights of the module, or None where the spec does not count its own."""
    if spec.parts is None or spec.hidden is None:
        return None
    last = dict(zip(spec.layer_types, spec.parts.of_layers, strict=True))
    kinds: dict[str, LayerParts] = {name: last[name] for name in pattern if name in last}
    own, first = spec.draft.weights if spec.draft else None, kinds.get(pattern[0])
    if own is not None:
        kinds[pattern[0]] = own
    elif first is not None:
        projection, norms = 2 * spec.hidden**2, _NORMS * spec.hidden
        element_bytes = dtype_by_name(spec.dtype).row_bytes(1)
        more = {
            "whole": _with(first.whole, norms + (0 if cut else projection), element_bytes),
            "attention": _with(first.attention, projection if cut else 0, element_bytes),
        }
        kinds[pattern[0]] = first.model_copy(update=more)
    if {*kinds} != {*pattern}:
        return None
    return ModelParts(embedding=spec.parts.embedding if embeds else 0, kinds=kinds, layers=runs)


def _with(amount: Amount, parameters: int, element_bytes: int) -> Amount:
    """Return an amount with so many parameters more, which are stored in the model's dtype."""
    if isinstance(amount, tuple):
        return amount[0] + parameters, amount[1] + parameters * element_bytes
    return amount + parameters

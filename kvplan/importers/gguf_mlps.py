"""The MLPs of a GGUF model, and of a mixture its weights by layer and part, as its tensors tell them."""

import re
from collections.abc import Mapping
from typing import Any

from kvplan.importers.config import runs
from kvplan.importers.families.common import Reading
from kvplan.importers.fields import Fields
from kvplan.importers.gguf import Gguf
from kvplan.importers.gguf_tensors import by_layer
from kvplan.importers.stored import StoredTensor
from kvplan.records import record
from kvplan.specs.mlp import Mlp
from kvplan.specs.parts import LayerParts, ModelParts

_ATTENTION = re.compile(r"attn_(q|k|v|qkv|output|gate|q_b|k_b|v_b|kv_b|sinks)\.|ssm_|shortconv\.")
_Tensors = Mapping[str, StoredTensor]


@record
class Experts:
    """How many experts each mixture has, how wide one is, and of what states."""

    count: int
    width: int


def mlp_facts(model: Gguf, fields: Fields, reading: Reading) -> dict[str, Any]:
    """
    Return `mlp`, of a mixture `parts`, and `draft` with its weights; nothing that the file does not tell.

    The names of tensors are those of llama-arch.cpp of llama.cpp v0.5.0. Widths are those of the tensors, as
    keys have one for all layers, or for experts under that of dense ones.
    """
    every = by_layer(model)
    layers = {number: every[number] for number in every if number < len(reading.layers)}
    mixtures = [tensors for tensors in layers.values() if "ffn_up_exps.weight" in tensors]
    dense = [tensors for tensors in layers.values() if _is_dense(tensors)]
    widths = {tensors["ffn_down.weight"].elements // reading.hidden for tensors in dense}
    gated = {_gates(tensors, "ffn_{}_exps.weight") for tensors in mixtures}
    gated |= {_gates(tensors, "ffn_{}.weight") for tensors in dense}
    if len(widths) > 1 or len(gated) != 1:
        return {}
    facts: dict[str, Any] = {"gated": gated.pop(), "intermediate": next(iter(widths), None)}
    if not mixtures:
        return {"mlp": Mlp(**facts)}
    found = {_experts(tensors, fields, reading.hidden) for tensors in mixtures}
    used = fields.take_optional_count("expert_used_count")
    experts = next(iter(found)) if len(found) == 1 else None
    if experts is None or used is None:
        return {}
    mlp = Mlp(
        **facts,
        experts_per_token=used,
        expert_intermediate=experts.width,
        scaled=fields.values.get("expert_weights_scale", 0) not in {0, 1},
        **_groups(fields),
    )
    parts = _parts(model, layers, experts, len(reading.layers))
    drafts, first = reading.draft, every.get(len(reading.layers))
    if parts is None or drafts is None or first is None:
        return {"mlp": mlp, "parts": parts}
    return {
        "mlp": mlp,
        "parts": parts,
        "draft": drafts.model_copy(update={"weights": _layer(first, experts)}),
    }


def _is_dense(tensors: _Tensors) -> bool:
    """Return whether a layer has an MLP and no experts, beside which it would be a shared one."""
    return {"ffn_up.weight", "ffn_down.weight"} <= tensors.keys() and "ffn_up_exps.weight" not in tensors


def _gates(tensors: _Tensors, name: str) -> bool:
    """Return whether an MLP has a gate, be it in one matrix with what is gated."""
    up, down = tensors.get(name.format("up")), tensors.get(name.format("down"))
    joined = up is not None and down is not None and up.elements == 2 * down.elements
    return joined or name.format("gate") in tensors


def _experts(tensors: _Tensors, fields: Fields, hidden: int) -> Experts | None:
    count = fields.take_optional_count("expert_count")
    states = fields.take_optional_whole("moe_latent_size") or hidden
    if count is None:
        return None
    width, rest = divmod(tensors["ffn_up_exps.weight"].elements, count * states)
    return Experts(count=count, width=width) if width and not rest else None


def _groups(fields: Fields) -> dict[str, Any]:
    """Return the groups of experts of which a token meets some alone, if there are several."""
    groups = fields.take_optional_whole("expert_group_count") or 1
    chosen = fields.take_optional_whole("expert_group_used_count") or 1
    return {"expert_groups": groups, "groups_per_token": chosen} if 1 <= chosen < groups else {}


def _parts(model: Gguf, layers: Mapping[int, _Tensors], experts: Experts, count: int) -> ModelParts | None:
    """Return all weights by layer and part; None where the file lacks the embedding or a layer."""
    outside = [tensor for tensor in model.weights.tensors if not tensor.name.startswith(("blk.", "rope_"))]
    ends = {tensor.name: tensor for tensor in outside}
    if "token_embd.weight" not in ends or len(layers) != count:
        return None
    embedding, head = ends.pop("token_embd.weight"), ends.pop("output.weight", None)
    kinds: dict[LayerParts, str] = {}
    for number in range(count):
        kind = _layer(layers[number], experts)
        kinds.setdefault(kind, f"{'experts' if kind.experts else 'dense'}-{len(kinds) + 1}")
    names = tuple(kinds[_layer(layers[number], experts)] for number in range(count))
    return ModelParts.model_validate(
        {
            "embedding": _amount([embedding]),
            "head": _amount([head]) if head else 0,
            "beside": _amount([*ends.values()]),
            "kinds": {name: kind for kind, name in kinds.items()},
            "layers": runs(names),
        }
    )


def _layer(tensors: _Tensors, experts: Experts) -> LayerParts:
    mixes = "ffn_up_exps.weight" in tensors
    amounts: dict[str, list[StoredTensor]] = {}
    for name, tensor in tensors.items():
        amounts.setdefault(_part(name, mixes=mixes), []).append(tensor)
    each: dict[str, Any] = {part: _amount(found) for part, found in amounts.items() if part != "expert"}
    if not mixes:
        return LayerParts(**each)
    elements, size = _amount(amounts["expert"])
    expert = elements // experts.count, size // experts.count
    return LayerParts(**each, expert=expert, experts=experts.count, width=experts.width)


def _part(name: str, *, mixes: bool) -> str:
    stem = name.split(".", maxsplit=1)[0]
    if stem.endswith("_exps") and mixes:
        return "expert"
    if stem in ("ffn_gate_inp", "exp_probs_b"):
        return "router"
    if stem.endswith("_shexp"):
        return "shared"
    if stem in ("ffn_up", "ffn_gate", "ffn_down"):
        return "shared" if mixes else "dense"
    return "attention" if _ATTENTION.match(name) else "whole"


def _amount(tensors: list[StoredTensor]) -> tuple[int, int]:
    """Return the parameters of tensors and their bytes."""
    return sum(tensor.elements for tensor in tensors), sum(tensor.size_bytes for tensor in tensors)

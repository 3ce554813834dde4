"""Mixtures of experts as several families have them, and how files say which layers have one."""

from typing import Literal

from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import experts, gated_mlp, rms_norm, router, vector
from kvplan.importers.parameters.decoder import Block, Mlp

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""The spellings of the number of routed experts."""

_ROUTED_WIDTH = ("moe_intermediate_size",)


def routed(  # noqa: PLR0913 - each is one fact of the mixture
    hidden: int,
    number: int,
    width: int,
    *,
    shared_width: int = 0,
    router_bias: bool | Literal["plain"] = False,
    bias: bool = False,
    zero_experts: int = 0,
) -> Parameters:
    """
    Return a mixture of *number* experts: router, experts, and an MLP that every token meets.

    The router is whole on every rank, *router_bias* being a number per expert beside it: DeepSeek's
    e_score_correction_bias, saved with the weights, or a `plain` bias of its outputs. *zero_experts* are
    routed to and hold nothing: LongCat.
    """
    shared = gated_mlp(hidden, shared_width, bias=bias) if shared_width else NONE
    outputs = number + zero_experts
    chooses = router(hidden, outputs, bias=router_bias is True)
    if router_bias == "plain":
        chooses += vector(outputs)
    return chooses + experts(number, gated_mlp(hidden, width, bias=bias)) + shared


def simple(*width: str, router_bias: bool = False) -> Mlp:
    """Return a mixture in every layer whose experts are as wide as the field *width* says."""

    def count(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
        number, inner = fields.take_count(*EXPERTS), fields.take_count(*width)
        return routed(hidden, number, inner, router_bias=router_bias)

    return count


def is_sparse(fields: Fields, number: int) -> bool:
    """Return whether a layer of Qwen's MoE models has experts: transformers 5.23, modeling_qwen3_moe.py."""
    said = said_sparse(fields, number)
    if said is not None:
        return said
    dense = fields.take_optional_wholes("mlp_only_layers") or []
    step = fields.take_optional_count("decoder_sparse_step") or 1
    return number not in dense and (number + 1) % step == 0


def qwen_moe(*, shared: bool) -> Mlp:
    """Return Qwen's mixture; an expert that is *shared* is scaled by a gate of one number per input."""

    def count(fields: Fields, hidden: int, block: Block) -> Parameters:
        if not is_sparse(fields, block.number):
            return gated_mlp(hidden, fields.take_count("intermediate_size"))
        number, width = fields.take_count(*EXPERTS), fields.take_count(*_ROUTED_WIDTH)
        shared_width = fields.take_count("shared_expert_intermediate_size") if shared else 0
        mixture = routed(hidden, number, width, shared_width=shared_width)
        return mixture + (rms_norm(hidden) if shared else NONE)

    return count


def after_dense(*, router_bias: bool, shared: tuple[str, ...] = ("n_shared_experts",)) -> Mlp:
    """
    Return DeepSeek's mixture: the first `first_k_dense_replace` layers are dense.

    Shared experts run side by side as one MLP. Older files leave `moe_layer_freq` out; it is 1.
    """

    def count(fields: Fields, hidden: int, block: Block) -> Parameters:
        number = fields.take_whole(*EXPERTS)
        if not number or not _after_first(fields, block.number):
            return gated_mlp(hidden, fields.take_count("intermediate_size"))
        width = fields.take_count(*_ROUTED_WIDTH)
        shared_width = fields.take_whole(*shared) * width
        return routed(hidden, number, width, shared_width=shared_width, router_bias=router_bias)

    return count


def _after_first(fields: Fields, number: int) -> bool:
    said = said_sparse(fields, number)
    if said is not None:
        return said
    first = fields.take_whole("first_k_dense_replace")
    every = fields.take_optional_count("moe_layer_freq") or 1
    return number >= first and number % every == 0


def said_sparse(fields: Fields, number: int) -> bool | None:
    """Return whether `mlp_layer_types` says that a layer has experts; None if the file lacks the list."""
    if not fields.has("mlp_layer_types"):
        return None
    names = fields.take_texts("mlp_layer_types")
    if number >= len(names) or names[number] not in ("sparse", "dense"):
        raise fields.error("mlp_layer_types", f"expected 'sparse' or 'dense' for layer {number}")
    return names[number] == "sparse"


def _frequency_at(fields: Fields, number: int) -> bool:
    """Return whether the list `moe_layer_freq` marks a layer."""
    marks = fields.take_wholes("moe_layer_freq")
    if number >= len(marks):
        raise fields.error(
            "moe_layer_freq", f"lists {len(marks)} layers; expected one more for layer {number}"
        )
    return bool(marks[number])


def is_marked(fields: Fields, number: int) -> bool:
    """Return whether `mlp_layer_types`, or else the list `moe_layer_freq`, gives a layer experts."""
    said = said_sparse(fields, number)
    return _frequency_at(fields, number) if said is None else said


def count_at(fields: Fields, name: str, block: Block) -> int:
    """Return a count that the file gives once, or in a list with one for each layer."""
    value = fields.take(name)
    if isinstance(value, list):
        counts = fields.take_wholes(name)
        if block.number >= len(counts):
            raise fields.error(
                name, f"lists {len(counts)} layers; expected one more for layer {block.number}"
            )
        return counts[block.number]
    return fields.take_whole(name)

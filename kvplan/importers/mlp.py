"""The widths of MLPs as a config.json has them."""

from collections.abc import Sequence

from kvplan.importers.fields import Fields
from kvplan.specs.mlp import Mlp

_EXPERTS_PER_TOKEN = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "experts_per_token",
    "top_k_experts",
    "moe_topk",
    "moe_top_k",
    "moe_k",
)
_EXPERT = (
    "moe_intermediate_size",
    "expert_intermediate_size",
    "expert_ffn_hidden_size",
    "moe_ffn_hidden_size",
)
_DENSE = ("intermediate_size_mlp", "dense_intermediate_size", "intermediate_size", "ffn_hidden_size")
_PLAIN = ("ffn_dim", "n_inner", "decoder_ffn_dim")
"""Widths of MLPs of two matrices: OPT's, GPT-2's and Whisper's classes in transformers."""

_TWO_MATRICES = frozenset(
    {"bert", "bloom", "falcon", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "mpt", "nemotron", "nemotron_h"}
    | {"opt", "phi", "starcoder2", "t5", "whisper"}
)
"""Model types whose intermediate_size is that of an MLP without a gate, in transformers 5.0."""


_HALVED = frozenset({"qwen", "recurrent_gemma"})
"""Model types whose intermediate_size is that of both halves of a gated MLP: QWenMLP, RecurrentGemmaMlp."""

_UNTOLD = frozenset({"lfm2", "mamba", "mamba2", "ov_mamba"})
"""Model types whose file names a width that no MLP has: Lfm2MLP adjusts it, and Mamba has no MLP."""


def read_mlp(fields: Fields, model_type: str) -> Mlp | None:
    """
    Return the widths of the MLPs; None where the file does not tell them by a name that is known.

    No field is refused here: the widths size an estimate alone. Where experts have no width of their own,
    intermediate_size is theirs, as in Mixtral's and gpt-oss's classes.
    """
    if model_type in _UNTOLD:
        return None
    gated = model_type not in _TWO_MATRICES
    per_token, own = _count(fields, _EXPERTS_PER_TOKEN), _count(fields, _EXPERT)
    dense, plain = _count(fields, _DENSE), _count(fields, _PLAIN)
    if per_token is not None:
        expert = own or _count(fields, ("intermediate_size",))
        separate = own is not None or fields.has("intermediate_size_mlp", "dense_intermediate_size")
        if expert is None:
            return None
        return Mlp(
            intermediate=dense if separate else None,
            experts_per_token=per_token,
            expert_intermediate=expert,
            scaled=_is_scaled(fields),
            gated=gated,
            **_groups(fields),
        )
    if plain is not None:
        return Mlp(intermediate=plain, gated=False)
    if dense is None:
        return None
    return Mlp(intermediate=dense // 2 if model_type in _HALVED else dense, gated=gated)


def _groups(fields: Fields) -> dict[str, int]:
    """Return the groups of experts of which a token meets some alone, if there are several."""
    groups, chosen = _count(fields, ("n_group",)), _count(fields, ("topk_group",))
    if groups is None or chosen is None or not 1 <= chosen < groups:
        return {}
    return {"expert_groups": groups, "groups_per_token": chosen}


def _is_scaled(fields: Fields) -> bool:
    factor = fields.values.get("routed_scaling_factor")
    return isinstance(factor, int | float) and factor not in {0, 1}


def _count(fields: Fields, names: Sequence[str]) -> int | None:
    """Return the first of these fields that is a number above 0."""
    values = (fields.values.get(name) for name in names)
    return next((each for each in values if type(each) is int and 0 < each < 10**9), None)

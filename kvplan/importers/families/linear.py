"""Hybrids of full attention and linear attention: MiniMax-01 and M1, Qwen3-Next and Qwen3.5."""

from dataclasses import replace

from kvplan.importers.families.common import (
    Facts,
    Frame,
    Reading,
    by_types,
    expect,
    frame,
    optional_head_dim,
    periodic,
    require_equal,
    sliding,
    softmax,
    take_groups,
    take_head_dim,
    take_heads,
    take_state_dtype,
)
from kvplan.importers.families.states import state_dtypes
from kvplan.importers.fields import Fields

_LINEAR_OR_FULL = {"linear_attention": "linear", "full_attention": "full"}


def minimax_m1(fields: Fields, dtype: str) -> Reading:
    """
    Read MiniMax-01's and M1's config: 0 is a lightning layer, 1 a softmax layer.

    The lightning state keeps the model's dtype (modeling_minimax.py of transformers 5.23).
    """
    base = frame(fields)
    heads = take_heads(fields)
    head_dim = take_head_dim(fields)
    softmax_layer = softmax(heads, take_groups(fields, heads), head_dim)
    expect(fields, "sliding_window", (None,), why="softmax layers keep all tokens")
    flags = fields.take_wholes("attn_type_list", to="layers")
    if len(flags) != base.layers or set(flags) - {0, 1}:
        raise fields.error("attn_type_list", f"expected 0 or 1 for each of {base.layers} layers")
    fields.state("state_dtype", "the model's dtype: modeling_minimax.py of transformers 5.23")
    lightning = {"kind": "lightning", "heads": heads, "head_dim": head_dim, "state_dtype": dtype}
    layers = ["softmax" if flag else "lightning" for flag in flags]
    return base.mixed(layers, {"lightning": lightning, "softmax": softmax_layer})


def qwen3_next(fields: Fields, dtype: str) -> Reading:
    """Read Qwen3NextConfig, whose files give the period of the full layers and list no types."""
    return _gated_delta_hybrid(fields, dtype)


def qwen3_5(fields: Fields, dtype: str) -> Reading:
    """
    Read Qwen3.5's text config, whose `mamba_ssm_dtype`, where it is given, engines keep states in.

    Source: Qwen3_5ForConditionalGenerationConfig in vLLM 0.33, models/config.py.
    """
    reading = _gated_delta_hybrid(fields, dtype)
    if not fields.has("mamba_ssm_dtype"):
        return reading
    fields.state("states_fixed", f"{fields.path}mamba_ssm_dtype")
    return replace(reading, states_fixed=True)


def _gated_delta_hybrid(fields: Fields, dtype: str) -> Reading:
    """
    Read gated DeltaNet layers, and full attention with an output gate.

    The gate is in the code of the classes, whether or not the file says it.
    """
    base = frame(fields)
    heads = take_heads(fields)
    groups, head_dim = take_groups(fields, heads), take_head_dim(fields)
    expect(fields, "attn_output_gate", (True,), why="the class always has the gate")
    fields.skip("output_gate_type")
    expect(fields, "use_sliding_window", (False, None), why="full layers keep all tokens")
    full = softmax(heads, groups, head_dim, output_gate=True)
    return base.mixed(_layers(fields, base), {"linear": _delta_net(fields, dtype), "full": full})


def _layers(fields: Fields, base: Frame) -> list[str]:
    """Take the list of types, or the period of the full layers; both must agree."""
    period = fields.take_optional_count("full_attention_interval", to="layers")
    told = periodic(base.layers, period, "linear", "full") if period else None
    if told is not None and not fields.has("layer_types"):
        return told
    layers = by_types(fields, base.layers, _LINEAR_OR_FULL)
    require_equal(fields, "layer_types", layers, told or layers, "full_attention_interval")
    return layers


def _delta_net(fields: Fields, dtype: str) -> Facts:
    facts: Facts = {
        "kind": "gated_delta_net",
        "qk_heads": fields.take_count("linear_num_key_heads", to="qk_heads"),
        "v_heads": fields.take_count("linear_num_value_heads", to="v_heads"),
        "qk_head_dim": fields.take_count("linear_key_head_dim", to="qk_head_dim"),
        "v_head_dim": fields.take_count("linear_value_head_dim", to="v_head_dim"),
        "conv_kernel": fields.take_count("linear_conv_kernel_dim", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    if fields.has("mamba_ssm_dtype"):
        facts["state_dtype"] = take_state_dtype(fields, "mamba_ssm_dtype")
    return facts


def minimax(fields: Fields, dtype: str) -> Reading:
    """Read MiniMaxConfig of transformers, which lists the types of MiniMax-01's layers."""
    base = frame(fields)
    heads = take_heads(fields)
    head_dim = optional_head_dim(fields, base.hidden, heads)
    full = softmax(heads, take_groups(fields, heads), head_dim)
    expect(fields, "sliding_window", (None,), why="softmax layers keep all tokens")
    fields.state("state_dtype", "the model's dtype: modeling_minimax.py of transformers 5.23")
    lightning = {"kind": "lightning", "heads": heads, "head_dim": head_dim, "state_dtype": dtype}
    return base.mixed(by_types(fields, base.layers, _LINEAR_OR_FULL), {"linear": lightning, "full": full})


def olmo_hybrid(fields: Fields, dtype: str) -> Reading:
    """Read OlmoHybridConfig: gated DeltaNet layers, and full attention without a gate."""
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    full = softmax(heads, groups, optional_head_dim(fields, base.hidden, heads))
    return base.mixed(_layers(fields, base), {"linear": _delta_net(fields, dtype), "full": full})


def lara_mini(fields: Fields, dtype: str) -> Reading:
    """Read LaraMiniConfig: gated DeltaNet layers, windows, and full attention without a gate."""
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), take_head_dim(fields))
    kinds: dict[str, Facts] = {
        "linear": _delta_net(fields, dtype),
        "local": sliding(*shape, fields.take_count("sliding_window", to="window")),
        "full": softmax(*shape),
    }
    words = {**_LINEAR_OR_FULL, "sliding_attention": "local"}
    return base.mixed(by_types(fields, base.layers, words), kinds)

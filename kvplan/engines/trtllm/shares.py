"""Over how many ranks TensorRT-LLM cuts each part of a model's weights."""

from kvplan.engines.base import EngineOptions
from kvplan.engines.settings import read_settings
from kvplan.engines.shares import Shares, over_tp, together
from kvplan.engines.trtllm.options import ATTENTION_DP, SETTINGS
from kvplan.errors import OptionsError

DRAFT_PROJECTIONS = frozenset({"deepseek_v3", "deepseek_v32", "glm4_moe"})
"""
Classes whose module for multi-token prediction cuts its projection as attention is cut.

eh_proj of DeepseekV3MTP and Glm4MTP in _torch/models/modeling_deepseekv3.py and modeling_glm.py.
"""


def shares(options: EngineOptions) -> Shares:
    """
    Return shares over tp, which is moe_ep_size x moe_tp_size: Mapping in tensorrt_llm/mapping.py.

    With attention data parallelism each of dp ranks has whole heads, and of dense MLPs, shared experts,
    embedding and head all; routed experts alone are cut, or dealt out, over all of them, TensorRT-LLM's
    tp_size. Sources: _compute_mlp_tp_size and Deepseekv3MoE in _torch/models/modeling_deepseekv3.py,
    DecoderModelForCausalLM in _torch/models/modeling_utils.py and Attention in _torch/modules/attention.py.
    """
    if not has_attention_dp(options):
        if options.tp % options.ep:
            raise OptionsError(
                f"ep={options.ep} does not divide tp={options.tp}: TensorRT-LLM takes a divisor"
            )
        return _with_slots(over_tp(options), options)
    if options.tp > 1:
        raise OptionsError(
            f"{ATTENTION_DP} keeps whole heads on each rank: what TensorRT-LLM calls tp_size is dp here, and "
            f"tp is 1, not {options.tp}"
        )
    if options.dp % options.ep:
        raise OptionsError(f"ep={options.ep} does not divide dp={options.dp}: TensorRT-LLM takes a divisor")
    return _with_slots(together(options, options.ep), options)


def _with_slots(shares: Shares, options: EngineOptions) -> Shares:
    """
    Return shares with the slots of experts that the load balancer has, as many on each rank.

    Source: MoeLoadBalancerConfig.setup in llmapi/llm_args.py. What it updates while it runs comes from the
    host's memory (moe_load_balancer.py in _torch/modules/fused_moe).
    """
    slots = read_settings(SETTINGS, options.settings).count("num_slots") or 0
    if slots % options.ep:
        raise OptionsError(
            f"num_slots={slots} is no multiple of ep={options.ep}, over which TensorRT-LLM deals them out"
        )
    return shares._replace(slots=slots)


def has_attention_dp(options: EngineOptions) -> bool:
    """Return whether the dp replicas run as one group of ranks, each attending for sequences of its own."""
    return read_settings(SETTINGS, options.settings).flag(ATTENTION_DP) is True

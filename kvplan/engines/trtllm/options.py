"""Options of TensorRT-LLM that other engines do not have, by its own names."""

from kvplan.engines.settings import Setting

ATTENTION_DP = "enable_attention_dp"

SETTINGS = (
    Setting(
        name="max_attention_window",
        kind="counts",
        help="tokens that layers keep, a pattern that repeats: 1024,1024,131072",
    ),
    Setting(name="max_tokens", kind="count", help="the most tokens in the pool"),
    Setting(
        name=ATTENTION_DP, kind="flag", help="each of the dp ranks attends for sequences of its own: tp is 1"
    ),
    Setting(
        name="num_nextn_predict_layers",
        kind="count",
        help="drafted tokens of the model's own module, each with a layer in the pool",
    ),
    Setting(
        name="max_draft_len", kind="count", help="drafted tokens of an EAGLE-3 draft, each with such a layer"
    ),
    Setting(
        name="eagle3_one_model", kind="flag", help="whether an EAGLE-3 draft's layers are in the model's pool"
    ),
    Setting(name="num_slots", kind="count", help="experts of a layer with their copies, dealt out over ep"),
)
"""From llmapi/llm_args.py: KvCacheConfig, TorchLlmArgs, its decoding configs and MoeLoadBalancerConfig."""

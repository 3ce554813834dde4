"""
The widths of latents and of states that transformers' classes take where a file leaves them out.

Source: the config class of each model type in transformers 5.23.
"""

from collections.abc import Mapping

from kvplan.importers.strict_json import Json


def _latent(d_c: int, d_nope: int, d_rope: int, v_head_dim: int) -> dict[str, Json]:
    """Return the widths of MLA, without that of queries: null is a width, too, and no cache has it."""
    return {
        "kv_lora_rank": d_c,
        "qk_nope_head_dim": d_nope,
        "qk_rope_head_dim": d_rope,
        "v_head_dim": v_head_dim,
    }


def _delta_net(k_heads: int, v_heads: int, k_dim: int, v_dim: int) -> dict[str, Json]:
    return {
        "linear_num_key_heads": k_heads,
        "linear_num_value_heads": v_heads,
        "linear_key_head_dim": k_dim,
        "linear_value_head_dim": v_dim,
        "linear_conv_kernel_dim": 4,
    }


_V3 = _latent(512, 128, 64, 128)
_GLM_5 = _latent(512, 192, 64, 256)
_QWEN = _delta_net(16, 32, 128, 128)
_MAMBA = {"state_size": 16, "conv_kernel": 4}
_MAMBA_2 = {"mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4}
WIDTHS: dict[str, Mapping[str, Json]] = {
    "bamba": {**_MAMBA_2, "mamba_expand": 2},
    "deepseek_v2": _V3,
    "deepseek_v3": _V3,
    "deepseek_v32": {**_V3, "index_n_heads": 64, "index_head_dim": 128, "index_topk": 2048},
    "falcon_h1": _MAMBA_2,
    "falcon_mamba": _MAMBA,
    "glm4_moe_lite": _latent(512, 192, 64, 256),
    "glm_moe_dsa": {**_GLM_5, "index_n_heads": 32, "index_head_dim": 128, "index_topk": 2048},
    "granitemoehybrid": {**_MAMBA_2, "mamba_expand": 2},
    "jamba": {
        "attn_layer_period": 8,
        "attn_layer_offset": 4,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_dt_rank": "auto",
    },
    "lfm2": {"conv_L_cache": 3},
    "lfm2_moe": {"conv_L_cache": 3},
    "longcat_flash": _V3,
    "mamba": {**_MAMBA, "expand": 2},
    "mamba2": {
        "num_heads": 128,
        "head_dim": 64,
        "n_groups": 8,
        "state_size": 128,
        "conv_kernel": 4,
        "expand": 2,
    },
    "mistral4": _latent(256, 64, 64, 128),
    "nemotron_h": {
        "mamba_num_heads": 128,
        "mamba_head_dim": 64,
        "n_groups": 8,
        "ssm_state_size": 128,
        "conv_kernel": 4,
    },
    "olmo_hybrid": _delta_net(30, 30, 96, 192),
    "qwen3_5_moe_text": _QWEN,
    "qwen3_5_text": _QWEN,
    "qwen3_next": _QWEN,
    "youtu": _V3,
}
"""For each model type the fields and their values."""

"""
Small configs, one or more per family, whose dimensions are odd enough that no two terms coincide.

The widths are primes or their multiples, so that a term that is forgotten or counted twice shows. All
families have three layers or more, so that each of their layer types is there.
"""

from typing import Any

Config = dict[str, Any]

BASE: Config = {
    "torch_dtype": "bfloat16",
    "vocab_size": 211,
    "hidden_size": 60,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 77,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
    "architectures": ["SmallForCausalLM"],
    "pad_token_id": 0,
    "transformers_version": "5.23.0",
}
WIDE = {"head_dim": 14}
_MHA = {"num_key_value_heads": 6}
BIAS = {"attention_bias": True}
MOE: Config = {"num_experts_per_tok": 2}


def config(model_type: str, *changes: Config, without: str = "") -> Config:
    """Return the base config with *changes*, and without the fields named in *without*."""
    values = {"model_type": model_type, **BASE}
    for change in changes:
        values |= change
    return {name: value for name, value in values.items() if name not in without.split()}


def layer_types(*names: str) -> Config:
    """Return the fields that give each layer its type."""
    return {"layer_types": list(names), "num_hidden_layers": len(names)}


SLIDING = layer_types("sliding_attention", "full_attention", "sliding_attention") | {"sliding_window": 16}
MLA: Config = {
    "q_lora_rank": 22,
    "kv_lora_rank": 18,
    "qk_nope_head_dim": 10,
    "qk_rope_head_dim": 6,
    "v_head_dim": 9,
    "num_key_value_heads": 6,
    "first_k_dense_replace": 1,
    "n_routed_experts": 7,
    "n_shared_experts": 2,
    "moe_intermediate_size": 13,
    "n_group": 1,
    "topk_group": 1,
} | MOE
_INDEXER = {"index_n_heads": 3, "index_head_dim": 8, "index_topk": 4}
_GDN: Config = {
    "head_dim": 14,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 5,
    "linear_value_head_dim": 7,
    "linear_conv_kernel_dim": 3,
    "full_attention_interval": 3,
} | layer_types("linear_attention", "linear_attention", "full_attention")
_QWEN_MOE: Config = {
    "num_experts": 5,
    "moe_intermediate_size": 13,
    "shared_expert_intermediate_size": 17,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
} | MOE
MAMBA2: Config = {
    "mamba_n_heads": 8,
    "mamba_d_head": 15,
    "mamba_n_groups": 2,
    "mamba_d_state": 11,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
    "mamba_chunk_size": 8,
}

SMALL: dict[str, Config] = {
    "llama": config("llama"),
    "llama with biases": config("llama", BIAS, WIDE, {"mlp_bias": True}),
    "llama tied": config("llama", {"tie_word_embeddings": True}),
    "mistral": config("mistral", WIDE, {"sliding_window": None}),
    "ministral3": config("ministral3", WIDE, {"sliding_window": None}),
    "qwen2": config("qwen2"),
    "qwen3": config("qwen3", WIDE),
    "qwen3 with biases": config("qwen3", WIDE, BIAS),
    "gemma": config("gemma", WIDE, without="tie_word_embeddings"),
    "gemma2": config("gemma2", WIDE, {"sliding_window": 16}, without="tie_word_embeddings"),
    "gemma3": config("gemma3_text", WIDE, SLIDING, without="tie_word_embeddings"),
    "granite": config("granite", BIAS, {"mlp_bias": True}),
    "smollm3": config("smollm3", {"tie_word_embeddings": True}),
    "arcee": config("arcee", {"head_dim": 10, "mlp_bias": True}),
    "helium": config("helium", {"head_dim": 10}),
    "olmo": config("olmo"),
    "olmo2": config("olmo2"),
    "olmo3": config("olmo3", SLIDING),
    "phi3": config("phi3", {"sliding_window": None}),
    "cohere": config("cohere", {"use_qk_norm": False}, without="tie_word_embeddings"),
    "cohere with norms": config("cohere", {"use_qk_norm": True}, BIAS, without="tie_word_embeddings"),
    "cohere2": config("cohere2", {"head_dim": 10}, SLIDING, without="tie_word_embeddings"),
    "exaone4": config("exaone4", WIDE, SLIDING),
    "stablelm": config("stablelm", {"use_qkv_bias": True, "qk_layernorm": False}),
    "stablelm parallel": config(
        "stablelm", {"use_parallel_residual": True, "qk_layernorm": True, "use_qkv_bias": False}
    ),
    "seed_oss": config("seed_oss", WIDE, BIAS, {"attention_out_bias": False}),
    "seed_oss with biases": config("seed_oss", WIDE, BIAS, {"attention_out_bias": True, "mlp_bias": True}),
    "ernie4_5": config("ernie4_5", WIDE, {"use_bias": True}),
    "hunyuan": config("hunyuan_v1_dense", WIDE),
    "glm": config("glm", WIDE, BIAS),
    "glm4": config("glm4", WIDE, {"attention_bias": False}),
    "apertus": config("apertus"),
    "nemotron": config("nemotron", {"head_dim": 10}),
    "starcoder2": config(
        "starcoder2", {"transformers_version": "4.40.0", "use_bias": True, "sliding_window": 16}
    ),
    "gpt2": {
        "model_type": "gpt2",
        "torch_dtype": "float32",
        "vocab_size": 211,
        "n_embd": 60,
        "n_head": 6,
        "n_layer": 3,
        "n_positions": 131,
    },
    "gpt_bigcode": {
        "model_type": "gpt_bigcode",
        "torch_dtype": "float32",
        "vocab_size": 211,
        "n_embd": 60,
        "n_head": 6,
        "n_layer": 3,
        "n_positions": 131,
        "n_inner": 77,
        "multi_query": True,
    },
    "gpt_neox": config("gpt_neox", {"rotary_pct": 1.0}, without="num_key_value_heads"),
    "gptj": {
        "model_type": "gptj",
        "torch_dtype": "float32",
        "vocab_size": 211,
        "n_embd": 60,
        "n_head": 6,
        "n_layer": 3,
        "n_positions": 131,
        "rotary_dim": 4,
        "tie_word_embeddings": False,
    },
    "opt": config(
        "opt",
        {"ffn_dim": 77, "word_embed_proj_dim": 60},
        without="num_key_value_heads intermediate_size tie_word_embeddings",
    ),
    "opt narrow": config(
        "opt",
        {"ffn_dim": 77, "word_embed_proj_dim": 31, "do_layer_norm_before": False},
        without="num_key_value_heads intermediate_size tie_word_embeddings",
    ),
    "bloom": {
        "model_type": "bloom",
        "torch_dtype": "bfloat16",
        "vocab_size": 211,
        "hidden_size": 60,
        "n_head": 6,
        "n_layer": 3,
        "seq_length": 128,
    },
    "falcon multi-query": config(
        "falcon",
        {
            "multi_query": True,
            "parallel_attn": True,
            "bias": False,
            "alibi": False,
            "new_decoder_architecture": False,
        },
        without="num_key_value_heads intermediate_size tie_word_embeddings",
    ),
    "falcon grouped": config(
        "falcon",
        {
            "num_kv_heads": 2,
            "new_decoder_architecture": True,
            "bias": True,
            "alibi": False,
            "multi_query": True,
        },
        without="num_key_value_heads intermediate_size tie_word_embeddings",
    ),
    "mpt": {
        "model_type": "mpt",
        "torch_dtype": "bfloat16",
        "vocab_size": 211,
        "d_model": 60,
        "n_heads": 6,
        "n_layers": 3,
        "max_seq_len": 128,
        "expansion_ratio": 4,
        "no_bias": True,
        "attn_config": {"attn_type": "multihead_attention", "alibi": True},
    },
    "phi": config("phi", _MHA, {"partial_rotary_factor": 0.4}),
    "mixtral": config("mixtral", MOE, {"head_dim": 14, "num_local_experts": 5, "sliding_window": None}),
    "qwen2_moe": config(
        "qwen2_moe", _QWEN_MOE, {"num_hidden_layers": 4, "decoder_sparse_step": 2, "mlp_only_layers": [3]}
    ),
    "qwen3_moe": config("qwen3_moe", WIDE, _QWEN_MOE, without="shared_expert_intermediate_size"),
    "phimoe": config(
        "phimoe", MOE, BIAS, {"sliding_window": None, "num_local_experts": 5, "lm_head_bias": True}
    ),
    "gpt_oss": config("gpt_oss", MOE, WIDE, SLIDING, BIAS, {"num_local_experts": 5}),
    "olmoe": config("olmoe", MOE, {"num_experts": 5}),
    "granitemoe": config("granitemoe", MOE, {"num_local_experts": 5}),
    "granitemoeshared": config(
        "granitemoeshared", MOE, {"num_local_experts": 5, "shared_intermediate_size": 19}
    ),
    "glm4_moe": config(
        "glm4_moe",
        WIDE,
        MLA,
        {"use_qk_norm": True, "num_key_value_heads": 2},
        BIAS,
        without="q_lora_rank kv_lora_rank qk_nope_head_dim qk_rope_head_dim v_head_dim",
    ),
    "dots1": config(
        "dots1",
        WIDE,
        MLA,
        {"num_key_value_heads": 2},
        without="q_lora_rank kv_lora_rank qk_nope_head_dim qk_rope_head_dim v_head_dim",
    ),
    "minimax_m2": config("minimax_m2", MOE, WIDE, {"num_local_experts": 5, "use_qk_norm": True}),
    "llama4": config(
        "llama4_text",
        MOE,
        WIDE,
        {
            "num_local_experts": 5,
            "intermediate_size_mlp": 41,
            "interleave_moe_layer_step": 2,
            "attention_chunk_size": 16,
            "num_hidden_layers": 4,
        },
    ),
    "deepseek_v2": config("deepseek_v2", MLA, {"topk_method": "greedy", "moe_layer_freq": 1}),
    "deepseek_v2 lite": config("deepseek_v2", MLA, {"topk_method": "greedy", "q_lora_rank": None}),
    "deepseek_v3": config("deepseek_v3", MLA, {"topk_method": "noaux_tc"}),
    "deepseek_v32": config("deepseek_v32", MLA, _INDEXER),
    "glm_moe_dsa": config("glm_moe_dsa", MLA, _INDEXER, {"indexer_types": ["full", "shared", "full"]}),
    "glm4_moe_lite": config("glm4_moe_lite", MLA),
    "qwen3_next": config("qwen3_next", _GDN, _QWEN_MOE),
    "qwen3_5": config("qwen3_5_text", _GDN),
    "qwen3_5_moe": config("qwen3_5_moe_text", _GDN, _QWEN_MOE),
    "kimi_linear": config(
        "kimi_linear",
        MLA,
        {
            "q_lora_rank": None,
            "num_experts": 7,
            "num_shared_experts": 2,
            "linear_attn_config": {
                "kda_layers": [1, 2],
                "full_attn_layers": [3],
                "num_heads": 4,
                "head_dim": 8,
                "short_conv_kernel_size": 3,
            },
        },
        without="n_routed_experts n_shared_experts n_group topk_group",
    ),
    "jamba": config(
        "jamba",
        {
            "num_hidden_layers": 4,
            "attn_layer_period": 4,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "num_experts": 5,
            "num_experts_per_tok": 2,
            "mamba_d_state": 11,
            "mamba_d_conv": 4,
            "mamba_expand": 2,
            "mamba_dt_rank": 7,
            "mamba_conv_bias": True,
            "mamba_proj_bias": False,
        },
    ),
    "bamba": config("bamba", MAMBA2, {"attn_layer_indices": [1]}),
    "granitemoehybrid": config(
        "granitemoehybrid",
        MAMBA2,
        layer_types("mamba", "attention", "mamba"),
        {"num_local_experts": 5, "num_experts_per_tok": 2, "shared_intermediate_size": 19},
    ),
    "nemotron_h": config(
        "nemotron_h",
        {
            "hybrid_override_pattern": "M-E*",
            "num_hidden_layers": 4,
            "head_dim": 14,
            "mamba_num_heads": 8,
            "mamba_head_dim": 15,
            "n_groups": 2,
            "ssm_state_size": 11,
            "conv_kernel": 4,
            "n_routed_experts": 5,
            "n_shared_experts": 1,
            "moe_intermediate_size": 13,
            "moe_shared_expert_intermediate_size": 17,
            "moe_latent_size": 23,
            "mamba_ssm_cache_dtype": "float32",
        },
        MOE,
    ),
    "recurrent_gemma": config(
        "recurrent_gemma",
        {
            "head_dim": 10,
            "lru_width": 66,
            "conv1d_width": 4,
            "attention_window_size": 16,
            "intermediate_size": 78,
            "_block_types": ["recurrent", "recurrent", "attention"],
        },
        without="tie_word_embeddings",
    ),
    "lfm2": config(
        "lfm2",
        layer_types("conv", "full_attention", "conv"),
        {"conv_L_cache": 3, "conv_bias": True, "block_multiple_of": 8, "block_ffn_dim_multiplier": 1.3},
        without="tie_word_embeddings",
    ),
    "mamba": {
        "model_type": "mamba",
        "torch_dtype": "float32",
        "vocab_size": 211,
        "hidden_size": 60,
        "num_hidden_layers": 3,
        "state_size": 11,
        "conv_kernel": 4,
        "expand": 2,
        "intermediate_size": 120,
        "time_step_rank": 7,
        "use_bias": True,
        "use_conv_bias": True,
    },
    "falcon_mamba": {
        "model_type": "falcon_mamba",
        "torch_dtype": "bfloat16",
        "vocab_size": 211,
        "hidden_size": 60,
        "num_hidden_layers": 3,
        "state_size": 11,
        "conv_kernel": 4,
        "intermediate_size": 130,
        "time_step_rank": 7,
        "tie_word_embeddings": False,
    },
    "mamba2": {
        "model_type": "mamba2",
        "torch_dtype": "bfloat16",
        "vocab_size": 211,
        "hidden_size": 60,
        "num_hidden_layers": 3,
        "num_heads": 8,
        "head_dim": 15,
        "n_groups": 2,
        "state_size": 11,
        "conv_kernel": 4,
        "expand": 2,
        "use_bias": False,
        "use_conv_bias": True,
        "tie_word_embeddings": False,
    },
}
"""The small configs by name; the name begins with, or is, the model_type."""

"""Small config files, written by hand after published ones, so that the tests need no other files."""

from typing import Any

Config = dict[str, Any]

LLAMA: Config = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.43.0.dev0",
    "vocab_size": 128256,
}
"""Llama 3.1 8B."""

MISTRAL: Config = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "sliding_window": 4096,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.34.0.dev0",
    "vocab_size": 32000,
}
"""Mistral 7B v0.1."""

QWEN2: Config = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "max_position_embeddings": 32768,
    "max_window_layers": 28,
    "model_type": "qwen2",
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "sliding_window": 131072,
    "torch_dtype": "bfloat16",
    "use_sliding_window": False,
    "vocab_size": 152064,
}
"""Qwen2.5 7B."""

FALCON_7B: Config = {
    "alibi": False,
    "bias": False,
    "hidden_size": 4544,
    "model_type": "falcon",
    "multi_query": True,
    "new_decoder_architecture": False,
    "num_attention_heads": 71,
    "num_hidden_layers": 32,
    "num_kv_heads": 71,
    "parallel_attn": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 65024,
}
"""Falcon 7B, as its config class fills it: 71 KV heads, of which it caches one."""

FALCON_MAMBA: Config = {
    "conv_kernel": 4,
    "expand": 16,
    "hidden_size": 4096,
    "intermediate_size": 8192,
    "model_type": "falcon_mamba",
    "num_hidden_layers": 64,
    "state_size": 16,
    "time_step_rank": 256,
    "torch_dtype": "bfloat16",
    "use_bias": False,
    "use_conv_bias": True,
    "vocab_size": 65024,
}
"""Falcon Mamba 7B, whose expand contradicts its inner width."""

GEMMA_3_4B: Config = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "sliding_window": 1024,
    },
    "torch_dtype": "bfloat16",
    "vision_config": {"hidden_size": 1152, "num_attention_heads": 16, "num_hidden_layers": 27},
}
"""Gemma 3 4B, multimodal: what equals the class's defaults is left out."""

DEEPSEEK_V3: Config = {
    "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"},
    "hidden_size": 7168,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "model_type": "deepseek_v3",
    "num_attention_heads": 128,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "torch_dtype": "bfloat16",
    "v_head_dim": 128,
    "vocab_size": 129280,
}
"""DeepSeek-V3, with a draft layer."""

DEEPSEEK_V41: Config = {
    "architectures": ["DeepseekV41ForCausalLM"],
    "dtype": "bfloat16",
    "model_type": "deepseek_v41",
    "quantization_config": {
        "activation_scheme": "dynamic",
        "expert_dtype": "fp4",
        "quant_method": "fp8",
        "scale_fmt": "ue8m0",
        "weight_block_size": [32, 32],
    },
    "text_config": {
        "candidate_block_size": 8,
        "candidate_source_layer_id": 20,
        "candidate_topk_blocks": 2048,
        "compress_ratios": [0] * 2 + [2] * 18 + [1] * 20 + [0] * 3,
        "compress_rope_theta": 160000,
        "dspark_block_size": 5,
        "dspark_markov_rank": 256,
        "dspark_n_routed_experts": 128,
        "dspark_noise_token_id": 128799,
        "dspark_num_experts_per_tok": 3,
        "dspark_target_layer_ids": [37, 38, 39],
        "engram_compressed_vocab_size": 99092,
        "engram_head_dim": 256,
        "engram_layer_ids": [1, 14],
        "engram_max_ngram_size": 4,
        "engram_n_heads": 8,
        "engram_num_embeddings": [384006168, 384016682],
        "engram_pad_token_id": 2,
        "engram_vocab_size": 16000000,
        "hc_eps": 1e-06,
        "hc_mult": 4,
        "hc_sinkhorn_iters": 20,
        "head_dim": 512,
        "hidden_size": 5120,
        "index_head_dim": 128,
        "index_n_heads": 32,
        "index_source_layer_ids": [2, 8, 14, 20, 24, 28, 32, 36],
        "index_topk": 512,
        "kv_source_layer_ids": [2, 8, 14, 20],
        "max_position_embeddings": 1048576,
        "model_type": "deepseek_v41_text",
        "moe_intermediate_size": 2304,
        "n_routed_experts": 384,
        "n_shared_experts": 1,
        "num_attention_heads": 64,
        "num_experts_per_tok": 6,
        "num_hidden_layers": 40,
        "num_key_value_heads": 1,
        "num_nextn_predict_layers": 3,
        "o_groups": 8,
        "o_lora_rank": 1024,
        "q_lora_rank": 1280,
        "qk_rope_head_dim": 64,
        "rms_norm_eps": 1e-20,
        "rope_theta": 10000,
        "scoring_func": "sqrtsoftplus",
        "sliding_window": 128,
        "swiglu_limit": 10.0,
        "tie_word_embeddings": False,
        "topk_method": "noaux_tc",
        "vocab_size": 129280,
    },
    "vision_config": {"hidden_size": 1024, "model_type": "deepseek_v41_vision", "num_hidden_layers": 32},
}
"""DeepSeek-V4.1-Flash, multimodal."""

QWEN3_NEXT: Config = {
    "full_attention_interval": 4,
    "head_dim": 256,
    "hidden_size": 2048,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_value_head_dim": 128,
    "max_position_embeddings": 262144,
    "model_type": "qwen3_next",
    "num_attention_heads": 16,
    "num_hidden_layers": 48,
    "num_key_value_heads": 2,
    "torch_dtype": "bfloat16",
    "vocab_size": 151936,
}
"""Qwen3-Next 80B-A3B."""

NEMOTRON_H: Config = {
    "conv_kernel": 4,
    "expand": 2,
    "head_dim": 128,
    "hidden_size": 4480,
    "hybrid_override_pattern": "M-M*",
    "mamba_head_dim": 80,
    "mamba_num_heads": 128,
    "max_position_embeddings": 131072,
    "model_type": "nemotron_h",
    "n_groups": 8,
    "num_attention_heads": 40,
    "num_hidden_layers": 4,
    "num_key_value_heads": 8,
    "ssm_state_size": 128,
    "torch_dtype": "bfloat16",
    "vocab_size": 131072,
}
"""Nemotron Nano 9B v2, its pattern cut to four layers."""

HUNYUAN_CLA: Config = {
    "attention_head_dim": 80,
    "cla_share_factor": 2,
    "hidden_size": 6400,
    "max_position_embeddings": 131072,
    "model_type": "hunyuan",
    "num_attention_heads": 80,
    "num_hidden_layers": 64,
    "num_key_value_heads": 8,
    "torch_dtype": "bfloat16",
    "use_cla": True,
    "vocab_size": 128512,
}
"""Hunyuan-Large, whose pairs of layers share a cache."""

ZAMBA2: Config = {
    "hidden_size": 2560,
    "hybrid_layer_ids": [2, 5],
    "mamba_d_conv": 4,
    "mamba_d_state": 64,
    "mamba_expand": 2,
    "mamba_headdim": 64,
    "mamba_ngroups": 1,
    "max_position_embeddings": 4096,
    "model_type": "zamba2",
    "n_mamba_heads": 80,
    "num_attention_heads": 32,
    "num_hidden_layers": 6,
    "num_key_value_heads": 32,
    "torch_dtype": "bfloat16",
    "vocab_size": 32000,
}
"""Zamba2 2.7B, cut to six layers."""

STEP: Config = {
    "attention_other_setting": {
        "attention_type": "sliding_attention",
        "head_dim": 128,
        "num_attention_groups": 8,
        "num_attention_heads": 96,
    },
    "head_dim": 128,
    "hidden_size": 4096,
    "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "sliding_attention"],
    "max_position_embeddings": 262144,
    "model_type": "step3p5",
    "num_attention_groups": 8,
    "num_attention_heads": 64,
    "num_hidden_layers": 4,
    "sliding_window": 512,
    "torch_dtype": "bfloat16",
    "vocab_size": 128896,
}
"""Step 3.5 Flash, cut to four layers: its sliding layers have more query heads."""

MIMO_V2: Config = {
    "head_dim": 192,
    "hidden_size": 4096,
    "hybrid_layer_pattern": [0, 1, 1, 1, 1, 0],
    "max_position_embeddings": 262144,
    "model_type": "mimo_v2_flash",
    "num_attention_heads": 64,
    "num_hidden_layers": 6,
    "num_key_value_heads": 4,
    "sliding_window": 128,
    "sliding_window_size": 128,
    "swa_head_dim": 192,
    "swa_num_attention_heads": 64,
    "swa_num_key_value_heads": 8,
    "swa_v_head_dim": 128,
    "torch_dtype": "bfloat16",
    "v_head_dim": 128,
    "vocab_size": 152576,
}
"""MiMo-V2-Flash, cut to six layers: K of 192 and V of 128."""

GLM_5_2: Config = {
    "hidden_size": 6144,
    "index_head_dim": 128,
    "index_n_heads": 32,
    "index_topk": 2048,
    "indexer_types": ["full", "full", "full", "shared", "shared", "shared"],
    "kv_lora_rank": 512,
    "max_position_embeddings": 1048576,
    "model_type": "glm_moe_dsa",
    "num_attention_heads": 64,
    "num_hidden_layers": 6,
    "num_key_value_heads": 64,
    "q_lora_rank": 2048,
    "qk_head_dim": 256,
    "qk_nope_head_dim": 192,
    "qk_rope_head_dim": 64,
    "torch_dtype": "bfloat16",
    "v_head_dim": 256,
    "vocab_size": 154880,
}
"""GLM-5.2, cut to six layers, of which three own an indexer."""

GEMMA_3N: Config = {
    "head_dim": 256,
    "hidden_size": 2048,
    "layer_types": [*["sliding_attention"] * 4, "full_attention"] * 2,
    "max_position_embeddings": 32768,
    "model_type": "gemma3n_text",
    "num_attention_heads": 8,
    "num_hidden_layers": 10,
    "num_key_value_heads": 2,
    "num_kv_shared_layers": 5,
    "sliding_window": 512,
    "torch_dtype": "bfloat16",
    "vocab_size": 262400,
}
"""Gemma 3n E2B, cut to ten layers, of which the last five read the cache of the others."""

WITH_CODE: Config = {
    "auto_map": {"AutoModelForCausalLM": "modeling_custom.CustomForCausalLM"},
    "hidden_size": 1024,
    "model_type": "custom_gpt",
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "torch_dtype": "bfloat16",
}
"""A model whose attention is in code of its own."""

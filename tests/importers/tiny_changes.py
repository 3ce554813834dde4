"""What single classes of transformers need beside the sizes of `tiny_models`, or in their place."""

from typing import Any

_FULL = "full_attention"
_SLIDING = "sliding_attention"

TYPES = [_SLIDING, _FULL] * 2
"""The types of four layers."""

_MLA = {"head_dim": 8, "num_key_value_heads": 4}
_ROPE = {"rope_type": "default", "rope_theta": 10000.0}

_INKLING = {
    "layer_types": ["hybrid", "hybrid_sliding"] * 2,
    "sliding_window_size": 8,
    "swa_head_dim": 12,
    "swa_num_attention_heads": 8,
    "swa_num_key_value_heads": 4,
}
_LOCAL_LATENT = {
    "head_dim": 20,
    "kv_lora_rank": 40,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "q_lora_rank": 18,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 4,
    "v_head_dim": 12,
}
_TINY_IMAGE = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
_T5GEMMA = {
    "head_dim": 16,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "sliding_window": 8,
    "vocab_size": 211,
    "max_position_embeddings": 128,
    "layer_types": TYPES,
}

_WIDER = {"head_dim": 32, "num_key_value_heads": 1}

CHANGES: dict[str, dict[str, Any]] = {
    "chameleon": {"vocabulary_map": {"<image>": 3, "IMGIMGA": 4}},
    "cosmos3_edge_text": {"rope_parameters": {**_ROPE, "mrope_section": [2, 3, 3]}},
    "deepseek_ocr2_text": {"mlp_layer_types": ["dense", *["sparse"] * 3]},
    "diffusion_gemma_text": {"per_layer_config": {1: _WIDER, 3: _WIDER}, "top_k_experts": 2},
    "evolla": {"aligner_num_add_layers": 2, "resampler_depth": 1},
    "glm5_next_text": {
        "head_dim": 0,
        "index_kpool": 4,
        "indexer_types": ["full", "full", "shared", "full"],
        "layer_types": ["linear_attention", *["indexed_attention"] * 2, "linear_attention"],
        "linear_head_dim": 12,
        "linear_num_heads": 4,
        "num_key_value_heads": 4,
        "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 0,
        "v_head_dim": 16,
    },
    "hy_v4_vl_text": {
        **_MLA,
        "indexer_types": ["full", "shared"] * 2,
        "rope_parameters": {**_ROPE, "mrope_section": [2, 1, 1]},
    },
    "kosmos_2_text_model": {"layers": 4},
    "kosmos_2_5_text_model": {"layers": 4},
    "mistral_large4_text": {
        **_MLA,
        "indexer_types": ["full", "full", "shared", "full"],
        "kv_source_layers": [0, 1, 1, 3],
    },
    "muse_spark_text": {"moe_hidden_size": 32},
    "axk1": _MLA,
    "axk2": _MLA,
    "cohere_compass_text": {"rope_parameters": {_FULL: _ROPE, _SLIDING: _ROPE}},
    "deepseek_v2": _MLA,
    "deepseek_v3": _MLA,
    "deepseek_v32": _MLA,
    "doge": {"sliding_window": None},
    "glm_ocr_text": {"rope_parameters": {**_ROPE, "mrope_section": [2, 3, 3]}},
    "hunyuan_vl_text": {"rope_parameters": {**_ROPE, "mrope_section": [2, 3, 3]}},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "hrm_text": {"num_layers_per_stack": 2},
    "hy_v4": {**_MLA, "indexer_types": ["full", "shared"] * 2},
    "laguna": {"num_attention_heads_per_layer": [4, 8, 4, 4]},
    "lfm3": {"layer_types": ["conv", _FULL, _SLIDING, "conv"]},
    "minimax_m3_vl_text": {"layer_types": [_FULL, *["minimax_m3_sparse"] * 2, _FULL]},
    "roc_bert": {"pronunciation_vocab_size": 11, "shape_vocab_size": 13},
    "rembert": {"input_embedding_size": 32, "output_embedding_size": 48},
    "prophetnet": {
        "num_decoder_layers": 2,
        "num_encoder_layers": 2,
        "num_decoder_attention_heads": 4,
        "num_encoder_attention_heads": 4,
    },
    "youtu": _MLA,
    "sarvam_mla": {"num_key_value_heads": 4, "moe_intermediate_size": 24},
    "cpmant": {"dim_head": 16, "dim_ff": 48, "prompt_length": 3, "prompt_types": 4, "segment_types": 3},
    "dots3_note_text": {
        "head_dim": 20,
        "layer_types": ["indexed_attention", _SLIDING] * 2,
        "num_key_value_heads": 4,
        "per_layer_config": dict.fromkeys((1, 3), _LOCAL_LATENT),
        "shared_experts_intermediate_size": 24,
    },
    "dory": {
        "num_hidden_layers": 6,
        "n_input_layers": 1,
        "n_output_layers": 2,
        "n_recurrent_loops": 3,
        "layer_types": [*TYPES, *TYPES[:2]],
    },
    "zaya": {
        "layer_types": ["hybrid", "hybrid_sliding"] * 2,
        "cca_time1": 3,
        "router_hidden_size": 20,
        "num_experts_per_tok": 1,
    },
    "inkling_text": _INKLING,
    "inkling2_text": {**_INKLING, "unpadded_vocab_size": 200, "n_layers_per_attn_res_block": 2},
    "inkling2_loop_text": {
        **_INKLING,
        "unpadded_vocab_size": 200,
        "n_layers_per_attn_res_block": 1,
        "loop_layer_index_start": 1,
        "loop_layer_index_end": 3,
    },
    "lara_mini": {
        "layer_types": ["linear_attention", _SLIDING, "linear_attention", "full_attention"],
        "linear_key_head_dim": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_value_head_dim": 12,
    },
    "t5gemma": {"encoder": _T5GEMMA, "decoder": _T5GEMMA},
    "t5gemma2": {"encoder": {"text_config": _T5GEMMA, "vision_config": _TINY_IMAGE}, "decoder": _T5GEMMA},
    "led": {
        "max_decoder_position_embeddings": 128,
        "max_encoder_position_embeddings": 256,
        "attention_window": [8, 8],
    },
    "fsmt": {"src_vocab_size": 211, "tgt_vocab_size": 211},
    "longt5": {"d_kv": 16, "d_ff": 48, "num_decoder_layers": 3},
    "switch_transformers": {
        "d_kv": 16,
        "d_ff": 48,
        "num_decoder_layers": 3,
        "num_sparse_encoder_layers": 2,
        "num_sparse_decoder_layers": 1,
    },
    "apertus1p5_text": {"output_vocab_size": 199},
}
"""What a class needs beside the sizes, or in their place."""

WITHOUT: dict[str, tuple[str, ...]] = {"hrm_text": ("num_hidden_layers",)}
"""Sizes that a class computes itself."""

"""
What others call the keys of a spec, to suggest the key where one of their names is found.

Names are those of Hugging Face's configurations (transformers 5.23, models/*/configuration_*.py), of
GGUF's metadata (gguf-py/gguf/constants.py of llama.cpp 0c1e57098) and of the papers. They are hints
for people alone: a file with such a name is refused, and `kvplan import` reads a config.json.
"""

_OTHERS = {
    "heads": "num_attention_heads n_heads n_head num_heads attention_heads query_heads q_heads head_count h "
    "num_q_heads n_q_heads decoder_attention_heads",
    "groups": "kv_heads num_key_value_heads n_kv_heads num_kv_heads n_head_kv head_count_kv g n_groups "
    "num_query_groups num_groups kv_groups key_value_heads multi_query_group_num num_kv_groups group",
    "head_dim": "d_head head_size dim_head d_k d_kv size_per_head attention_head_dim key_length qk_head_dim",
    "v_head_dim": "d_v value_head_dim v_dim value_length",
    "d_c": "kv_lora_rank latent_dim d_latent kv_rank",
    "d_rope": "qk_rope_head_dim rope_dim rope_head_dim d_r",
    "d_nope": "qk_nope_head_dim nope_dim nope_head_dim",
    "q_lora_rank": "q_rank d_c_q",
    "layers": "num_hidden_layers num_layers n_layers n_layer block_count l depth num_decoder_layers layer",
    "dtype": "torch_dtype data_type precision",
    "max_context": "max_position_embeddings context_length n_positions n_ctx max_seq_len max_model_len "
    "max_sequence_length seq_length context max_length context_window",
    "hidden": "hidden_size d_model n_embd dim hidden_dim embedding_length model_dim",
    "vocab": "vocab_size n_vocab padded_vocab_size",
    "tied": "tie_word_embeddings tied_embeddings",
    "parameters": "num_parameters n_params params param_count parameter_count",
    "weight_bytes": "weights weights_bytes checkpoint_bytes",
    "architecture": "model_type arch",
    "hf_id": "repo_id model_id hub_id repo _name_or_path",
    "name": "model model_name",
    "attention": "attn attention_type",
    "window": "sliding_window window_size attention_window_size local_attention_window sliding_window_size",
    "chunk": "attention_chunk_size chunk_size",
    "sinks": "attention_sinks num_sinks sink_tokens",
    "kind": "type",
    "indexer": "index",
    "d_state": "state_size ssm_state_size mamba_d_state n",
    "conv_kernel": "conv_kernel_size d_conv mamba_d_conv linear_conv_kernel_dim conv_size kernel",
    "dt_rank": "time_step_rank mamba_dt_rank",
    "qk_heads": "linear_num_key_heads num_k_heads",
    "v_heads": "linear_num_value_heads num_v_heads",
    "qk_head_dim": "linear_key_head_dim head_k_dim",
    "encoder_tokens": "max_source_positions encoder_length",
    "pattern": "types layer_types",
    "repeat": "count times n",
}

MEANT = {other: key for key, others in reversed(_OTHERS.items()) for other in others.split()}
"""The key of a spec for each other name, in lower case."""

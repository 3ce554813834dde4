"""
Fields of config files that no reader needs, each under the reason why.

A field that stands in none of these lists, and that the reader of its family does not take, is an
error: it could change the memory. Add a field here only for a reason that one of these groups gives.
"""

_BOOKKEEPING = """
    _attn_implementation _attn_implementation_autoset _commit_hash _flash_attn_2_enabled _from_model_config
    _name_or_path architectures attn_impl attn_implementation auto_map base_model base_model_name_or_path
    chat_template cls configuration_class custom_pipelines dataset datasets distributed_type finetuned_from
    finetuning_task for_llm_compressor has_no_defaults_at_init id2label init_device is_llama_config
    keys_to_ignore_at_inference label2id library_name license max_sequence_length model_max_length_tokenizer
    model_name model_parallel_size model_type model_version name_or_path onnx_safe output_past paper
    problem_type quantized_by source_model support_languages target_model_type task task_specific_params
    template tokenizer_class tokenizer_model_max_length tokenizer_name tokenizer_padding_side torch_compile
    training_args transformers.js_config transformers_version trust_remote_code unsloth_fixed
    unsloth_version use_cache_in_training verbose vocab_file world_size
"""
"""Who wrote the file, for which program, and under which name."""

_TOKENS = """
    _pad_token_id additional_special_tokens audio_bos_token_id audio_end_token_id audio_eos_token_id
    audio_start_token_id audio_token_id audio_token_index audio_token_offset begin_of_image_token_id
    begin_suppress_tokens boa_token_id boi_token_id boi_token_index bos_token bos_token_id cls_token_id
    decoder_start_token_id eoa_token_id eoa_token_index eod_token eod_token_id eoi_token_id eoi_token_index
    eos_token eos_token_id eot_token_id forced_bos_token_id forced_decoder_ids forced_eos_token_id
    frame_end_token_id frame_start_token_id ignore_index im_end_id im_newline_id im_start_id
    image_bos_token_id image_end_id image_eos_token_id image_patch_id image_placeholder image_start_id
    image_start_token_id image_token_id image_token_index image_token_offset img_token_id
    low_res_image_start_token_id mask_index mask_token_id media_placeholder_token_id newline_id num_labels
    pad_token pad_token_id predict_special_tokens prefix sep_token sep_token_id slice_end_id slice_start_id
    speech_token_id suppress_tokens timestamp_token_id tool_call_token_id unk_token unk_token_id
    use_unified_vision_chunk user_token_id video_end_token_id video_placeholder video_start_token_id
    video_token_id video_token_index vision_end_token_id vision_start_token_id vision_token_id
"""
"""Ids of tokens: they change what is said, not how much is kept of it."""

_TRAINING = """
    activation_dropout adaptor_dropout alpha_initializer alphas_initializer_range
    apply_query_key_layer_scaling apply_spec_augment attention_dropout attention_probs_dropout_prob
    attn_dropout attn_dropout_prob attn_pdrop aux_loss_alpha aux_loss_coef bf16 classifier_activation
    classifier_bias classifier_dropout classifier_dropout_prob classifier_dropout_rate classifier_proj_size
    decoder_layerdrop deepspeed disable_ngram_loss dropout dropout_p dropout_rate emb_dropout_prob
    emb_init_std emb_pdrop embd_pdrop embed_dropout embed_init_std embedding_dropout
    embedding_initializer_range encoder_layerdrop expert_dropout ffn_dropout final_w_init_variance_scale
    fp16 fp32 freeze_lm_head freeze_mm_mlp_adapter freeze_mm_vision_resampler freeze_text_layers
    freeze_text_module_exceptions freeze_vision_layers freeze_vision_module_exceptions fuse_cross_entropy
    gradient_checkpointing hidden_dropout hidden_dropout_prob init_config init_method init_std
    initializer_cutoff_factor initializer_factor initializer_range input_jitter_noise interpolate_factor
    label_smoothing lambda_std_dev layer_norm_init layerdrop learning_rate mask_feature_length
    mask_feature_min_masks mask_feature_prob mask_time_length mask_time_min_masks mask_time_prob
    max_tokenizer_truncation mlp_dropout mm_projector_lr move_model_to_device mtp_loss_scaling_factor
    neftune_noise_alpha output_router_logits peft_config pretraining_tp qa_dropout rescale_prenorm_residual
    reset_attention_mask reset_position_ids resid_dropout resid_pdrop residual_dropout router_aux_loss_coef
    router_jitter_noise router_z_loss_coef selective_checkpoint_enabled seq_aux seq_classif_dropout
    sequence_parallel_enabled slow_but_exact summary_activation summary_first_dropout summary_last_dropout
    summary_proj_to_labels summary_type summary_use_proj tf_legacy_loss time_step_floor
    time_step_init_scheme time_step_max time_step_min time_step_scale token_classification_bias
    train_batch_size tune_mm_mlp_adapter tune_mm_vision_resampler unfreeze_mm_vision_tower
    use_gradient_checkpointing use_loss_mask w_init_variance_scale weight_decay z_loss z_loss_coefficient
    z_loss_weight
"""
"""How the model was, or would be, trained: losses, dropout, initial values."""

_NUMERICS = """
    _use_flash_attention_2 activation activation_func activation_function activation_sparsity_pattern
    adapter_layer_norm_eps add_bias_logits add_final_layer_norm add_out_norm afn altup_active_idx
    altup_coef_clip altup_correct_scale apply_residual_connection_post_layernorm attention_in_multiplier
    attention_multiplier attention_out_multiplier attention_projection_layout attention_softmax_in_fp32
    attention_value_scale attn_logit_softcap attn_logit_softcapping attn_scale attn_temperature_tuning
    autocast_kernel_dtype beta_fast beta_slow bias_dropout_fusion block_norm_eps block_size causal_mask
    chunk_size chunkwise_kernel clamp_len clamp_min clip_qkv dense_act_fn dim_model_base
    do_blenderbot_90_layernorm do_layer_norm_before elementwise_affine emb_scale embedding_multiplier
    embedding_scale embeddings_scale_by_sqrt_dim enable_moe_fp32_combine eps feature_map ff_activation
    final_logit_softcapping flash_attn flash_rotary floor_scale fp32_lm_head fp32_residual_connection
    full_attn_alpha_factor full_attn_beta_factor fuse_norm fused_add_norm fused_dense gate_soft_cap
    gelu_activation hc_eps hc_magnitude hc_sinkhorn_iters hidden_act hidden_act_param hidden_activation
    hidden_mamba_act key_multiplier layer_norm_eps layer_norm_epsilon layernorm_epsilon
    layernorm_epsilon_attn layernorm_full_attention_alpha layernorm_full_attention_beta
    layernorm_linear_attention_alpha layernorm_linear_attention_beta layernorm_mlp_alpha layernorm_mlp_beta
    layrnorm linear_a_log_max linear_a_log_min linear_allow_neg_eigval linear_attn_alpha_factor
    linear_attn_beta_factor linear_dt_init_floor linear_dt_max linear_dt_min lm_head_multiplier
    log_scaling_alpha log_scaling_n_floor logit_scale logits_scaling logits_soft_cap mamba_chunk_size
    mamba_hidden_act masked_softmax_fusion max_inference_chunksize mixer_rms_eps mla_scale_kv_lora
    mla_scale_q_lora mlp_activation mlp_alpha_factor mlp_beta_factor mlp_gate_softcap mlp_hidden_act
    mlp_multipliers mlp_up_softcap moe_router_activation_func multiplier mup_denominator mup_enabled
    norm_eps norm_epsilon norm_reduction_force_float32 norm_type normalization_function normalize_before
    normalize_embedding num_logits_to_keep output_logit_soft_cap output_multiplier pad_key_length
    post_norm_eps qk_l2_clip_threshold qk_scale_factor query_pre_attn_scalar rel_l2_clip_threshold
    reorder_and_upcast_attn rescale_embeddings rescale_every residual_gate_temperature residual_in_fp32
    residual_multiplier rms_norm_eps rms_norm_eps_moe_gate scale_attention_softmax_in_fp32
    scale_attn_by_inverse_layer_idx scale_attn_weights scale_decoder_outputs scale_depth scale_emb
    scale_embedding sequence_kernel skip_bias_add skip_bias_add_qkv softcap softmax_scale ssm_in_multiplier
    ssm_multipliers ssm_out_multiplier step_kernel swiglu_alpha swiglu_limit swiglu_limits
    swiglu_limits_shared time_step_limit use_associative_scan use_dynamic_ntk use_flash_attention
    use_flash_attn use_fp32_norm use_gemma_norm use_liger_kernel use_logn_attn use_mamba_kernels use_mambapy
    use_mem_eff_path use_sdpa use_weighted_layer_sum validate_runner_input
"""
"""Activations, scales, epsilons and kernels: the same tensors with other numbers in them."""

_POSITIONS = """
    alibi alibi_bias_max attn_temperature_factor attn_uses_sequence_id compress_rope_theta
    dual_chunk_attention_config extra_pos_embeddings freqs_for indexer_rope_interleave
    initial_context_length layer_rope_theta max_rotary_position mrope_interleaved mrope_section
    no_rope_layer_interval no_rope_layers nope_layer_interval offset_alibi original_max_length
    original_max_position_embeddings original_rope partial_rotary_factor partial_rotary_factors
    position_id_per_seconds rope rope_head_dim_ratio rope_interleave rope_interleaved rope_local_base_freq
    rope_parameters rope_pct rope_ratio rope_scaling rope_scaling_layers rope_theta rope_type rotary_base
    rotary_dim rotary_emb_base rotary_emb_interleaved rotary_emb_scale_base rotary_embedding_base rotary_pct
    rotary_percent sinusoidal_pos_embds static_position_embeddings swa_rope_theta use_long_context
    use_mem_rope use_mrope use_pos_enc yarn_factor yarn_only_types
"""
"""How positions are told: rotations and biases do not change the size of a key."""

_ROUTING = """
    batch_prioritized_routing ep_size expert_capacity expert_selection_fn experts_per_tok experts_per_token
    moe_apply_router_weight_on_input moe_capacity moe_eval_capacity_token_fraction moe_every_n_score
    moe_gate moe_jitter_eps moe_k moe_norm_min moe_renormalize moe_routed_scaling_factor moe_router_dtype
    moe_router_logit_softcapping moe_router_scaling_factor moe_router_score_function moe_router_use_sigmoid
    moe_routing_type moe_shared_expert_overlap moe_token_dropout moe_topk n_group need_fp32_gate
    norm_expert_weight norm_topk_prob normalize_router_prob_before_dropping num_expert_group
    num_experts_per_tok num_experts_per_token num_hash_functions num_hash_layers num_selected_experts
    route_scale routed_scaling routed_scaling_factor router_bias router_dtype router_ignore_padding_tokens
    router_scale router_scaling_factor router_sigmoid router_type score_func scoring_func
    second_expert_policy shared_expert_combination_strategy shared_moe_mode top_k_experts topk_group
    topk_method use_grouped_topk
"""
"""Which experts a token meets: the experts are the same."""

_GENERATION = """
    bad_words_ids cache_implementation chunk_size_feed_forward diversity_penalty do_sample early_stopping
    encoder_no_repeat_ngram_size end_n_top exponential_decay_length_penalty force_bos_token_to_be_generated
    generation_config length_penalty max_length max_new_tokens median_filter_width min_length min_new_tokens
    no_repeat_ngram_size num_beam_groups num_beams num_logits_to_return num_return_sequences
    output_attentions output_hidden_states output_scores penalty_alpha pruned_heads remove_invalid_values
    repetition_penalty return_dict return_dict_in_generate runner_max_sequence_length start_n_top
    temperature top_k top_p torchscript typical_p use_bfloat16 use_cache use_return_dict
"""
"""How text is drawn from the model, and what a call returns."""

_OTHER_TOWERS = """
    acoustic_tokenizer_chunk_size acoustic_tokenizer_encoder_config adapter_config aligner_config
    alignment_intermediate_size audio_channels audio_chunk_size audio_config audio_encoder audio_frame_step
    audio_length_per_tok audio_merge_size audio_soft_tokens_per_image candidate_resolutions
    code_predictor_config deepstack_layer_map density_router_hidden_size density_router_loss_weight
    density_router_threshold do_image_splitting downsample_factor downsample_mode downsample_rate
    downsample_ratio drop_vision_last_layer dynamic_image_size embd_layer encoder_attention_heads
    encoder_ffn_dim encoder_hidden_size encoder_layers encoder_patch_merge encoder_patch_size
    force_image_size gen_aligner_config gen_head_config gen_vision_config global_view_pos has_lora_adapter
    high_res_vision_config image_aspect_ratio image_break_token_id image_crop_resolution image_end_token_id
    image_grid_pinpoints image_seq_length image_size image_split_resolution image_text_hidden_size
    img_processor img_token_compression_config insert_layer_id is_vqa max_dynamic_patch max_image_tokens
    max_num_tiles max_pixels_tolerance max_tiles max_value_projector_patch_to_query_dict merge_kernel_size
    merged_hidden_size merger_times min_dynamic_patch min_image_tokens min_tiles mm_hidden_size
    mm_patch_merge_type mm_projector_type mm_resampler_type mm_tokens_per_image mm_use_im_patch_token
    mm_use_im_start_end mm_vision_select_feature mm_vision_select_layer mm_vision_tower
    multimodal_projector_bias num_channels num_image_tokens num_mel_bins out_hidden_size pad2square
    patch_size perceiver_config process_image_mode projection_dim projection_hidden_size
    projection_layer_norm_eps projector_bias projector_config projector_dropout projector_hidden_act
    projector_hidden_size projector_layernorm_eps projector_n_layers projector_patch_to_query_dict
    projector_pooling_ratio projector_type projector_use_layernorm ps_version qformer_config scale_factor
    seconds_per_chunk select_layer semantic_tokenizer_encoder_config spatial_merge_size spatial_patch_size
    spatial_pool_mode spatial_pool_stride spatial_target_layers spatial_vision_layer temporal_patch_size
    tile_size tile_tag understand_projector_stride use_backbone_lora use_im_start_end
    use_image_special_tokens use_mm_proj use_thumbnail video_pruning_rate video_seq_length
    video_temporal_patch_size vision_aspect_ratio vision_config vision_feature_layer
    vision_feature_select_strategy vision_hidden_size vision_soft_tokens_per_image vision_tower
    vision_use_cls_token vision_use_head visual_indicator_token_ids vocabulary_map vq_config
"""
"""Encoders of images and sound: they see their input at once and keep nothing between tokens."""

NEUTRAL: dict[str, tuple[object, ...]] = {
    "add_cross_attention": (False, None),
    "cross_attention_hidden_size": (None,),
    "dtype": (None,),
    "inference_runner": (0,),
    "is_causal": (True, None),
    "is_decoder": (False, True, None),
    "is_encoder_decoder": (False, None),
    "language_model_only": (False, True),
    "layer_types": (None,),
    "sliding_window": (None,),
    "use_bidirectional_attention": (False, None, "vision"),
    "torch_dtype": (None,),
    "moe_use_aux_free": (True,),
    "pre_allocate_kv_cache": (False,),
    "rotary": (True,),
    "use_mixed_mlp_moe": (True,),
    "use_llm_lora": (0,),
    "use_sliding_window": (False, None),
}
"""Fields that say, with these values and where no reader takes them, that there is nothing special."""

_PARAMETERS = """
    _remove_final_layer_norm adapter_rank add_bias_linear add_qkv_bias altup_num_inputs attention_bias
    attention_out_bias attn_bias attn_qkv_bias bias block_auto_adjust_ff_dim block_dim block_ff_dim
    block_ffn_dim_multiplier block_multiple_of block_use_swiglu conv_bias conv_dim conv_dim_out
    conv_use_bias d_ff d_intermediate decoder_ffn_dim decoder_sparse_step dense_attention_bias
    dense_intermediate_size embedding_fraction enable_bias enable_moe_block expansion_ratio expert_dtype
    expert_ffn_hidden_size expert_intermediate_size expert_layer_offset expert_layer_period
    feed_forward_proj ffn_config ffn_dim ffn_hidden_size ffn_mult first_k_dense_replace hc_mult head_bias
    hidden_ratio hidden_size_per_layer_input interleave_moe_layer interleave_moe_layer_step
    intermediate_size intermediate_size_mlp is_gated_act laurel_rank layer_norm_elementwise_affine
    learned_pos_emb lm_head lm_head_bias mamba_conv_bias mamba_proj_bias mlp_bias mlp_intermediate_size
    mlp_layer_types mlp_only_layers moe_every_n_layers moe_intermediate_size moe_latent_size
    moe_layer_end_index moe_layer_freq moe_layer_interval moe_layer_start_index moe_layers moe_layers_enum
    moe_num_experts moe_num_shared_experts moe_shared_expert_intermediate_size multiple_of
    n_inner n_routed_experts n_shared_experts n_special new_decoder_architecture_bias no_bias
    num_dense_layers num_experts num_ln_in_parallel_attn num_local_experts num_mem_blocks num_reward_heads
    num_shared_expert num_shared_experts pad_vocab_size_multiple padded_vocab_size parallel_attn
    position_embedding_type post_layer_norm postnorm qk_layernorm qk_ln qk_norm qk_norm_type qkv_bias
    rm_head rms_norm rmsnorm share_expert_dim shared_expert_intermediate_size shared_intermediate_size
    tie_embeddings tie_encoder_decoder tie_word_embeddings type_vocab_size use_bias use_conv_bias
    use_double_wide_mlp use_expert_bias use_moe_router_bias use_parallel_residual use_qk_layernorm
    use_qk_norm use_qkv_bias use_routing_bias use_shared_attention_adapter use_shared_mlp_adapter vocab_size
    vocab_size_per_layer_input word_embed_proj_dim zero_expert_num zero_expert_type
"""

PARAMETER_FIELDS = frozenset(_PARAMETERS.split())
"""Fields that count weights; they are read where parameters are counted."""

QUANTIZATION_FIELDS = frozenset({"quantization_config", "compression_config", "quantization"})
"""How weights are stored, and perhaps the cache: read where quantised weights are."""

_GROUPS = (
    _BOOKKEEPING,
    _TOKENS,
    _TRAINING,
    _NUMERICS,
    _POSITIONS,
    _ROUTING,
    _GENERATION,
    _OTHER_TOWERS,
)

HARMLESS = QUANTIZATION_FIELDS.union(*(group.split() for group in _GROUPS))
"""Every field that changes neither the cache nor the number of weights."""

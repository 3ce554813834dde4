"""
Families that differ in the spellings of their fields alone: a row each, and one reader for all.

A row names the fields that give softmax attention its shape, and which other fields of the family change
nothing in the cache. Source of every row that names no other: the config and modeling files of that name
in transformers 5.23, or 5.24 where it is new there.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from kvplan.importers.families.common import Reading
from kvplan.importers.families.row import Row, read_by
from kvplan.importers.fields import Fields

_MHA = Row(groups=())
_GQA = Row()
_SIZED = Row(head_dim=("head_dim",), may_lack=True)
_TYPED = Row(layers="typed")
_TYPED_SIZED = Row(layers="typed", head_dim=("head_dim",), may_lack=True)
_GPT = Row(
    hidden=("n_embd",), count=("n_layer",), context=("n_positions", "n_ctx"), heads=("n_head",), groups=()
)
_BART = Row(
    layers="cross",
    hidden=("d_model",),
    count=("decoder_layers",),
    heads=("decoder_attention_heads",),
    groups=(),
    skip=("num_hidden_layers",),
    only=(("is_encoder_decoder", (True,)),),
)
_KOSMOS = Row(hidden=("embed_dim",), count=("layers",), heads=("attention_heads",), groups=())
_ENCODER = Row(layers="none", groups=(), only=(("is_decoder", (False, None)),))

ROWS: dict[str, Row] = {
    # Every head has keys and values of its own.
    "biogpt": _MHA,
    "gpt_neo": Row(
        count=("num_layers",),
        heads=("num_heads",),
        groups=(),
        # Its local layers mask what they keep: modeling_gpt_neo.py.
        skip=("attention_layers", "attention_types", "window_size"),
    ),
    "gpt_neox_japanese": Row(groups=(), skip=("intermediate_multiple_size",)),
    "persimmon": _MHA,
    "codegen": _GPT,
    "ctrl": replace(_GPT, skip=("dff",)),
    "git": replace(_MHA, skip=("num_image_with_embedding",)),
    "doge": replace(_GQA, skip=("keep_window_size", "is_moe"), only=(("sliding_window", (None,)),)),
    "xglm": Row(hidden=("d_model",), count=("num_layers",), heads=("attention_heads",), groups=()),
    "hrm_text": Row(
        groups=(),
        head_dim=("head_dim",),
        skip=("H_cycles", "L_bp_cycles", "L_cycles", "num_layers_per_stack"),
        only=(("prefix_lm", (True,)),),
    ),
    "idefics": replace(
        _MHA,
        # Its layers that see the image compute keys and values anew at each step.
        skip=(
            "additional_vocab_size",
            "alpha_type",
            "cross_layer_interval",
            "perceiver_config",
            "qk_layer_norms",
            "use_resampler",
        ),
    ),
    "kosmos_2_text_model": _KOSMOS,
    "kosmos_2_5_text_model": _KOSMOS,
    # Keys and values in groups.
    "chameleon": replace(_GQA, skip=("swin_norm", "mask_ratio")),
    "emu3_text_model": _GQA,
    "ernie4_5_vl_moe_text": _GQA,
    "evolla": replace(
        _GQA,
        # Its layers that see the protein compute keys and values anew at each step.
        skip=(
            "aligner_attention_probs_dropout_prob",
            "aligner_enable_bias",
            "aligner_ffn_mult",
            "aligner_num_add_layers",
            "protein_encoder_config",
            "resampler_depth",
            "resampler_dim_head",
            "resampler_ff_mult",
            "resampler_heads",
            "resampler_num_latents",
        ),
    ),
    "flex_olmo": _GQA,
    "granite4_vision_text": _GQA,
    "granite_docling_text": _GQA,
    "nanochat": _GQA,
    "aria_text": _SIZED,
    "cosmos3_edge_text": _SIZED,
    "deepseek_ocr2_text": _SIZED,
    "diffllama": _SIZED,
    "glm_ocr_text": _SIZED,
    "hunyuan_vl_text": _SIZED,
    "hy_v3": _SIZED,
    "hyperclovax": replace(_SIZED, skip=("use_post_norm",)),
    "iquestcoder": _SIZED,
    "jais2": _SIZED,
    "molmo2_text": replace(_SIZED, skip=("additional_vocab_size", "norm_after")),
    "paddleocr_vl_text": _SIZED,
    "solar_open": _SIZED,
    "phi3small": Row(
        # Its block-sparse layers keep every token: modeling_phi3_small.py of the release.
        skip=(
            "blocksparse_block_size",
            "blocksparse_homo_head_pattern",
            "blocksparse_num_local_blocks",
            "blocksparse_triton_kernel_block_size",
            "blocksparse_vert_stride",
            "dense_attention_every_n_layers",
            "dummy_token_indices",
            "embedding_dropout_prob",
            "ff_dim_multiplier",
            "ff_intermediate_size",
            "ffn_dropout_prob",
            "gegelu_limit",
            "gegelu_pad_to_256",
            "mup_attn_multiplier",
            "mup_embedding_multiplier",
            "mup_use_scaling",
            "mup_width_multiplier",
            "pad_sequence_to_multiple_of_64",
            "rope_embedding_base",
            "rope_position_scale",
        ),
    ),
    # Windows in the layers that `layer_types` says.
    "afmoe": Row(layers="typed", head_dim=("head_dim",), skip=("global_attn_every_n_layers",)),
    "beam": _TYPED_SIZED,
    "cohere2_moe": Row(
        layers="typed",
        head_dim=("head_dim",),
        skip=(
            "prefix_dense_intermediate_size",
            "prefix_dense_sliding_window_pattern",
            "sliding_window_pattern",
        ),
    ),
    "cohere_compass_text": replace(_TYPED_SIZED, only=(("pooling", (None,)),)),
    "cwm": _TYPED_SIZED,
    "exaone_moe": Row(
        layers="typed", head_dim=("head_dim",), may_lack=True, skip=("sliding_window_pattern",)
    ),
    "flint": _TYPED_SIZED,
    "granite_swa": _TYPED,
    "granitemoe_swa": _TYPED,
    "kolibri1": _TYPED_SIZED,
    "mellum": replace(_TYPED_SIZED, skip=("mtp_layer_types", "mtp_mlp_layer_types", "num_mtp_layers")),
    "ministral": _TYPED_SIZED,
    "muse_glimmer_text": _TYPED_SIZED,
    "muse_spark_text": replace(_TYPED_SIZED, skip=("moe_hidden_size",)),
    "modernbert-decoder": Row(
        layers="typed",
        groups=(),
        skip=("decoder_bias", "local_attention", "norm_bias", "global_attn_every_n_layers"),
    ),
    # Decoders that attend to an encoder, after BART.
    "bigbird_pegasus": replace(_BART, skip=(*_BART.skip, "attention_type", "num_random_blocks")),
    "blenderbot": _BART,
    "blenderbot-small": _BART,
    "fsmt": replace(_BART, skip=(*_BART.skip, "langs", "max_length", "src_vocab_size", "tgt_vocab_size")),
    "led": replace(
        _BART,
        context=("max_decoder_position_embeddings",),
        encoder=("max_encoder_position_embeddings",),
        skip=(*_BART.skip, "attention_window"),
    ),
    "m2m_100": _BART,
    "marian": replace(_BART, skip=(*_BART.skip, "decoder_vocab_size", "share_encoder_decoder_embeddings")),
    "mbart": _BART,
    "mvp": replace(
        _BART,
        skip=(*_BART.skip, "prompt_length", "prompt_mid_dim"),
        only=(*_BART.only, ("use_prompt", (False,))),
    ),
    "nllb-moe": replace(
        _BART, skip=(*_BART.skip, "decoder_sparse_step", "encoder_sparse_step", "router_bias")
    ),
    "pegasus": _BART,
    "pegasus_x": replace(_BART, skip=(*_BART.skip, "num_global_tokens", "stagger_local_blocks")),
    "plbart": _BART,
    "prophetnet": Row(
        layers="cross",
        count=("num_decoder_layers",),
        heads=("num_decoder_attention_heads",),
        groups=(),
        skip=(
            "ngram",
            "num_buckets",
            "num_encoder_attention_heads",
            "num_encoder_layers",
            "num_hidden_layers",
            "relative_max_distance",
        ),
        only=(("is_encoder_decoder", (True,)), ("add_cross_attention", (True,))),
    ),
    # No cache in the class, which reads the whole text anew for each token.
    "openai-gpt": replace(_GPT, layers="none"),
    # Encoders: every token sees all others at once.
    "albert": replace(
        _ENCODER,
        skip=(
            "down_scale_factor",
            "embedding_size",
            "gap_size",
            "inner_group_num",
            "net_structure_type",
            "num_hidden_groups",
            "num_memory_blocks",
        ),
    ),
    "bert-generation": _ENCODER,
    "big_bird": replace(_ENCODER, skip=("attention_type", "num_random_blocks")),
    "camembert": _ENCODER,
    "data2vec-text": _ENCODER,
    "distilbert": Row(
        layers="none",
        hidden=("dim",),
        count=("n_layers",),
        heads=("n_heads",),
        groups=(),
        skip=("hidden_dim", "tie_weights_"),
    ),
    "electra": replace(_ENCODER, skip=("embedding_size",)),
    "ernie": replace(_ENCODER, skip=("task_type_vocab_size", "use_task_id")),
    "megatron-bert": _ENCODER,
    "rembert": replace(_ENCODER, skip=("input_embedding_size", "output_embedding_size")),
    "roberta-prelayernorm": _ENCODER,
    "roc_bert": replace(
        _ENCODER,
        skip=(
            "concat_input",
            "enable_pronunciation",
            "enable_shape",
            "pronunciation_embed_dim",
            "pronunciation_vocab_size",
            "shape_embed_dim",
            "shape_vocab_size",
        ),
    ),
    "roformer": replace(_ENCODER, skip=("embedding_size", "rotary_value")),
    "xlm": Row(
        layers="none",
        hidden=("emb_dim",),
        count=("n_layers",),
        heads=("n_heads",),
        groups=(),
        skip=(
            "asm",
            "bos_index",
            "eos_index",
            "init_std",
            "is_encoder",
            "lang_id",
            "n_langs",
            "pad_index",
            "sinusoidal_embeddings",
            "unk_index",
            "use_lang_emb",
        ),
        only=(("causal", (False,)),),
    ),
    "xlm-roberta-xl": _ENCODER,
    "xmod": replace(
        _ENCODER,
        skip=(
            "adapter_layer_norm",
            "adapter_reduction_factor",
            "adapter_reuse_layer_norm",
            "default_language",
            "languages",
            "ln_before_adapter",
            "pre_norm",
        ),
    ),
}
"""The row of each model type."""


def read_row(model_type: str) -> Callable[[Fields, str], Reading] | None:
    """Return the reader of a model type that is a row, None if it is not."""
    row = ROWS.get(model_type)
    return None if row is None else partial(read_by, row)

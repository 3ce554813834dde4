"""Models whose layers are all alike: full attention with heads, KV heads and a head size."""

from dataclasses import replace

from kvplan.importers.drafters import has_window_of_target
from kvplan.importers.families.common import (
    Facts,
    Frame,
    Reading,
    divided_head_dim,
    expect,
    frame,
    optional_head_dim,
    product,
    softmax,
    stated_head_dim,
    take_groups,
    take_head_dim,
    take_heads,
    tell_if_lost,
    trained_on,
)
from kvplan.importers.families.windows import windowed
from kvplan.importers.fields import Fields


def llama(fields: Fields, dtype: str) -> Reading:
    """
    Read LlamaConfig: the first models had no KV heads, and few files have `head_dim` or a window.

    The first of all said `max_sequence_length`, which its class of transformers 4.27 was to read.
    """
    del dtype
    first = "max_sequence_length" in fields and "max_position_embeddings" not in fields
    base = frame(fields, context=("max_sequence_length" if first else "max_position_embeddings",))
    eagle(fields)
    heads = take_heads(fields)
    if "num_key_value_heads" in fields:
        groups = take_groups(fields, heads)
    else:
        # Llama 2 brought the field to transformers 4.31; every file saved since has it.
        tell_if_lost(fields, "num_key_value_heads", (4, 31), "num_attention_heads")
        groups = heads
        fields.state("groups", "num_attention_heads, where a file names no KV heads")
    shape = (heads, groups, optional_head_dim(fields, base.hidden, heads))
    return (
        base.same("full", softmax(*shape)) if has_window_of_target(fields) else windowed(fields, base, shape)
    )


def eagle(fields: Fields) -> None:
    """Take what an EAGLE-3 draft says of its target: which hidden states it is given, and keeps none of."""
    if fields.has("eagle_config"):
        fields.nested("eagle_config").skip("eagle_aux_hidden_state_layer_ids", "use_aux_hidden_state")


def grouped(fields: Fields, dtype: str) -> Reading:
    """Read a family whose files give the KV heads, and `head_dim` if at all as hidden / heads."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = divided_head_dim(fields, base.hidden, heads)
    product(fields, "head_dim", head_dim, "hidden_size / num_attention_heads", to="head_dim")
    return base.same("full", softmax(heads, groups, head_dim))


def grouped_with_head_dim(fields: Fields, dtype: str) -> Reading:
    """Read a family whose files give both the KV heads and the head size."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    return base.same("full", softmax(heads, take_groups(fields, heads), take_head_dim(fields)))


def grouped_with_null_head_dim(fields: Fields, dtype: str) -> Reading:
    """Read a family whose files give the KV heads and the head size, which may be null for hidden / heads."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    return base.same("full", softmax(heads, groups, stated_head_dim(fields, base.hidden, heads)))


def apertus1p5(fields: Fields, dtype: str) -> Reading:
    """Read Apertus1p5TextConfig, whose output head may have fewer rows than its embedding."""
    fields.skip("output_vocab_size")
    return grouped(fields, dtype)


def cpmant(fields: Fields, dtype: str) -> Reading:
    """
    Read CpmAntConfig: a learned prompt stands before each text, and its keys and values are kept.

    Source: modeling_cpmant.py of transformers 5.24, CpmAntModel.
    """
    del dtype
    base = frame(fields, context=("position_bias_max_distance",))
    heads = take_heads(fields)
    prompt = fields.take_count("prompt_length", to="prefix_tokens")
    fields.skip("dim_ff", "position_bias_num_buckets", "prompt_types", "segment_types")
    head_dim = take_head_dim(fields, "dim_head")
    return base.same("full", {**softmax(heads, heads, head_dim), "prefix_tokens": prompt})


def jetmoe(fields: Fields, dtype: str) -> Reading:
    """Read JetMoeConfig: each of a token's attention experts has a query head for each KV head."""
    del dtype
    base = frame(fields)
    groups = fields.take_count("num_key_value_heads", to="groups")
    heads = groups * fields.take_count("num_experts_per_tok", to="heads")
    product(fields, "num_attention_heads", heads, "num_key_value_heads x num_experts_per_tok")
    return base.same("full", softmax(heads, groups, take_head_dim(fields, "kv_channels", "head_dim")))


def ungrouped(fields: Fields, dtype: str) -> Reading:
    """Read a family without KV heads: each query head has its own."""
    del dtype
    base = frame(fields, context=("max_position_embeddings", "model_max_length"))
    return base.same("full", _own_heads(fields, base.hidden))


def _own_heads(fields: Fields, hidden: int) -> Facts:
    heads = take_heads(fields)
    fields.state("groups", "num_attention_heads")
    return softmax(heads, heads, divided_head_dim(fields, hidden, heads))


def yuan(fields: Fields, dtype: str) -> Reading:
    """
    Read Yuan 2's config: a filter of two stacked convolutions of width 2 stands before attention.

    It keeps the last two hidden states of every layer, in the model's dtype (LocalizedFiltering in
    yuan_hf_model.py of the release), as one convolution of width 3 does.
    """
    base = frame(fields, context=("max_position_embeddings", "model_max_length"))
    fields.state("conv_kernel", "LocalizedFiltering in the release's code: two convolutions of width 2")
    kept = {"kind": "short_conv", "channels": base.hidden, "conv_kernel": 3, "conv_dtype": dtype}
    return base.same("filtered", _own_heads(fields, base.hidden), kept)


def orion(fields: Fields, dtype: str) -> Reading:
    """Read OrionConfig, which gives the context twice."""
    fields.take_count("max_sequence_length", "max_position_embeddings", to="max_context")
    return grouped(fields, dtype)


def exaone(fields: Fields, dtype: str) -> Reading:
    """Read EXAONE 3's config, which says `num_layers`."""
    del dtype
    base = frame(fields, layers=("num_layers", "num_hidden_layers"))
    heads = take_heads(fields)
    return base.same("full", softmax(heads, take_groups(fields, heads), take_head_dim(fields)))


def bloom(fields: Fields, dtype: str) -> Reading:
    """Read BloomConfig: ALiBi has no longest context, but all were trained on 2048 tokens."""
    del dtype
    base = frame(
        fields,
        hidden=("hidden_size", "n_embed"),
        layers=("n_layer", "num_hidden_layers"),
        context=trained_on(fields, 2048, "BLOOM, arXiv 2211.05100, table 3", "seq_length"),
    )
    heads = take_heads(fields, "n_head", "num_attention_heads")
    fields.state("groups", "n_head")
    head_dim = divided_head_dim(fields, base.hidden, heads, ("hidden_size", "n_head"))
    return base.same("full", softmax(heads, heads, head_dim))


def gpt2(fields: Fields, dtype: str) -> Reading:
    """Read GPT2Config, with its own names for everything."""
    del dtype
    base = _gpt2_frame(fields)
    heads = take_heads(fields, "n_head")
    fields.state("groups", "n_head")
    return base.same("full", softmax(heads, heads, _gpt2_head_dim(fields, base, heads)))


def gptj(fields: Fields, dtype: str) -> Reading:
    """Read GPTJConfig, whose names are GPT-2's."""
    return gpt2(fields, dtype)


def gpt_bigcode(fields: Fields, dtype: str) -> Reading:
    """Read GPTBigCodeConfig (StarCoder, SantaCoder): one KV head where `multi_query` is true."""
    del dtype
    base = _gpt2_frame(fields)
    heads = take_heads(fields, "n_head")
    groups = 1 if fields.take_bool("multi_query", to="groups") else heads
    product(fields, "num_key_value_heads", groups, "what multi_query says")
    return base.same("full", softmax(heads, groups, _gpt2_head_dim(fields, base, heads)))


def phi_msft(fields: Fields, dtype: str) -> Reading:
    """Read the first config of Phi-1.5 and Phi-2, where `n_head_kv` is null for as many as heads."""
    del dtype
    base = _gpt2_frame(fields)
    heads = take_heads(fields, "n_head")
    if fields.take("n_head_kv") is None:
        fields.state("groups", "n_head, as n_head_kv is null")
        groups = heads
    else:
        groups = take_groups(fields, heads, "n_head_kv")
    return base.same("full", softmax(heads, groups, _gpt2_head_dim(fields, base, heads)))


def _gpt2_frame(fields: Fields) -> Frame:
    return frame(fields, hidden=("n_embd",), layers=("n_layer",), context=("n_positions", "n_ctx"))


def _gpt2_head_dim(fields: Fields, base: Frame, heads: int) -> int:
    return divided_head_dim(fields, base.hidden, heads, ("n_embd", "n_head"))


def qwen(fields: Fields, dtype: str) -> Reading:
    """
    Read the first QWenConfig; `seq_length` is the training context of an interpolated one.

    Its first releases had GPT-2's names: configuration_qwen.py of Qwen-7B, August 2023.
    """
    del dtype
    base = frame(
        fields,
        hidden=("hidden_size", "n_embd"),
        layers=("num_hidden_layers", "n_layer"),
        context=("max_position_embeddings", "n_positions"),
    )
    fields.skip("seq_length", "params_dtype", "pos_emb", "tokenizer_type")
    heads = take_heads(fields, "num_attention_heads", "n_head")
    fields.state("groups", "num_attention_heads")
    return base.same("full", softmax(heads, heads, take_head_dim(fields, "kv_channels")))


def chatglm(fields: Fields, dtype: str) -> Reading:
    """Read ChatGLMConfig (ChatGLM2, ChatGLM3, GLM-4-9B): the groups are `multi_query_group_num`."""
    del dtype
    if "inner_hidden_size" in fields:
        return _first_chatglm(fields)
    base = frame(fields, layers=("num_layers", "num_hidden_layers"), context=("seq_length",))
    heads = take_heads(fields)
    grouped_heads = fields.take_bool("multi_query_attention")
    groups = take_groups(fields, heads, "multi_query_group_num")
    head_dim = take_head_dim(fields, "kv_channels")
    return base.same("full", softmax(heads, groups if grouped_heads else heads, head_dim))


def _first_chatglm(fields: Fields) -> Reading:
    """
    Read the config of ChatGLM-6B, another model under the same name: every head has keys and values.

    No class for ChatGLM2 serves it: its positions have two parts, its MLP no gate.
    Source: modeling_chatglm.py of the release, March 2023.
    """
    base = frame(fields, layers=("num_layers",), context=("max_sequence_length",))
    fields.skip("inner_hidden_size", "position_encoding_2d")
    expect(fields, "pre_seq_len", (None,), why="a learned prefix has keys and values, too")
    expect(fields, "quantization_bit", (0, None), why="how its weights would be stored")
    return replace(base.same("full", _own_heads(fields, base.hidden)), architecture="chatglm_6b")


def falcon(fields: Fields, dtype: str) -> Reading:
    """
    Read FalconConfig: `num_kv_heads` counts in the new decoder architecture alone.

    Falcon-7B's file says 71 KV heads; with `multi_query` its class caches one (transformers,
    modeling_falcon.py, FalconAttention).
    """
    del dtype
    base = frame(
        fields,
        layers=("num_hidden_layers", "n_layer"),
        context=trained_on(fields, 2048, "the Falcon series, arXiv 2311.16867, section 4"),
    )
    heads = take_heads(fields, "num_attention_heads", "n_head")
    multi_query = fields.take_bool("multi_query")
    if fields.take_bool("new_decoder_architecture"):
        groups = take_groups(fields, heads, "num_kv_heads", "n_head_kv")
    else:
        groups = 1 if multi_query else heads
        fields.state("groups", "multi_query; num_kv_heads counts in the new decoder architecture alone")
        fields.skip("num_kv_heads", "n_head_kv")
    return base.same("full", softmax(heads, groups, divided_head_dim(fields, base.hidden, heads)))


def mpt(fields: Fields, dtype: str) -> Reading:
    """Read MptConfig, whose attention is an object of its own."""
    del dtype
    base = frame(fields, hidden=("d_model",), layers=("n_layers",), context=("max_seq_len",))
    heads = take_heads(fields, "n_heads")
    attention = fields.nested("attn_config")
    expect(attention, "prefix_lm", (False,), why="a prefix is seen in both directions")
    head_dim = divided_head_dim(fields, base.hidden, heads, ("d_model", "n_heads"))
    match kind := attention.take_text("attn_type", to="groups"):
        case "multihead_attention":
            return base.same("full", softmax(heads, heads, head_dim))
        case "multiquery_attention":
            return base.same("full", softmax(heads, 1, head_dim))
        case "grouped_query_attention":
            return base.same("full", softmax(heads, take_groups(attention, heads, "kv_n_heads"), head_dim))
        case _:
            raise attention.error("attn_type", f"{kind!r} is unknown; expected multihead_attention")


def dbrx(fields: Fields, dtype: str) -> Reading:
    """Read DbrxConfig, whose KV heads stand in `attn_config`."""
    del dtype
    base = frame(fields, hidden=("d_model",), layers=("n_layers",), context=("max_seq_len",))
    heads = take_heads(fields, "n_heads")
    groups = take_groups(fields.nested("attn_config"), heads, "kv_n_heads")
    product(fields, "num_key_value_heads", groups, "attn_config.kv_n_heads")
    head_dim = divided_head_dim(fields, base.hidden, heads, ("d_model", "n_heads"))
    return base.same("full", softmax(heads, groups, head_dim))


def minimax_m2(fields: Fields, dtype: str) -> Reading:
    """Read MiniMaxM2Config: its list of attention types is left over from MiniMax-01."""
    reading = grouped_with_head_dim(fields, dtype)
    if fields.has("attn_type_list") and fields.take_wholes("attn_type_list") != [1] * len(reading.layers):
        raise fields.error("attn_type_list", f"expected 1 (softmax) for each of {len(reading.layers)} layers")
    return reading


def hunyuan(fields: Fields, dtype: str) -> Reading:
    """Read Hunyuan's configs: with `use_cla`, runs of `cla_share_factor` layers share one cache."""
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = stated_head_dim(fields, base.hidden, heads, "head_dim", "attention_head_dim")
    own = softmax(heads, groups, head_dim)
    shares = ("use_cla" in fields or "cla_share_factor" in fields) and fields.take_bool("use_cla")
    if not shares:
        fields.skip("cla_share_factor")
        return base.same("own", own)
    factor = fields.take_count("cla_share_factor", to="layers")
    layers = ["reader" if index % factor else "own" for index in range(base.layers)]
    return base.mixed(
        layers, {"own": own, "reader": {"kind": "shared", "heads": heads, "head_dim": own["head_dim"]}}
    )

"""Latent attention: DeepSeek's up to V3.2 and its descendants, with sparse indexers."""

from dataclasses import replace

from kvplan.importers.families.common import (
    Facts,
    Reading,
    by_types,
    divided_head_dim,
    expect,
    frame,
    product,
    require_older,
    softmax,
    take_groups,
    take_heads,
)
from kvplan.importers.families.states import state_dtypes
from kvplan.importers.fields import Fields


def take_mla(fields: Fields, *, plain_queries: bool = False, v_head_dim: int | None = None) -> Facts:
    """
    Take the facts of MLA; `num_key_value_heads` and `head_dim` say nothing of its cache.

    `q_lora_rank` must be there: null means that queries are not compressed. A class of *plain_queries*
    never compresses them. *v_head_dim* is what the class takes where the file has none, or null.
    """
    heads = take_heads(fields)
    facts: Facts = {"kind": "mla", "heads": heads}
    if not plain_queries and fields.take("q_lora_rank") is not None:
        facts["q_lora_rank"] = fields.take_count("q_lora_rank", to="q_lora_rank")
    facts["d_c"] = fields.take_count("kv_lora_rank", to="d_c")
    facts["d_rope"] = fields.take_whole("qk_rope_head_dim", to="d_rope")
    facts["d_nope"] = fields.take_count("qk_nope_head_dim", to="d_nope")
    facts["v_head_dim"] = fields.take_optional_count("v_head_dim", to="v_head_dim") or v_head_dim
    if facts["v_head_dim"] is None:
        facts["v_head_dim"] = fields.take_count("v_head_dim")
    product(fields, "qk_head_dim", facts["d_nope"] + facts["d_rope"], "qk_nope_head_dim + qk_rope_head_dim")
    fields.skip("num_key_value_heads", "head_dim")
    return facts


def deepseek_v2(fields: Fields, dtype: str) -> Reading:
    """Read DeepseekV2Config; DeepSeek-VL2-Tiny turns MLA off and is an MHA model."""
    del dtype
    base = frame(fields)
    if fields.take_bool("use_mla", absent=True):
        return base.same("mla", take_mla(fields))
    for name in ("kv_lora_rank", "q_lora_rank"):
        expect(fields, name, (None,), why="use_mla is false")
    for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"):
        expect(fields, name, (0, None), why="use_mla is false")
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    return base.same("full", softmax(heads, groups, divided_head_dim(fields, base.hidden, heads)))


def deepseek_v3(fields: Fields, dtype: str) -> Reading:
    """Read DeepseekV3Config, and Kimi K2's and GLM-4.7-Flash's, which are the same."""
    del dtype
    return frame(fields).same("mla", take_mla(fields))


def minicpm3(fields: Fields, dtype: str) -> Reading:
    """
    Read MiniCPM3Config, whose values are hidden / heads wide where the file does not say.

    Source: configuration_minicpm3.py of transformers 5.23; MiniCPM3-4B's own file does not.
    """
    del dtype
    base = frame(fields)
    if fields.has("v_head_dim"):
        return base.same("mla", take_mla(fields))
    width = divided_head_dim(fields, base.hidden, take_heads(fields))
    fields.state("v_head_dim", fields.origins.pop("head_dim"))
    return base.same("mla", take_mla(fields, v_head_dim=width))


def longcat_flash(fields: Fields, dtype: str) -> Reading:
    """Read LongcatFlashConfig: each layer runs two blocks of MLA and caches both."""
    del dtype
    base = frame(fields, layers=("num_layers",))
    expect(fields, "attention_method", ("MLA",), why="both blocks are MLA")
    if fields.has("num_hidden_layers") and fields.take_count("num_hidden_layers") != 2 * base.layers:
        # Since transformers 5 the class counts blocks there, for its caches.
        product(fields, "num_hidden_layers", base.layers, "num_layers")
    mla = take_mla(fields)
    return base.same("pair", mla, mla)


def deepseek_v32(fields: Fields, dtype: str) -> Reading:
    """
    Read DeepseekV32Config: MLA and a sparse indexer.

    Layers whose `indexer_types` is `shared` reuse another's choice of tokens and keep no keys.
    """
    del dtype
    base = frame(fields)
    mla = take_mla(fields)
    indexer = take_indexer(fields)
    indexer["top_k"] = fields.take_count("index_topk", to="indexer.top_k")
    for name in ("index_topk_freq", "index_skip_topk_offset", "index_topk_pattern"):
        if name in fields and not fields.has("indexer_types"):
            raise fields.error(name, "expected indexer_types beside it, which names the layers")
        fields.skip(name)
    if fields.has("layer_types"):
        by_types(fields, base.layers, {"indexed_attention": "full"})
    layers = ["full"] * base.layers
    if fields.has("indexer_types"):
        layers = by_types(fields, base.layers, {"full": "full", "shared": "reuse"}, "indexer_types")
    return base.mixed(layers, {"full": {**mla, "indexer": indexer}, "reuse": mla})


def dots3_note(fields: Fields, dtype: str) -> Reading:
    """
    Read Dots3NoteTextConfig: MLA with an indexer, and MLA of other sizes over a window.

    The latter's latent and RoPE key are kept as the key and the value of one head are: `per_layer_config`
    has their sizes, alike in each layer (modeling_dots3_note.py of transformers 5.24).
    """
    del dtype
    base = frame(fields)
    words = {"indexed_attention": "indexed", "full_attention": "full", "sliding_attention": "local"}
    layers = by_types(fields, base.layers, words)
    mla = take_mla(fields)
    kinds: dict[str, Facts] = {"full": mla, "indexed": {**mla, "indexer": take_indexer(fields)}}
    fields.skip("index_topk", "shared_experts_intermediate_size")
    if "local" in layers:
        kinds["local"] = _local_latent(fields, layers)
    fields.skip("sliding_window", "per_layer_config")
    return base.mixed(layers, kinds)


def _local_latent(fields: Fields, layers: list[str]) -> Facts:
    """Return the sliding layers' kind, the same for each; `per_layer_config` has what differs in them."""
    window = fields.take_count("sliding_window", to="window")
    own = fields.nested("per_layer_config")
    numbers = [number for number, name in enumerate(layers) if name == "local"]
    if sorted(int(name) if name.isdecimal() else -1 for name in own.values) != numbers:
        raise fields.error("per_layer_config", "expected an entry for each layer of sliding_attention")
    kinds = [_local_sizes(fields, own.nested(name)) for name in own.values]
    if any(each != kinds[0] for each in kinds):
        raise fields.error("per_layer_config", "expected the same sizes in each entry")
    return {**kinds[0], "window": window}


def _local_sizes(fields: Fields, layer: Fields) -> Facts:
    """Return the sizes of one sliding layer: its own, or those of all layers where it has none."""
    sizes = {"heads": "num_attention_heads", "head_dim": "kv_lora_rank", "v_head_dim": "qk_rope_head_dim"}
    found = {
        key: (layer if name in layer else fields).take_count(name, to=f"local.{key}")
        for key, name in sizes.items()
    }
    layer.skip("head_dim", "num_key_value_heads", "q_lora_rank", "qk_nope_head_dim", "v_head_dim")
    return {"kind": "sliding", "groups": 1, **found}


def axk2(fields: Fields, dtype: str) -> Reading:
    """Read AXK2Config: DeepSeek-V3.2's layers, with norms that have a gate."""
    fields.skip("gated_norm_rank")
    return deepseek_v32(fields, dtype)


def hy_v4(fields: Fields, dtype: str) -> Reading:
    """Read HYV4Config: DeepSeek-V3.2's layers, with a learned sink that is a bias."""
    fields.skip("learnable_sink_init")
    return deepseek_v32(fields, dtype)


def mistral_large4(fields: Fields, dtype: str) -> Reading:
    """
    Read MistralLarge4TextConfig: MLA with an indexer, whose queries are never compressed.

    A layer may read the latents of an earlier one (`kv_source_layers`), which are kept once. One that
    does not rotate (0 in `no_rope_layers`) has no RoPE key: its heads are as wide without.
    """
    del dtype
    base = frame(fields)
    mla = take_mla(fields, plain_queries=True)
    still = {**mla, "d_rope": 0, "d_nope": mla["d_nope"] + mla["d_rope"]}
    indexer = take_indexer(fields)
    kinds: dict[str, Facts] = {
        "shared": {"kind": "shared", "heads": mla["heads"], "head_dim": still["d_nope"]}
    }
    for name, kind in (("rope", mla), ("still", still)):
        kinds |= {f"{name}_full": {**kind, "indexer": indexer}, f"{name}_reuse": kind}
    fields.skip("index_topk")
    by_types(fields, base.layers, {"indexed_attention": "full"})
    return base.mixed(_sourced(fields, base.layers), kinds)


def _sourced(fields: Fields, count: int) -> list[str]:
    """Return the layers by their rotation and indexer, those that read another's latents apart."""
    types = by_types(fields, count, {"full": "full", "shared": "reuse"}, "indexer_types")
    turned = fields.take_wholes("no_rope_layers", to="layers")
    sources = fields.take_wholes("kv_source_layers", to="layers")
    if len(turned) != count or set(turned) - {0, 1}:
        raise fields.error("no_rope_layers", f"expected 0 or 1 for each of {count} layers")
    if len(sources) != count or any(each > at for at, each in enumerate(sources)):
        raise fields.error(
            "kv_source_layers", f"expected itself or an earlier one for each of {count} layers"
        )
    readers = [at for at, each in enumerate(sources) if each != at]
    if any(types[at] == "full" for at in readers):
        raise fields.error("kv_source_layers", "a layer with an indexer of its own reads another's latents")
    names = [f"{'rope' if rotates else 'still'}_{name}" for rotates, name in zip(turned, types, strict=True)]
    return ["shared" if at in readers else name for at, name in enumerate(names)]


def glm_moe_dsa(fields: Fields, dtype: str) -> Reading:
    """Read GlmMoeDsaConfig: since transformers 5.8 its files say which layers share an indexer."""
    if not fields.has("indexer_types"):
        require_older(fields, "indexer_types", (5, 8))
    return deepseek_v32(fields, dtype)


def take_indexer(fields: Fields) -> Facts:
    """Take the heads and the key size of a sparse indexer."""
    return {
        "heads": fields.take_count("index_n_heads", to="indexer.heads"),
        "head_dim": fields.take_count("index_head_dim", to="indexer.head_dim"),
    }


def kimi_linear(fields: Fields, dtype: str) -> Reading:
    """
    Read KimiLinearConfig: KDA layers, and MLA layers whose rotary part is cached unrotated.

    Published files have an object of KDA's facts with layer numbers from 1; transformers 5.23 lists
    the types. The convolution keeps the model's dtype and the state float32
    (flash-linear-attention, layers/kda.py).
    """
    source = "float32: flash-linear-attention, layers/kda.py"
    fields.state("states_fixed", source)
    fields.state("state_dtype", source)
    fields.state("conv_dtype", "the model's dtype: flash-linear-attention, layers/kda.py")
    return replace(_kimi(fields, dtype, plain_queries=False), states_fixed=True)


def glm5_next(fields: Fields, dtype: str) -> Reading:
    """
    Read Glm5NextTextConfig: KDA layers, and MLA whose indexer pools what it keeps of each token.

    That is a key, a gate of the same width, and a mark: modeling_glm5_next.py of transformers 5.24.
    """
    fields.skip(
        "index_kpool", "index_kpool_always_select_tail", "index_topk", "linear_lower_bound", "head_dim"
    )
    types = fields.take_texts("indexer_types")
    names = {"linear_attention": "kda", "indexed_attention": "mla"}
    base = frame(fields)
    layers = by_types(fields, base.layers, names)
    if len(types) != base.layers or set(types) - {"full", "shared"}:
        raise fields.error("indexer_types", f"expected full or shared for each of {base.layers} layers")
    mla, indexer = take_mla(fields), take_indexer(fields)
    packed = {**indexer, "head_dim": 2 * indexer["head_dim"] + 1}
    kinds = {"kda": _kda(fields, _KDA_NAMES, dtype), "reuse": mla, "full": {**mla, "indexer": packed}}
    words = {"full": "full", "shared": "reuse"}
    found = [name if name == "kda" else words[kind] for name, kind in zip(layers, types, strict=True)]
    fields.state("state_dtype", "float32: modeling_glm5_next.py of transformers 5.24")
    return replace(base.mixed(found, kinds, notes=(_POOLED,)), states_fixed=True)


def bailing_hybrid(fields: Fields, dtype: str) -> Reading:
    """Read BailingHybridConfig (Ling 2.5): Kimi Linear's layers, whose queries are never compressed."""
    fields.skip("layer_group_size", "short_conv_kernel_size", "kda_lower_bound", "kda_safe_gate")
    state_dtypes(fields, dtype)
    return _kimi(fields, dtype, plain_queries=True)


def _kimi(fields: Fields, dtype: str, *, plain_queries: bool) -> Reading:
    base = frame(fields, context=("model_max_length", "max_position_embeddings"))
    if "linear_attn_config" in fields:
        part = fields.nested("linear_attn_config")
        names = ("num_heads", "head_dim", "short_conv_kernel_size")
        layers = _numbered(part, base.layers)
    else:
        part, names = fields, _KDA_NAMES
        layers = by_types(fields, base.layers, {"linear_attention": "kda", "full_attention": "mla"})
    fields.skip("mla_use_nope")
    if fields.has("routed_expert_hidden_size"):
        fields.skip(*_K3)
        part.skip("gate_lower_bound", "use_full_rank_gate")
    mla = take_mla(fields, plain_queries=plain_queries)
    return base.mixed(layers, {"kda": _kda(part, names, dtype), "mla": mla})


_KDA_NAMES = ("linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim")
_POOLED = "An indexer's key is counted with its gate and mark, as they are pooled after they are kept."


def _kda(part: Fields, names: tuple[str, str, str], dtype: str) -> Facts:
    """Take the sizes of KDA's heads and convolution, by their three *names*; its state is float32."""
    return {
        "kind": "kda",
        "heads": part.take_count(names[0], to="kda.heads"),
        "head_dim": part.take_count(names[1], to="kda.head_dim"),
        "conv_kernel": part.take_count(names[2], to="conv_kernel"),
        "conv_dtype": dtype,
        "state_dtype": "fp32",
    }


_K3 = (
    "activation_situ_beta",
    "activation_situ_linear_beta",
    "attn_res_block_size",
    "latent_moe_use_norm",
    "mla_use_output_gate",
)
"""Fields of Kimi K3 beside Kimi Linear's: activations, gates and norms, of which a token keeps nothing."""


def _numbered(linear: Fields, count: int) -> list[str]:
    full, kda = linear.take_wholes("full_attn_layers"), linear.take_wholes("kda_layers", to="layers")
    if sorted(full + kda) != list(range(1, count + 1)):
        raise linear.error("kda_layers", f"with full_attn_layers does not name each of {count} layers once")
    return ["mla" if index in set(full) else "kda" for index in range(1, count + 1)]

"""GGUF architectures with latent attention or an indexer."""

from kvplan.importers.families.common import Facts, Reading
from kvplan.importers.fields import Fields
from kvplan.importers.gguf_layers import Shape, require_uniform, take_flags, take_shape


def latent(fields: Fields) -> Reading:
    """
    Read multi-head latent attention.

    Files written before llama.cpp kept the latent (May 2025) have no `key_length_mla`: from them it
    caches the expanded keys and values of every head.
    """
    shape = take_shape(fields)
    if not fields.has("attention.key_length_mla"):
        fields.skip("attention.kv_lora_rank", "attention.q_lora_rank")
        note = "An old file: llama.cpp caches the keys and values of all heads, not the latent."
        return shape.each(shape.softmax, note)
    mla = take_mla(fields, shape)
    return shape.each(lambda layer: {**mla, "heads": shape.heads[layer]})


def latent_indexed(fields: Fields) -> Reading:
    """Read latent attention with an indexer in the layers that `indexer.types` marks, or in all."""
    shape = take_shape(fields)
    mla = take_mla(fields, shape)
    top_k = fields.take_optional_count("attention.indexer.top_k", to="indexer")
    indexer = _take_indexer(fields) | ({"top_k": top_k} if top_k else {})
    types = "attention.indexer.types"
    owners = take_flags(fields, types, shape)
    if owners is None and shape.frame.max_context >= 2**20:
        raise fields.error(types, "found nothing; a model of 1M tokens shares indexers, this list says which")
    return shape.each(
        lambda layer: {**mla, **({"indexer": indexer} if owners is None or owners[layer] else {})}
    )


def minimax_m3(fields: Fields) -> Reading:
    """Read MiniMax-M3: an indexer in every layer but the leading dense ones (create_memory)."""
    shape = take_shape(fields)
    dense = fields.take_whole("leading_dense_block_count", to="indexer")
    fields.skip("attention.indexer.block_size", "attention.indexer.local_blocks")
    indexer = _take_indexer(fields)

    def facts(layer: int) -> Facts:
        own = shape.softmax(layer)
        return own if layer < dense else {**own, "indexer": indexer}

    return shape.each(facts)


def _take_indexer(fields: Fields) -> Facts:
    return {
        "heads": fields.take_count("attention.indexer.head_count", to="indexer"),
        "head_dim": fields.take_count("attention.indexer.key_length", to="indexer"),
    }


def take_mla(fields: Fields, shape: Shape) -> Facts:
    """Take the latent's sizes; the cached row must be the latent and its rotated part."""
    d_c = fields.take_count("attention.kv_lora_rank", to="d_c")
    d_rope = fields.take_count("rope.dimension_count", to="d_rope")
    key_dim = fields.take_count("attention.key_length_mla", to="d_nope")
    if shape.key_dim != d_c + d_rope or key_dim <= d_rope:
        raise fields.error("attention.key_length", f"is {shape.key_dim}, not the latent's {d_c} + {d_rope}")
    q_lora_rank = fields.take_optional_whole("attention.q_lora_rank", to="q_lora_rank")
    return {
        "kind": "mla",
        "heads": require_uniform(fields, "attention.head_count", shape.heads),
        **({"q_lora_rank": q_lora_rank} if q_lora_rank else {}),
        "d_c": d_c,
        "d_rope": d_rope,
        "d_nope": key_dim - d_rope,
        "v_head_dim": fields.take_count("attention.value_length_mla", to="v_head_dim"),
    }

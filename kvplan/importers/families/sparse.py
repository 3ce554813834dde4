"""Block-sparse selection on top of grouped-query attention."""

from kvplan.importers.families.common import (
    Facts,
    Frame,
    Reading,
    by_types,
    expect,
    frame,
    take_groups,
    take_head_dim,
    take_heads,
)
from kvplan.importers.fields import Fields


def minimax_m3(fields: Fields, dtype: str) -> Reading:
    """
    Read MiniMax-M3's config: sparse layers keep one index key per token, no index values.

    `sparse_disable_index_value` must be 1 on each sparse layer: kvplan knows no other.
    """
    del dtype
    base = frame(fields)
    heads = take_heads(fields)
    plain = {
        "kind": "gqa",
        "heads": heads,
        "groups": take_groups(fields, heads),
        "head_dim": take_head_dim(fields),
    }
    fields.skip("attention_output_gate")
    if "sparse_attention_config" not in fields:
        return _saved_since_5_24(fields, base, plain)
    sparse = fields.nested("sparse_attention_config")
    if not sparse.take_bool("use_sparse_attention"):
        raise sparse.error("use_sparse_attention", "found false; expected true, as sizes for it follow")
    flags = sparse.take_wholes("sparse_attention_freq", to="layers")
    without_values = sparse.take_wholes("sparse_disable_index_value")
    if len(flags) != base.layers or set(flags) - {0, 1}:
        raise sparse.error("sparse_attention_freq", f"expected 0 or 1 for each of {base.layers} layers")
    if without_values != flags:
        raise sparse.error("sparse_disable_index_value", "expected 1 for each sparse layer and 0 elsewhere")
    expect(sparse, "sparse_score_type", ("max",), why="scores keep nothing")
    sparse.skip("sparse_block_size", "sparse_init_block", "sparse_local_block", "sparse_topk_blocks")
    indexer = {
        "heads": sparse.take_count("sparse_num_index_heads", to="indexer.heads"),
        "head_dim": sparse.take_count("sparse_index_dim", to="indexer.head_dim"),
    }
    layers = ["sparse" if flag else "dense" for flag in flags]
    return base.mixed(layers, {"dense": plain, "sparse": {**plain, "indexer": indexer}})


def _saved_since_5_24(fields: Fields, base: Frame, plain: Facts) -> Reading:
    """Take the sizes of the indexer and the list of layers, as MiniMaxM3VLTextConfig writes them."""
    fields.skip("index_block_size", "index_topk_blocks", "index_local_blocks")
    layers = by_types(fields, base.layers, {"full_attention": "dense", "minimax_m3_sparse": "sparse"})
    indexer = {
        "heads": fields.take_count("index_n_heads", to="indexer.heads"),
        "head_dim": fields.take_count("index_head_dim", to="indexer.head_dim"),
    }
    return base.mixed(layers, {"dense": plain, "sparse": {**plain, "indexer": indexer}})

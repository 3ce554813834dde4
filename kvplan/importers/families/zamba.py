"""Zamba and Zamba2: Mamba everywhere, and a shared attention block beside some layers."""

from kvplan.importers.families.common import (
    Facts,
    Frame,
    Reading,
    by_types,
    frame,
    product,
    require_equal,
    softmax,
    take_heads,
)
from kvplan.importers.families.states import state_dtypes, take_dt_rank
from kvplan.importers.fields import Fields


def zamba2(fields: Fields, dtype: str) -> Reading:
    """
    Read Zamba2Config: each use of a shared attention block keeps keys and values of its own.

    The block reads the hidden state and the embedding side by side, so its heads fill twice the
    width (modeling_zamba2.py of transformers 5.23).
    """
    base = frame(fields)
    attention = _shared_attention(fields, base)
    mamba: Facts = {
        "kind": "mamba2",
        "heads": fields.take_count("n_mamba_heads", to="mamba.heads"),
        "head_dim": fields.take_count("mamba_headdim", to="mamba.head_dim"),
        "groups": fields.take_count("mamba_ngroups", to="mamba.groups"),
        "d_state": fields.take_count("mamba_d_state", to="d_state"),
        "conv_kernel": fields.take_count("mamba_d_conv", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    inner = fields.take_share(base.hidden, "mamba_expand")
    if inner != mamba["heads"] * mamba["head_dim"]:
        raise fields.error("mamba_expand", f"x hidden_size is {inner}, not n_mamba_heads x mamba_headdim")
    kinds: dict[str, Facts | tuple[Facts, ...]] = {
        "mamba": mamba,
        "hybrid": (mamba, attention),
    }
    return base.mixed(_layers(fields, base.layers), kinds)


def _shared_attention(fields: Fields, base: Frame) -> Facts:
    """Take the heads of the shared block, which fill twice the width."""
    heads = take_heads(fields)
    product(fields, "num_key_value_heads", heads, "num_attention_heads")
    product(fields, "num_query_groups", heads, "num_attention_heads")
    width = 2 * base.hidden
    product(fields, "attention_hidden_size", width, "2 x hidden_size")
    head_dim = fields.take_optional_count("attention_head_dim", to="head_dim")
    if head_dim is None:
        fields.state("head_dim", "2 x hidden_size / num_attention_heads")
        head_dim = width // heads
    if head_dim * heads != width:
        raise fields.error("attention_head_dim", f"{head_dim} x {heads} is not 2 x hidden_size = {width}")
    fields.skip("kv_channels")
    return softmax(heads, heads, head_dim)


def zamba(fields: Fields, dtype: str) -> Reading:
    """Read ZambaConfig: Mamba, and after the first three layers a shared block once in each period."""
    base = frame(fields)
    attention = _shared_attention(fields, base)
    inner = fields.take_share(base.hidden, "mamba_expand", to="d_inner")
    if inner % fields.take_count("n_mamba_heads"):
        raise fields.error("n_mamba_heads", f"does not divide mamba_expand x hidden_size = {inner}")
    mamba: Facts = {
        "kind": "mamba",
        "d_inner": inner,
        "d_state": fields.take_count("mamba_d_state", to="d_state"),
        "dt_rank": take_dt_rank(fields, "mamba_dt_rank", base.hidden),
        "conv_kernel": fields.take_count("mamba_d_conv", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    period = fields.take_count("attn_layer_period", to="layers")
    offset = fields.take_whole("attn_layer_offset", to="layers")
    shared = [index == 2 or (index > 2 and (index - 3) % period == offset) for index in range(base.layers)]  # noqa: PLR2004
    layers = ["hybrid" if each else "mamba" for each in shared]
    if fields.has("layers_block_type"):
        types = by_types(fields, base.layers, _WORDS, "layers_block_type")
        require_equal(fields, "layers_block_type", types, layers, "attn_layer_period and attn_layer_offset")
    return base.mixed(layers, {"mamba": mamba, "hybrid": (mamba, attention)})


_WORDS = {"mamba": "mamba", "linear_attention": "mamba", "hybrid": "hybrid"}


def _layers(fields: Fields, count: int) -> list[str]:
    """Take the layers with a shared block, by number, by a list of types, or both alike."""
    ids = fields.take_optional_wholes("hybrid_layer_ids", to="layers")
    told = ["hybrid" if index in set(ids) else "mamba" for index in range(count)] if ids else None
    if fields.has("layers_block_type"):
        types = by_types(fields, count, _WORDS, "layers_block_type")
        require_equal(fields, "layers_block_type", types, told or types, "hybrid_layer_ids")
        return types
    if told is None or max(ids or [0]) >= count:
        raise fields.error("hybrid_layer_ids", f"expected numbers of layers below {count}")
    return told

"""Models that keep a state in place of a cache: Mamba, RWKV, gated linear attention."""

from kvplan.importers.families.common import (
    Facts,
    Reading,
    expect,
    frame,
    product,
    take_state_dtype,
    trained_on,
)
from kvplan.importers.fields import Fields
from kvplan.units import ceil_div

_MAMBA_STATE = "float32: the cache classes of transformers 5.23"
_MODEL_DTYPE = "the model's dtype: the cache classes of transformers 5.23"


def state_dtypes(fields: Fields, dtype: str) -> Facts:
    """Return the dtypes of transformers' recurrent caches: state float32, convolution as the model."""
    fields.state("state_dtype", _MAMBA_STATE)
    fields.state("conv_dtype", _MODEL_DTYPE)
    return {"conv_dtype": dtype, "state_dtype": "fp32"}


def take_dt_rank(fields: Fields, name: str, hidden: int) -> int:
    """Take the rank of Mamba's step sizes, where `auto` is hidden / 16 rounded up."""
    if fields.take(name, to="dt_rank") == "auto":
        return ceil_div(hidden, 16)
    return fields.take_count(name, to="dt_rank")


def mamba(fields: Fields, dtype: str) -> Reading:
    """Read MambaConfig, where the inner width is expand x hidden and may be repeated."""
    hidden = fields.take_count("hidden_size", to="hidden")
    inner = fields.take_share(hidden, "expand", to="d_inner")
    product(fields, "intermediate_size", inner, "expand x hidden_size")
    return _mamba(fields, dtype, inner, 2048, "Mamba, arXiv 2312.00752, section 4.2.1")


def falcon_mamba(fields: Fields, dtype: str) -> Reading:
    """Read FalconMambaConfig: `intermediate_size` is the inner width, and the expand of 16 is not used."""
    inner = fields.take_count("intermediate_size", to="d_inner")
    fields.skip("expand")
    return _mamba(fields, dtype, inner, 8192, "Falcon Mamba, arXiv 2410.05355, section 3")


def _mamba(fields: Fields, dtype: str, inner: int, context: int, source: str) -> Reading:
    base = frame(fields, layers=("num_hidden_layers", "n_layer"), context=trained_on(fields, context, source))
    kind = {
        "kind": "mamba",
        "d_inner": inner,
        "d_state": fields.take_count("state_size", to="d_state"),
        "dt_rank": take_dt_rank(fields, "time_step_rank", base.hidden),
        "conv_kernel": fields.take_count("conv_kernel", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    return base.same("mamba", kind)


def mamba2(fields: Fields, dtype: str) -> Reading:
    """Read Mamba2Config (Mamba-Codestral), whose heads fill the inner width."""
    base = frame(
        fields, context=trained_on(fields, 262144, "what Mistral tested: Mamba-Codestral's announcement")
    )
    kind = {
        "kind": "mamba2",
        "heads": fields.take_count("num_heads", to="heads"),
        "head_dim": fields.take_count("head_dim", to="head_dim"),
        "groups": fields.take_count("n_groups", to="groups"),
        "d_state": fields.take_count("state_size", to="d_state"),
        "conv_kernel": fields.take_count("conv_kernel", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    fields.skip("time_step_rank")
    inner = fields.take_share(base.hidden, "expand")
    if inner != kind["heads"] * kind["head_dim"]:
        raise fields.error(
            "num_heads", f"{kind['heads']} x {kind['head_dim']} is not expand x hidden = {inner}"
        )
    return base.same("mamba", kind)


def rwkv4(fields: Fields, dtype: str) -> Reading:
    """Read RwkvConfig: running sums in float32, and token shifts in the model's dtype."""
    base = frame(fields, context=("context_length",))
    product(fields, "attention_hidden_size", base.hidden, "hidden_size")
    fields.state("d_model", "hidden_size")
    fields.state("state_dtype", "float32: modeling_rwkv.py of transformers 5.23")
    kind = {"kind": "rwkv4", "d_model": base.hidden, "state_dtype": "fp32", "shift_dtype": dtype}
    return base.same("rwkv", kind)


def rwkv5(fields: Fields, dtype: str) -> Reading:
    """Read Rwkv5Config: the heads fill `attention_hidden_size`; the matrix state is float32."""
    return _rwkv(fields, dtype, 5)


def rwkv6(fields: Fields, dtype: str) -> Reading:
    """Read Rwkv6Config, whose `num_attention_heads` is the size of a head (RWKV/rwkv-6-world-1b6)."""
    fields.skip("num_attention_heads")
    return _rwkv(fields, dtype, 6)


def _rwkv(fields: Fields, dtype: str, version: int) -> Reading:
    base = frame(fields, context=("context_length",))
    width = fields.take_count("attention_hidden_size", to="heads")
    size = fields.take_count("head_size", to="head_dim")
    if width % size:
        raise fields.error("head_size", f"{size} does not divide attention_hidden_size = {width}")
    expect(fields, "head_size_divisor", (8,), why="it scales, and kvplan knows this one")
    source = f"github.com/BlinkDL/RWKV-LM, RWKV-v{version}: float32 state, token shifts as the model"
    fields.state("state_dtype", source)
    kind = {
        "kind": "rwkv",
        "version": version,
        "heads": width // size,
        "head_dim": size,
        "state_dtype": "fp32",
        "shift_dtype": dtype,
    }
    return base.same("rwkv", kind)


def rwkv7(fields: Fields, dtype: str) -> Reading:
    """
    Read RWKV7Config of flash-linear-attention: the heads fill the width, without attention layers.

    State float32 and token shifts as the model: github.com/BlinkDL/RWKV-LM, RWKV-v7.
    """
    base = frame(fields)
    size = fields.take_count("head_dim", to="head_dim")
    if base.hidden % size:
        raise fields.error("head_dim", f"{size} does not divide hidden_size = {base.hidden}")
    product(fields, "num_heads", base.hidden // size, "hidden_size / head_dim")
    expect(fields, "attn", (None,), why="attention layers would keep a cache")
    if fields.has("value_dim") and set(fields.take_wholes("value_dim")) != {base.hidden}:
        raise fields.error("value_dim", "expected hidden_size in each layer")
    fields.skip("value_dim", "attn_mode", "norm_first", "norm_bias", *_RWKV7_RANKS)
    fields.state(
        "state_dtype", "github.com/BlinkDL/RWKV-LM, RWKV-v7: float32 state, token shifts as the model"
    )
    kind = {
        "kind": "rwkv",
        "version": 7,
        "heads": base.hidden // size,
        "head_dim": size,
        "state_dtype": "fp32",
        "shift_dtype": dtype,
    }
    return base.same("rwkv", kind)


_RWKV7_RANKS = ("decay_low_rank_dim", "gate_low_rank_dim", "a_low_rank_dim", "v_low_rank_dim")


def xlstm(fields: Fields, dtype: str) -> Reading:
    """
    Read xLSTMConfig: a matrix memory for each head, whose keys and values are shares of the width.

    Both shares are rounded up to a multiple of 64 (configuration_xlstm.py of transformers 5.23).
    """
    del dtype
    context = trained_on(fields, 8192, "xLSTM 7B, arXiv 2503.13427")
    base = frame(
        fields,
        hidden=("hidden_size", "embedding_dim"),
        layers=("num_hidden_layers", "num_blocks"),
        context=context,
    )
    heads = fields.take_count("num_heads", to="heads")
    keys = 64 * ceil_div(fields.take_share(base.hidden, "qk_dim_factor", to="qk_head_dim"), 64)
    values = 64 * ceil_div(fields.take_share(base.hidden, "v_dim_factor", to="v_head_dim"), 64)
    if keys % heads or values % heads:
        raise fields.error("num_heads", f"{heads} heads do not divide keys of {keys} and values of {values}")
    fields.skip("mode", "return_last_states", "weight_mode", "ffn_proj_factor", "ffn_round_up_to_multiple_of")
    kind = {
        "kind": "mlstm",
        "heads": heads,
        "qk_head_dim": keys // heads,
        "v_head_dim": values // heads,
        "state_dtype": take_state_dtype(fields, "inference_state_dtype"),
    }
    return base.same("mlstm", kind)


def gla(fields: Fields, dtype: str) -> Reading:
    """
    Read GLAConfig of flash-linear-attention: `num_kv_heads` does not make the state smaller.

    Its recurrent kernels repeat keys and values for every head, and keep float32 states
    (fla/layers/gla.py).
    """
    del dtype
    source = "flash-linear-attention, fla/layers/gla.py"
    base = frame(fields, context=trained_on(fields, 2048, "flash-linear-attention, training/configs"))
    heads = fields.take_count("num_heads", to="heads")
    keys = fields.take_share(base.hidden, "expand_k", to="qk_head_dim")
    values = fields.take_share(base.hidden, "expand_v", to="v_head_dim")
    if keys % heads or values % heads:
        raise fields.error("num_heads", f"{heads} heads do not divide keys of {keys} and values of {values}")
    _plain_gla(fields)
    fields.state("state_dtype", f"float32: {source}")
    fields.state("gate_rank", f"16: {source}")
    kind = {
        "kind": "gla",
        "heads": heads,
        "qk_head_dim": keys // heads,
        "v_head_dim": values // heads,
        "gate_rank": 16,
        "state_dtype": "fp32",
    }
    return base.same("gla", kind)


def _plain_gla(fields: Fields) -> None:
    """Refuse what would keep more than the state: short convolutions, other layers, other gates."""
    expect(fields, "use_short_conv", (False,), why="convolutions would keep a history")
    expect(fields, "attn", (None,), why="attention layers would keep a cache")
    expect(fields, "use_gk", (True,), why="the gate is on keys")
    expect(fields, "use_gv", (False,), why="the gate is on keys")
    expect(fields, "gate_low_rank_dim", (16,), why="the rank of the gate")
    fields.skip("num_kv_heads", "attn_mode", "conv_size", "use_output_gate")

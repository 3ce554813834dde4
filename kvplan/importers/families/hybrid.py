"""Hybrids of attention and states: Jamba, Bamba, Granite 4, Falcon-H1, PLaMo 2 and others."""

from collections.abc import Sequence

from kvplan.importers.families.common import (
    Facts,
    Frame,
    Reading,
    by_types,
    divided_head_dim,
    expect,
    frame,
    optional_head_dim,
    product,
    sliding,
    softmax,
    stated_head_dim,
    take_groups,
    take_head_dim,
    take_heads,
    trained_on,
)
from kvplan.importers.families.states import state_dtypes, take_dt_rank
from kvplan.importers.fields import Fields


def jamba(fields: Fields, dtype: str) -> Reading:
    """Read JambaConfig: one attention layer in each period, Mamba elsewhere."""
    base = frame(fields)
    attention = _attention(fields, base)
    period = fields.take_count("attn_layer_period", to="layers")
    offset = fields.take_whole("attn_layer_offset", to="layers")
    if offset >= period:
        raise fields.error("attn_layer_offset", f"{offset} is not below the period of {period}")
    expect(fields, "sliding_window", (None,), why="attention layers keep all tokens")
    mamba = {
        "kind": "mamba",
        "d_inner": fields.take_share(base.hidden, "mamba_expand", to="d_inner"),
        "d_state": fields.take_count("mamba_d_state", to="d_state"),
        "dt_rank": take_dt_rank(fields, "mamba_dt_rank", base.hidden),
        "conv_kernel": fields.take_count("mamba_d_conv", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    layers = ["attention" if index % period == offset else "mamba" for index in range(base.layers)]
    return base.mixed(layers, {"attention": attention, "mamba": mamba})


def bamba(fields: Fields, dtype: str) -> Reading:
    """Read BambaConfig: `attn_layer_indices` are the attention layers, from 0."""
    base = frame(fields)
    attention = _attention(fields, base)
    indices = set(fields.take_wholes("attn_layer_indices", to="layers"))
    if indices and max(indices) >= base.layers:
        raise fields.error("attn_layer_indices", f"{max(indices)} is not below {base.layers} layers")
    layers = ["attention" if index in indices else "mamba" for index in range(base.layers)]
    return base.mixed(layers, {"attention": attention, "mamba": _mamba2(fields, base, dtype)})


_NEW_WORDS = {"full_attention": "attention", "linear_attention": "mamba"}
"""What transformers 5.23 calls the layers of every hybrid."""


def granite(fields: Fields, dtype: str) -> Reading:
    """Read GraniteMoeHybridConfig, which lists its layer types; they may all be attention."""
    base = frame(fields)
    attention = _attention(fields, base)
    names = {"attention": "attention", "mamba": "mamba", **_NEW_WORDS}
    layers = by_types(fields, base.layers, names, "layer_types", "layers_block_type")
    return base.mixed(layers, {"attention": attention, "mamba": _mamba2(fields, base, dtype)})


def falcon_h1(fields: Fields, dtype: str) -> Reading:
    """
    Read FalconH1Config: every layer runs attention and Mamba-2 side by side.

    The inner width is `mamba_d_ssm`, not `mamba_expand` x hidden.
    """
    base = frame(fields)
    heads = take_heads(fields)
    attention = softmax(heads, take_groups(fields, heads), stated_head_dim(fields, base.hidden, heads))
    expect(fields, "attn_layer_indices", (None,), why="every layer has both")
    mamba = _mamba2_facts(fields, dtype)
    inner = fields.take_count("mamba_d_ssm")
    if inner != mamba["heads"] * mamba["head_dim"]:
        raise fields.error("mamba_d_ssm", f"{inner} is not mamba_n_heads x mamba_d_head")
    fields.skip("mamba_expand")
    return base.same("parallel", attention, mamba)


def _attention(fields: Fields, base: Frame) -> Facts:
    """Take the attention of a hybrid whose heads fill its width."""
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    return softmax(heads, groups, optional_head_dim(fields, base.hidden, heads))


def _mamba2(fields: Fields, base: Frame, dtype: str) -> Facts:
    """Take Mamba-2 where the heads must fill `mamba_expand` x hidden."""
    facts = _mamba2_facts(fields, dtype)
    inner = fields.take_share(base.hidden, "mamba_expand")
    if inner != facts["heads"] * facts["head_dim"]:
        raise fields.error("mamba_expand", f"x hidden_size is {inner}, not mamba_n_heads x mamba_d_head")
    return facts


def _mamba2_facts(fields: Fields, dtype: str) -> Facts:
    return {
        "kind": "mamba2",
        "heads": fields.take_count("mamba_n_heads", to="mamba.heads"),
        "head_dim": fields.take_count("mamba_d_head", to="mamba.head_dim"),
        "groups": fields.take_count("mamba_n_groups", to="mamba.groups"),
        "d_state": fields.take_count("mamba_d_state", to="d_state"),
        "conv_kernel": fields.take_count("mamba_d_conv", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }


def plamo2(fields: Fields, dtype: str) -> Reading:
    """
    Read PLaMo 2's config: Mamba but for one layer in `mamba_step`, attention within a window.

    Its Mamba has a convolution over x alone and a step-size rank of hidden / 16, at least 64
    (vLLM, vllm/model_executor/models/plamo2.py at 002fb90).
    """
    base = frame(fields)
    heads = take_heads(fields)
    size = take_head_dim(fields, "hidden_size_per_head")
    window = fields.take_count("attention_window_size", to="window")
    attention = sliding(heads, take_groups(fields, heads), size, window)
    expect(fields, "mamba_enabled", (True,), why="its attention layers alone")
    expect(fields, "full_attention_idx", (None, []), why="attention layers have a window")
    step = fields.take_count("mamba_step", to="layers")
    fields.state("dt_rank", "max(64, hidden_size / 16): vLLM, models/plamo2.py at 002fb90")
    mamba = {
        "kind": "mamba",
        "d_inner": fields.take_count("mamba_num_heads", to="d_inner") * size,
        "d_state": fields.take_count("mamba_d_state", to="d_state"),
        "dt_rank": max(64, base.hidden // 16),
        "conv_kernel": fields.take_count("mamba_d_conv", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    layers = ["attention" if index % step == step // 2 else "mamba" for index in range(base.layers)]
    return base.mixed(layers, {"mamba": mamba, "attention": attention})


def recurrent_gemma(fields: Fields, dtype: str) -> Reading:
    """Read RecurrentGemmaConfig: a short list of block types, repeated over the layers."""
    context = trained_on(fields, 8192, "RecurrentGemma, arXiv 2404.07839, section 2")
    base = frame(fields, context=context)
    heads = take_heads(fields)
    window = fields.take_count("attention_window_size", to="window")
    attention = sliding(
        heads, take_groups(fields, heads), stated_head_dim(fields, base.hidden, heads), window
    )
    recurrent = {
        "kind": "rg_lru",
        "heads": heads,
        "width": fields.take_count("lru_width", to="width"),
        "conv_kernel": fields.take_count("conv1d_width", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    cycle = _cycle(fields, ("recurrent", "attention"), "_block_types", "block_types")
    layers = [cycle[index % len(cycle)] for index in range(base.layers)]
    return base.mixed(layers, {"recurrent": recurrent, "attention": attention})


def _cycle(fields: Fields, known: Sequence[str], *names: str) -> list[str]:
    words = fields.take_texts(*names, to="layers")
    if not words or set(words) - set(known):
        raise fields.error(names[0], f"found {words}; expected {' and '.join(known)}")
    return words


def lfm2(fields: Fields, dtype: str) -> Reading:
    """Read Lfm2Config: short convolutions, of which `conv_L_cache` is the kernel, and attention."""
    base = frame(fields)
    heads = take_heads(fields, "num_attention_heads", "num_heads")
    groups = take_groups(fields, heads)
    head_dim = divided_head_dim(fields, base.hidden, heads)
    product(fields, "head_dim", head_dim, "hidden_size / num_attention_heads", to="head_dim")
    conv = {
        "kind": "short_conv",
        "channels": base.hidden,
        "conv_kernel": fields.take_count("conv_L_cache", to="conv_kernel"),
        "conv_dtype": dtype,
    }
    fields.state("channels", "hidden_size: modeling_lfm2.py of transformers 5.23")
    fields.state("conv_dtype", "the model's dtype: the cache classes of transformers 5.23")
    names = {"conv": "conv", "full_attention": "attention"}
    if fields.has("full_attn_idxs") and not fields.has("layer_types"):
        indices = set(fields.take_wholes("full_attn_idxs", to="layers"))
        layers = ["attention" if index in indices else "conv" for index in range(base.layers)]
    else:
        fields.skip("full_attn_idxs")
        layers = by_types(fields, base.layers, names)
    return base.mixed(layers, {"conv": conv, "attention": softmax(heads, groups, head_dim)})


def lfm3(fields: Fields, dtype: str) -> Reading:
    """Read Lfm3Config: short convolutions, windows and full attention, as `layer_types` says."""
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), take_head_dim(fields))
    fields.state("channels", "hidden_size: modeling_lfm3.py of transformers 5.23")
    fields.state("conv_dtype", "the model's dtype: the cache classes of transformers 5.23")
    fields.skip("use_sandwich_norm", "use_attention_gate")
    kinds: dict[str, Facts] = {
        "conv": {
            "kind": "short_conv",
            "channels": base.hidden,
            "conv_kernel": fields.take_count("conv_L_cache", to="conv_kernel"),
            "conv_dtype": dtype,
        },
        "local": sliding(*shape, fields.take_count("sliding_window", to="window")),
        "global": softmax(*shape),
    }
    words = {"conv": "conv", "sliding_attention": "local", "full_attention": "global"}
    return base.mixed(by_types(fields, base.layers, words), kinds)


def phi4flash(fields: Fields, dtype: str) -> Reading:
    """
    Read Phi4FlashConfig: Mamba and windows in the first half, one full layer, and readers of its cache.

    The model's own cache keeps state and convolution in its dtype (modeling_phi4flash.py of the release).
    """
    base = frame(fields)
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), divided_head_dim(fields, base.hidden, heads))
    expect(fields, "mb_per_layer", (2,), why="every second layer is Mamba")
    middle = base.layers // 2
    windows = [index < middle and index % 2 == 1 for index in range(base.layers)]
    kinds: dict[str, Facts] = {
        "mamba": {
            "kind": "mamba",
            "d_inner": fields.take_share(base.hidden, "mamba_expand", to="d_inner"),
            "d_state": fields.take_count("mamba_d_state", to="d_state"),
            "dt_rank": take_dt_rank(fields, "mamba_dt_rank", base.hidden),
            "conv_kernel": fields.take_count("mamba_d_conv", to="conv_kernel"),
            "conv_dtype": dtype,
            "state_dtype": dtype,
        },
        "local": sliding(*shape, _phi4flash_window(fields, windows)),
        "full": softmax(*shape),
        "gate": {"kind": "none"},
        "cross": {"kind": "shared", "heads": heads, "head_dim": shape[2]},
    }
    even = ["mamba" if index <= middle else "gate" for index in range(base.layers)]
    odd = ["full" if index == middle + 1 else "cross" for index in range(base.layers)]
    layers = [
        "local" if window else (odd if index % 2 else even)[index] for index, window in enumerate(windows)
    ]
    return base.mixed(layers, kinds)


def _phi4flash_window(fields: Fields, windows: Sequence[bool]) -> int:
    """Take the window, which the class writes for each layer, null where there is none."""
    if not isinstance(fields.take("sliding_window"), list):
        return fields.take_count("sliding_window", to="window")
    given = fields.take_list("sliding_window", to="window")
    found = {each for each, window in zip(given, windows, strict=False) if window}
    window = found.pop() if len(found) == 1 else None
    if type(window) is not int or given != [window if each else None for each in windows]:
        raise fields.error("sliding_window", "expected one window in each odd layer of the first half")
    return window


def spikingbrain(fields: Fields, dtype: str) -> Reading:
    """
    Read SpikingBrain's config: window attention in `attn_layers`, gated linear attention elsewhere.

    The linear layers repeat their KV heads, so the state has one matrix for each query head, in
    float32, behind a gate of rank 16 (gla_attention.py of github.com/BICLab/SpikingBrain-7B).
    """
    del dtype
    source = "gla_attention.py of github.com/BICLab/SpikingBrain-7B at ef99987"
    base = frame(fields)
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    head_dim = divided_head_dim(fields, base.hidden, heads)
    local = sliding(heads, groups, head_dim, fields.take_count("sliding_window", to="window"))
    expect(fields, "use_short_conv", (False,), why="convolutions would keep a history")
    fields.skip("attn_mode", "conv_size")
    fields.state("state_dtype", f"float32: {source}")
    fields.state("gate_rank", f"16: {source}")
    linear = {
        "kind": "gla",
        "heads": heads,
        "qk_head_dim": head_dim,
        "v_head_dim": head_dim,
        "gate_rank": 16,
        "state_dtype": "fp32",
    }
    indices = set(fields.take_wholes("attn_layers", to="layers"))
    if indices and max(indices) >= base.layers:
        raise fields.error("attn_layers", f"{max(indices)} is not below {base.layers} layers")
    layers = ["local" if index in indices else "linear" for index in range(base.layers)]
    return base.mixed(layers, {"linear": linear, "local": local})

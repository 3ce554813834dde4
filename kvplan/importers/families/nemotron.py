"""Nemotron-H: a letter or a word for each layer, of which many keep nothing."""

from dataclasses import replace

from kvplan.importers.families.common import (
    Frame,
    Reading,
    product,
    softmax,
    take_groups,
    take_head_dim,
    take_heads,
    take_state_dtype,
)
from kvplan.importers.families.states import state_dtypes
from kvplan.importers.fields import Fields

_NEW_WORDS = {"full_attention": "attention", "linear_attention": "mamba"}
"""What transformers 5.23 calls the layers of every hybrid."""

_FIXED = "mamba_ssm_cache_dtype, else float32: NemotronHForCausalLMConfig in vLLM 0.33, models/config.py"

_NEMOTRON_LETTERS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}


def nemotron_h(fields: Fields, dtype: str) -> Reading:
    """
    Read NemotronHConfig: a letter or a word for each layer, of which many keep nothing.

    The heads are the inner width; `expand` x hidden is another number in every file and not used.
    """
    layers = _nemotron_layers(fields)
    base = Frame(
        hidden=fields.take_count("hidden_size", to="hidden"),
        layers=len(layers),
        max_context=fields.take_count("max_position_embeddings", to="max_context"),
    )
    product(fields, "num_hidden_layers", len(layers), "the number of layers in the pattern", to="layers")
    heads = take_heads(fields)
    groups = take_groups(fields, heads)
    mamba = {
        "kind": "mamba2",
        "heads": fields.take_count("mamba_num_heads", to="mamba.heads"),
        "head_dim": fields.take_count("mamba_head_dim", to="mamba.head_dim"),
        "groups": fields.take_count("n_groups", to="mamba.groups"),
        "d_state": fields.take_count("ssm_state_size", to="d_state"),
        "conv_kernel": fields.take_count("conv_kernel", to="conv_kernel"),
        **state_dtypes(fields, dtype),
    }
    if fields.has("mamba_ssm_cache_dtype"):
        mamba["state_dtype"] = take_state_dtype(fields, "mamba_ssm_cache_dtype")
    # Mamba-1 alone has a rank of its step; the class never reads it.
    fields.skip("expand", "time_step_rank")
    attention = softmax(heads, groups, take_head_dim(fields, "head_dim", "attention_head_dim"))
    nothing = {"kind": "none"}
    fields.state("states_fixed", _FIXED)
    kinds = {"mamba": mamba, "attention": attention, "moe": nothing, "mlp": nothing}
    return replace(base.mixed(layers, kinds), states_fixed=True)


def _nemotron_layers(fields: Fields) -> list[str]:
    if fields.has("layers_block_type"):
        given = fields.take_texts("layers_block_type", to="layers")
        words = [_NEW_WORDS.get(word, word) for word in given]
        names = set(_NEMOTRON_LETTERS.values())
        if unknown := [word for word in words if word not in names]:
            raise fields.error(
                "layers_block_type", f"{unknown[0]!r} is unknown; expected {', '.join(sorted(names))}"
            )
        if "hybrid_override_pattern" not in fields:
            return words
    letters = fields.take_text("hybrid_override_pattern", to="layers")
    if unknown := sorted(set(letters) - set(_NEMOTRON_LETTERS)):
        raise fields.error("hybrid_override_pattern", f"{unknown[0]!r} is unknown; expected M, *, - or E")
    layers = [_NEMOTRON_LETTERS[letter] for letter in letters]
    if fields.has("layers_block_type") and words != layers:
        raise fields.error("hybrid_override_pattern", "contradicts layers_block_type")
    return layers

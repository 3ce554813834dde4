"""What a count reads from a file, what it refuses, and how its parts are divided."""

from typing import Any

import pytest

from kvplan.attention import Kind, kind_class
from kvplan.errors import ImportedError, KvplanError, SpecError
from kvplan.importers.fields import Fields
from kvplan.importers.parameters import Parameters, Shape, count
from kvplan.importers.parameters.blocks import column, row, whole
from kvplan.specs.load import load

GQA = {"kind": "gqa", "heads": 6, "groups": 2, "head_dim": 10}
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 211,
    "hidden_size": 60,
    "intermediate_size": 77,
    "tie_word_embeddings": False,
}
LAYER = 60 * (2 * 60 + 2 * 20) + 3 * 60 * 77 + 2 * 60


def _kind(values: dict[str, Any]) -> Kind:
    return kind_class(values["kind"]).model_validate(values)


def _fields(values: dict[str, Any]) -> Fields:
    return Fields(values, file="config.json")


def _count(model_type: str, values: dict[str, Any], *kinds: dict[str, Any]) -> Parameters:
    shape = Shape(hidden=60, layers=tuple((_kind(kind),) for kind in kinds or (GQA,)))
    counted = count(model_type, _fields(values), shape)
    assert counted is not None
    return counted


def test_a_bias_is_divided_with_outputs_and_whole_with_inputs() -> None:
    assert column(3, 5, bias=True) == Parameters(sharded=20)
    assert row(3, 5, bias=True) == Parameters(sharded=15, replicated=5)
    assert whole(3, 5, bias=True) == Parameters(replicated=20)


def test_parameters_add_and_repeat_part_by_part() -> None:
    one = Parameters(sharded=2, replicated=3, experts=5)
    assert one + one == one * 2 == Parameters(sharded=4, replicated=6, experts=10)
    assert (one * 2).total == 20


def test_an_unknown_family_is_not_guessed() -> None:
    assert count("zaya", _fields(LLAMA), Shape(hidden=60, layers=())) is None


def test_a_file_inside_another_is_tied_as_the_outer_one_says() -> None:
    shape = Shape(hidden=60, layers=())
    for outer, inner, tied in ((True, False, True), (False, True, False), (None, True, True)):
        around = _fields({} if outer is None else {"tie_word_embeddings": outer})
        counted = count("llama", _fields(LLAMA | {"tie_word_embeddings": inner}), shape, around)
        assert counted == Parameters(sharded=211 * 60 * (1 if tied else 2), replicated=60)


def test_an_embedding_model_has_no_output_head() -> None:
    assert _count("llama", LLAMA).total == 2 * 211 * 60 + LAYER + 60
    assert _count("llama", LLAMA | {"architectures": ["LlamaModel"]}).total == 211 * 60 + LAYER + 60


def test_layers_that_keep_nothing_take_their_kv_heads_from_the_file() -> None:
    uncached = {"kind": "none", "heads": 6, "head_dim": 10}
    assert _count("qwen3", LLAMA | {"num_key_value_heads": 2}, uncached) == _count("qwen3", LLAMA, GQA)


def test_a_bare_layer_has_no_mixer() -> None:
    assert _count("llama", LLAMA, {"kind": "none"}).total == 2 * 211 * 60 + 3 * 60 * 77 + 3 * 60


def test_a_layer_that_reads_another_has_queries_and_an_output() -> None:
    shared = _count("gemma3_text", LLAMA, {"kind": "shared", "heads": 6, "head_dim": 10})
    assert shared.total == 2 * 211 * 60 + 2 * 60 * 60 + 10 + 3 * 60 * 77 + 5 * 60


def test_the_list_of_layer_types_goes_before_other_fields() -> None:
    moe: dict[str, Any] = {
        "num_experts": 5,
        "moe_intermediate_size": 13,
        "n_shared_experts": 0,
        "first_k_dense_replace": 0,
    }
    dense = _count("deepseek", LLAMA | moe | {"mlp_layer_types": ["dense"]})
    assert dense.experts == 0
    assert _count("deepseek", LLAMA | moe).experts == 5 * 3 * 60 * 13


GONE = {"no_op": True}
"""A part of a layer that a search took out."""

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "missing width": ("llama", {"intermediate_size": None}, "intermediate_size"),
    "missing vocabulary": ("llama", {"vocab_size": None}, "vocab_size"),
    "width as text": ("llama", {"intermediate_size": "77"}, "intermediate_size"),
    "bias as a number": ("llama", {"attention_bias": 1}, "attention_bias"),
    "unknown type of MLP": ("deepseek", {"num_experts": 5, "mlp_layer_types": ["odd"]}, "mlp_layer_types"),
    "too short a list of MLPs": ("deepseek", {"num_experts": 5, "mlp_layer_types": []}, "mlp_layer_types"),
    "too short a list of experts": ("mimo_v2_flash", {"moe_layer_freq": []}, "moe_layer_freq"),
    "biases that MPT never had": ("mpt", {"no_bias": False}, "no_bias"),
    "an object that is none": ("dbrx", {"ffn_config": 5}, "ffn_config"),
    "an object that is missing": ("dbrx", {}, "ffn_config"),
    "a list of other things": ("nemotron-nas", {"block_configs": [5]}, "block_configs"),
    "a block that does not say whether it is there": (
        "nemotron-nas",
        {"block_configs": [{"attention": {"replace_with_linear": False}, "ffn": {}}]},
        r"block_configs\[0\]\.attention\.no_op",
    ),
    "a block without its width": (
        "nemotron-nas",
        {
            "block_configs": [
                {"attention": GONE, "ffn": {"no_op": False, "replace_with_linear": False, "ffn_mul": 1}}
            ]
        },
        r"block_configs\[0\]\.ffn\.ffn_mult",
    ),
    "too few blocks": ("nemotron-nas", {"block_configs": []}, "block_configs"),
    "too short a pattern": ("nemotron_h", {"hybrid_override_pattern": ""}, "hybrid_override_pattern"),
    "experts per token without experts": ("minicpm", {"num_experts_per_tok": 2}, "num_experts: "),
    "null experts": ("deepseek", {"num_experts": None, "first_k_dense_replace": 0}, "num_experts: "),
    "null shared experts": (
        "deepseek",
        {"num_experts": 5, "moe_intermediate_size": 13, "n_shared_experts": None, "first_k_dense_replace": 0},
        "n_shared_experts",
    ),
    "biases that StableLM's files state": ("stablelm", {"qk_layernorm": False}, "use_qkv_bias"),
    "draft layers without the width of the experts' space": (
        "nemotron_h",
        {
            "hybrid_override_pattern": "E",
            "n_routed_experts": 5,
            "moe_intermediate_size": 13,
            "moe_shared_expert_intermediate_size": 17,
            "num_nextn_predict_layers": 1,
        },
        "moe_latent_size",
    ),
    "a factor that is no number": ("lfm2", {"block_ffn_dim_multiplier": "2"}, "block_ffn_dim_multiplier"),
    "a factor below zero": ("lfm2", {"block_ffn_dim_multiplier": -1.0}, "block_ffn_dim_multiplier"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_fields_that_are_not_understood_are_named(case: str) -> None:
    model_type, change, name = REFUSED[case]
    with pytest.raises(ImportedError, match=name) as caught:
        _count(model_type, LLAMA | change)
    assert "\n" not in str(caught.value)


def test_a_kind_that_the_family_lacks_is_refused() -> None:
    mla = {"kind": "mla", "heads": 6, "d_c": 18, "d_rope": 6, "d_nope": 10, "v_head_dim": 9}
    with pytest.raises(KvplanError, match="mla"):
        _count("llama", LLAMA, mla)


def test_a_spec_without_its_width_cannot_be_counted() -> None:
    with pytest.raises(SpecError, match="hidden"):
        Shape.of(load("llama-3.1-8b").model_copy(update={"hidden": None}))


def test_experts_work_in_a_space_of_their_own_where_the_file_names_its_width() -> None:
    """Two matrices for each expert and the shared one, a router with a bias, and two into that space."""
    moe: dict[str, Any] = {
        "hybrid_override_pattern": "E",
        "n_routed_experts": 5,
        "moe_intermediate_size": 13,
        "moe_shared_expert_intermediate_size": 17,
    }
    ends_and_norms, router, shared = 2 * 211 * 60 + 2 * 60, 61 * 5, 2 * 60 * 17
    wide = ends_and_norms + router + shared + 5 * 2 * 60 * 13
    assert _count("nemotron_h", LLAMA | moe, {"kind": "none"}).total == wide
    drafts = {"num_nextn_predict_layers": 1}
    assert (
        _count("nemotron_h", LLAMA | moe | drafts | {"moe_latent_size": None}, {"kind": "none"}).total == wide
    )
    narrow = ends_and_norms + router + shared + 5 * 2 * 7 * 13 + 2 * 60 * 7
    assert _count("nemotron_h", LLAMA | moe | {"moe_latent_size": 7}, {"kind": "none"}).total == narrow


GLA = {"kind": "gla", "heads": 4, "qk_head_dim": 5, "v_head_dim": 10, "gate_rank": 3, "state_dtype": "fp32"}


@pytest.mark.parametrize("given", [{"num_kv_heads": 2}, {"use_output_gate": False}])
def test_the_kv_heads_and_the_gate_of_gla_come_together(given: dict[str, Any]) -> None:
    missing = ({"num_kv_heads", "use_output_gate"} - set(given)).pop()
    with pytest.raises(ImportedError, match=missing):
        _count("gla", LLAMA | given, GLA)


def test_the_width_of_glas_mlp_follows_from_a_null_alone() -> None:
    """4 x 60 x 2 / 3 = 160, up to the next multiple of 256."""
    null = LLAMA | {"intermediate_size": None, "hidden_ratio": 4}
    less = _count("gla", null, GLA).total - _count("gla", LLAMA | {"hidden_ratio": 4}, GLA).total
    assert less == 3 * 60 * (256 - 77)
    without = {name: value for name, value in null.items() if name != "intermediate_size"}
    with pytest.raises(ImportedError, match="intermediate_size"):
        _count("gla", without, GLA)

"""The strict view of a config: types, spellings, and what nobody took."""

import pytest

from kvplan.errors import ImportedError
from kvplan.importers.fields import Fields
from kvplan.importers.harmless import HARMLESS, NEUTRAL, PARAMETER_FIELDS
from kvplan.importers.strict_json import Json


def _fields(**values: Json) -> Fields:
    return Fields(values, file="config.json")


def _unknown(fields: Fields) -> list[str]:
    return [each.path for each in fields.unknown()]


@pytest.mark.parametrize("value", ["32", 32.0, True, None, [32], {}, 0, -1, 10**9 + 1])
def test_a_count_is_a_whole_number_and_nothing_like_it(value: Json) -> None:
    with pytest.raises(ImportedError, match=r"config\.json: heads: found .*; expected a whole number from 1"):
        _fields(heads=value).take_count("heads")


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_flag_is_true_or_false(value: Json) -> None:
    with pytest.raises(ImportedError, match=r"gate: found .*; expected true or false"):
        _fields(gate=value).take_bool("gate")


def test_a_missing_field_is_named_with_all_its_spellings() -> None:
    with pytest.raises(ImportedError, match="n_head or num_heads: found nothing"):
        _fields().take_count("n_head", "num_heads")


def test_a_null_gives_way_to_another_spelling() -> None:
    assert _fields(n_head=None, num_heads=4).take_count("n_head", "num_heads") == 4


def test_spellings_that_disagree_are_refused_in_type_too() -> None:
    with pytest.raises(ImportedError, match="b: found 2, but a is 1"):
        _fields(a=1, b=2).take("a", "b")
    with pytest.raises(ImportedError, match="b: found true, but a is 1"):
        _fields(a=1, b=True).take("a", "b")


@pytest.mark.parametrize(("factor", "share"), [(0.5, 1024), (2, 4096), (1.0, 2048)])
def test_a_share_is_exact(factor: float, share: int) -> None:
    assert _fields(expand=factor).take_share(2048, "expand") == share


@pytest.mark.parametrize("factor", [0.3, 0, -1, "2", True, None])
def test_a_share_that_is_no_whole_number_is_refused(factor: Json) -> None:
    with pytest.raises(ImportedError, match="expand: "):
        _fields(expand=factor).take_share(1024, "expand")


def test_lists_hold_one_type() -> None:
    with pytest.raises(ImportedError, match="types: found 3; expected texts alone"):
        _fields(types=["full", 3]).take_texts("types")
    with pytest.raises(ImportedError, match="layers: found true; expected a whole number"):
        _fields(layers=[1, True]).take_wholes("layers")
    with pytest.raises(ImportedError, match="layers: found 3; expected a list"):
        _fields(layers=3).take_wholes("layers")


def test_what_nobody_took_is_listed_with_its_path() -> None:
    fields = Fields({"a": 1, "b": {"c": 2, "d": 3}, "rope_theta": 1.0, "vocab_size": 5}, file="config.json")
    fields.nested("b").take_count("c")
    assert _unknown(fields) == ["a", "b.d"]


def test_a_neutral_field_is_known_with_its_neutral_values_alone() -> None:
    assert _unknown(_fields(sliding_window=None, is_encoder_decoder=False)) == []
    assert _unknown(_fields(sliding_window=4096)) == ["sliding_window"]
    assert _unknown(_fields(is_encoder_decoder=0)) == ["is_encoder_decoder"]


def test_ignored_fields_are_named_alone_or_with_their_path() -> None:
    fields = Fields({"a": 1, "b": {"c": 2, "d": 3}}, file="config.json")
    fields.nested("b").take_count("c")
    with pytest.raises(ImportedError, match=r"config\.json: c: no field of this name is unknown"):
        fields.ignore(["c"])
    assert fields.ignore(["d"]) == ["b.d"]
    assert fields.ignore(["a"]) == ["a"]
    assert _unknown(fields) == []


def test_an_origin_names_the_field_and_its_value() -> None:
    fields = Fields({"text_config": {"num_key_value_heads": 8}}, file="config.json")
    fields.nested("text_config").take_count("num_key_value_heads", to="groups")
    assert fields.origins == {"groups": "text_config.num_key_value_heads = 8"}


def test_no_field_is_in_two_classes() -> None:
    assert not HARMLESS & PARAMETER_FIELDS
    assert not HARMLESS & set(NEUTRAL)
    assert not PARAMETER_FIELDS & set(NEUTRAL)


@pytest.mark.parametrize(
    "name",
    [
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "kv_channels",
        "hidden_size",
        "num_hidden_layers",
        "layer_types",
        "sliding_window",
        "window_size",
        "kv_lora_rank",
        "qk_rope_head_dim",
        "max_position_embeddings",
        "state_size",
        "attention_chunk_size",
        "multi_query",
        "num_kv_shared_layers",
        "cla_share_factor",
        "torch_dtype",
    ],
)
def test_a_field_that_sizes_a_cache_is_never_harmless(name: str) -> None:
    assert name not in HARMLESS | PARAMETER_FIELDS

"""The embedding and the output head: what a file says of them, and what it may leave out."""

from typing import Any

import pytest

from kvplan.errors import ImportedError
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.parameters.ends import Ends, read_ends

BASE: dict[str, Any] = {"vocab_size": 211, "architectures": ["LlamaForCausalLM"]}


def _fields(values: dict[str, Any], path: str = "") -> Fields:
    return Fields(values, file="config.json", path=path)


def _ends(model_type: str, values: dict[str, Any], outer: dict[str, Any] | None = None) -> Ends:
    inner = _fields(BASE | values, "" if outer is None else "text_config.")
    return read_ends(model_type, inner, None if outer is None else _fields(outer))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("model_type", ["llama", "gemma", "minicpm", "falcon", "deepseek_v3", "unheard_of"])
def test_what_a_file_says_holds_in_every_family(model_type: str, tied: bool) -> None:  # noqa: FBT001
    ends = _ends(model_type, {"tie_word_embeddings": tied})
    assert (ends.vocab, ends.tied) == (211, tied)
    assert (ends.vocab_origin, ends.tied_origin) == ("vocab_size", "tie_word_embeddings")


@pytest.mark.parametrize("said", [{}, {"tie_word_embeddings": None}])
@pytest.mark.parametrize(
    "model_type", ["llama", "qwen2", "qwen3", "granite", "phi3", "minicpm", "unheard_of"]
)
def test_families_with_both_must_say_it(model_type: str, said: dict[str, Any]) -> None:
    with pytest.raises(
        ImportedError, match=r"config\.json: tie_word_embeddings: found nothing; expected true"
    ):
        _ends(model_type, said)


@pytest.mark.parametrize(
    "model_type", ["gemma2", "gpt2", "opt", "bloom", "whisper", "cohere", "falcon", "t5"]
)
def test_families_whose_class_is_tied_leave_it_out(model_type: str) -> None:
    assert _ends(model_type, {}).tied is True
    assert _ends(model_type, {}, outer={}).tied is True


@pytest.mark.parametrize(
    ("model_type", "later"),
    [("falcon", {"ffn_hidden_size": 16384}), ("t5", {"feed_forward_proj": "gated-gelu"})],
)
def test_later_releases_that_are_untied_must_say_it(model_type: str, later: dict[str, Any]) -> None:
    """Falcon 2 11B and Flan-T5: without the field they would be taken for Falcon 7B and T5."""
    assert _ends(model_type, later | {"tie_word_embeddings": False}).tied is False
    with pytest.raises(ImportedError, match="tie_word_embeddings"):
        _ends(model_type, later)


def test_the_first_t5_says_relu_today_and_is_tied() -> None:
    assert _ends("t5", {"feed_forward_proj": "relu"}).tied is True


@pytest.mark.parametrize(
    ("around", "model_type"),
    [("multi_modality", "llama"), ("deepseek_vl_v2", "deepseek_v2"), ("llama4", "llama4_text")],
)
def test_some_models_around_an_untied_one_leave_it_out(around: str, model_type: str) -> None:
    ends = _ends(model_type, {}, outer={"model_type": around})
    assert ends.tied is False
    assert around in ends.tied_origin
    with pytest.raises(ImportedError, match=r"text_config\.tie_word_embeddings"):
        _ends(model_type, {}, outer={"model_type": "llava"})


def test_the_outer_value_goes_before_the_inner_one() -> None:
    for outer, inner, tied in ((True, False, True), (False, True, False), (None, True, True)):
        ends = _ends("llama", {"tie_word_embeddings": inner}, outer={"tie_word_embeddings": outer})
        assert ends.tied is tied
    assert ends.tied_origin == "text_config.tie_word_embeddings"


def test_formats_without_the_field_have_a_head_of_their_own() -> None:
    assert _ends("deepseek_ref", {}).tied is False
    # RWKV-5's code does not heed the field, which its file has as true.
    assert _ends("rwkv5", {"tie_word_embeddings": True}).tied is False


def test_an_encoder_is_counted_without_a_head() -> None:
    assert _ends("bert", {}).tied is None


def test_a_bare_class_has_no_head_unless_it_is_the_embedding() -> None:
    bare = {"architectures": ["MistralModel"]}
    assert _ends("mistral", bare | {"tie_word_embeddings": False}).tied is None
    assert _ends("mistral", bare | {"tie_word_embeddings": True}).tied is True
    # Inside another model it has the head of that.
    assert _ends("mistral", bare | {"tie_word_embeddings": False}, outer={}).tied is False


@pytest.mark.parametrize("architectures", [None, [], ["MistralForSequenceClassification"], ["MysteryModel"]])
def test_an_untied_file_must_name_a_class_with_or_without_a_head(architectures: list[str] | None) -> None:
    with pytest.raises(ImportedError, match=r"config\.json: architectures: found"):
        _ends("mistral", {"tie_word_embeddings": False, "architectures": architectures})


def test_families_that_are_never_saved_bare_need_no_class() -> None:
    assert _ends("falcon_h1", {"tie_word_embeddings": False, "architectures": None}).tied is False


def test_chatglm_stores_more_rows_than_its_vocabulary() -> None:
    ends = _ends("chatglm", {"padded_vocab_size": 224, "tie_word_embeddings": False})
    assert (ends.vocab, ends.vocab_origin) == (224, "padded_vocab_size")


@pytest.mark.parametrize(("tied", "matrices"), [(True, 1), (False, 2), (None, 1)])
def test_the_ends_hold_one_matrix_or_two(tied: bool | None, matrices: int) -> None:  # noqa: FBT001
    ends = Ends(vocab=211, tied=tied, vocab_origin="", tied_origin="")
    assert ends.weights(60) == Parameters(sharded=matrices * 211 * 60)

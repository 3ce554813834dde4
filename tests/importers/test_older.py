"""Files as older and newer releases of transformers save them: the same model in other spellings."""

from typing import Any

import pytest

import kvplan
from kvplan.errors import ImportedError
from kvplan.importers.complete import count_parameters
from kvplan.importers.config import Imported, import_values
from kvplan.importers.fields import Fields
from tests.importers import configs
from tests.importers.configs import Config

KIB = 1024


def _import(config: Config, **changes: Any) -> Imported:
    return import_values({**config, **changes}, file="config.json", name="model")


def _per_token(config: Config, **changes: Any) -> float:
    return kvplan.size(_import(config, **changes).spec, context="1m").bytes_per_token


def test_a_null_head_size_is_the_quotient() -> None:
    """As transformers 4.57 saves Mistral's head_dim as null: 4096 / 32, here in full layers."""
    assert _per_token(configs.MISTRAL, head_dim=None, sliding_window=None, transformers_version="4.57.1") == (
        32 * 2 * 8 * 128 * 2
    )
    with pytest.raises(ImportedError, match="head_dim: found nothing"):
        _import(configs.MISTRAL, transformers_version="4.57.1")


def test_null_kv_heads_are_as_many_as_heads() -> None:
    assert _per_token(configs.LLAMA, num_key_value_heads=None) == 32 * 2 * 32 * 128 * 2


def test_layer_types_may_repeat_what_the_family_is() -> None:
    full = ["full_attention"] * 32
    assert _per_token(configs.LLAMA, layer_types=full) == 128 * KIB
    assert _per_token(configs.LLAMA, layer_types=None) == 128 * KIB
    assert _per_token(configs.MISTRAL, layer_types=["sliding_attention"] * 32) == 0


@pytest.mark.parametrize(
    ("types", "problem"),
    [
        (["sliding_attention"] * 32, "layer 0 is 'sliding_attention', but by all other fields it is gqa"),
        (["full_attention"] * 31, "lists 31 layers, but there are 32"),
        (["retention"] * 32, "'retention' is unknown here"),
    ],
)
def test_layer_types_that_say_another_model_are_refused(types: list[str], problem: str) -> None:
    with pytest.raises(ImportedError, match=problem):
        _import(configs.LLAMA, layer_types=types)


def test_a_window_beside_a_switch_that_is_off_says_nothing() -> None:
    """As Qwen2.5-VL's files repeat around the text model, and as Llama files made from Qwen's have it."""
    off = {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 28}
    assert _per_token(configs.LLAMA, **off) == 128 * KIB
    with pytest.raises(ImportedError, match="sliding_window"):
        _import(configs.LLAMA, **off | {"use_sliding_window": True})


def _pixtral(**text: Any) -> Config:
    """Return Pixtral 12B as transformers 4.46 saved it: heads and KV heads are MistralConfig's own."""
    fields = {
        "head_dim": 128,
        "hidden_size": 5120,
        "max_position_embeddings": 1024000,
        "model_type": "mistral",
        "num_hidden_layers": 40,
        "sliding_window": None,
        "vocab_size": 131072,
    }
    return {"model_type": "llava", "torch_dtype": "bfloat16", "text_config": {**fields, **text}}


def test_a_nested_text_model_leaves_out_the_defaults_of_its_class() -> None:
    """40 layers x 2 x 8 heads x 128 x 2 bytes."""
    imported = _import(_pixtral())
    assert kvplan.size(imported.spec, context="8k").bytes_per_token == 160 * KIB
    left_out = "intermediate_size 14336, num_attention_heads 32, num_key_value_heads 8"
    assert imported.notes == (f"text_config leaves out {left_out}, the default of MistralConfig.",)
    assert imported.origins["groups"] == ("text_config.num_key_value_heads = 8, the default of MistralConfig")
    assert _per_token(_pixtral(num_key_value_heads=4)) == 80 * KIB


def test_a_file_of_its_own_leaves_out_nothing() -> None:
    text = _pixtral()["text_config"]
    with pytest.raises(ImportedError, match="num_attention_heads: found nothing"):
        _import(text, torch_dtype="bfloat16", transformers_version="4.40.0")


def test_the_first_llava_gives_no_dimension_at_all() -> None:
    """LLaVA 1.5: LlamaConfig's 32 layers of 32 heads of 128, and 64 tokens more than Llama's 32000."""
    text = {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064}
    config = {"model_type": "llava", "torch_dtype": "float16", "tie_word_embeddings": False}
    imported = _import(config, text_config=text)
    assert kvplan.size(imported.spec, context="4k").bytes_per_token == 512 * KIB
    parameters = count_parameters(imported)
    assert parameters is not None
    assert parameters.total == 2 * 32064 * 4096 + 32 * (4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096) + 4096


def test_gemma_4_as_transformers_5_23_saves_it() -> None:
    """10 layers, two of them global: 2 x 2 x 1 head x 512, and 8 windows of 512 x 2 x 4 x 256."""
    text = {
        "model_type": "gemma4_text",
        "hidden_size": 2304,
        "num_hidden_layers": 10,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "sliding_window": 512,
        "max_position_embeddings": 131072,
        "num_kv_shared_layers": 0,
        "attention_k_eq_v": True,
        "layer_types": [*["sliding_attention"] * 4, "full_attention"] * 2,
        "per_layer_config": {
            "04": {"head_dim": 512, "num_key_value_heads": 1},
            "09": {"head_dim": 512, "num_key_value_heads": 1},
        },
        "dtype": "bfloat16",
    }
    size = kvplan.size(_import(text).spec, context="8k")
    assert size.bytes_per_token == 2 * 2 * 1 * 512 * 2
    assert size.bytes_per_sequence == 8192 * 4096 + 8 * 512 * 2 * 4 * 256 * 2
    for bad in ({"04": {"head_dim": 512}}, {"04": {"head_dim": 512}, "09": {"head_dim": 256}}):
        with pytest.raises(ImportedError, match="per_layer_config: expected"):
            _import(text, per_layer_config=bad)


def test_longcat_counts_its_blocks_since_transformers_5() -> None:
    fields = {"num_layers": 2, "num_hidden_layers": 4}
    mla = {
        "q_lora_rank": 8,
        "kv_lora_rank": 16,
        "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 4,
        "v_head_dim": 4,
        "num_attention_heads": 2,
    }
    config = {"model_type": "longcat_flash", "torch_dtype": "bfloat16", "hidden_size": 8, **mla}
    assert _per_token(config, max_position_embeddings=1024, **fields) == 2 * 2 * 20 * 2
    with pytest.raises(ImportedError, match="num_hidden_layers: found 3, but num_layers is 2"):
        _import(config, max_position_embeddings=1024, num_layers=2, num_hidden_layers=3)


def test_defaults_are_no_unknown_fields() -> None:
    assert Fields({"x": None}, file="config.json").completed() == ()

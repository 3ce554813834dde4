"""Files as older and newer releases of transformers save them: the same model in other spellings."""

from typing import Any

import pytest

import kvplan
from kvplan.attention.windowed import Sliding
from kvplan.errors import ImportedError, KvplanError
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
    lost = _import(configs.MISTRAL, transformers_version="4.57.1")
    assert lost.notes == (
        "The file leaves out head_dim: hidden_size / num_attention_heads is taken, as its class does.",
    )


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
        (["sliding_attention"] * 32, "sliding_window: found nothing; expected the window of the layers"),
        (["full_attention"] * 31, "lists 31 layers, but there are 32"),
        (["retention"] * 32, "'retention' is unknown here"),
    ],
)
def test_layer_types_that_say_another_model_are_refused(types: list[str], problem: str) -> None:
    with pytest.raises(ImportedError, match=problem):
        _import(configs.LLAMA, layer_types=types)


def test_a_window_beside_a_switch_that_is_off_says_nothing_to_a_class_that_reads_it() -> None:
    """Llama files made from Qwen's have it, too, and LlamaConfig leaves the window, which vLLM takes."""
    off = {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 28}
    assert _per_token(configs.QWEN2, **off) == 56 * KIB
    assert _per_token(configs.LLAMA, **off) == 0
    with pytest.raises(ImportedError, match="max_window_layers"):
        _import(configs.LLAMA, **off | {"use_sliding_window": True})


LAYERS = ["sliding_attention", "full_attention"] * 16


@pytest.mark.parametrize("config", [configs.LLAMA, configs.MISTRAL])
def test_listed_layers_slide_in_classes_that_share_llamas_attention(config: Config) -> None:
    """model_executor/models/llama.py of vLLM 0.33; transformers' caches follow the list, too."""
    spec = _import(config, layer_types=LAYERS, sliding_window=512).spec
    assert kvplan.size(spec, context=4096).bytes_per_token == 16 * 2 * 8 * 128 * 2
    assert [kind.window for kind in spec.kinds() if isinstance(kind, Sliding)] == [512]
    full = _import(config, layer_types=["full_attention"] * 32, sliding_window=512).spec
    assert not any(isinstance(kind, Sliding) for kind in full.kinds())


def test_a_list_that_vllms_class_does_not_read_leaves_its_layers_whole() -> None:
    """model_executor/models/mixtral.py gives no layer a window of its own; transformers' caches have them."""
    mixtral = {**configs.MISTRAL, "model_type": "mixtral", "sliding_window": 512}
    spec = _import(mixtral, layer_types=LAYERS).spec
    plan: dict[str, Any] = {"context": 4096, "gpu": "h100-80gb", "kv_memory": "60GB"}
    row_bytes = 2 * 8 * 128 * 2
    assert kvplan.fit(spec, engine="vllm@0.33", **plan).bytes_per_token == 32 * row_bytes
    assert kvplan.size(spec, context=4096, engine="transformers").bytes_per_token == 16 * row_bytes


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
    by = "the default of transformers' class for mistral"
    assert imported.notes == (f"text_config leaves out {left_out}, {by}.",)
    assert imported.origins["groups"] == f"text_config.num_key_value_heads = 8, {by}"
    assert imported.spec.left_out == ()
    assert _per_token(_pixtral(num_key_value_heads=4)) == 80 * KIB


def test_a_file_of_its_own_must_have_the_sizes() -> None:
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


CHATGLM_6B = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "inner_hidden_size": 16384,
    "max_sequence_length": 2048,
    "num_attention_heads": 32,
    "num_layers": 28,
    "position_encoding_2d": True,
    "torch_dtype": "float16",
}
STARCODER = {
    "model_type": "gpt_bigcode",
    "multi_query": True,
    "n_embd": 6144,
    "n_head": 48,
    "n_layer": 40,
    "n_positions": 8192,
    "torch_dtype": "float16",
}
GPTJ = {"model_type": "gptj", "n_embd": 64, "n_head": 2, "n_layer": 2, "n_positions": 64, "dtype": "float16"}


@pytest.mark.parametrize(
    ("config", "harmless", "other"),
    [
        (CHATGLM_6B, {"pre_seq_len": None}, {"pre_seq_len": 128}),
        (CHATGLM_6B, {"quantization_bit": 0}, {"quantization_bit": 4}),
        (STARCODER, {"pre_allocate_kv_cache": False}, {"pre_allocate_kv_cache": True}),
        (STARCODER, {"inference_runner": 0}, {"inference_runner": 1}),
        (GPTJ, {"rotary": True}, {"rotary": False}),
        (configs.LLAMA, {"eagle_config": {"use_aux_hidden_state": True}}, {"eagle_config": {"kv_layers": 2}}),
    ],
)
def test_a_field_is_harmless_with_the_value_that_the_releases_have(
    config: Config, harmless: Config, other: Config
) -> None:
    (name,) = other
    assert _import(config, **harmless).spec == _import(config).spec
    with pytest.raises(ImportedError, match=name):
        _import(config, **other)


def test_chatglm_6b_is_no_chatglm2_to_an_engine() -> None:
    """model_executor/models/chatglm.py of vLLM 0.33 has ChatGLM2's layers; the model_type is the same."""
    spec = _import(CHATGLM_6B).spec
    assert spec.architecture == "chatglm_6b"
    with pytest.raises(KvplanError, match="has no class that serves chatglm_6b: choose another engine"):
        kvplan.size(spec, engine="vllm", context=2048)
    assert kvplan.size(spec, context=2048).total_bytes == 28 * 2 * 32 * 128 * 2 * 2048
    assert kvplan.size("chatglm3-6b", engine="vllm", context=2048).total_bytes


def test_the_first_llama_gives_its_context_by_another_name() -> None:
    """`max_sequence_length`, which says nothing where `max_position_embeddings` does."""
    first = {name: value for name, value in configs.LLAMA.items() if name != "max_position_embeddings"}
    assert _import(first, max_sequence_length=2048).spec.max_context == 2048
    assert _import(configs.LLAMA, max_sequence_length=2048).spec.max_context == 131072
    assert _import(first).spec.max_context == 2048
    assert _import(first).notes == (
        "The file leaves out max_position_embeddings 2048, the default of transformers' class for llama.",
    )


def test_minicpm3_takes_hidden_by_heads_for_the_values_that_it_does_not_give() -> None:
    mla = {
        "model_type": "minicpm3",
        "hidden_size": 2560,
        "num_hidden_layers": 62,
        "num_attention_heads": 40,
        "num_key_value_heads": 40,
        "max_position_embeddings": 32768,
        "q_lora_rank": 768,
        "kv_lora_rank": 256,
        "qk_nope_head_dim": 64,
        "qk_rope_head_dim": 32,
        "torch_dtype": "bfloat16",
    }
    for said in ({}, {"v_head_dim": None}):
        imported = _import(mla, **said)
        assert [getattr(kind, "v_head_dim", None) for kind in imported.spec.kinds()] == [64]
        assert imported.origins["v_head_dim"] == "hidden_size / num_attention_heads"
    given = _import(mla, v_head_dim=48)
    assert [getattr(kind, "v_head_dim", None) for kind in given.spec.kinds()] == [48]
    assert given.origins["v_head_dim"] == "v_head_dim = 48"


def test_a_dtype_between_two_objects_counts() -> None:
    """As Qwen3-ASR's thinker has it; the file's own, where it says otherwise, is that in which all runs."""
    inner = {name: value for name, value in configs.LLAMA.items() if name != "torch_dtype"}
    thinker = {"dtype": "bfloat16", "text_config": inner}
    assert _import({"model_type": "qwen3_asr"}, thinker_config=thinker).spec.dtype == "bfloat16"
    other = _import({"model_type": "qwen3_asr", "torch_dtype": "float16"}, thinker_config=thinker)
    assert other.spec.dtype == "float16"
    twice = {"dtype": "bfloat16", "text_config": configs.LLAMA | {"torch_dtype": "float16"}}
    with pytest.raises(ImportedError, match="found 'bfloat16', but the text model's is 'float16'"):
        _import({"model_type": "qwen3_asr"}, thinker_config=twice)


def test_a_nested_text_model_may_be_told_by_its_class_alone() -> None:
    """As DeepSeek-OCR's file has it."""
    inner = {name: value for name, value in configs.LLAMA.items() if name != "model_type"}
    assert _import({"model_type": "deepseek_vl_v2"}, language_config=inner).model_type == "llama"


@pytest.mark.parametrize("model_type", ["cohere", "granite", "olmo2"])
def test_a_head_size_counts_in_classes_that_read_it(model_type: str) -> None:
    """96 in place of 4096 / 32: head_dim in the modeling files of transformers 5.23."""
    config = {**configs.LLAMA, "model_type": model_type}
    assert _per_token(config) == 32 * 2 * 8 * 128 * 2
    assert _per_token(config, head_dim=96) == 32 * 2 * 8 * 96 * 2


def test_dtype_goes_before_its_older_name() -> None:
    both = _import(configs.LLAMA, torch_dtype="float16", dtype="bfloat16")
    assert both.spec.dtype == "bfloat16"
    assert both.notes == (
        "The file says dtype bfloat16 and torch_dtype float16, of which the first is taken.",
    )
    assert _import(configs.LLAMA, torch_dtype="bfloat16", dtype="bfloat16").notes == ()


def test_a_context_follows_the_rotations_of_the_text_model() -> None:
    """_get_and_verify_max_len of vLLM 0.33 is given the text model's config."""
    text = {**configs.LLAMA, "rope_scaling": {"rope_type": "linear", "factor": 2.0}}
    config = {"model_type": "llava", "torch_dtype": "bfloat16"}
    assert _import(config, text_config=text).spec.longest_context == 2 * 131072
    assert (
        _import(
            config | {"rope_scaling": text["rope_scaling"]}, text_config=configs.LLAMA
        ).spec.longest_context
        is None
    )

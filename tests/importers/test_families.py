"""What real files hide, worked out by hand: each trap with the number that falling into it would give."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.attention.windowed import Sliding
from kvplan.errors import KvplanError
from kvplan.importers.config import Imported, import_config, import_values
from kvplan.specs.load import load
from tests.importers import configs
from tests.importers.configs import Config


def _import(config: Config, **changes: Any) -> Imported:
    return import_values({**config, **changes}, file="config.json", name="model")


def _without(config: Config, *names: str) -> Config:
    return {name: value for name, value in config.items() if name not in names}


def _per_token(config: Config, **changes: Any) -> float:
    return kvplan.size(_import(config, **changes).spec, context="1m").bytes_per_token


def test_llama() -> None:
    """2 x 8 heads x 128 x 2 bytes x 32 layers = 128 KiB; all 32 heads would be 512 KiB."""
    assert _per_token(configs.LLAMA) == 128 * 1024


def test_a_head_size_that_the_file_gives_wins_over_the_quotient() -> None:
    assert _per_token(configs.LLAMA, head_dim=64) == 64 * 1024


def test_kv_heads_are_missing_from_files_older_than_the_field() -> None:
    """LLaMA 1's files say 4.28; one of 4.31 or later that lacks the field has lost it, as a line says."""
    old = _without(configs.LLAMA, "num_key_value_heads")
    assert _per_token(old, transformers_version="4.28.0.dev0") == 512 * 1024
    assert _import(old, transformers_version="4.28.0.dev0").spec.left_out == ()
    for version in ("4.31.0", "5.0.0", "unknown", None):
        spec = _import(old, transformers_version=version).spec
        assert kvplan.size(spec, context=1).bytes_per_token == 512 * 1024
        assert spec.left_out == (
            "The file leaves out num_key_value_heads: num_attention_heads is taken, as its class does.",
        )


def test_falcon_7b_caches_one_head_though_its_file_says_71() -> None:
    """2 x 64 x 2 bytes x 32 layers = 8 KiB, and not 71 times that."""
    assert _per_token(configs.FALCON_7B) == 8 * 1024


def test_falcon_counts_kv_heads_in_the_new_architecture() -> None:
    assert (
        _per_token(
            configs.FALCON_7B,
            hidden_size=8192,
            num_attention_heads=128,
            num_kv_heads=8,
            new_decoder_architecture=True,
        )
        == 32 * 2 * 8 * 64 * 2
    )


def test_falcon_mamba_takes_its_inner_width_and_not_expand() -> None:
    """64 layers x 8192 x (16 x 4 + 3 x 2) bytes; an expand of 16 would give eight times that."""
    answer = kvplan.size(_import(configs.FALCON_MAMBA).spec, context=1)
    assert answer.fixed_bytes == 64 * 8192 * (16 * 4 + 3 * 2)
    assert answer.bytes_per_token == 0


def test_mamba_refuses_a_width_that_contradicts_expand() -> None:
    with pytest.raises(KvplanError, match="intermediate_size: found 8192, but expand x hidden_size is 65536"):
        _import(configs.FALCON_MAMBA, model_type="mamba")


def test_the_rank_of_mambas_step_sizes_may_be_automatic() -> None:
    kind = _import(configs.FALCON_MAMBA, time_step_rank="auto").spec.attention[""][0]
    assert kind.model_dump()["dt_rank"] == 4096 // 16


def test_a_window_that_is_given_and_not_used() -> None:
    """28 layers of 4 heads of 128: 56 KiB a token, whatever the window is."""
    assert _per_token(configs.QWEN2) == 56 * 1024
    assert _per_token(configs.QWEN2, sliding_window=None) == 56 * 1024


def test_max_window_layers_counts_the_full_ones() -> None:
    """With the window on, layers 0 to 20 see all tokens and 21 to 27 the newest 4096."""
    spec = _import(configs.QWEN2, use_sliding_window=True, max_window_layers=21, sliding_window=4096).spec
    assert spec.layer_types == ("full",) * 21 + ("local",) * 7
    assert kvplan.size(spec, context="32k").bytes_per_sequence == 2048 * (21 * 32768 + 7 * 4096)


def test_mixtures_of_qwen_slide_in_layers_of_their_own() -> None:
    """
    Every other layer of Qwen2MoeConfig's, from the first on and below `max_window_layers`.

    Qwen3MoeConfig has no list of types, and its model one mask for all layers.
    """
    used = {"use_sliding_window": True, "max_window_layers": 20, "sliding_window": 4096, "head_dim": 128}
    older = _import(configs.QWEN2, model_type="qwen2_moe", **used).spec
    assert older.layer_types == ("local", "full") * 10 + ("full",) * 8
    newer = _import(configs.QWEN2, model_type="qwen3_moe", **used).spec
    assert [(kind.kind, newer.layer_count) for kind in newer.kinds()] == [("sliding", 28)]


def test_a_switch_that_the_class_does_not_read_turns_no_window_off() -> None:
    """LlamaConfig keeps any field, and vLLM takes `sliding_window` from it."""
    assert _per_token(configs.LLAMA, use_sliding_window=False, sliding_window=4096) == 0
    assert _per_token(configs.LLAMA, use_sliding_window=False, sliding_window=None) == _per_token(
        configs.LLAMA
    )


def test_a_window_of_0_is_none() -> None:
    """ModelConfig of vLLM: some checkpoints set it to 0 for no window."""
    assert _per_token(configs.MISTRAL, sliding_window=0) == 128 * 1024


@pytest.mark.parametrize(
    ("scaling", "longest"),
    [
        # vLLM 0.33 starts Llama 2 7B with the first two and contexts of 16,000 and 8,000 tokens.
        ({"type": "linear", "factor": 4.0}, 32_768),
        ({"rope_type": "dynamic", "factor": 2}, 16_384),
        # These name the stretched context as max_position_embeddings.
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}, None),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}, None),
        ({"type": "linear", "factor": 1.0}, None),
        ({"type": "linear", "factor": None}, None),
        (None, None),
    ],
)
def test_a_factor_of_rotations_stretches_the_context(scaling: object, longest: int | None) -> None:
    spec = _import(configs.LLAMA, max_position_embeddings=8192, rope_scaling=scaling).spec
    assert (spec.max_context, spec.longest_context) == (8192, longest)


@pytest.mark.parametrize(
    ("lengths", "longest"),
    [
        # vLLM 0.33 says of the first: max_sequence_length=2048 is the derived max_model_len.
        ({"max_sequence_length": 2048}, 2048),
        ({"max_sequence_length": 16_384}, None),
        ({"max_sequence_length": 2048, "rope_scaling": {"type": "linear", "factor": 2.0}}, 4096),
    ],
)
def test_the_least_of_the_lengths_in_a_file_is_the_longest_context(
    lengths: dict[str, Any], longest: int | None
) -> None:
    spec = _import(configs.LLAMA, max_position_embeddings=8192, **lengths).spec
    assert (spec.max_context, spec.longest_context) == (8192, longest)


def test_a_stretched_context_is_no_reason_for_vllm_to_refuse() -> None:
    spec = _import(
        configs.LLAMA, max_position_embeddings=8192, rope_scaling={"type": "linear", "factor": 2.0}
    ).spec
    plan: dict[str, Any] = {"engine": "vllm", "gpu": "h100-80gb", "kv_memory": "60GiB"}
    assert kvplan.fit(spec, context=16_384, **plan).num_blocks
    with pytest.raises(KvplanError, match="refuses a context of 16,385 tokens"):
        kvplan.fit(spec, context=16_385, **plan)


YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}


@pytest.mark.parametrize(
    ("scaling", "version", "longest"),
    [
        (YARN, "0.33", 40_960),
        (YARN, "0.30", 40_960),
        (YARN, "0.28", 131_072),
        (YARN, "0.19", 131_072),
        ({"rope_type": "yarn", "factor": 2.0}, "0.28", 81_920),
        # As the releases with YaRN of their own have it: the product.
        (YARN | {"original_max_position_embeddings": 10_240}, "0.28", 40_960),
    ],
)
def test_yarn_stretched_the_context_until_0_30(scaling: dict[str, Any], version: str, longest: int) -> None:
    """_get_and_verify_max_len in config/model.py of vLLM 0.28.0 and 0.30.0: original x factor, or neither."""
    spec = _import(configs.LLAMA, max_position_embeddings=40_960, rope_scaling=scaling).spec
    plan: dict[str, Any] = {"engine": f"vllm@{version}", "gpu": "h100-80gb", "kv_memory": "60GiB"}
    assert kvplan.fit(spec, context=longest, **plan).num_blocks
    with pytest.raises(KvplanError, match=f"refuses a context of {longest + 1:,} tokens"):
        kvplan.fit(spec, context=longest + 1, **plan)


def test_qwens_windows_are_off_and_of_4096_tokens_by_default() -> None:
    """Qwen2Config of transformers: use_sliding_window False, sliding_window 4096."""
    used = _import(
        _without(configs.QWEN2, "sliding_window"), use_sliding_window=True, max_window_layers=0
    ).spec
    assert [kind.window for kind in used.kinds() if isinstance(kind, Sliding)] == [4096]
    assert not any(
        isinstance(kind, Sliding)
        for kind in _import(_without(configs.QWEN2, "use_sliding_window")).spec.kinds()
    )
    with pytest.raises(KvplanError, match="sliding_window: found nothing"):
        _import(configs.QWEN2, sliding_window=None, use_sliding_window=True)


def test_an_embedding_model_keeps_nothing() -> None:
    spec = _import(configs.QWEN2, is_causal=False).spec
    assert {kind.kind for kind in spec.kinds()} == {"none"}


def test_mistrals_class_has_a_window_by_default() -> None:
    """MistralConfig of transformers: 4096 tokens."""
    assert _per_token(configs.MISTRAL) == 0
    assert _per_token(configs.MISTRAL, sliding_window=None) == 128 * 1024
    (kind,) = _import(_without(configs.MISTRAL, "sliding_window")).spec.kinds()
    assert isinstance(kind, Sliding)
    assert kind.window == 4096


def test_a_window_as_long_as_the_context_is_none() -> None:
    assert _per_token(configs.MISTRAL, sliding_window=32768) == 128 * 1024
    assert _per_token(configs.MISTRAL, sliding_window=32767) == 0


def test_later_mistrals_say_their_head_size_or_a_line_does() -> None:
    """Mistral Nemo has 128 for 5120 / 32 = 160."""
    (line,) = _import(configs.MISTRAL, transformers_version="4.43.0.dev0").spec.left_out
    assert "head_dim: hidden_size / num_attention_heads is taken" in line
    assert _import(configs.MISTRAL, transformers_version="4.42.0").spec.left_out == ()


def test_gemma_3_leaves_out_what_its_class_has_by_default() -> None:
    """34 layers, of them 5 global; 4 KV heads of 256: 4 KiB a layer and token."""
    imported = _import(configs.GEMMA_3_4B)
    assert imported.spec.layer_types.count("global") == 5
    assert kvplan.size(imported.spec, context="1m").bytes_per_token == 5 * 4096
    assert "default of transformers' class for gemma3_text" in imported.origins["head_dim"]


def test_gemma_3_takes_what_it_leaves_out_from_its_class() -> None:
    """Gemma3TextConfig has 4 KV heads, whatever the file says of the others: 12B gives 16 heads and 8."""
    text = {**configs.GEMMA_3_4B["text_config"], "num_attention_heads": 16}
    imported = _import(configs.GEMMA_3_4B, text_config=text)
    assert kvplan.size(imported.spec, context="1m").bytes_per_token == 5 * 4096
    assert "num_key_value_heads 4" in imported.notes[0]


def test_mla_caches_its_latent_and_names_its_draft_layer() -> None:
    """61 layers x 576 x 2 bytes; 128 KV heads of 128 would be 57 times as much."""
    imported = _import(configs.DEEPSEEK_V3)
    assert kvplan.size(imported.spec, context="8k").bytes_per_token == 61 * 576 * 2
    assert imported.not_counted == ("1 draft layer for multi-token prediction (num_nextn_predict_layers)",)
    assert imported.spec.notes is not None
    assert "Not counted: 1 draft layer" in imported.spec.notes
    assert any("auto_map" in note for note in imported.notes)


def test_deepseek_v41_compresses_in_its_sources_alone() -> None:
    """4 of 40 layers: 3 x 640 / 2 + 640 elements of 2 bytes; all 38 with a ratio would be 37,120 B."""
    imported = _import(configs.DEEPSEEK_V41)
    shipped = load("deepseek-v4.1-flash")
    assert imported.spec.attention == shipped.attention
    assert imported.spec.layer_types == shipped.layer_types
    assert kvplan.size(imported.spec, context="8k").bytes_per_token == 3200
    assert "the lookup tables of Engram" in imported.not_counted


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("compress_ratios", [0] * 40, r"compress_ratios: lists 40 layers, but there are 40 and 3 draft"),
        ("compress_ratios", [4] * 43, r"compress_ratios: the ratio 4 is unknown; expected 0, 1 or 2"),
        ("kv_source_layer_ids", [8, 14, 20], r"makes the entries of ratio 2 that layer 2 reads"),
        ("kv_source_layer_ids", [2, 8, 14], r"makes the entries of ratio 1 that layer 20 reads"),
        ("kv_source_layer_ids", [2, 8, 14, 20, 40], r"expected each of them in index_source_layer_ids"),
        ("index_source_layer_ids", [2, 8, 14], r"expected each of them in index_source_layer_ids"),
        ("kv_source_layer_ids", None, r"kv_source_layer_ids: found null"),
        ("index_head_dim", None, r"index_head_dim: found null"),
    ],
)
def test_deepseek_v41_with_layers_that_find_no_entries(field: str, value: object, words: str) -> None:
    text = {**configs.DEEPSEEK_V41["text_config"], field: value}
    with pytest.raises(KvplanError, match=words):
        _import(configs.DEEPSEEK_V41, text_config=text)


def test_deepseek_v41_with_sources_that_do_not_compress() -> None:
    for layer in (1, 41):
        lists = {"kv_source_layer_ids": [layer, 2, 20], "index_source_layer_ids": [layer, 2, 20]}
        text = {**configs.DEEPSEEK_V41["text_config"], **lists}
        with pytest.raises(KvplanError, match=f"kv_source_layer_ids: layer {layer} has no ratio"):
            _import(configs.DEEPSEEK_V41, text_config=text)


def test_an_interval_of_full_layers() -> None:
    """12 of 48 layers have 2 heads of 256; all of them would cost four times as much."""
    imported = _import(configs.QWEN3_NEXT)
    assert kvplan.size(imported.spec, context="8k").bytes_per_token == 12 * 2 * 2 * 256 * 2
    assert imported.origins["state_dtype"].startswith("float32: the cache classes of transformers")


def test_a_list_of_layer_types_must_agree_with_the_interval() -> None:
    types = ["linear_attention"] * 47 + ["full_attention"]
    with pytest.raises(KvplanError, match="layer_types: contradicts full_attention_interval"):
        _import(configs.QWEN3_NEXT, layer_types=types)


@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("bfloat16", 2)])
def test_the_state_has_the_dtype_that_the_file_says(dtype: str, width: int) -> None:
    answer = kvplan.size(_import(configs.NEMOTRON_H, mamba_ssm_cache_dtype=dtype).spec, context=1)
    history = 3 * (128 * 80 + 2 * 8 * 128) * 2
    assert answer.fixed_bytes == 2 * (128 * 80 * 128 * width + history)


def test_a_pattern_string_gives_the_layers() -> None:
    spec = _import(_without(configs.NEMOTRON_H, "num_hidden_layers")).spec
    assert spec.layer_types == ("mamba", "mlp", "mamba", "attention")
    with pytest.raises(KvplanError, match="hybrid_override_pattern: 'X' is unknown"):
        _import(configs.NEMOTRON_H, hybrid_override_pattern="M-MX")
    with pytest.raises(KvplanError, match="num_hidden_layers: found 5"):
        _import(configs.NEMOTRON_H, num_hidden_layers=5)


def test_layers_that_share_a_cache() -> None:
    """Half of 64 layers cache 8 heads of 80."""
    assert _per_token(configs.HUNYUAN_CLA) == 32 * 2 * 8 * 80 * 2
    assert _per_token(configs.HUNYUAN_CLA, use_cla=False) == 64 * 2 * 8 * 80 * 2


def test_a_shared_block_caches_at_each_of_its_uses() -> None:
    """Zamba2's block reads 2 x 2560 wide: 32 heads of 160, beside a state in every layer."""
    answer = kvplan.size(_import(configs.ZAMBA2).spec, context="4k")
    assert answer.bytes_per_token == 2 * 2 * 32 * 160 * 2
    assert answer.fixed_bytes == 6 * (80 * 64 * 64 * 4 + 3 * (80 * 64 + 2 * 64) * 2)
    for changes in ({"mamba_headdim": 128}, {"attention_head_dim": 80}, {"hybrid_layer_ids": [2, 6]}):
        with pytest.raises(KvplanError, match=r"mamba_expand|attention_head_dim|hybrid_layer_ids"):
            _import(configs.ZAMBA2, **changes)


def test_sliding_layers_may_have_query_heads_of_their_own() -> None:
    spec = _import(configs.STEP).spec
    heads = {name: spec.attention[name][0].model_dump()["heads"] for name in ("global", "local")}
    assert heads == {"global": 64, "local": 96}
    assert kvplan.size(spec, context="256k").bytes_per_sequence == 4096 * (262144 + 3 * 512)
    flat = _without(configs.STEP, "attention_other_setting")
    with pytest.raises(KvplanError, match="attention_other_setting: found nothing"):
        _import(flat)
    assert "attention_other_setting" in _import(flat, model_type="step3p7").notes[0]


def test_keys_and_values_of_different_sizes() -> None:
    """2 global layers of 4 x (192 + 128) elements, 4 sliding ones of 8 x (192 + 128), two bytes each."""
    spec = _import(configs.MIMO_V2).spec
    assert kvplan.size(spec, context="256k").bytes_per_token == 2 * 4 * 320 * 2
    assert kvplan.size(spec, context="256k").bytes_per_sequence == 2560 * (2 * 262144 + 4 * 2 * 128)
    assert spec.kinds()[0] in {kind for kinds in load("mimo-v2-flash").attention.values() for kind in kinds}


def test_layers_that_share_an_indexer_keep_no_keys_of_it() -> None:
    """576 elements in each of 6 layers, and 128 more in 3 of them."""
    assert _per_token(configs.GLM_5_2) == (6 * 576 + 3 * 128) * 2
    with pytest.raises(KvplanError, match="indexer_types: lists 5 layers, but there are 6"):
        _import(configs.GLM_5_2, indexer_types=["full"] * 5)
    older = {**_without(configs.GLM_5_2, "indexer_types"), "transformers_version": "5.4.0"}
    assert _per_token(older) == 6 * (576 + 128) * 2
    with pytest.raises(KvplanError, match="index_topk_freq: expected indexer_types beside it"):
        _import(older, index_topk_freq=4)
    with pytest.raises(KvplanError, match=r"indexer_types: found nothing.* since transformers 5\.8"):
        _import(older, transformers_version="5.8.0")


def test_layers_that_read_another_cache_keep_nothing() -> None:
    """Of 10 layers, 4 local and 1 global keep 2 x 2 x 256 elements a token."""
    spec = _import(configs.GEMMA_3N).spec
    assert kvplan.size(spec, context="32k").bytes_per_sequence == 2048 * (32768 + 4 * 512)
    with pytest.raises(KvplanError, match="num_kv_shared_layers: 10 leaves no local layer"):
        _import(configs.GEMMA_3N, num_kv_shared_layers=10)


def test_two_spellings_must_agree() -> None:
    with pytest.raises(KvplanError, match="n_layer: found 60, but num_hidden_layers is 32"):
        _import(configs.FALCON_7B, n_layer=60)


def test_code_of_a_repository_is_never_a_model_type() -> None:
    with pytest.raises(
        KvplanError, match=r"no reader for 'custom_gpt'; its own code \(auto_map\) is never run"
    ):
        _import(configs.WITH_CODE)


def test_a_misspelt_model_type_is_named() -> None:
    with pytest.raises(KvplanError, match=r"no reader for 'lama' \(did you mean 'llama'"):
        _import(configs.LLAMA, model_type="lama")


def test_the_class_alone_tells_the_family() -> None:
    assert _per_token(_without(configs.LLAMA, "model_type")) == 128 * 1024
    with pytest.raises(KvplanError, match="model_type: found nothing"):
        _import(_without(configs.LLAMA, "model_type", "architectures"))


def test_an_unknown_wrapper_is_refused_though_its_text_model_is_known() -> None:
    """Its layers could attend to images, as Llama 3.2 Vision's do."""
    with pytest.raises(KvplanError, match="'new_vision' is not known as a model around a text model"):
        _import({"model_type": "new_vision", "text_config": configs.LLAMA})


def test_a_nested_text_model_is_read_with_its_path() -> None:
    imported = _import({"model_type": "llava", "torch_dtype": "bfloat16", "text_config": configs.LLAMA})
    assert imported.origins["groups"] == "text_config.num_key_value_heads = 8"
    assert imported.outer is not None


def test_a_model_runs_in_the_dtype_of_its_file_whatever_its_text_model_says() -> None:
    """get_torch_dtype of vLLM 0.33 and _get_dtype of transformers 5.23."""
    imported = _import({"model_type": "llava", "torch_dtype": "float16", "text_config": configs.LLAMA})
    assert imported.spec.dtype == "float16"
    assert imported.notes == (
        "text_config names bfloat16, and the file around it float16, in which all of it runs.",
    )


def test_a_file_without_a_dtype_leaves_it_open_where_releases_differ() -> None:
    imported = _import(_without(configs.LLAMA, "torch_dtype"))
    assert (imported.spec.dtype, imported.spec.dtype_open) == ("float32", True)
    assert imported.origins["dtype"] == "nothing names it"
    assert not _import(configs.LLAMA).spec.dtype_open


def test_a_file_without_a_dtype_is_refused_where_states_follow_it() -> None:
    with pytest.raises(KvplanError, match="torch_dtype: found nothing; add the checkpoint's own"):
        _import(_without(configs.QWEN3_NEXT, "torch_dtype"))


def test_a_dtype_in_which_no_model_runs_is_refused() -> None:
    with pytest.raises(KvplanError, match="torch_dtype: found 'float8_e4m3fn'; expected"):
        _import(configs.LLAMA, torch_dtype="float8_e4m3fn")


def test_the_kv_dtype_is_not_that_of_quantised_weights() -> None:
    quantized = _import(configs.LLAMA, quantization_config={"quant_method": "fp8"}).spec
    assert quantized.dtype == "bfloat16"
    assert _per_token(configs.LLAMA, quantization_config={"quant_method": "fp8"}) == 128 * 1024


def test_an_unknown_field_is_named_with_its_reader() -> None:
    with pytest.raises(KvplanError, match="second_window: the reader of llama does not know this field"):
        _import(configs.LLAMA, second_window=5)


def test_a_window_in_a_family_without_one_is_refused_and_null_is_not() -> None:
    granite = {**configs.LLAMA, "model_type": "granite"}
    with pytest.raises(KvplanError, match="sliding_window: the reader of granite"):
        _import(granite, sliding_window=4096)
    assert _import(granite, sliding_window=None).spec.layer_count == 32


def test_a_folder_is_read_by_its_config_alone(tmp_path: Path) -> None:
    folder = tmp_path / "Llama 3.1 8B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(configs.LLAMA), encoding="utf-8")
    (folder / "modeling_llama.py").write_text("raise SystemExit('never run')", encoding="utf-8")
    assert import_config(folder).spec.name == "llama-3.1-8b"


def test_a_cached_model_is_named_after_itself_and_not_after_its_commit(tmp_path: Path) -> None:
    snapshot = (
        tmp_path
        / "models--meta-llama--Llama-3.1-8B"
        / "snapshots"
        / "d04e592bb4f6aa9cfee91e2e20afa771667e1d4b"
    )
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(configs.LLAMA), encoding="utf-8")
    assert import_config(snapshot).spec.name == "llama-3.1-8b"


@pytest.mark.parametrize("config", [configs.LLAMA, configs.QWEN3_NEXT, configs.FALCON_MAMBA])
def test_a_billion_layers_are_refused_before_they_are_listed(config: Config) -> None:
    with pytest.raises(KvplanError, match="num_hidden_layers: found 1000000000; expected at most 10000"):
        _import(config, num_hidden_layers=10**9)


def test_engines_keep_states_as_nemotron_h_and_qwen3_5_say() -> None:
    # vLLM's models/config.py: Nemotron-H always fixes the state, Qwen3.5 where its field is given.
    qwen3_5 = {**configs.QWEN3_NEXT, "model_type": "qwen3_5_text"}
    given = (configs.NEMOTRON_H, {**qwen3_5, "mamba_ssm_dtype": "float32"}, qwen3_5, configs.QWEN3_NEXT)
    found = [_import(config).spec.states_fixed for config in given]
    assert found == [True, True, False, False]


def test_a_text_model_behind_an_encoder_of_sound() -> None:
    """Voxtral Mini 3B: 30 layers of 8 KV heads of 128, 120 KiB a token; the encoder keeps nothing."""
    text = {
        "head_dim": 128,
        "hidden_size": 3072,
        "max_position_embeddings": 131072,
        "model_type": "llama",
        "num_attention_heads": 32,
        "num_hidden_layers": 30,
        "num_key_value_heads": 8,
    }
    audio = {"audio_config": {"hidden_size": 1280, "num_hidden_layers": 32}, "audio_token_id": 24}
    config = {"model_type": "voxtral", "torch_dtype": "bfloat16", "text_config": text, **audio}
    assert _per_token(config) == 120 * 1024


def test_minimax_m3_in_the_words_of_its_class() -> None:
    """Two layers of 2 x 4 x 128 x 2 bytes, of which one keeps an index key of 128, too."""
    config = {
        "dtype": "bfloat16",
        "head_dim": 128,
        "hidden_size": 6144,
        "index_block_size": 128,
        "index_head_dim": 128,
        "index_local_blocks": 1,
        "index_n_heads": 4,
        "index_topk_blocks": 16,
        "layer_types": ["full_attention", "minimax_m3_sparse"],
        "max_position_embeddings": 524288,
        "model_type": "minimax_m3_vl_text",
        "num_attention_heads": 64,
        "num_hidden_layers": 2,
        "num_key_value_heads": 4,
    }
    assert _per_token(config) == 2 * 2048 + 256
    assert _per_token(config, layer_types=["full_attention"] * 2) == 2 * 2048


@pytest.mark.parametrize(
    ("model_type", "reason"),
    [
        ("blt", "how often it caches depends on the text"),
        ("xlnet", "keeps hidden states of earlier segments"),
        ("qwen4_exp_text", "keeps token ids and positions beside its states, in whole numbers of 8 bytes"),
        ("reformer", "keeps hashes of buckets"),
    ],
)
def test_a_type_that_is_not_read_says_why(model_type: str, reason: str) -> None:
    with pytest.raises(KvplanError) as error:
        import_values({"model_type": model_type}, file="config.json", name="model")
    assert str(error.value) == f"config.json: model_type: {model_type!r} is not read: {reason}"


def _musicgen(text_encoder: Config) -> Imported:
    sizes = {
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "max_position_embeddings": 99,
    }
    decoder = {**sizes, "vocab_size": 97, "ffn_dim": 48, "num_codebooks": 4}
    return _import(
        {"model_type": "musicgen", "dtype": "float32", "decoder": decoder, "text_encoder": text_encoder}
    )


@pytest.mark.parametrize(
    ("text_encoder", "tokens"), [({"n_positions": 77}, 77), ({}, 512), ({"n_positions": None}, 512)]
)
def test_an_encoder_of_text_says_how_long_its_text_is(text_encoder: Config, tokens: int) -> None:
    found = _musicgen({"model_type": "t5", "d_model": 768, **text_encoder})
    # Of each token 64 floats are kept for keys and as many for values, in both layers.
    sizes = [
        kvplan.size(found.spec, context=10, encoder_tokens=each).bytes_per_sequence for each in (None, 1)
    ]
    assert sizes[0] - sizes[1] == (tokens - 1) * 2 * 64 * 4 * 2


@pytest.mark.parametrize("tokens", [0, "long", True])
def test_a_text_of_no_length_is_refused(tokens: object) -> None:
    with pytest.raises(KvplanError, match=r"text_encoder\.n_positions: found"):
        _musicgen({"model_type": "t5", "n_positions": tokens})

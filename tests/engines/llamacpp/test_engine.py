"""llama.cpp as an engine: its options, its builds, its devices, and what it refuses."""

from typing import Any

import pytest

from kvplan.dtypes import kv_format
from kvplan.engines import find_engine
from kvplan.engines.base import EngineOptions
from kvplan.engines.llamacpp import LlamaOptions, RefusedError, arrange, buffers
from kvplan.engines.llamacpp.traits import (
    _NO_ARCHITECTURE,
    _UNREAD,
    _WINDOWS_KEPT_WHOLE,
    require_architecture,
)
from kvplan.engines.llamacpp.versions import find_rules
from kvplan.errors import KvplanError, OptionsError, SplitError, UnknownNameError
from kvplan.importers.families import model_types
from kvplan.loads import uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load, load_file
from kvplan.terms import Stage, Target
from kvplan.units import MIB
from tests.engines.llamacpp.planning import arranged, reserved, toy

GQA = {"kind": "gqa", "heads": 8, "groups": 2, "head_dim": 64}
MAMBA2 = {
    "kind": "mamba2",
    "heads": 8,
    "head_dim": 64,
    "groups": 1,
    "d_state": 16,
    "conv_kernel": 4,
    "conv_dtype": "bf16",
    "state_dtype": "fp32",
}


def test_the_name_and_the_builds() -> None:
    assert find_engine("llamacpp").name == "llamacpp@b11312"
    assert find_engine("llamacpp@b11312").name == "llamacpp@b11312"
    assert find_engine("llamacpp@10900").name == "llamacpp@b10107"
    assert find_rules("B10107".lower()).build == 10107


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0.2.0", "'0.2.0' is not a build of llama.cpp; write b11312"),
        ("", "'' is not a build"),
        ("b10106", "llama.cpp b10106 is not known: kvplan knows the rules of b10107 to b11312"),
        ("b11313", "llama.cpp b11313 is not known"),
    ],
)
def test_an_unknown_build(version: str, words: str) -> None:
    with pytest.raises(UnknownNameError, match=words):
        find_engine(f"llamacpp@{version}")


def test_the_cache_is_f16_unless_asked() -> None:
    """A bfloat16 model's too: llama_context_default_params in src/llama-context.cpp."""
    kinds = [
        deploy(load("llama-3.1-8b"), Choice(engine="llamacpp", kv_dtype=each)) for each in (None, "bf16")
    ]
    assert [each.kv.name for each in kinds] == ["fp16", "bf16"]


def test_layers_are_split_over_devices() -> None:
    """12 and 28 of 40 layers printed 1536 and 3584 MiB: github.com/ggml-org/llama.cpp/pull/6122."""
    spec = load("command-r-v01")
    (layer,) = spec.lower_types(Target(kv=kv_format("fp16"))).values()
    stages = [Stage(types=("",) * count, counts=((layer, count),)) for count in (12, 28)]
    found = find_engine("llamacpp").arrange(stages, EngineOptions(architecture=spec.architecture))
    assert [found.reserved_bytes(rank=rank, load=uniform(4096, 1)) for rank in (0, 1)] == [
        1536 * MIB,
        3584 * MIB,
    ]
    assert found.start_up([10**9, 10**9], 4096) is None
    assert reserved("command-r-v01", 4096, pp=2, pp_layers=(12, 28)) == 3584 * MIB


def test_options_reach_the_caches() -> None:
    """An ubatch of 2048 makes 512 + 2048 cells of Gemma's window; a flag keeps it whole."""
    sliding, full = 15 * 1024, 3 * 1024
    assert reserved("gemma-3-270m", 8192, max_num_batched_tokens=2048) == sliding * 2560 + full * 8192
    assert reserved("gemma-3-270m", 8192, settings={"swa_full": "on"}) == (sliding + full) * 8192
    unified = reserved("gemma-3-270m", 8192, 2, settings={"kv_unified": "true"})
    assert unified == sliding * 1536 + full * 16384


@pytest.mark.parametrize(
    ("choices", "error", "words"),
    [
        ({"tp": 2}, SplitError, "tp=2: llama.cpp splits a model by layers.* use pp=2"),
        ({"block_size": 16}, OptionsError, "has no --block-size"),
        ({"prefix_caching": True}, OptionsError, "has no --prefix-caching"),
        ({"dcp": 2}, OptionsError, "has no --dcp"),
        ({"max_num_batched_tokens": 0}, RefusedError, "n_ubatch=0 is not at least 1"),
        ({"settings": {"kv_unifed": "on"}}, OptionsError, "did you mean 'kv_unified'"),
        ({"settings": {"flash_attn": "perhaps"}}, OptionsError, "flash_attn"),
        ({"kv_dtype": "fp8"}, RefusedError, "llama.cpp keeps no key rows in fp8: use --kv-dtype fp32, fp16"),
        ({"kv_dtype": "kivi4"}, RefusedError, "no key rows in kivi4"),
        ({"max_num_seqs": 257}, OptionsError, "at most 256 slots, not 257"),
        (
            {"kv_dtype": "q8_0", "settings": {"flash_attn": "off"}},
            RefusedError,
            "V in q8_0 with flash attention only: set flash_attn to on",
        ),
    ],
)
def test_refused_options(choices: dict[str, Any], error: type[KvplanError], words: str) -> None:
    with pytest.raises(error, match=words):
        reserved("llama-3.1-8b", 4096, **choices)


def test_k_alone_may_be_quantised_without_flash_attention() -> None:
    assert (
        reserved("llama-3.1-8b", 256, kv_dtype="q8_0,value=f16", settings={"flash_attn": "off"})
        == 32 * 1024 * 256 * (34 + 64) // 32
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("retnet-6.7b", "llama.cpp has no architecture for retnet:"),
        ("longcat-2.0", "llama.cpp has no architecture for longcat2:"),
        ("t5-v1_1-xxl", "kvplan does not know how llama.cpp keeps encoder K"),
    ],
)
def test_models_that_it_cannot_serve(model: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        reserved(model, 4096)


@pytest.mark.parametrize("model_type", ["dory", "glm5_next_text", "qwen4_exp_text"])
def test_a_model_type_whose_graph_was_not_read_is_refused(model_type: str) -> None:
    with pytest.raises(RefusedError, match=f"^how llama.cpp keeps the cache of {model_type} is not known"):
        require_architecture(model_type)


def test_blocks_that_do_not_divide_a_head() -> None:
    with pytest.raises(UnknownNameError, match="blocks of 32 elements, which do not divide a row of 80"):
        reserved("phi-2", 4096, kv_dtype="q8_0,value=f16")


def test_the_buffers_of_one_device() -> None:
    """Ranks of 6 layers each; three global layers are the 6th, the 12th and the 18th."""
    spec = load("gemma-3-270m")
    layers = spec.lower_types(Target(kv=kv_format("fp16")))
    stage = Stage(types=("local",) * 5 + ("global",), counts=((layers["local"], 5), (layers["global"], 1)))
    caches = arrange([stage] * 3, LlamaOptions())
    one = buffers(caches, context=2048, batch=2, rank=1)
    every = buffers(caches, context=2048, batch=2)
    assert [(each.name, each.cells, each.streams, each.layers) for each in one] == [
        ("swa", 1024, 2, 5),
        ("kv", 2048, 2, 1),
    ]
    assert [(each.k_bytes, each.v_bytes) for each in one] == [
        (5 * 2 * 1024 * 512,) * 2,
        (2 * 2048 * 512,) * 2,
    ]
    assert [each.size_bytes for each in every] == [3 * each.size_bytes for each in one]
    on_device = caches.reserved_bytes(rank=1, load=uniform(2048, 2))
    assert on_device == sum(each.size_bytes for each in one)


def test_one_type_for_latents() -> None:
    for kv_dtype in ("q8_0,value=q4_0", "q8_0,rope=f16"):
        with pytest.raises(RefusedError, match="one type"):
            reserved("deepseek-v3", 4096, kv_dtype=kv_dtype)
    with pytest.raises(RefusedError, match="in one type, not in q8_0 and fp16"):
        arranged("deepseek-v3", kv_dtype="q8_0,rope=f16")


def test_sparse_attention_of_an_older_build_is_not_known() -> None:
    old = find_engine("llamacpp@b10107")
    spec = load("deepseek-v3.2")
    (layer,) = spec.lower_types(Target(kv=kv_format("fp16"))).values()
    with pytest.raises(RefusedError, match="sparse attention is not known: use llamacpp@b11312"):
        old.arrange([Stage(types=("",), counts=((layer, 1),))], EngineOptions(architecture=spec.architecture))


@pytest.mark.parametrize(
    ("layers", "attention", "words"),
    [
        (
            ({"repeat": 1, "pattern": ("a", "b")},),
            {"a": {**GQA, "kind": "sliding", "window": 8}, "b": {**GQA, "kind": "sliding", "window": 16}},
            "one window per model, not 8 and 16",
        ),
        (
            ({"repeat": 1, "pattern": ("a", "b")},),
            {"a": (GQA, MAMBA2), "b": (MAMBA2,)},
            "in every layer or in none",
        ),
        (({"repeat": 1, "pattern": ("a",)},), {"a": {**GQA, "prefix_tokens": 128}}, "keeps K, V, prefix K"),
        (
            2,
            {"kind": "lightning", "heads": 8, "head_dim": 64, "state_dtype": "fp32"},
            "linear attention alone",
        ),
    ],
)
def test_layers_without_a_memory(layers: Any, attention: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        arranged(toy(layers, **attention))


def test_every_catalogue_model_is_arranged_or_refused_in_words() -> None:
    architectures = {spec.name: spec.architecture for spec in map(load_file, spec_files())}
    known = {*architectures.values(), *model_types()}
    assert known >= {*_NO_ARCHITECTURE, *_WINDOWS_KEPT_WHOLE}
    refused = {name for name in architectures if _refusal(name) is not None}
    lacking = {name for name, architecture in architectures.items() if architecture in _NO_ARCHITECTURE}
    unread = {name for name, architecture in architectures.items() if architecture in _UNREAD}
    assert lacking | unread < refused
    # T5 and the first Transformer have cross-attention; what research keeps no engine has.
    cross = {"t5-v1_1-xxl", "transformer-wmt14-mha", "transformer-wmt14-mqa"}
    assert refused - lacking - unread == cross | {"dcmha-2.8b", "mistral-7b-snapkv-1024"}


def _refusal(model: str) -> str | None:
    try:
        reserved(model, 4096, 2)
    except (RefusedError, OptionsError) as error:
        return str(error)
    return None


def test_no_layers() -> None:
    assert (
        arrange([Stage(types=(), counts=())], LlamaOptions()).reserved_bytes(rank=0, load=uniform(1, 1)) == 0
    )

"""A plan's command: what is written is read again, and nothing is said that no option says."""

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.errors import OptionsError
from kvplan.serving import read_command, with_own_words, write_command
from kvplan.serving.words import OTHER_SERVERS

COUNTS = st.integers(1, 10**12)
DEGREES = st.integers(1, 4096)
RATIOS = st.integers(1, 999).map(lambda part: f"0.{part:03}".rstrip("0")) | st.just("1")
STATES = st.sampled_from(["float32", "float16", "bfloat16"])
FLAGS = st.sampled_from(["true", "false"])
MODELS = st.text(min_size=1).filter(lambda text: not text.startswith("-") and text.isprintable())
SIZES = st.lists(st.integers(1, 200), min_size=1, max_size=5).map(tuple)
TEXT_COUNTS = COUNTS.map(str)
SHARED = {
    "tp": DEGREES,
    "pp": DEGREES,
    "context": COUNTS,
    "max_num_seqs": COUNTS,
    "max_num_batched_tokens": COUNTS,
}
VLLM = {
    **SHARED,
    "dp": DEGREES,
    "dcp": DEGREES,
    "block_size": COUNTS,
    "dtype": st.sampled_from(["fp16", "bf16", "fp32"]),
    "kv_dtype": st.sampled_from(
        ["fp8", "fp8_e5m2", "fp8_ds_mla", "nvfp4", "bfloat16", "int4_per_token_head"]
    ),
    "prefix_caching": st.booleans(),
    "pp_layers": SIZES,
    "draft": st.sampled_from(["mtp", "org/draft"]),
}
VLLM_SETTINGS = {
    "num_gpu_blocks_override": TEXT_COUNTS,
    "mamba_cache_dtype": STATES,
    "mamba_ssm_cache_dtype": STATES,
    "mamba_cache_mode": st.sampled_from(["none", "align"]),
    "num_speculative_tokens": TEXT_COUNTS,
    "hybrid_manager": FLAGS,
    "async_scheduling": FLAGS,
    "enable_expert_parallel": FLAGS,
    "enable_eplb": FLAGS,
    "num_redundant_experts": TEXT_COUNTS,
}
SGLANG = {
    **SHARED,
    # Those of all groups of attention are written, and a count is at most 10^12.
    "max_num_seqs": st.integers(1, 10**8),
    "dp": DEGREES,
    "dcp": DEGREES,
    "block_size": COUNTS,
    "dtype": st.sampled_from(["fp16", "bf16", "fp32"]),
    "kv_dtype": st.sampled_from(["fp8_e4m3", "fp8_e5m2", "mxfp8", "bf16", "nvfp4"]),
    "prefix_caching": st.just(False),  # noqa: FBT003 - the only one with an option
    "utilization": RATIOS,
    "pp_layers": SIZES,
    "draft": st.just("mtp"),
}
SGLANG_SETTINGS = {
    "max_total_tokens": TEXT_COUNTS,
    "swa_full_tokens_ratio": RATIOS,
    "mamba_full_memory_ratio": RATIOS | st.sampled_from(["1.5", "12"]),
    "max_mamba_cache_size": TEXT_COUNTS,
    "ep_size": TEXT_COUNTS,
    "enable_dp_attention": st.just("true"),
    "ep_num_redundant_experts": TEXT_COUNTS,
    "moe_dense_tp_size": TEXT_COUNTS,
    "enable_dp_lm_head": st.just("true"),
    "moe_a2a_backend": st.sampled_from(["deepep", "mooncake"]),
    "mamba_ssm_dtype": STATES,
    "mamba_radix_cache_strategy": st.sampled_from(["no_buffer", "extra_buffer", "extra_buffer_lazy"]),
    "disable_hybrid_swa_memory": st.just("true"),
}
TRTLLM = {**SHARED, "ep": DEGREES, "utilization": RATIOS, "kv_dtype": st.sampled_from(["fp8", "nvfp4"])}
TYPES = st.sampled_from(["fp16", "fp32", "bf16", "q8_0", "q4_0", "q5_1", "iq4_nl"])
LLAMACPP = {
    "pp": st.integers(2, 16),
    "context": st.integers(1, 10**6),
    "max_num_batched_tokens": st.integers(1, 10**6),
    "kv_dtype": st.tuples(TYPES, TYPES).map(
        lambda types: types[0] if types[0] == types[1] else f"{types[0]},value={types[1]}"
    ),
    "draft": st.sampled_from(["mtp", "draft.gguf"]),
}
LLAMACPP_SETTINGS = {"kv_unified": FLAGS, "flash_attn": FLAGS, "swa_full": st.just("true")}


def asked(options: dict[str, st.SearchStrategy[Any]], settings: dict[str, st.SearchStrategy[Any]]) -> Any:
    """Return a strategy of what a plan asks: some of *options*, and some *settings* if any."""
    plain = st.fixed_dictionaries({}, optional=options)
    inner = st.fixed_dictionaries({}, optional=settings)
    return st.tuples(plain, inner).map(lambda both: both[0] | ({"settings": both[1]} if both[1] else {}))


def _law(engine: str, model: str, options: dict[str, Any]) -> None:
    line = write_command(engine, model, options)
    assert line is not None
    served = read_command(shlex.split(line))
    # A group of attention may have one rank of SGLang's tp_size, which then is said.
    one = {"tp": 1} if "enable_dp_attention" in options.get("settings", {}) else {}
    assert (served.engine, served.model) == (engine, model)
    assert one | dict(served.asked) == one | options
    assert served.unknown == ()


@given(MODELS, asked(VLLM, VLLM_SETTINGS), RATIOS | st.integers(1, 10**12))
def test_vllm_reads_what_is_written(model: str, options: dict[str, Any], memory: str | int) -> None:
    """A utilization or a memory for the cache: vLLM looks at one of them."""
    _law("vllm", model, options | {"utilization" if isinstance(memory, str) else "kv_memory": memory})


@given(MODELS, asked(SGLANG, SGLANG_SETTINGS))
def test_sglang_reads_what_is_written(model: str, options: dict[str, Any]) -> None:
    _law("sglang", model, options)


SUBCOMMANDS = ("serve", *OTHER_SERVERS)


@given(MODELS.filter(lambda model: model not in SUBCOMMANDS), asked(TRTLLM, {}))
def test_trtllm_reads_what_is_written(model: str, options: dict[str, Any]) -> None:
    _law("trtllm", model, options)


@given(MODELS, asked(LLAMACPP, LLAMACPP_SETTINGS), st.integers(1, 10**5))
def test_llama_server_reads_what_is_written(model: str, options: dict[str, Any], slots: int) -> None:
    _law("llamacpp", model, {"batch": slots, "max_num_seqs": slots, **options})


@pytest.mark.parametrize("model", SUBCOMMANDS)
def test_a_model_that_is_named_as_a_subcommand_has_no_command(model: str) -> None:
    with pytest.raises(OptionsError, match="is not the name of a model"):
        write_command("trtllm", model, {})
    assert write_command("vllm", model, {}) == f"vllm serve {model}"


def test_a_command_is_written_for_a_shell() -> None:
    line = write_command("vllm@0.19", "my model", {"tp": 4, "kv_dtype": "fp8", "pp_layers": (1, 2)})
    assert line == (
        "VLLM_PP_LAYER_PARTITION=1,2 vllm serve 'my model' --tensor-parallel-size 4 --kv-cache-dtype fp8"
    )


@pytest.mark.parametrize("engine", ["exact", "transformers"])
def test_an_engine_without_a_server_has_no_command(engine: str) -> None:
    assert write_command(engine, "m", {"tp": 4}) is None


@pytest.mark.parametrize(
    ("engine", "options", "line"),
    [
        # kvplan's 32k is 32768 tokens, vLLM's 32000.
        ("vllm", {"context": "32k"}, "vllm serve m --max-model-len 32768"),
        ("vllm", {"kv_memory": "8GiB"}, "vllm serve m --kv-cache-memory-bytes 8589934592"),
        ("vllm", {"kv_dtype": "bf16"}, "vllm serve m --kv-cache-dtype bfloat16"),
        ("vllm", {"utilization": 0.9}, "vllm serve m --gpu-memory-utilization 0.9"),
        ("vllm", {"settings": {"hybrid_manager": "off"}}, "vllm serve m --disable-hybrid-kv-cache-manager"),
        ("vllm", {"batch": 64}, "vllm serve m"),
        (
            "sglang",
            {"kv_dtype": "fp8"},
            "python -m sglang.launch_server --model-path m --kv-cache-dtype fp8_e4m3",
        ),
        ("sglang", {"prefix_caching": True}, "python -m sglang.launch_server --model-path m"),
        ("llamacpp", {"tp": 1, "dp": 1, "pp": 1, "dcp": 1}, "llama-server -hf m -np 1"),
        ("llamacpp", {"batch": 2, "context": "32k"}, "llama-server -hf m -c 65536 -np 2"),
        ("trtllm", {"dp": 1}, "trtllm-serve m"),
    ],
)
def test_kvplans_own_words_are_written_in_the_engines(
    engine: str, options: dict[str, Any], line: str
) -> None:
    assert write_command(engine, "m", options) == line


@pytest.mark.parametrize(
    ("engine", "model", "options", "message"),
    [
        ("trtllm", "m", {"block_size": 32}, "trtllm's command has no option for block_size"),
        ("trtllm", "m", {"block_size": 1}, "has no option for block_size"),
        ("llamacpp", "m", {"tp": 2}, "llamacpp's command has no option for tp"),
        ("llamacpp", "m", {"kv_dtype": "q8_0,rope=f16"}, "no option for the dtype of rope rows"),
        ("vllm", "m", {"kv_dtype": "q8_0"}, "stores no cache as 'q8_0'"),
        ("vllm", "m", {"kv_dtype": "nonsense"}, "unknown dtype 'nonsense'"),
        ("vllm", "m", {"dtype": "fp8"}, "no word for 'fp8'"),
        ("vllm", "m", {"dtype": "nonsense"}, "unknown dtype 'nonsense'"),
        ("vllm", "m", {"settings": {"kv_unified": "true"}}, "no option for settings.kv_unified"),
        ("vllm", "m", {"settings": {"async_scheduling": "maybe"}}, "neither true nor false"),
        ("vllm", "m", {"pp_layers": "8,8"}, "is not the layers of each stage"),
        ("vllm", "-m", {}, "is not the name of a model"),
        ("vllm", "", {}, "is not the name of a model"),
        ("ollama", "m", {}, "writes no command for ollama"),
    ],
)
def test_what_no_option_says_is_refused(
    engine: str, model: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionsError, match=message):
        write_command(engine, model, options)


KEPT = st.lists(
    st.sampled_from(
        [
            ("--enable-tower-connector-lora",),
            ("--quantization", "fp8"),
            ("--offload-group-size", "4"),
            ("--kv-transfer-config", '{"kv_connector": "X", "of": "a b"}'),
            ("--port", "8000"),
            ("--no-such-option=1",),
            ("--served-model-name", "one", "two"),
        ]
    ),
    unique=True,
)


@given(asked(VLLM, VLLM_SETTINGS), KEPT)
def test_words_that_no_plan_says_are_kept_whole(options: dict[str, Any], kept: list[tuple[str, ...]]) -> None:
    plain = write_command("vllm", "a/b", options)
    assert plain is not None
    words = [word for option in kept for word in option]
    served = read_command([*shlex.split(plain), *words])
    assert [word for each in served.kept for word in each.words if not each.keyword] == words
    written = shlex.split(with_own_words(plain, served))
    assert read_command(written).asked == served.asked == options
    assert written[len(written) - len(words) :] == words


def test_a_speculative_config_is_kept_and_its_tokens_are_not_said_twice() -> None:
    config = '{"method": "mtp", "num_speculative_tokens": 2}'
    words = ["VLLM_USE_V1=1", "vllm", "serve", "a/b", "--spec-model", "c/d", "-sc", config]
    served = read_command(words)
    assert served.asked == {"draft": "c/d", "settings": {"num_speculative_tokens": "2"}}
    plain = write_command("vllm", "MODEL", {**served.asked, "tp": 2})
    assert plain is not None
    assert shlex.split(with_own_words(plain, served)) == [
        *("VLLM_USE_V1=1", "vllm", "serve", "a/b", "--tensor-parallel-size", "2"),
        *("--spec-model", "c/d", "-sc", config),
    ]

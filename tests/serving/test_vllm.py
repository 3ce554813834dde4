"""Each of vLLM's options of memory, by hand: vllm/engine/arg_utils.py and config/cache.py of 0.33.0."""

import shlex
from typing import Any

import pytest

from kvplan.errors import OptionsError
from kvplan.serving import Served, read_command
from kvplan.serving.table import Asks, Keys, Refused, Switch
from kvplan.serving.vllm import VLLM

ASKED: list[tuple[str, dict[str, Any]]] = [
    ("--tensor-parallel-size 4", {"tp": 4}),
    ("-tp 4", {"tp": 4}),
    ("-tp=4", {"tp": 4}),
    ("--pipeline-parallel-size 2", {"pp": 2}),
    ("-pp 2", {"pp": 2}),
    ("--data-parallel-size 8", {"dp": 8}),
    ("-dp 8", {"dp": 8}),
    ("--nnodes 2", {"nodes": 2}),
    ("-n 1", {"nodes": 1}),
    ("--decode-context-parallel-size 2", {"dcp": 2}),
    ("-dcp 2", {"dcp": 2}),
    ("--prefill-context-parallel-size 2", {"settings": {"prefill_context_parallel_size": "2"}}),
    ("-pcp 2", {"settings": {"prefill_context_parallel_size": "2"}}),
    ("--max-model-len 32768", {"context": 32768}),
    ("--max-model-len=32k", {"context": 32_000}),
    ("--max_model_len 32K", {"context": 32_768}),
    ("--max-model-len 25.6k", {"context": 25_600}),
    ("--max-model-len 32.3k", {"context": 32_299}),
    ("--max-model-len 1m", {"context": 1_000_000}),
    ("--max-model-len 1M", {"context": 1_048_576}),
    ("--max-num-batched-tokens 8k", {"max_num_batched_tokens": 8000}),
    ("--max-num-seqs 256", {"max_num_seqs": 256}),
    ("--max-num-active-seqs 64", {"settings": {"max_num_active_seqs": "64"}}),
    ("--watermark 0.010", {"settings": {"watermark": "0.01"}}),
    ("--scheduler-reserve-full-isl", {"settings": {"scheduler_reserve_full_isl": "true"}}),
    ("--no-scheduler-reserve-full-isl", {"settings": {"scheduler_reserve_full_isl": "false"}}),
    (
        "--all2all-backend deepep_high_throughput",
        {"settings": {"all2all_backend": "deepep_high_throughput"}},
    ),
    ("--dtype bfloat16", {"dtype": "bf16"}),
    ("--dtype half", {"dtype": "fp16"}),
    ("--dtype float", {"dtype": "fp32"}),
    ("--block-size 32", {"block_size": 32}),
    ("--gpu-memory-utilization .95", {"utilization": "0.95"}),
    ("--gpu-memory-utilization 1.0", {"utilization": "1"}),
    ("--device-memory-utilization 0.50", {"utilization": "0.5"}),
    ("--kv-cache-memory-bytes 8G", {"kv_memory": 8 * 2**30}),
    ("--kv-cache-memory-bytes 8589934592", {"kv_memory": 8_589_934_592}),
    ("--kv-cache-dtype fp8_e5m2", {"kv_dtype": "fp8_e5m2"}),
    ("--kv-cache-dtype nvfp4_4over6", {"kv_dtype": "nvfp4"}),
    ("--kv-cache-dtype int8_per_token_head", {"kv_dtype": "int8_per_token_head"}),
    ("--num-gpu-blocks-override 512", {"settings": {"num_gpu_blocks_override": "512"}}),
    ("--mamba-cache-dtype float16", {"settings": {"mamba_cache_dtype": "float16"}}),
    ("--mamba-ssm-cache-dtype float32", {"settings": {"mamba_ssm_cache_dtype": "float32"}}),
    ("--mamba-cache-mode align", {"settings": {"mamba_cache_mode": "align"}}),
    ("--speculative-config.num_speculative_tokens 3", {"settings": {"num_speculative_tokens": "3"}}),
    ("--spec-tokens 3", {"settings": {"num_speculative_tokens": "3"}}),
    ("--num-speculative-tokens 3", {"settings": {"num_speculative_tokens": "3"}}),
    ("--spec-method ngram", {}),
    ("--spec-method mtp", {"draft": "mtp"}),
    ("--spec-model some/draft", {"draft": "some/draft"}),
    ("--speculative-model some/draft", {"draft": "some/draft"}),
    (
        '--speculative-config \'{"method": "mtp", "num_speculative_tokens": 2}\'',
        {"draft": "mtp", "settings": {"num_speculative_tokens": "2"}},
    ),
    (
        '--speculative-config \'{"method": "eagle3", "model": "some/draft", "num_speculative_tokens": 3}\'',
        {"draft": "some/draft", "settings": {"num_speculative_tokens": "3"}},
    ),
    ("-sc.method deepseek_mtp -sc.model some/model", {"draft": "some/model"}),
    ("-sc.method suffix -sc.num_speculative_tokens 4", {"settings": {"num_speculative_tokens": "4"}}),
    ('-sc \'{"num_speculative_tokens": 2, "model": null}\'', {"settings": {"num_speculative_tokens": "2"}}),
    ("-O0", {"settings": {"enforce_eager": "true"}}),
    ("-O1", {"settings": {"cudagraph_mode": "PIECEWISE"}}),
    ("-O 1", {"settings": {"cudagraph_mode": "PIECEWISE"}}),
    ("--optimization-level 0", {"settings": {"enforce_eager": "true"}}),
    ("--cuda-graph-sizes 8", {"settings": {"cudagraph_capture_sizes": "8"}}),
    ("-cc.cudagraph_capture_sizes [1,2]", {"settings": {"cudagraph_capture_sizes": "1,2"}}),
    ("--compilation-config.cudagraph_capture_sizes [4]", {"settings": {"cudagraph_capture_sizes": "4"}}),
    ("--compilation-config.cudagraph_mode FULL", {"settings": {"cudagraph_mode": "FULL"}}),
    ('-cc \'{"mode": 3, "pass_config": {"fuse_norm_quant": true}, "backend": "inductor"}\'', {}),
    ("-cc.cudagraph_mode full", {"settings": {"cudagraph_mode": "FULL"}}),
    ("--cudagraph-capture-sizes 1 2 4", {"settings": {"cudagraph_capture_sizes": "1,2,4"}}),
    (
        '--compilation-config \'{"cudagraph_mode": "NONE", "cudagraph_capture_sizes": [1, 2]}\'',
        {"settings": {"cudagraph_mode": "NONE", "cudagraph_capture_sizes": "1,2"}},
    ),
    ("--max-cudagraph-capture-size 64", {"settings": {"max_cudagraph_capture_size": "64"}}),
    ("--enable-prefix-caching", {"prefix_caching": True}),
    ("--no-enable-prefix-caching", {"prefix_caching": False}),
    ("--disable-prefix-caching", {"prefix_caching": False}),
    ("--disable-hybrid-kv-cache-manager", {"settings": {"hybrid_manager": "false"}}),
    ("--no-disable-hybrid-kv-cache-manager", {"settings": {"hybrid_manager": "true"}}),
    ("--enable-hybrid-kv-cache-manager", {"settings": {"hybrid_manager": "true"}}),
    ("--enable-expert-parallel", {"settings": {"enable_expert_parallel": "true"}}),
    ("-ep", {"settings": {"enable_expert_parallel": "true"}}),
    ("--no-enable-expert-parallel", {"settings": {"enable_expert_parallel": "false"}}),
    ("--enable-eplb", {"settings": {"enable_eplb": "true"}}),
    ("--no-enable-eplb", {"settings": {"enable_eplb": "false"}}),
    ("--num-redundant-experts 32", {"settings": {"num_redundant_experts": "32"}}),
    ("--num-redundant-experts 0", {}),
    ("--eplb-config.num_redundant_experts 32", {"settings": {"num_redundant_experts": "32"}}),
    (
        '--eplb-config \'{"num_redundant_experts": 32, "window_size": 1000}\'',
        {"settings": {"num_redundant_experts": "32"}},
    ),
    ("--enforce-eager", {"settings": {"enforce_eager": "true"}}),
    ("--no-enforce-eager", {"settings": {"enforce_eager": "false"}}),
    ("--language-model-only", {"settings": {"language_model_only": "true"}}),
    ("--no-language-model-only", {"settings": {"language_model_only": "false"}}),
    (
        '--limit-mm-per-prompt \'{"image": 0, "video": 0}\'',
        {"settings": {"limit_mm_per_prompt": '{"image": 0, "video": 0}'}},
    ),
    (
        "--limit-mm-per-prompt.image 0 --limit-mm-per-prompt.video.count 1",
        {"settings": {"limit_mm_per_prompt": '{"image": 0, "video": {"count": 1}}'}},
    ),
    (
        '--limit-mm-per-prompt \'{"image": {"count": 2, "width": 512}}\'',
        {"settings": {"limit_mm_per_prompt": '{"image": {"count": 2, "width": 512}}'}},
    ),
    (
        "--mm-processor-kwargs '{\"max_pixels\": 1003520}'",
        {"settings": {"mm_processor_kwargs": '{"max_pixels": 1003520}'}},
    ),
    ("--mm-encoder-tp-mode data", {"settings": {"mm_encoder_tp_mode": "data"}}),
    ("--mm-encoder-tp-mode weights", {"settings": {"mm_encoder_tp_mode": "weights"}}),
    ("--enable-multimodal-encoder-data-parallel", {"settings": {"mm_encoder_tp_mode": "data"}}),
    ("--skip-mm-profiling", {"settings": {"skip_mm_profiling": "true"}}),
    ("--no-skip-mm-profiling", {"settings": {"skip_mm_profiling": "false"}}),
    ("--max-cudagraph-capture-size 16", {"settings": {"max_cudagraph_capture_size": "16"}}),
    ("--performance-mode throughput", {"settings": {"performance_mode": "throughput"}}),
    ("--async-scheduling", {"settings": {"async_scheduling": "true"}}),
    ("--no-async-scheduling", {"settings": {"async_scheduling": "false"}}),
    ("--enable-lora", {"settings": {"enable_lora": "true"}}),
    ("--no-enable-lora", {"settings": {"enable_lora": "false"}}),
    ("--disable-lora", {"settings": {"enable_lora": "false"}}),
    ("--max-loras 4 --enable-lora", {"settings": {"enable_lora": "true", "max_loras": "4"}}),
    ("--max-lora-rank 64 --enable-lora", {"settings": {"enable_lora": "true", "max_lora_rank": "64"}}),
    ("--max-cpu-loras 8 --enable-lora", {"settings": {"enable_lora": "true", "max_cpu_loras": "8"}}),
    ("--lora-dtype float16 --enable-lora", {"settings": {"enable_lora": "true", "lora_dtype": "float16"}}),
    ("--fully-sharded-loras", {}),
    ("--no-fully-sharded-loras", {}),
    ("--max-loras 4 --max-lora-rank 64", {}),
    ("--cpu-offload-gb 12.5", {"settings": {"cpu_offload_gb": "12.5"}}),
]
REFUSED = ("--config serve.yaml", "--kv-cache-dtype-skip-layers 0 1", "--device cpu")
FROM_THE_ENVIRONMENT: list[tuple[str, dict[str, Any]]] = [
    ("VLLM_PP_LAYER_PARTITION=10,11,11", {"pp_layers": (10, 11, 11)}),
    ("VLLM_USE_V2_MODEL_RUNNER=0", {"settings": {"use_v2_model_runner": "false"}}),
    ("VLLM_USE_V2_MODEL_RUNNER=1", {"settings": {"use_v2_model_runner": "true"}}),
    ("VLLM_ALLOW_LONG_MAX_MODEL_LEN=1", {"settings": {"allow_long_max_model_len": "true"}}),
    ("VLLM_DP_SIZE=8", {"dp": 8}),
    ("VLLM_ALL2ALL_BACKEND=deepep_low_latency", {"settings": {"all2all_backend": "deepep_low_latency"}}),
    ("VLLM_DEEPEP_BUFFER_SIZE_MB=2048", {"settings": {"deepep_buffer_size_mb": "2048"}}),
]
REFUSED_VARIABLES = ("VLLM_MLA_DISABLE=1", "VLLM_TARGET_DEVICE=cpu")


def read(options: str) -> Served:
    """Read `vllm serve m` with *options*."""
    return read_command(["vllm", "serve", "m", *shlex.split(options)])


@pytest.mark.parametrize(("options", "asked"), ASKED)
def test_an_option_asks_for_one_thing(options: str, asked: dict[str, Any]) -> None:
    served = read(options)
    assert served.asked == asked
    assert (served.model, served.ignored, served.unknown) == ("m", (), ())


@pytest.mark.parametrize("options", REFUSED)
def test_an_option_that_would_make_the_plan_wrong_is_refused(options: str) -> None:
    with pytest.raises(OptionsError, match=options.split(maxsplit=1)[0]):
        read(options)


def test_every_row_that_asks_or_refuses_is_in_these_tests() -> None:
    tested = {
        shlex.split(options)[0].partition("=")[0].replace("max_model_len", "max-model-len")
        for options in (*(options for options, _ in ASKED), *REFUSED)
    }
    tabled = {
        name
        for row in VLLM.rows
        if isinstance(row, (Asks, Keys, Switch, Refused))
        for name in (*row.names, *(row.against if isinstance(row, Switch) else ()))
    }
    variables = [each for each, _ in FROM_THE_ENVIRONMENT]
    assert tabled - tested == {each.partition("=")[0] for each in (*variables, *REFUSED_VARIABLES)}


@pytest.mark.parametrize(("variable", "asked"), FROM_THE_ENVIRONMENT)
def test_a_variable_asks_for_one_thing(variable: str, asked: dict[str, Any]) -> None:
    assert read_command([variable, "vllm", "serve", "m"]).asked == asked


@pytest.mark.parametrize("variable", REFUSED_VARIABLES)
def test_a_variable_that_would_make_the_plan_wrong_is_refused(variable: str) -> None:
    with pytest.raises(OptionsError, match=variable):
        read_command([variable, "vllm", "serve", "m"])


@pytest.mark.parametrize(
    ("variable", "left_out"),
    [
        ("VLLM_MLA_DISABLE=0", False),
        ("VLLM_LOGGING_LEVEL=DEBUG", False),
        ("VLLM_REPLICATE_EMBED=1", True),
        ("VLLM_REPLICATE_EMBED=0", False),
        ("VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE=0", True),
        ("HF_HUB_OFFLINE=1", False),
    ],
)
def test_what_no_plan_counts_of_the_environment_is_said(variable: str, left_out: bool) -> None:  # noqa: FBT001 - a table's column
    served = read_command([variable, "vllm", "serve", "m"])
    assert (served.asked, served.unknown) == ({}, ())
    assert [text.startswith(f"{variable}: ") for text in served.unmodelled] == [True] * left_out
    assert served.ignored == () if left_out else (variable,)


def test_a_variable_that_looks_like_vllms_is_not_taken_to_be_harmless() -> None:
    served = read_command(["VLLM_FOO=1", "FOO=1", "vllm", "serve", "m"])
    assert (served.unknown, served.ignored) == (("VLLM_FOO=1",), ("FOO=1",))


@pytest.mark.parametrize("text", ["auto", "-1", "AUTO"])
def test_a_context_that_vllm_fits_by_itself_is_not_in_the_plan(text: str) -> None:
    served = read(f"--max-model-len {text}")
    assert served.asked == {}
    assert served.unmodelled[0].startswith(f"--max-model-len {text}: vLLM takes the longest")


@pytest.mark.parametrize("option", ["--kv-cache-dtype", "--dtype", "--mamba-cache-dtype"])
def test_vllms_own_choice_is_no_choice(option: str) -> None:
    served = read(f"{option} auto")
    assert (served.asked, served.ignored) == ({}, (f"{option} auto",))


def test_a_memory_for_the_cache_replaces_the_utilization() -> None:
    served = read("--kv-cache-memory-bytes 1024 --gpu-memory-utilization 0.5")
    assert served.asked == {"kv_memory": 1024}
    assert served.notes == ("with --kv-cache-memory-bytes vLLM ignores --gpu-memory-utilization",)


@pytest.mark.parametrize(
    ("options", "drafts"),
    [
        ("--speculative-config.method ngram --speculative-config.num_speculative_tokens 4", []),
        ("--spec-method medusa --spec-model some/draft", ["'medusa'"]),
        ("--spec-tokens 2", ["'a draft model'"]),
    ],
)
def test_a_draft_is_left_out_unless_it_has_no_weights(options: str, drafts: list[str]) -> None:
    expected = [f"speculative decoding ({draft}): " for draft in drafts]
    found = [text.partition(" what drafts")[0] + " " for text in read(options).unmodelled]
    assert found == expected


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        ("--cpu-offload-gb 0", False),
        ("--cpu-offload-params experts", True),
        ("--lora-modules a=b", False),
        ("--enable-tower-connector-lora", True),
        ("--lora-target-modules o_proj", True),
        ("--quantization fp8", True),
        ("--load-format dummy", False),
        ("--load-format bitsandbytes", True),
        ('--kv-transfer-config \'{"kv_connector": "LMCacheConnectorV1"}\'', True),
        ("--compilation-config.mode 0", True),
        ("--optimization-level 2", False),
        ("-O3", False),
        ("-O2", False),
        ("--no-enable-chunked-prefill", True),
        ("--enable-chunked-prefill", False),
        ("--runner pooling", True),
        ("--hf-overrides '{}'", True),
        ("--all2all-backend nixl_ep", True),
        ('--media-io-kwargs \'{"video": {"num_frames": 32}}\'', True),
        ("--media-io-kwargs '{}'", False),
        ("--moe-backend auto", False),
        ("--moe-backend marlin", True),
        ("--enable-prompt-embeds", True),
        ("--device cuda", False),
        ("--max-num-scheduled-tokens 1024", True),
        ("--long-prefill-token-threshold 0", False),
        ("--scheduler-cls mine.Scheduler", True),
    ],
)
def test_what_no_plan_counts_is_said(options: str, left_out: bool) -> None:  # noqa: FBT001 - a table's column
    served = read(options)
    written = " ".join(shlex.split(options))
    assert served.asked == {}
    assert served.unknown == ()
    if left_out:
        assert [text.startswith(f"{written}: ") for text in served.unmodelled] == [True]
    else:
        assert (served.unmodelled, served.ignored) == ((), (written,))

"""Each of SGLang's options of memory, by hand: srt/arg_groups/fields/*.py of 0.5.23."""

import shlex
from typing import Any

import pytest

from kvplan.errors import OptionsError
from kvplan.serving import Served, read_command, write_command
from kvplan.serving.sglang import SGLANG
from kvplan.serving.table import Asks, Refused, Switch

ADAPTERS = {
    "settings": {"enable_lora": "true", "max_lora_rank": "64", "lora_target_modules": "q_proj,o_proj"}
}
EAGLE, NGRAM = "--speculative-algorithm EAGLE", "--speculative-algorithm ngram --speculative-eagle-topk 4"
DFLASH = "--speculative-draft-model-path a/b --speculative-algorithm DFLASH"
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("--tp-size 8", {"tp": 8}),
    ("--tensor-parallel-size 8", {"tp": 8}),
    ("--tp 8", {"tp": 8}),
    ("--pp-size 2", {"pp": 2}),
    ("--pipeline-parallel-size 2", {"pp": 2}),
    ("--dp-size 2", {"dp": 2}),
    ("--data-parallel-size 2", {"dp": 2}),
    ("--dp 2", {"dp": 2}),
    ("--nnodes 2", {"nodes": 2}),
    ("--enable-lora --max-lora-rank 64 --lora-target-modules q_proj o_proj", ADAPTERS),
    ("--lora-paths a=b c=d --max-lora-rank 64 --lora-target-modules q_proj o_proj", ADAPTERS),
    ("--max-lora-rank 64 --lora-target-modules q_proj o_proj --enable-lora", ADAPTERS),
    ("--lora-target-modules q_proj o_proj --max-lora-rank 64 --enable-lora", ADAPTERS),
    (
        "--max-loras-per-batch 4 --lora-target-modules all --max-lora-rank 64 --enable-lora",
        {
            "settings": {
                "max_loras_per_batch": "4",
                "lora_target_modules": "all",
                "max_lora_rank": "64",
                "enable_lora": "true",
            }
        },
    ),
    ("--max-lora-rank 64", {}),
    ("--dcp-size 2", {"dcp": 2}),
    ("--decode-context-parallel-size 2", {"dcp": 2}),
    ("--ep-size 8", {"settings": {"ep_size": "8"}}),
    ("--expert-parallel-size 8", {"settings": {"ep_size": "8"}}),
    ("--ep 8", {"settings": {"ep_size": "8"}}),
    ("--enable-dp-attention", {"settings": {"enable_dp_attention": "true"}}),
    ("--attn-dp-size 8 --tp 16", {"tp": 2, "dp": 8, "settings": {"enable_dp_attention": "true"}}),
    (
        "--attention-data-parallel-size 8 --tp 8",
        {"tp": 1, "dp": 8, "settings": {"enable_dp_attention": "true"}},
    ),
    ("--ep-num-redundant-experts 32", {"settings": {"ep_num_redundant_experts": "32"}}),
    ("--ep-num-redundant-experts 0", {}),
    ("--moe-dense-tp-size 1", {"settings": {"moe_dense_tp_size": "1"}}),
    ("--enable-dp-lm-head", {"settings": {"enable_dp_lm_head": "true"}}),
    ("--moe-a2a-backend none", {"settings": {"moe_a2a_backend": "none"}}),
    ("--enable-ep-moe --tp 8", {"tp": 8, "settings": {"ep_size": "8"}}),
    (
        "--enable-ep-moe --tp 8 --dp 4 --enable-dp-attention",
        {"tp": 2, "dp": 4, "settings": {"ep_size": "8", "enable_dp_attention": "true"}},
    ),
    ("--disable-overlap-schedule", {"settings": {"disable_overlap_schedule": "true"}}),
    ("--context-length 32768", {"context": 32768}),
    ("--context-length 32k", {"context": 32_000}),
    ("--context-length 32.3k", {"context": 32_300}),
    ("--context-length 32Ki", {"context": 32_768}),
    ("--context-length 1M", {"context": 1_000_000}),
    ("--chunked-prefill-size 4096", {"max_num_batched_tokens": 4096}),
    ("--max-prefill-tokens 4096", {"settings": {"max_prefill_tokens": "4096"}}),
    (
        "--disable-cuda-graph",
        {"settings": {"disable_decode_cuda_graph": "true", "disable_prefill_cuda_graph": "true"}},
    ),
    ("--disable-decode-cuda-graph", {"settings": {"disable_decode_cuda_graph": "true"}}),
    ("--disable-prefill-cuda-graph", {"settings": {"disable_prefill_cuda_graph": "true"}}),
    ("--cuda-graph-max-bs-decode 32", {"settings": {"cuda_graph_max_bs_decode": "32"}}),
    ("--cuda-graph-max-bs 32", {"settings": {"cuda_graph_max_bs_decode": "32"}}),
    ("--cuda-graph-bs-decode 1 2 32 8", {"settings": {"cuda_graph_max_bs_decode": "32"}}),
    ("--cuda-graph-bs 1 2 32 8", {"settings": {"cuda_graph_max_bs_decode": "32"}}),
    ("--cuda-graph-max-bs-prefill 1024", {"settings": {"cuda_graph_max_bs_prefill": "1024"}}),
    ("--cuda-graph-bs-prefill 64 128", {"settings": {"cuda_graph_bs_prefill": "64,128"}}),
    ("--max-running-requests 64", {"max_num_seqs": 64}),
    ("--dtype float16", {"dtype": "fp16"}),
    ("--page-size 64", {"block_size": 64}),
    ("--mem-fraction-static 0.88", {"utilization": "0.88"}),
    ("--mem-frac 0.95", {"utilization": "0.95"}),
    ("--kv-cache-dtype fp8_e4m3", {"kv_dtype": "fp8_e4m3"}),
    ("--kv-cache-dtype bfloat16", {"kv_dtype": "bfloat16"}),
    ("--cpu-offload-gb 4", {"settings": {"cpu_offload_gb": "4"}}),
    ("--max-total-tokens 100k", {"settings": {"max_total_tokens": "100000"}}),
    ("--swa-full-tokens-ratio 0.10", {"settings": {"swa_full_tokens_ratio": "0.1"}}),
    ("--mamba-full-memory-ratio 1.5", {"settings": {"mamba_full_memory_ratio": "1.5"}}),
    ("--max-mamba-cache-size 40", {"settings": {"max_mamba_cache_size": "40"}}),
    ("--mamba-ssm-dtype bfloat16", {"settings": {"mamba_ssm_dtype": "bfloat16"}}),
    ("--mamba-radix-cache-strategy no_buffer", {"settings": {"mamba_radix_cache_strategy": "no_buffer"}}),
    ("--disable-radix-cache", {"prefix_caching": False}),
    ("--disable-hybrid-swa-memory", {"settings": {"disable_hybrid_swa_memory": "true"}}),
    ("--speculative-algorithm NEXTN", {"draft": "mtp"}),
    ("--speculative-algorithm eagle3 --speculative-draft-model-path a/b", {"draft": "a/b"}),
    ("--speculative-algorithm STANDALONE --speculative-draft-model a/b", {"draft": "a/b"}),
    (
        "--speculative-algorithm NEXTN --speculative-num-draft-tokens 8",
        {"draft": "mtp", "settings": {"speculative_num_draft_tokens": "8"}},
    ),
    # One branch: it is a token more than steps, whatever is asked.
    (
        "--speculative-algorithm EAGLE --speculative-num-steps 2 --speculative-eagle-topk 1",
        {"draft": "mtp", "settings": {"speculative_num_draft_tokens": "3"}},
    ),
    (
        "--speculative-algorithm EAGLE --speculative-num-draft-tokens 8 --speculative-eagle-topk 4",
        {"draft": "mtp", "settings": {"speculative_num_draft_tokens": "8"}},
    ),
    (
        f"{EAGLE} --speculative-num-steps 5 --speculative-num-draft-tokens 32 --speculative-eagle-topk 8",
        {
            "draft": "mtp",
            "settings": {
                "speculative_num_steps": "5",
                "speculative_eagle_topk": "8",
                "speculative_num_draft_tokens": "32",
            },
        },
    ),
    ("--speculative-algorithm NGRAM", {"settings": {"speculative_algorithm": "NGRAM"}}),
    (
        f"{NGRAM} --speculative-num-draft-tokens 8 --speculative-ngram-max-bfs-breadth 2",
        {
            "settings": {
                "speculative_algorithm": "NGRAM",
                "speculative_num_draft_tokens": "8",
                "speculative_ngram_max_bfs_breadth": "2",
            }
        },
    ),
    ("--speculative-ngram-max-bfs-breadth 2", {}),
    ("--speculative-num-draft-tokens 8", {}),
    ("--speculative-num-steps 3", {}),
    ("--speculative-eagle-topk 1", {}),
    ("--speculative-draft-model-path a/b --speculative-algorithm DFLASH", {"draft": "a/b"}),
    # A block in one step: _handle_dflash.
    (
        f"{DFLASH} --speculative-num-steps 3 --speculative-eagle-topk 1",
        {"draft": "a/b"},
    ),
    (
        f"--speculative-dflash-block-size 8 {DFLASH}",
        {"draft": "a/b", "settings": {"speculative_num_draft_tokens": "8"}},
    ),
    ("--speculative-draft-model a/b --speculative-algorithm EAGLE", {"draft": "a/b"}),
]
VARIABLES: list[tuple[str, dict[str, Any]]] = [
    ("SGLANG_PP_LAYER_PARTITION=10,22", {"pp_layers": (10, 22)}),
    ("SGLANG_MAMBA_SSM_DTYPE=bfloat16", {"settings": {"mamba_ssm_dtype": "bfloat16"}}),
]
REFUSED = (
    "--config serve.yaml",
    "--attn-cp-size 2",
    "--attention-context-parallel-size 2",
    "--enable-kv-cache-sharding",
    "--enable-dsa-cache-layer-split",
    "--prefill-only-disable-kv-cache",
    "--enable-prefill-cp",
    "--disable-mla",
    "--model-type diffusion",
)
MORE, LESS, EITHER = "takes more than planned", "takes less than planned", "may take more or less"
LEFT_OUT: list[tuple[str, str, str]] = [
    # What decides weights: where they lie, how they are cut, and what a kernel makes of them.
    ("--moe-runner-backend triton_kernel", "as a kernel lays them out", EITHER),
    ("--enable-flashinfer-trtllm-moe", "as a kernel lays them out", EITHER),
    ("--fp4-gemm-backend flashinfer_trtllm", "as a kernel lays them out", EITHER),
    ("--flashinfer-mxfp4-moe-precision bf16", "as a kernel lays them out", EITHER),
    ("--enable-nvidia-megakernel", "as a kernel lays them out", EITHER),
    ("--speculative-draft-model-quantization fp8", "as the checkpoint stores them", EITHER),
    ("--speculative-draft-load-format gguf", "as the checkpoint stores them", EITHER),
    ("--modelopt-checkpoint-restore-path x", "as the checkpoint stores them", EITHER),
    ("--shared-experts-tp-size 8", "shared experts and dense MLPs", EITHER),
    ("--enforce-shared-experts-fusion", "shared experts and dense MLPs", EITHER),
    ("--speculative-token-map x", "head is counted whole", LESS),
    ("--weight-cache-mode daemon", "CUDA context", MORE),
    ("--elastic-ep-backend mooncake", "ranks that may join", MORE),
    ("--experts-shared-outer-loras", "slots of adapters", EITHER),
    # What decides pools and states, and how many requests run.
    ("--linear-attn-backend flashinfer", "states are counted at their usual", EITHER),
    ("--speculative-draft-attention-backend fa4", "as those of the model", EITHER),
    ("--enable-multi-layer-eagle", "as those of the model", EITHER),
    ("--speculative-adaptive", "as it is told at start", EITHER),
    ("--decoupled-spec-role verifier", "GPUs of its model", EITHER),
    ("--enable-return-aux-hidden-states", "none is loaded", LESS),
    ("--enable-deterministic-inference", "the radix cache may be off", EITHER),
    ("--enable-mis", "the radix cache and CUDA graphs are off", EITHER),
    ("--mm-feature-transport cuda_ipc", "room for images", EITHER),
    ("--radix-cache-backend x", "a further cache tier", MORE),
    ("--enable-encoder-swa-bounded-replay", "windows are counted", EITHER),
    ("--pp-max-micro-batch-size 8", "micro batch", LESS),
    ("--debug-tensor-dump-output-folder x", "without CUDA graphs", LESS),
    ("--disable-cuda-graph-padding", "CUDA graphs", EITHER),
    ("--cuda-graph-prefill-max-context 32k", "CUDA graphs", EITHER),
    # Buffers that outlive a batch.
    ("--enable-nsa-prefill-context-parallel", "attention's weights whole", MORE),
    ("--enable-symm-mem", "4 GiB of symmetric memory", MORE),
    ("--pre-warm-nccl", "what communication takes", EITHER),
    ("--flashinfer-allreduce-fusion-backend auto", "what communication takes", EITHER),
    ("--moe-a2a-backend deepep", "communication buffers", MORE),
    ("--speculative-moe-a2a-backend deepep", "communication buffers", MORE),
    ("--enable-fp32-lm-head", "float32", MORE),
    ("--enable-return-routed-experts", "what it returns or records", MORE),
    ("--expert-distribution-recorder-mode stat", "what it returns or records", MORE),
    ("--kv-canary log", "what it returns or records", MORE),
    ("--speculative-use-rejection-sampling", "the draft's probabilities", MORE),
    ("--triton-attention-num-kv-splits 16", "partial sums", EITHER),
    ("--mm-attention-backend flashinfer_cudnn", "the workspace of the encoder", MORE),
    ("--disaggregation-decode-extra-slots 16", "requests that are still received", MORE),
]
"""Options that were once said to have no effect, what is left out of them, and its direction."""
AS_USUAL = (
    "--moe-runner-backend auto",
    "--fp4-gemm-backend auto",
    "--flashinfer-mxfp4-moe-precision default",
    "--linear-attn-backend triton",
    "--speculative-draft-attention-backend fa3",
    "--speculative-draft-load-format auto",
    "--decoupled-spec-role null",
    "--elastic-ep-backend none",
    "--speculative-moe-a2a-backend none",
    "--expert-balancedness-report-mode off",
    "--kv-canary none",
    "--weight-cache-mode off",
    "--triton-attention-num-kv-splits 8",
    "--mm-attention-backend fa3",
    "--model-type llm",
    "--no-experts-shared-outer-loras",
)


def read(options: str) -> Served:
    """Read `sglang serve m` with *options*."""
    return read_command(["sglang", "serve", "m", *shlex.split(options)])


@pytest.mark.parametrize(("options", "asked"), ASKED)
def test_an_option_asks_for_one_thing(options: str, asked: dict[str, Any]) -> None:
    served = read(options)
    assert served.asked == asked
    assert (served.unmodelled, served.ignored, served.unknown) == ((), (), ())


@pytest.mark.parametrize(("variable", "asked"), VARIABLES)
def test_a_variable_asks_for_one_thing(variable: str, asked: dict[str, Any]) -> None:
    assert read_command([variable, "sglang", "serve", "m"]).asked == asked


@pytest.mark.parametrize("options", REFUSED)
def test_an_option_that_would_make_the_plan_wrong_is_refused(options: str) -> None:
    with pytest.raises(OptionsError, match=options.split(maxsplit=1)[0]):
        read(options)


def test_every_row_that_asks_or_refuses_is_in_these_tests() -> None:
    left_out = ("--enable-deepep-moe", *(line for line, _, _ in LEFT_OUT))
    lines = (*(line for line, _ in ASKED), *REFUSED, *(line for line, _ in VARIABLES), *left_out)
    tested = {line.split()[0].partition("=")[0] for line in lines}
    tabled = {name for row in SGLANG.rows if isinstance(row, (Asks, Switch, Refused)) for name in row.names}
    assert tabled <= tested


def test_one_attention_group_is_the_usual_case() -> None:
    served = read("--attn-dp-size 1 --attn-cp-size 1")
    assert (served.asked, served.ignored) == ({}, ("--attn-cp-size 1",))


def test_the_tp_of_a_plan_is_that_of_one_sequence() -> None:
    """SGLang's tp_size is attention's tp times dp, and the command is written so again."""
    served = read("--tp 16 --dp 8 --enable-dp-attention --ep 16")
    settings = {"enable_dp_attention": "true", "ep_size": "16"}
    assert served.asked == {"tp": 2, "dp": 8, "settings": settings}
    assert write_command("sglang", "m", served.asked) == (
        "python -m sglang.launch_server --model-path m --tp-size 16 --dp-size 8 --ep-size 16 "
        "--enable-dp-attention"
    )
    with pytest.raises(OptionsError, match="--tp-size 8 is no multiple of the 3 groups"):
        read("--tp 8 --dp 3 --enable-dp-attention")


def test_a_prefill_that_is_not_chunked_is_left_out() -> None:
    served = read("--chunked-prefill-size -1")
    assert served.asked == {"settings": {"chunked_prefill": "false"}}
    assert served.unmodelled[0].startswith("--chunked-prefill-size -1: whole prompts")
    command = write_command("sglang", "m", served.asked)
    assert command == "python -m sglang.launch_server --model-path m --chunked-prefill-size -1"


@pytest.mark.parametrize(
    "options", ["--cuda-graph-bs ''", "--cuda-graph-bs-prefill 4 x", "--cuda-graph-max-bs 0"]
)
def test_sizes_of_graphs_are_counts(options: str) -> None:
    with pytest.raises(OptionsError, match="is not a whole number from 1"):
        read(options)


@pytest.mark.parametrize(
    "options",
    [
        "--enable-torch-compile",
        "--enable-lora",
        "--lora-paths a=b c=d",
        "--quantization fp8",
        "--disaggregation-mode prefill",
        "--attention-backend flashinfer",
        "--enable-hierarchical-cache",
        "--json-model-override-args '{\"a\": 1}'",
    ],
)
def test_what_no_plan_counts_is_said(options: str) -> None:
    served = read(options)
    assert served.asked == {}
    assert [text.startswith(f"{' '.join(shlex.split(options))}: ") for text in served.unmodelled] == [True]


@pytest.mark.parametrize(("options", "what", "direction"), LEFT_OUT)
def test_what_is_left_out_and_in_which_direction(options: str, what: str, direction: str) -> None:
    (told,) = read(options).unmodelled
    assert told.startswith(f"{options}: ")
    assert what in told
    assert told.endswith(f"{direction}{' than planned' if direction is EITHER else ''}")


@pytest.mark.parametrize("options", AS_USUAL)
def test_what_an_engine_does_unasked_changes_nothing(options: str) -> None:
    served = read(options)
    assert (served.unmodelled, served.ignored) == ((), (options,))


@pytest.mark.parametrize(
    ("variable", "usual"),
    [
        ("SGLANG_ENABLE_POST_CAPTURE_KV_SIZING", "0"),
        ("SGLANG_OPT_MAMBA_SKIP_DECODE_LOCK", "false"),
        ("SGLANG_VLM_CACHE_SIZE_MB", "100"),
        ("SGLANG_SWA_EVICTION_INTERVAL", "128"),
        ("SGLANG_DSV4_COMPRESS_STATE_DTYPE", "float32"),
    ],
)
def test_variables_of_memory_are_told(variable: str, usual: str) -> None:
    (told,) = read_command([f"{variable}=x", "sglang", "serve", "m"]).unmodelled
    assert told.startswith(f"{variable}=x: ")
    assert read_command([f"{variable}={usual}", "sglang", "serve", "m"]).unmodelled == ()


def test_experts_may_be_sent_by_the_old_name() -> None:
    assert read("--enable-deepep-moe --tp 8").asked == read("--moe-a2a-backend deepep --tp 8").asked
    (told,) = read("--enable-deepep-moe").unmodelled
    assert told.startswith("--moe-a2a-backend deepep: its communication buffers are not counted")


def test_a_draft_without_its_model_is_left_out() -> None:
    served = read("--speculative-algorithm EAGLE3")
    assert served.asked == {}
    (told,) = served.unmodelled
    assert told.startswith("--speculative-algorithm 'EAGLE3': the weights and the cache layers of the draft ")


def test_a_format_that_kvplan_cannot_lay_out_is_refused() -> None:
    with pytest.raises(OptionsError, match="'fp4_mx_block16': kvplan has no layout for it"):
        read("--kv-cache-dtype fp4_mx_block16")

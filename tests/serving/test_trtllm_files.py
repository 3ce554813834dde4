"""Files of `trtllm-serve --config`: NVIDIA's own, and what of them a plan takes, by hand from llm_args.py."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kvplan.errors import OptionsError
from kvplan.serving import Served, read_command, write_command
from kvplan.serving.table import Asks, Harmless, LeftOut, Refused
from kvplan.serving.trtllm_file import IN_FILE

Read = Callable[..., Served]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return how a command is read whose file holds a text."""

    def reading(text: str, options: str = "", name: str = "extra.yaml") -> Served:
        path = tmp_path / name
        path.write_text(text)
        return read_command(["trtllm-serve", "org/m", *options.split(), "--config", str(path)])

    return reading


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file that NVIDIA publishes for `trtllm-serve`, and what it asks of a plan."""

    source: str
    text: str
    asked: dict[str, Any]
    options: str = ""
    unmodelled: tuple[str, ...] = ()
    """How each entry of `unmodelled` begins."""
    ignored: tuple[str, ...] = field(default=())


GRAPHS = "cuda_graph_config: "
BACKEND = "moe_config.backend: "
PUBLISHED = (
    Published(
        source="NVIDIA/TensorRT-LLM, examples/configs/curated/deepseek-r1-throughput.yaml",
        text="""max_batch_size: 1024
max_num_tokens: 3200
kv_cache_free_gpu_memory_fraction: 0.8
tensor_parallel_size: 8
moe_expert_parallel_size: 8
trust_remote_code: true
enable_attention_dp: true
cuda_graph_config:
  enable_padding: true
  max_batch_size: 128
kv_cache_config:
  dtype: fp8
stream_interval: 10
speculative_config:
  decoding_type: MTP
  num_nextn_predict_layers: 1
""",
        asked={
            "dp": 8,
            "ep": 8,
            "max_num_seqs": 1024,
            "max_num_batched_tokens": 3200,
            "utilization": "0.8",
            "kv_dtype": "fp8",
            "draft": "mtp",
            "settings": {"enable_attention_dp": "true", "num_nextn_predict_layers": "1"},
        },
        unmodelled=(GRAPHS,),
        ignored=("trust_remote_code: true", "stream_interval: 10"),
    ),
    Published(
        source="NVIDIA/TensorRT-LLM, examples/configs/curated/deepseek-r1-latency.yaml",
        text="""max_batch_size: 4
tensor_parallel_size: 8
moe_expert_parallel_size: 2
max_num_tokens: 32768
trust_remote_code: true
kv_cache_config:
  free_gpu_memory_fraction: 0.75
moe_config:
  backend: TRTLLM
speculative_config:
  decoding_type: MTP
  max_draft_len: 3
  use_relaxed_acceptance_for_thinking: true
  relaxed_topk: 10
  relaxed_delta: 0.6
""",
        asked={
            "tp": 8,
            "ep": 2,
            "max_num_seqs": 4,
            "max_num_batched_tokens": 32768,
            "utilization": "0.75",
            "draft": "mtp",
            "settings": {"num_nextn_predict_layers": "3"},
        },
        unmodelled=(BACKEND,),
        ignored=(
            "trust_remote_code: true",
            "speculative_config.use_relaxed_acceptance_for_thinking: true",
            "speculative_config.relaxed_topk: 10",
            "speculative_config.relaxed_delta: 0.6",
        ),
    ),
    Published(
        source="NVIDIA/TensorRT-LLM, examples/configs/curated/kimi-k2-thinking.yaml",
        text="""max_batch_size: 128
max_num_tokens: 8448
max_seq_len: 8212
tensor_parallel_size: 8
moe_expert_parallel_size: 8
enable_attention_dp: true
pipeline_parallel_size: 1
print_iter_log: true
kv_cache_config:
  free_gpu_memory_fraction: 0.75
  dtype: fp8
cache_transceiver_config:
  backend: UCX
  max_tokens_in_buffer: 8448
trust_remote_code: true
""",
        asked={
            "dp": 8,
            "ep": 8,
            "pp": 1,
            "context": 8212,
            "max_num_seqs": 128,
            "max_num_batched_tokens": 8448,
            "utilization": "0.75",
            "kv_dtype": "fp8",
            "settings": {"enable_attention_dp": "true"},
        },
        unmodelled=("cache_transceiver_config: its buffers",),
        ignored=("print_iter_log: true", "trust_remote_code: true"),
    ),
    Published(
        source="NVIDIA/TensorRT-LLM, examples/configs/curated/gpt-oss-120b-throughput.yaml",
        text="""max_batch_size: 720 # Depends on max_sequence_length
max_num_tokens: 16384
tensor_parallel_size: 2
moe_expert_parallel_size: 2
trust_remote_code: true
enable_attention_dp: true
cuda_graph_config:
  enable_padding: true
  max_batch_size: 720
moe_config:
  backend: TRTLLM
stream_interval: 20
num_postprocess_workers: 4
attention_dp_config:
  enable_balance: true
  batching_wait_iters: 50
  timeout_iters: 1
""",
        asked={
            "dp": 2,
            "ep": 2,
            "max_num_seqs": 720,
            "max_num_batched_tokens": 16384,
            "settings": {"enable_attention_dp": "true"},
        },
        unmodelled=(GRAPHS, BACKEND),
        ignored=(
            "trust_remote_code: true",
            "stream_interval: 20",
            "num_postprocess_workers: 4",
            "attention_dp_config",
        ),
    ),
    Published(
        source="NVIDIA/TensorRT-LLM, docs/source/deployment-guide-for-glm-5-on-trtllm.md",
        text="""custom_tokenizer: glm_moe_dsa
cuda_graph_config:
  enable_padding: true
  max_batch_size: 128
enable_attention_dp: false
enable_chunked_prefill: true
kv_cache_config:
  enable_block_reuse: false
  free_gpu_memory_fraction: 0.75
  dtype: auto
speculative_config:
  decoding_type: MTP
  num_nextn_predict_layers: 1
stream_interval: 10
moe_config:
  backend: DEEPGEMM
""",
        options="--max_batch_size 128 --max_num_tokens 8192 --tp_size 8 --ep_size 8 --pp_size 1",
        asked={
            "tp": 8,
            "ep": 8,
            "pp": 1,
            "max_num_seqs": 128,
            "max_num_batched_tokens": 8192,
            "utilization": "0.75",
            "prefix_caching": False,
            "draft": "mtp",
            "settings": {"enable_attention_dp": "false", "num_nextn_predict_layers": "1"},
        },
        unmodelled=(GRAPHS, "enable_chunked_prefill: true: room beside the cache", BACKEND),
        ignored=("custom_tokenizer: glm_moe_dsa", "kv_cache_config.dtype: auto", "stream_interval: 10"),
    ),
    Published(
        source="NVIDIA/TensorRT-LLM, docs/source/deployment-guide-for-deepseek-r1-on-trtllm.md",
        text="""enable_attention_dp: true
kv_cache_config:
  dtype: fp8
moe_config:
    backend: WIDEEP
    max_num_tokens: 9216
    load_balancer:  # configure online EP balancer
      num_slots: 288
      layer_updates_per_iter: 1
""",
        options="--tp_size 32 --ep_size 32",
        asked={
            "dp": 32,
            "ep": 32,
            "kv_dtype": "fp8",
            "settings": {"enable_attention_dp": "true", "num_slots": "288"},
        },
        unmodelled=(BACKEND, "moe_config.max_num_tokens: 9216: workspaces of experts"),
        ignored=("moe_config.load_balancer.layer_updates_per_iter: 1",),
    ),
    Published(
        source="NVIDIA/TensorRT-LLM, docs/source/blogs/tech_blog/blog06_Llama4_maverick_eagle_guide.md",
        text="""enable_autotuner: false
enable_attention_dp: false
enable_min_latency: true
cuda_graph_config:
  max_batch_size: 8
speculative_config:
  decoding_type: Eagle
  max_draft_len: 3
  speculative_model_dir: /config/models/eagle
  eagle3_one_model: true
kv_cache_config:
  enable_block_reuse: false
""",
        options="--tp_size 8 --ep_size 1 --kv_cache_free_gpu_memory_fraction 0.75",
        asked={
            "tp": 8,
            "ep": 1,
            "utilization": "0.75",
            "prefix_caching": False,
            "draft": "/config/models/eagle",
            "settings": {"enable_attention_dp": "false", "max_draft_len": "3"},
        },
        unmodelled=("enable_min_latency: true: workspaces", GRAPHS),
        ignored=("enable_autotuner: false",),
    ),
)


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.source.rpartition("/")[2])
def test_a_published_file_asks_for_what_it_says(file: Published, read: Read) -> None:
    served = read(file.text, file.options)
    assert served.asked == file.asked
    assert len(served.unmodelled) == len(file.unmodelled)
    for said, begins in zip(served.unmodelled, file.unmodelled, strict=True):
        assert said.startswith(begins)
    assert served.ignored == file.ignored
    assert served.unknown == ()


TWO_MODELS = """speculative_config:
  decoding_type: Eagle3
  max_draft_len: 4
  speculative_model: org/e
  eagle3_one_model: false
"""
KEYS: list[tuple[str, dict[str, Any]]] = [
    ("pipeline_parallel_size: 2", {"pp": 2}),
    ("pp_partition: [31, 30]", {"pp_layers": (31, 30)}),
    ("max_seq_len: 8192", {"context": 8192}),
    ("dtype: float16", {"dtype": "fp16"}),
    ("kv_cache_config: {tokens_per_block: 64}", {"block_size": 64}),
    ("kv_cache_config: {dtype: bfloat16}", {"kv_dtype": "bfloat16"}),
    ("kv_cache_config: {enable_block_reuse: yes}", {"prefix_caching": True}),
    ("kv_cache_config: {max_tokens: 65536}", {"settings": {"max_tokens": "65536"}}),
    (
        "kv_cache_config: {max_attention_window: [512, 512, 32768]}",
        {"settings": {"max_attention_window": "512,512,32768"}},
    ),
    ("max_seq_len: null\nmax_batch_size: 8", {"max_num_seqs": 8}),
    ("tensor_parallel_size: 8\nmoe_tensor_parallel_size: 2", {"tp": 8, "ep": 4}),
    (
        TWO_MODELS,
        {"draft": "org/e", "settings": {"max_draft_len": "4", "eagle3_one_model": "false"}},
    ),
    (
        "speculative_config: {decoding_type: Draft_Target, max_draft_len: 4, speculative_model_dir: org/d}",
        {"draft": "org/d"},
    ),
    ("speculative_config: {decoding_type: NGram, max_draft_len: 4}", {}),
]


@pytest.mark.parametrize(("text", "asked"), KEYS)
def test_a_key_asks_for_one_thing(text: str, asked: dict[str, Any], read: Read) -> None:
    served = read(text)
    assert served.asked == asked
    assert (served.unmodelled, served.unknown) == ((), ())


MORE, EITHER = "it takes more than planned", "it may take more or less than planned"


@pytest.mark.parametrize(
    ("text", "what", "direction"),
    [
        # create_py_executor: blocks of max_num_tokens, or no block reuse.
        ("attn_backend: VANILLA", "blocks and pool are counted as with TRTLLM's kernels", EITHER),
        # try_prepare_estimation: with a cp_type there is no run.
        ("cp_config: {cp_type: HELIX}", "the pool is counted as sized by a run", EITHER),
        # get_mla_context_workspace_kv_len_cap.
        ("enable_chunked_prefill: true", "latent attention in fp8", EITHER),
        ("sampler_type: TRTLLMSampler", "what a sampler in C++ keeps", MORE),
        ("gather_generation_logits: true", "the logits of generated tokens", MORE),
        ("allreduce_strategy: NCCL_SYMMETRIC", "what communication takes", EITHER),
        ("env_overrides: {A: 1}", "what its variables change", EITHER),
        ("multimodal_config: {encoder_cache_max_bytes: 1GiB}", "a tower of images", EITHER),
        ("encoder_max_num_tokens: 16384", "a tower of images", EITHER),
        ("enable_sleep: true", "its buffers", MORE),
        ("moe_config: {backend: TRITON}", "as a kernel lays them out", EITHER),
        ("sparse_attention_config: {index_head_dim: 64}", "by the model's own config", EITHER),
        ("sparse_attention_config: {indexer_kv_dtype: fp8}", "by the model's own config", EITHER),
        ("sparse_attention_config: {skip_indexer_for_short_seqs: false}", "CUDA graphs", EITHER),
        ("speculative_config: {decoding_type: SA, max_draft_len: 4}", "its buffers", MORE),
        ("speculative_config: {decoding_type: DSpark, max_draft_len: 4}", "what drafts has weights", MORE),
        (
            "speculative_config: {decoding_type: MTP, max_draft_len: 1, use_rejection_sampling: true}",
            "for each request and row of the vocabulary",
            MORE,
        ),
        (
            "speculative_config: {decoding_type: MTP, max_draft_len: 1, enable_penalty: true}",
            "for each request and row of the vocabulary",
            MORE,
        ),
        (
            "speculative_config: {decoding_type: MTP, max_draft_len: 1, max_concurrency: 8}",
            "CUDA graphs",
            EITHER,
        ),
    ],
)
def test_what_no_plan_counts_is_said(text: str, what: str, direction: str, read: Read) -> None:
    (told,) = read(text).unmodelled
    assert what in told
    assert told.endswith(f": {direction}")


@pytest.mark.parametrize(
    "text",
    [
        "attn_backend: TRTLLM",
        "enable_chunked_prefill: false",
        "sampler_type: TorchSampler",
        "allreduce_strategy: AUTO",
        "moe_config: {backend: AUTO}",
        "sparse_attention_config: {algorithm: skip_softmax, target_sparsity: 0.5}",
        "sparse_attention_config: {algorithm: dsa, use_cute_dsl_topk: true, q_split_threshold: 4096}",
        "kv_cache_config: {kv_pool_rebalance_check_interval: 20}",
        "speculative_config: {decoding_type: AUTO}",
        "generation_config: auto\nmax_stats_len: 10",
    ],
)
def test_what_decides_no_bytes_is_ignored(text: str, read: Read) -> None:
    served = read(text)
    assert (served.asked, served.unmodelled, served.unknown) == ({}, (), ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_beam_width: 4", "max_beam_width: 4: kvplan plans one beam"),
        ("context_parallel_size: 2", "context_parallel_size: 2: kvplan does not know"),
        ("kv_cache_config: {max_gpu_total_bytes: 1000}", "give --kv-memory"),
        ("kv_cache_compression_config: {algorithm: triattention}", "kvplan does not know which tokens"),
        ("kv_cache_config: {max_tokes: 5}", "does not know kv_cache_config.max_tokes, which may decide"),
        ("kv_cache_config: {dtype: int8}", "kv_cache_config.dtype 'int8': kvplan has no layout"),
        ("kv_cache_config: {free_gpu_memory_fraction: 1.5}", "is not above 0 and at most 1"),
        ("enable_attention_dp: maybe", "enable_attention_dp 'maybe' is not one of true, false"),
        ("max_batch_size: many", "max_batch_size 'many' is not a whole number"),
        ("speculative_config: {max_draft_len: 3}", "speculative_config has no decoding_type"),
        ("speculative_config: {decoding_type: Eagle, max_draft_len: 3}", "has no speculative_model_dir"),
        ("speculative_config: {decoding_type: Eagle, speculative_model: m}", "has no max_draft_len"),
        (
            "tensor_parallel_size: 8\nmoe_tensor_parallel_size: 3\nmoe_expert_parallel_size: 2",
            "moe_tensor_parallel_size 3 and moe_expert_parallel_size 2 are not the 8 ranks",
        ),
        ("- a\n- b", "holds no keys"),
        ("max_batch_size: 1\nmax_batch_size: 2", "extra.yaml:2: max_batch_size stands twice"),
        ("backend: !!python/object:os.system x", "extra.yaml:1: the tag"),
        ("a: &a [*a]", "an alias refers to the value that it is part of"),
        ("? [a, b]\n: c", "a key is not text"),
        ("a: [", "not YAML"),
        ("", "the file is empty"),
    ],
)
def test_what_would_make_the_plan_wrong_is_refused_by_name(text: str, said: str, read: Read) -> None:
    with pytest.raises(OptionsError) as refused:
        read(text)
    assert said in str(refused.value)


def test_values_that_aliases_multiply_are_bounded(read: Read) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 7)]
    with pytest.raises(OptionsError, match="more than 100000 values, aliases expanded"):
        read("\n".join(lines))


def test_a_file_that_is_absent_is_asked_for_by_name() -> None:
    command = ["trtllm-serve", "org/m", "--extra_llm_api_options", "no/such.yaml"]
    with pytest.raises(OptionsError, match=r"--extra_llm_api_options no/such\.yaml: there is no such file"):
        read_command(command)


def test_a_load_balancer_may_have_a_file_of_its_own(read: Read, tmp_path: Path) -> None:
    """The form of generate_eplb_config.py, with an assignment of slots for each layer."""
    balancer = tmp_path / "moe_load_balancer.yaml"
    balancer.write_text(
        "initial_global_assignments:\n  3: [138, 81, 60]\n  4: [24, 243, 72]\n"
        "num_slots: 288\nlayer_updates_per_iter: 0\n"
    )
    served = read(f"moe_config:\n  load_balancer: {balancer}\n")
    assert served.asked == {"settings": {"num_slots": "288"}}
    assert served.ignored == (
        "moe_config.load_balancer.initial_global_assignments",
        "moe_config.load_balancer.layer_updates_per_iter: 0",
    )


def test_a_key_that_no_one_knows_is_listed(read: Read) -> None:
    assert read("new_thing: {a: 1}").unknown == ("new_thing.a: 1",)


def test_a_file_and_an_option_that_differ_contradict_each_other(read: Read) -> None:
    with pytest.raises(OptionsError, match="--tp_size 4 and tensor_parallel_size: 8 contradict each other"):
        read("tensor_parallel_size: 8", "--tp_size 4")
    assert read("tensor_parallel_size: 8", "--tp_size 8").asked == {"tp": 8}


def test_the_written_command_names_the_file_and_repeats_nothing_of_it(read: Read, tmp_path: Path) -> None:
    served = read("tensor_parallel_size: 8\nenable_attention_dp: true\n", "--max_seq_len 8192 --port 8000")
    line = write_command("trtllm", served.model, served.asked, served.kept)
    assert line == f"trtllm-serve org/m --max_seq_len 8192 --port 8000 --config {tmp_path / 'extra.yaml'}"


def test_every_row_is_of_a_file() -> None:
    names = [name for row in IN_FILE for name in row.names]
    assert len(names) == len(set(names))
    for row in IN_FILE:
        assert not any(name.startswith("-") for name in row.names)
        assert isinstance(row, Harmless) or row.takes in ("value", "json")
    assert {type(row) for row in IN_FILE} >= {Asks, Harmless, LeftOut, Refused}

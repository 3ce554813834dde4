"""
vLLM's options: engine/arg_utils.py, config/*.py and utils/argparse_utils.py of vLLM 0.33.0.

Options that 0.11 to 0.30 had and 0.33 has not are read, too.
"""

from kvplan.serving.harmless import VLLM_FLAGS, VLLM_LISTS, VLLM_OBJECTS, VLLM_VALUES
from kvplan.serving.rows import asks, harmless, less, model, more, setting
from kvplan.serving.table import Dialect, Keys, Row, Switch
from kvplan.serving.values import (
    COUNT_TEXT,
    LAYERS,
    MODEL_DTYPE,
    NAME,
    RATIO,
    Value,
    among,
    auto,
    cache_format,
    choice,
    counted,
    name_of,
    positive,
    scaled,
    sized,
)
from kvplan.serving.vllm_configs import (
    EPLB,
    LIMITS,
    PROCESSOR,
    REDUNDANT,
    SPECULATIVE,
    SPECULATIVE_TOKENS,
    gather,
    spread,
    stands_for,
)
from kvplan.serving.vllm_graphs import COMPILATION, LEVEL
from kvplan.serving.vllm_left_out import LEFT_OUT, REFUSED
from kvplan.serving.vllm_variables import VARIABLES

# utils/argparse_utils.py, human_readable_int.
_SUFFIXES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "K": 2**10,
    "M": 2**20,
    "G": 2**30,
    "T": 2**40,
}
_scaled = scaled(_SUFFIXES, fractions="kmgt", exact=False)
# config/cache.py, CacheDType; what is not here (turboquant, octave, ultraquant) has no layout in kvplan.
_KV = cache_format(
    "fp8 fp8_e4m3 fp8_e5m2 fp8_ds_mla nvfp4_ds_mla float16 bfloat16 "
    "int4_per_token_head int8_per_token_head fp8_per_token_head nvfp4",
    {"fp16": "float16", "bf16": "bfloat16"},
    {"nvfp4_4over6": "nvfp4"},
)
_STATE = name_of("auto float32 float16 bfloat16")


_ASKED: tuple[Row, ...] = (
    model("--model"),
    asks("--tensor-parallel-size -tp", "tp"),
    asks("--pipeline-parallel-size -pp", "pp"),
    asks("--data-parallel-size -dp VLLM_DP_SIZE", "dp"),
    asks("--decode-context-parallel-size -dcp", "dcp"),
    asks("--prefill-context-parallel-size -pcp", "settings.prefill_context_parallel_size", COUNT_TEXT),
    asks("--nnodes -n", "nodes"),
    asks(
        "--max-model-len",
        "context",
        counted(auto(_scaled, "auto", "-1")),
        less("vLLM takes the longest context that fits, the plan the model's longest"),
    ),
    asks("--max-num-batched-tokens", "max_num_batched_tokens", counted(_scaled)),
    asks("--max-num-seqs", "max_num_seqs"),
    asks("--max-num-active-seqs", "settings.max_num_active_seqs", COUNT_TEXT),
    asks("--watermark", "settings.watermark", RATIO),
    setting("--scheduler-reserve-full-isl", "scheduler_reserve_full_isl", "--no-scheduler-reserve-full-isl"),
    asks("--dtype", "dtype", MODEL_DTYPE),
    asks("--block-size", "block_size"),
    asks("--gpu-memory-utilization --device-memory-utilization", "utilization", RATIO),
    asks("--kv-cache-memory-bytes", "kv_memory", sized(_scaled)),
    asks("--kv-cache-dtype", "kv_dtype", _KV),
    asks("--num-gpu-blocks-override", "settings.num_gpu_blocks_override", COUNT_TEXT),
    asks("--mamba-cache-dtype", "settings.mamba_cache_dtype", _STATE),
    asks("--mamba-ssm-cache-dtype", "settings.mamba_ssm_cache_dtype", _STATE),
    asks("--mamba-cache-mode", "settings.mamba_cache_mode", name_of("none align")),
    asks(
        "--speculative-config.num_speculative_tokens --spec-tokens --num-speculative-tokens",
        SPECULATIVE_TOKENS,
        COUNT_TEXT,
    ),
    asks("--spec-method", f"{SPECULATIVE}.method", NAME),
    asks("--spec-model --speculative-model", f"{SPECULATIVE}.model", NAME),
    Keys(names=("--speculative-config", "-sc"), keyword=SPECULATIVE),
    Switch(
        names=("--enable-prefix-caching",),
        against=("--no-enable-prefix-caching", "--disable-prefix-caching"),
        keyword="prefix_caching",
        on=True,
        off=False,
    ),
    setting(
        "--disable-hybrid-kv-cache-manager",
        "hybrid_manager",
        "--no-disable-hybrid-kv-cache-manager --enable-hybrid-kv-cache-manager",
        on="false",
    ),
    # -O0 neither compiles nor captures: OPTIMIZATION_LEVEL_00 in config/vllm.py.
    setting("--enforce-eager -O0", "enforce_eager", "--no-enforce-eager"),
    setting("--language-model-only", "language_model_only", "--no-language-model-only"),
    Keys(names=("--limit-mm-per-prompt",), keyword=LIMITS, whole=f"settings.{LIMITS}"),
    Keys(names=("--mm-processor-kwargs",), keyword=PROCESSOR, whole=f"settings.{PROCESSOR}"),
    asks("--mm-encoder-tp-mode", "settings.mm_encoder_tp_mode", name_of("weights data")),
    # The flag of 0.11 and older.
    Switch(
        names=("--enable-multimodal-encoder-data-parallel",),
        keyword="settings.mm_encoder_tp_mode",
        on="data",
        off="weights",
    ),
    setting("--skip-mm-profiling", "skip_mm_profiling", "--no-skip-mm-profiling"),
    asks("--max-cudagraph-capture-size", f"{COMPILATION}.max_cudagraph_capture_size", COUNT_TEXT),
    asks(
        "--cudagraph-capture-sizes --cuda-graph-sizes -cc.cudagraph_capture_sizes "
        "--compilation-config.cudagraph_capture_sizes",
        f"{COMPILATION}.cudagraph_capture_sizes",
        NAME,
        takes="values",
    ),
    asks("-cc.cudagraph_mode --compilation-config.cudagraph_mode", f"{COMPILATION}.cudagraph_mode", NAME),
    Keys(names=("-cc", "--compilation-config"), keyword=COMPILATION),
    Switch(names=("-O1",), keyword=f"{COMPILATION}.cudagraph_mode", on="PIECEWISE", off="NONE"),
    asks("--optimization-level -O", LEVEL, choice({"0": "0", "1": "1", "2": None, "3": None})),
    asks("--performance-mode", "settings.performance_mode", name_of("balanced interactivity throughput")),
    setting("--async-scheduling", "async_scheduling", "--no-async-scheduling"),
    asks(
        "--all2all-backend VLLM_ALL2ALL_BACKEND",
        "settings.all2all_backend",
        among("allgather_reducescatter deepep_high_throughput deepep_low_latency"),
        more("buffers for this exchange of experts' tokens are not counted"),
    ),
    asks("VLLM_DEEPEP_BUFFER_SIZE_MB", "settings.deepep_buffer_size_mb", COUNT_TEXT),
    setting("--enable-expert-parallel -ep", "enable_expert_parallel", "--no-enable-expert-parallel"),
    setting("--enable-eplb", "enable_eplb", "--no-enable-eplb"),
    setting("--enable-lora", "enable_lora", "--no-enable-lora"),
    setting("--fully-sharded-loras", "fully_sharded_loras", "--no-fully-sharded-loras"),
    asks("--max-loras", "settings.max_loras", COUNT_TEXT),
    asks("--max-lora-rank", "settings.max_lora_rank", COUNT_TEXT),
    asks("--max-cpu-loras", "settings.max_cpu_loras", COUNT_TEXT),
    asks("--lora-dtype", "settings.lora_dtype", name_of("auto float16 bfloat16")),
    asks("--cpu-offload-gb", "settings.cpu_offload_gb", Value(read=auto(positive, "0", "0.0"))),
    asks("--eplb-config.num_redundant_experts --num-redundant-experts", REDUNDANT, NAME),
    Keys(names=("--eplb-config",), keyword=EPLB),
    asks(
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN",
        "settings.allow_long_max_model_len",
        choice({"1": "true", "0": "false"}),
    ),
    asks("VLLM_USE_V2_MODEL_RUNNER", "settings.use_v2_model_runner", choice({"1": "true", "0": "false"})),
    # distributed/utils.py, get_pp_indices.
    asks("VLLM_PP_LAYER_PARTITION", "pp_layers", LAYERS),
)


_HARMLESS: tuple[Row, ...] = (
    harmless(VLLM_FLAGS, "nothing"),
    harmless(VLLM_VALUES, "value"),
    harmless(VLLM_LISTS, "values"),
    harmless(VLLM_OBJECTS, "json"),
    harmless("--hf-token", "optional"),
    harmless("--lora-modules", "values"),
)


def _negate(name: str) -> tuple[str, ...]:
    """Return what turns a flag off: utils/argparse_utils.py, EnableDisableAction."""
    if not name.startswith("--"):
        return ()
    off = [f"--no-{name[2:]}"]
    for prefix, inverse in (("--enable-", "--disable-"), ("--disable-", "--enable-")):
        if name.startswith(prefix):
            off.append(inverse + name.removeprefix(prefix))
    return tuple(off)


VLLM = Dialect(
    engine="vllm",
    rows=(*_ASKED, *LEFT_OUT, *REFUSED, *VARIABLES, *_HARMLESS),
    head=lambda model: ["vllm", "serve", model],
    abbreviates=True,
    variables="VLLM_",
    negate=_negate,
    gather=gather,
    spread=spread,
    stands_for=stands_for,
)

"""
vLLM's options: engine/arg_utils.py, config/*.py and utils/argparse_utils.py of vLLM 0.33.0.

Options that 0.11 to 0.30 had and 0.33 has not are read, too.
"""

from kvplan.serving.harmless import VLLM_FLAGS, VLLM_LISTS, VLLM_OBJECTS, VLLM_VALUES
from kvplan.serving.rows import asks, either, harmless, left_out, less, model, more, refused, setting
from kvplan.serving.table import Dialect, Keys, Row, Switch
from kvplan.serving.values import (
    COUNT_TEXT,
    LAYERS,
    MODEL_DTYPE,
    NAME,
    RATIO,
    Value,
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
    asks("--data-parallel-size -dp", "dp"),
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
    setting("--async-scheduling", "async_scheduling", "--no-async-scheduling"),
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
    asks("VLLM_USE_V2_MODEL_RUNNER", "settings.use_v2_model_runner", choice({"1": "true", "0": "false"})),
    # distributed/utils.py, get_pp_indices.
    asks("VLLM_PP_LAYER_PARTITION", "pp_layers", LAYERS),
)


_GRAPHS = either("the memory of CUDA graphs is estimated for vLLM's own choice of them")
_FEWER_SITES = less("buffers of adapters are counted beside all linear layers of the model")
_LORA = more("of adapters the buffers beside the language model's linear layers are counted alone")
_ALL_OFFLOADED = either("of offloading --cpu-offload-gb is counted, of the first parameters of layers")
_MEDIA = either("the encoder of images, audio and video is not counted so")
_TIER = more("a tier in the host's memory (kvplan tiers --host); its buffers on the GPU are not counted")
_EXPORTS = more("a prefill that exports states keeps one more: give --set {}")
_STATES = either("states are counted at their usual size and number")

_LOADERS = (
    "auto",
    "pt",
    "safetensors",
    "instanttensor",
    "npcache",
    "dummy",
    "tensorizer",
    "runai_streamer",
    "sharded_state",
    "fastsafetensors",
    "hf",
    "mistral",
    "runai_streamer_sharded",
    "modelexpress",
)
"""Formats that load weights as the checkpoint stores them."""

_LEFT_OUT: tuple[Row, ...] = (
    harmless("-O3", "nothing"),
    left_out("VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS", _GRAPHS, "1"),
    left_out("--cpu-offload-params", _ALL_OFFLOADED, takes="values"),
    left_out("--offload-backend", _ALL_OFFLOADED, "auto", "uva"),
    left_out("--offload-group-size", less("all weights are counted on the GPU"), "0"),
    left_out(
        "--quantization -q",
        either("weights are counted as the checkpoint stores them, or as --weight-dtype says"),
    ),
    left_out(
        "--quantization-config", either("weights are counted as the checkpoint stores them"), takes="json"
    ),
    left_out("--load-format", either("weights are counted as the checkpoint stores them"), *_LOADERS),
    left_out("--hf-overrides", either("the model's config is taken as it is published"), takes="json"),
    left_out("--hf-config-path", either("the model's config is taken as it is published")),
    left_out("--rope-scaling", either("the model's config is taken as it is published"), takes="json"),
    left_out("--enable-tower-connector-lora --enable-lora-bias", _LORA, takes="nothing"),
    left_out("--lora-extra-vocab-size", _LORA, "0"),
    left_out("--specialize-active-lora", more("further CUDA graphs are not counted"), takes="nothing"),
    left_out("--enable-moe-shared-loras", _FEWER_SITES, takes="nothing"),
    left_out("--lora-target-modules", _FEWER_SITES, takes="values"),
    left_out(
        "--enable-elastic-ep", either("expert weights are counted on a fixed number of GPUs"), takes="nothing"
    ),
    left_out("--dcp-q-replicate", more("copies of the query projections are not counted"), takes="nothing"),
    left_out(
        "--performance-mode", either("vLLM sets its tokens in flight and CUDA graphs by it"), "balanced"
    ),
    left_out("--ubatch-size", more("a second micro-batch's activations are not counted"), "0", "1"),
    left_out("--enable-return-routed-experts", more("its buffers are not counted"), takes="nothing"),
    left_out(
        "--no-swa-bounded-replay", more("windows are counted as replayed within their bound"), takes="nothing"
    ),
    left_out("--enable-dbo", more("a second micro-batch's activations are not counted"), takes="nothing"),
    left_out(
        "--kv-transfer-config",
        more("a connector's buffers are not counted, and it may turn off hybrid groups"),
        takes="json",
    ),
    left_out("--ec-transfer-config", more("a connector's buffers are not counted"), takes="json"),
    left_out("--kv-offloading-size", _TIER),
    left_out(
        "--attention-backend",
        either("a backend may force another block: give --set attention_backend=NAME, or --block-size"),
    ),
    left_out("--gdn-prefill-backend", _EXPORTS.format("gdn_prefill_backend=flashinfer"), "triton", "cutedsl"),
    left_out("--kda-prefill-backend", _EXPORTS.format("kda_prefill_backend=flashkda"), "triton"),
    left_out(
        "--attention-config -ac",
        either("a backend may force another block size: see --block-size"),
        takes="json",
    ),
    left_out("VLLM_ATTENTION_BACKEND", either("a backend may force another block size: see --block-size")),
    left_out("VLLM_KV_CACHE_LAYOUT", either("blocks are laid out as vLLM chooses by itself")),
    left_out("--mamba-block-size", _STATES),
    left_out("--use-replayssm", _STATES, takes="nothing"),
    left_out("--enable-mamba-fine-grained-prefix-cache", _STATES, takes="nothing"),
    left_out("--disable-sliding-window", less("vLLM caps the context at the window"), takes="nothing"),
    left_out(
        "--no-enable-chunked-prefill --disable-chunked-prefill",
        more("whole prompts are in flight at once: see --max-num-batched-tokens"),
        takes="nothing",
    ),
    left_out("--disable-chunked-mm-input", more("vLLM may raise the tokens in flight"), takes="nothing"),
    left_out(
        "--runner", either("a model that is not served for text keeps another cache"), "auto", "generate"
    ),
    left_out("--convert", either("a model that is not served for text keeps another cache"), "auto", "none"),
    left_out("--task", either("a model that is not served for text keeps another cache"), "auto", "generate"),
    left_out("--mm-encoder-only", _MEDIA, takes="nothing"),
    left_out("--mm-encoder-tp-mode", _MEDIA, "weights"),
    left_out("--enable-multimodal-encoder-data-parallel", _MEDIA, takes="nothing"),
    left_out("--mm-ipc-gpu-memory-gb", _MEDIA, "0"),
    left_out("--model-impl", either("activations are estimated for vLLM's own model code"), "auto", "vllm"),
    left_out("--diffusion-config -dc", more("a diffusion model's buffers are not counted"), takes="json"),
    left_out("--engram-config", more("its tables are not counted"), takes="json"),
    left_out("--additional-config", either("what a platform reads there is not known"), takes="json"),
)
_REFUSED: tuple[Row, ...] = (
    refused(
        "--config",
        "the file may hold options of memory, and kvplan does not read it: write them into the command",
    ),
    refused(
        "--kv-cache-dtype-skip-layers",
        "leave it out of the command, and give --set kv_cache_dtype_skip_layers=0,1,sliding_window",
        takes="values",
    ),
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
    rows=(*_ASKED, *_LEFT_OUT, *_REFUSED, *_HARMLESS),
    head=lambda model: ["vllm", "serve", model],
    abbreviates=True,
    negate=_negate,
    gather=gather,
    spread=spread,
    stands_for=stands_for,
)

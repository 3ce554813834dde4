"""
What no plan with SGLang counts, and what it refuses: srt/arg_groups/fields/*.py of SGLang 0.5.23.

Pools are sized by what weights and the share of the card leave, so that an option is told here where it
decides weights, the share, pools, how many requests run, or buffers that outlive a batch. Activations of a
batch have to fit in what SGLang keeps back, whatever decides them.
"""

from kvplan.serving.rows import either, left_out, less, more, refused
from kvplan.serving.table import Row

_GRAPHS = either("the memory of CUDA graphs is estimated for SGLang's own choice of them")
_DRAFT_ROWS = either("a draft's layers are counted as those of the model are stored")
_CPU = less("all weights are counted on the GPU")
_EXPERTS = more("copies of experts are not counted")
_WEIGHTS = either("weights are counted as the checkpoint stores them, or as --weight-dtype says")
_ROLE = either("a server for one phase keeps other buffers")
_TRANSFERRED = more("requests that are still received, their windows and states, are not counted")
_MEDIA = either("the encoder of images, audio and video is not counted so")
_PAGES = either("a backend may force another page size: see --page-size")
_STATES = either("states are counted at their usual size and number")
_HOST = more("buffers of a further cache tier on the GPU are not counted")
_NO_GRAPHS = less("without CUDA graphs SGLang needs less beside its pools")
_COMMUNICATION = either("what communication takes is known from start-ups without it")
_LAYOUT = either("weights are counted as the checkpoint stores them, and not as a kernel lays them out")
_SHARED = either("shared experts and dense MLPs are counted as SGLang cuts them unless told")
_RETURNED = more("buffers of what it returns or records are not counted")
_PROBABILITIES = more("the draft's probabilities for all requests in CUDA graphs are not counted")
_ELASTIC = more("buffers and experts of ranks that may join are not counted")
_RADIX = either("the radix cache may be off then, and is counted")
_VERIFIED = either("as many drafted tokens are verified as it is told at start")
_SPLITS = either("partial sums of its attention kernel are not counted")
_WINDOWS = either("windows are counted as SGLang keeps them unless told")
_IMAGES = either("room for images is counted as for SGLang's own way to bring them")

_LOADERS = (
    "auto",
    "safetensors",
    "pt",
    "npcache",
    "dummy",
    "sharded_state",
    "presharded",
    "fastsafetensors",
    "instanttensor",
    "mistral",
    "runai_streamer",
)
"""Formats that load weights as the checkpoint stores them."""
_OFF = ("0", "false", "False")

LEFT_OUT: tuple[Row, ...] = (
    # handle_other_validations in arg_groups/serving_hook.py.
    left_out("--debug-tensor-dump-output-folder --msprobe-dump-config", _NO_GRAPHS),
    left_out("--cuda-graph-config --cuda-graph-backend-decode --cuda-graph-backend-prefill", _GRAPHS),
    left_out("--cuda-graph-max-seq-len-prefill --cuda-graph-prefill-max-context --context-bucket", _GRAPHS),
    left_out(
        "--enable-piecewise-cuda-graph --enable-torch-compile --disable-cuda-graph-padding "
        "--debug-cuda-graph",
        _GRAPHS,
        takes="nothing",
    ),
    left_out("--speculative-draft-kv-cache-dtype", _DRAFT_ROWS, "auto"),
    # is_dflash_fa4_kv in mem_cache/kv_cache_dtype.py: FlashAttention 4 stores a DFlash draft otherwise.
    left_out(
        "--speculative-draft-attention-backend",
        _DRAFT_ROWS,
        *("flashinfer", "fa3", "triton", "ascend", "trtllm_mha", "intel_xpu"),
    ),
    left_out("--enable-multi-layer-eagle", _DRAFT_ROWS, takes="nothing"),
    left_out("--speculative-adaptive", _VERIFIED, takes="nothing"),
    left_out("--speculative-adaptive-config", _VERIFIED),
    left_out("--speculative-draft-model-quantization", _WEIGHTS),
    left_out("--speculative-draft-load-format", _WEIGHTS, *_LOADERS),
    left_out("--speculative-token-map", less("the draft's head is counted whole")),
    left_out("--speculative-use-rejection-sampling", _PROBABILITIES, takes="nothing"),
    left_out("--decoupled-spec-role", either("a draft is counted on the GPUs of its model"), "null"),
    left_out("--offload-group-size", _CPU, "-1", "0"),
    left_out("--ple-offload-embedding --enable-paged-experts", _CPU, takes="nothing"),
    left_out("--kt-weight-path", _CPU),
    left_out("--quantization", _WEIGHTS),
    left_out("--modelopt-quant", _WEIGHTS),
    left_out("--load-format", _WEIGHTS, *_LOADERS),
    left_out("--quantize-and-serve", _WEIGHTS, takes="nothing"),
    left_out("--modelopt-checkpoint-restore-path", _WEIGHTS),
    # process_weights_after_loading in layers/quantization: padded, interleaved or dequantised by kernel.
    left_out("--moe-runner-backend --speculative-moe-runner-backend --fp4-gemm-backend", _LAYOUT, "auto"),
    left_out("--flashinfer-mxfp4-moe-precision", _LAYOUT, "default"),
    left_out(
        "--enable-flashinfer-cutlass-moe --enable-flashinfer-cutedsl-moe --enable-flashinfer-trtllm-moe "
        "--enable-flashinfer-mxfp4-moe --enable-triton-kernel-moe",
        _LAYOUT,
        takes="nothing",
    ),
    left_out("--enable-nvidia-megakernel --enable-amd-monokernel", _LAYOUT, takes="nothing"),
    left_out("--monokernel-backend", _LAYOUT),
    left_out("--shared-experts-tp-size", _SHARED),
    left_out(
        "--enable-shared-experts-attn-tp --enable-dense-mlp-attn-tp --enforce-shared-experts-fusion "
        "--enable-waterfill",
        _SHARED,
        takes="nothing",
    ),
    left_out(
        "--weight-cache-mode",
        more("the CUDA context of the process that holds the weights is not counted"),
        "off",
    ),
    left_out(
        "--experts-shared-outer-loras",
        either("slots of adapters are counted with every expert"),
        takes="nothing",
    ),
    left_out("--json-model-override-args", either("the model's config is taken as it is published"), "{}"),
    left_out("--enable-eplb", _EXPERTS, takes="nothing"),
    left_out(
        "--moe-dp-size --moe-data-parallel-size",
        either("expert weights are counted once for each replica"),
        "1",
    ),
    left_out("--elastic-ep-backend", _ELASTIC, "none"),
    left_out("--elastic-ep-initial-size --max-ep-size", _ELASTIC),
    left_out("--disaggregation-mode", _ROLE, "null"),
    # compute_swa_request_cap in model_executor/pool_configurator.py.
    left_out("--disaggregation-decode-extra-slots", _TRANSFERRED, "0"),
    left_out("--flashinfer-allreduce-fusion-backend", _COMMUNICATION),
    left_out(
        "--enable-flashinfer-allreduce-fusion --enable-torch-symm-mem --enable-mscclpp --enable-nccl-nvls "
        "--enable-scattered-sconv --enable-megamoe-for-layernorm-sp --pre-warm-nccl",
        _COMMUNICATION,
        takes="nothing",
    ),
    # SGLANG_SYMM_MEM_PREALLOC_GB_SIZE: prealloc_symmetric_memory_pool, after CUDA graphs are captured.
    left_out("--enable-symm-mem", more("its 4 GiB of symmetric memory are not counted"), takes="nothing"),
    left_out("--speculative-moe-a2a-backend", more("its communication buffers are not counted"), "none"),
    left_out(
        "--pp-max-micro-batch-size",
        less("the requests of each stage's micro batch are not bounded by it"),
    ),
    left_out(
        "--enable-return-hidden-states --enable-return-indexer-topk --enable-return-routed-experts",
        _RETURNED,
        takes="nothing",
    ),
    left_out("--return-hidden-states-mode --expert-distribution-recorder-mode", _RETURNED),
    left_out("--expert-distribution-recorder-buffer-size", _RETURNED),
    left_out("--expert-balancedness-report-mode", _RETURNED, "off"),
    left_out("--kv-canary", _RETURNED, "none"),
    left_out(
        "--enable-return-aux-hidden-states",
        less("a draft that --speculative-algorithm names is counted, and none is loaded"),
        takes="nothing",
    ),
    left_out("--enable-fp32-lm-head", more("logits in float32 are not counted"), takes="nothing"),
    left_out("--enable-deterministic-inference", _RADIX, takes="nothing"),
    left_out("--rl-on-policy-target", _RADIX),
    left_out(
        "--enable-mis",
        either("the radix cache and CUDA graphs are off then, and are counted"),
        takes="nothing",
    ),
    left_out("--triton-attention-num-kv-splits", _SPLITS, "8"),
    left_out("--triton-attention-split-tile-size", _SPLITS),
    left_out("--mm-feature-transport SGLANG_MM_FEATURE_CACHE_MB", _IMAGES),
    left_out("SGLANG_VLM_CACHE_SIZE_MB", _IMAGES, "100"),
    left_out(
        "--mm-attention-backend",
        more("the workspace of the encoder's kernel is not counted"),
        *("sdpa", "fa3", "fa4", "triton_attn", "ascend_attn", "aiter_attn", "amx_attn", "xpu_attn"),
    ),
    # environ.py: off unless set.
    left_out(
        "SGLANG_ENABLE_POST_CAPTURE_KV_SIZING",
        either("pools are counted as they are sized before CUDA graphs"),
        *_OFF,
    ),
    left_out("--dwdp-size", more("weights in flight are not counted"), "1"),
    left_out("--encoder-only --language-only --language-model-only", _MEDIA, takes="nothing"),
    left_out("--enable-multimodal --mm-enable-dp-encoder", _MEDIA, takes="nothing"),
    left_out("--attention-backend --decode-attention-backend --prefill-attention-backend", _PAGES),
    left_out("--enable-flashinfer-mla", _PAGES, takes="nothing"),
    left_out("--dsa-prefill-backend --dsa-decode-backend --dsv4-attn-backend", _PAGES),
    # Names of before 0.5.10 or so: docs/basic_usage/deepseek_v32.md and llama4.md.
    left_out("--nsa-prefill-backend --nsa-decode-backend --nsa-prefill --nsa-decode", _PAGES),
    left_out("--hybrid-kvcache-ratio", either("the pool of windowed layers is counted by its ratio")),
    left_out(
        "--enable-linear-replayssm --enable-linear-replayssm-spec --enable-int8-mamba-checkpoint",
        _STATES,
        takes="nothing",
    ),
    left_out("SGLANG_MAMBA_CONV_DTYPE", _STATES, "bfloat16"),
    left_out("SGLANG_DSV4_COMPRESS_STATE_DTYPE", _STATES, "float32", "fp32"),
    left_out("SGLANG_OPT_MAMBA_SKIP_DECODE_LOCK", _STATES, *_OFF),
    # supports_mamba_cache_extra_buffer in arg_groups/overrides.py: another kernel keeps no buffer.
    left_out("--linear-attn-backend", _STATES, "triton"),
    left_out("--qsa-indexer-dtype", either("indexer keys are counted in the usual dtype"), "auto"),
    left_out(
        "--enable-deepseek-v4-fp4-indexer",
        either("indexer keys are counted in the usual dtype"),
        takes="nothing",
    ),
    left_out(
        "--enable-unified-memory --enable-page-major-kv-layout",
        either("pools are counted as split at start"),
        takes="nothing",
    ),
    left_out(
        "--enable-hierarchical-cache --enable-hicache --enable-lmcache --enable-flexkv",
        _HOST,
        takes="nothing",
    ),
    left_out("--enable-hisparse --enable-unified-cache-external-linker", _HOST, takes="nothing"),
    left_out("--radix-cache-backend", _HOST),
    left_out("--swa-prefix-tails", either("the pool of windowed layers is counted by its ratio")),
    left_out(
        "--enable-encoder-swa-bounded-replay --enable-decoder-swa-bounded-replay", _WINDOWS, takes="nothing"
    ),
    left_out("SGLANG_SWA_EVICTION_INTERVAL", _WINDOWS, "128"),
    left_out(
        "--is-embedding", either("a model that is not served for text keeps another cache"), takes="nothing"
    ),
    left_out("--dllm-algorithm", more("a diffusion model's buffers are not counted")),
    left_out(
        "--enable-two-batch-overlap --enable-pdmux",
        more("a second batch's activations are not counted"),
        takes="nothing",
    ),
    # Of before 0.5.10 or so: the tp ranks of an attention group share its prompts, and not its heads.
    left_out(
        "--enable-nsa-prefill-context-parallel",
        more("each rank has attention's weights whole then, and its share of them is counted"),
        takes="nothing",
    ),
    left_out(
        "--model-impl", either("activations are estimated for SGLang's own model code"), "auto", "sglang"
    ),
)
_GROUPS = (
    "attention on fewer ranks than the experts is not a plan that kvplan makes; "
    "leave it out to plan replicas of tp GPUs each"
)
REFUSED: tuple[Row, ...] = (
    refused(
        "--config",
        "the file may hold options of memory, and kvplan does not read it: write them into the command",
    ),
    refused("--attn-cp-size --attention-context-parallel-size", _GROUPS, "1"),
    refused("--enable-prefill-cp", _GROUPS, takes="nothing"),
    # Of before 0.5: every head had K and V of its own in the cache.
    refused("--disable-mla", "SGLang has no such option any more: leave it out", takes="nothing"),
    refused("--model-type", "kvplan plans a server of a language model", "auto", "llm"),
    refused(
        "--enable-kv-cache-sharding --enable-dsa-cache-layer-split",
        "kvplan does not know what of the cache each rank keeps then: leave it out",
        takes="nothing",
    ),
    refused("--prefill-only-disable-kv-cache", "there is no cache to plan", takes="nothing"),
)

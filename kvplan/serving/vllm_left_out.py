"""The options of vLLM that decide memory, and that no plan counts: what is left out, and what is refused."""

from kvplan.serving.rows import either, harmless, left_out, less, more, refused
from kvplan.serving.table import Row

_GRAPHS = either("the memory of CUDA graphs is estimated for vLLM's own choice of them")
_FEWER_SITES = less("buffers of adapters are counted beside all linear layers of the model")
_LORA = more("of adapters the buffers beside the language model's linear layers are counted alone")
_ALL_OFFLOADED = either("of offloading --cpu-offload-gb is counted, of the first parameters of layers")
_MEDIA = either("the encoder of images, audio and video is not counted so")
_TIER = more("a tier in the host's memory (kvplan tiers --host); its buffers on the GPU are not counted")
_EXPORTS = more("a prefill that exports states keeps one more: give --set {}")
_PIXELS = either(
    "images are counted as large as the model's own processor makes them: give --activation, or leave it out"
)
_CHUNKS = either("a prompt is counted in chunks of --max-num-batched-tokens")
_CODE = either("what is run in place of vLLM's own code is not known")
_KERNELS = either("workspaces and layouts of weights are counted for vLLM's own choice of kernels")
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

LEFT_OUT: tuple[Row, ...] = (
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
    left_out("--mm-ipc-gpu-memory-gb", _MEDIA, "0"),
    left_out("--media-io-kwargs", _PIXELS, "{}", takes="json"),
    left_out("--video-pruning-rate", _MEDIA, "0", "0.0"),
    left_out("--mm-encoder-attn-backend --mm-encoder-attn-dtype", _MEDIA),
    left_out("--enable-mm-embeds", _MEDIA, takes="nothing"),
    left_out("--mm-processor-device", more("what prepares images has memory of its own on the GPU"), "cpu"),
    left_out("--enable-prompt-embeds", more("its buffers are not counted"), takes="nothing"),
    left_out("--kv-sharing-fast-prefill", more("its buffers are not counted"), takes="nothing"),
    left_out(
        "--enable-batch-sharded-sampling",
        less("each rank is counted as drawing for all sequences"),
        takes="nothing",
    ),
    left_out("--max-num-queued-reqs", less("requests beyond it are refused")),
    left_out("--max-num-scheduled-tokens", _CHUNKS),
    left_out("--long-prefill-token-threshold", _CHUNKS, "0"),
    left_out("--long-prefill-token-threshold-adaptive", _CHUNKS, takes="nothing"),
    left_out("--max-num-partial-prefills --max-long-partial-prefills", _CHUNKS, "1"),
    left_out("--moe-backend --linear-backend", _KERNELS, "auto"),
    left_out("--kernel-config", _KERNELS, "{}", takes="json"),
    left_out("--model-class-overrides", _CODE, "{}", takes="json"),
    left_out("--scheduler-cls --worker-extension-cls", _CODE, ""),
    left_out("--worker-cls", _CODE, "auto"),
    left_out("--override-attention-dtype", either("attention is counted in the model's dtype")),
    left_out("--model-impl", either("activations are estimated for vLLM's own model code"), "auto", "vllm"),
    left_out("--diffusion-config -dc", more("a diffusion model's buffers are not counted"), takes="json"),
    left_out("--engram-config", more("its tables are not counted"), takes="json"),
    left_out("--additional-config", either("what a platform reads there is not known"), takes="json"),
)
REFUSED: tuple[Row, ...] = (
    refused("--device", "kvplan plans the memory of GPUs: leave it out", "auto", "cuda"),
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

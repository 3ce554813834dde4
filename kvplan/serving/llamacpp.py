"""llama.cpp's options: common/arg.cpp of ggml-org/llama.cpp@0c1e57098."""

from kvplan.errors import OptionsError
from kvplan.frozen import FrozenDict
from kvplan.serving.harmless import LLAMACPP_FLAGS, LLAMACPP_VALUES
from kvplan.serving.rows import asks, either, harmless, left_out, less, model, more, refused, setting
from kvplan.serving.slots import FETCHED, OF_DRAFT, PROJECTOR, gather, spread
from kvplan.serving.table import Dialect, Row
from kvplan.serving.values import COUNT_TEXT, NAME, Value, auto, choice, counted, positive, shown, whole
from kvplan.units import MAX_COUNT

_ALL_LAYERS = 99
"""`-ngl 99` is how people write all layers."""

_TYPES = {name: name for name in ("q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1", "bf16")}
_TYPE = choice({"f16": "fp16", "f32": "fp32", **_TYPES})
_FLASH = choice(
    dict.fromkeys(("on", "enabled", "true", "1"), "true")
    | {"auto": None, "-1": None}
    | dict.fromkeys(("off", "disabled", "false", "0"), "false")
)


def _devices(option: str, text: str) -> int:
    """Return how many GPUs a list names."""
    listed = [name.strip() for name in text.split(",")]
    if listed[0] in ("", "-1", "none"):
        raise OptionsError(f"{option} {shown(text)}: without a GPU there is no memory of one to plan")
    return len(listed)


def _gpu_layers(option: str, text: str) -> int | None:
    """Return the layers on GPUs if they may be fewer than all."""
    if text == "0":
        raise OptionsError(f"{option} 0: without a layer on a GPU there is no memory of one to plan")
    if text in ("auto", "all", "-1", "-2"):
        return None
    count = whole(option, text)
    return count if count < _ALL_LAYERS else None


_SWITCH = choice(
    dict.fromkeys(("on", "enabled", "true", "1"), "true")
    | dict.fromkeys(("off", "disabled", "false", "0"), "false")
)
_WHOLE = ("auto", "all", "-1", "-2", str(_ALL_LAYERS), "999")


def _micro_batch(option: str, text: str) -> int:
    """Return n_ubatch; 0 is as many tokens as n_batch, which bounds it."""
    return MAX_COUNT if text == "0" else whole(option, text)


def _proportions(option: str, text: str) -> str:
    """Return the shares of GPUs as written, without those that get none."""
    parts = [part.strip() for part in text.replace("/", ",").split(",")]
    kept = [positive(option, part) for part in parts if part.strip("0.") or not part]
    if not kept:
        raise OptionsError(f"{option} {shown(text)} gives no GPU anything")
    return ",".join(kept)


_DRAFT = more("the weights and the cache of the draft are counted only with --draft MODEL")
_CPU = less("all weights are counted on the GPUs")
_DRAFT_CPU = less("all of the draft is counted on the GPUs")
_FITTED = either("what llama.cpp lowers to fit is not planned: give -c, and all layers to GPUs")
_MEDIA = either("the projector of images and audio is not counted so")
_OTHER = either("a model that is not served for text keeps another cache")
_ASKED: tuple[Row, ...] = (
    model("-m --model -hf -hfr --hf-repo -mu --model-url"),
    asks("-c --ctx-size", "total", counted(auto(whole, "0"))),
    asks("-np --parallel", "slots", counted(auto(whole, "-1"))),
    setting("--kv-unified -kvu", "kv_unified", "--no-kv-unified -no-kvu"),
    asks("--kv-unified-per-slot", "per_slot"),
    asks("-b --batch-size", "batch_tokens"),
    asks("-ub --ubatch-size", "micro_tokens", counted(_micro_batch)),
    asks("-ctk --cache-type-k", "keys", _TYPE),
    asks("-ctv --cache-type-v", "values", _TYPE),
    asks("-fa --flash-attn", "settings.flash_attn", _FLASH),
    setting("--swa-full", "swa_full"),
    asks(
        "-md --spec-draft-model --model-draft -hfd -hfrd --spec-draft-hf --hf-repo-draft",
        "drafts.model",
        NAME,
    ),
    asks("--spec-type", "drafts.type", NAME),
    asks("-ctkd --spec-draft-type-k --cache-type-k-draft", "drafts.keys", _TYPE),
    asks("-ctvd --spec-draft-type-v --cache-type-v-draft", "drafts.values", _TYPE),
    # The last three are of before --spec-draft-n-max.
    asks("--spec-draft-n-max --draft --draft-n --draft-max", "drafts.n_max", COUNT_TEXT),
    asks("-fit --fit", "fitted", _SWITCH),
    asks("-ts --tensor-split", "split", Value(read=_proportions)),
    asks("-dev --device", "devices", Value(read=_devices)),
    asks("-ngl --gpu-layers --n-gpu-layers", "gpu_layers", Value(read=_gpu_layers)),
    asks("CUDA_VISIBLE_DEVICES", "visible", Value(read=_devices)),
    asks(
        "-sm --split-mode", "mode", choice({"layer": None, "none": "none", "row": "row", "tensor": "tensor"})
    ),
)
_LEFT_OUT: tuple[Row, ...] = (
    left_out("-cmoe --cpu-moe", _CPU, takes="nothing"),
    left_out("-ncmoe --n-cpu-moe -ncffn --n-cpu-ffn", _CPU, "0"),
    left_out("-ot --override-tensor", _CPU),
    left_out("-hff --hf-file", either("weights are counted as the model's spec has them")),
    left_out("--rpc", less("GPUs of other machines are not counted")),
    left_out("-ngld --spec-draft-ngl --gpu-layers-draft --n-gpu-layers-draft", _DRAFT_CPU, *_WHOLE),
    left_out("-otd --spec-draft-override-tensor --override-tensor-draft", _DRAFT_CPU),
    left_out("-cmoed --spec-draft-cpu-moe --cpu-moe-draft", _DRAFT_CPU, takes="nothing"),
    left_out("-ncmoed --spec-draft-n-cpu-moe --spec-draft-ncmoe --n-cpu-moe-draft", _DRAFT_CPU, "0"),
    left_out("-devd --spec-draft-device --device-draft", either("a draft is counted on its model's GPUs")),
    # common_fit_params in common/fit.cpp: layers and experts that were not given a place, too.
    left_out("-fitt --fit-target", _FITTED, "1024"),
    left_out("-fitc --fit-ctx", _FITTED, "4096"),
    left_out("GGML_CUDA_ENABLE_UNIFIED_MEMORY", less("all memory is counted on the GPUs"), "0"),
    left_out(
        "-bs --backend-sampling", more("what sampling on a GPU computes is not counted"), takes="nothing"
    ),
    left_out("-mm --mmproj -mmu --mmproj-url", more("the projector of images and audio is not counted")),
    harmless("--no-mmproj --no-mmproj-auto --no-mmproj-offload", "nothing"),
    left_out("-mmdev --mmproj-device MTMD_BACKEND_DEVICE", _MEDIA),
    left_out("--image-min-tokens --image-max-tokens --mtmd-batch-max-tokens", _MEDIA),
    left_out(
        "--lora --lora-scaled --control-vector --control-vector-scaled", more("adapters are not counted")
    ),
    left_out("--control-vector-layer-range", more("adapters are not counted"), takes="values"),
    left_out("--embedding --embeddings --rerank --reranking", _OTHER, takes="nothing"),
    left_out("--pooling", _OTHER, "none"),
    left_out("--override-kv", either("the model's header is taken as it is published")),
)
_FIM = "-c 0 -b 1024 -ub 1024"
_GPT_OSS = "-c 262144 -np 2 -b 32768 -ub 2048"
_PRESETS = {
    "--embd-gemma-default": "-hf ggml-org/embeddinggemma-300M-qat-q4_0-GGUF -c 65536 -np 32 -b 2048 -ub 2048 "
    "--embedding",
    "--fim-qwen-1.5b-default": f"-hf ggml-org/Qwen2.5-Coder-1.5B-Q8_0-GGUF {_FIM}",
    "--fim-qwen-3b-default": f"-hf ggml-org/Qwen2.5-Coder-3B-Q8_0-GGUF {_FIM}",
    "--fim-qwen-7b-default": f"-hf ggml-org/Qwen2.5-Coder-7B-Q8_0-GGUF {_FIM}",
    "--fim-qwen-7b-spec": "-hf ggml-org/Qwen2.5-Coder-7B-Q8_0-GGUF "
    f"-hfd ggml-org/Qwen2.5-Coder-0.5B-Q8_0-GGUF {_FIM}",
    "--fim-qwen-14b-spec": "-hf ggml-org/Qwen2.5-Coder-14B-Q8_0-GGUF "
    f"-hfd ggml-org/Qwen2.5-Coder-0.5B-Q8_0-GGUF {_FIM}",
    "--fim-qwen-30b-default": f"-hf ggml-org/Qwen3-Coder-30B-A3B-Instruct-Q8_0-GGUF {_FIM}",
    "--gpt-oss-20b-default": f"-hf ggml-org/gpt-oss-20b-GGUF {_GPT_OSS}",
    "--gpt-oss-120b-default": f"-hf ggml-org/gpt-oss-120b-GGUF {_GPT_OSS}",
    "--vision-gemma-4b-default": "-hf ggml-org/gemma-3-4b-it-qat-GGUF -c 0",
    "--vision-gemma-12b-default": "-hf ggml-org/gemma-3-12b-it-qat-GGUF -c 0",
}
"""What a preset stands for, as far as it decides memory: common/arg.cpp of v0.5.0."""

_REFUSED: tuple[Row, ...] = (
    *(
        refused(name, f"write what it stands for: {words}", takes="nothing")
        for name, words in _PRESETS.items()
    ),
    refused("--server-base", "the model is loaded by another server: give that one's command"),
    refused("--no-kv-offload -nkvo", "the cache is in the CPU's memory then, not on a GPU", takes="nothing"),
    refused("-dr --docker-repo", "give the GGUF file with -m, or its repository with -hf"),
    refused("--models-dir --models-preset", "one plan is for one model: give its command"),
)
_ROWS: tuple[Row, ...] = (
    *_ASKED,
    *_LEFT_OUT,
    *_REFUSED,
    harmless(LLAMACPP_FLAGS, "nothing"),
    harmless(LLAMACPP_VALUES, "value"),
)


def _head(name: str) -> list[str]:
    if "://" in name:
        return ["llama-server", "-mu", name]
    return ["llama-server", "-m" if name.endswith(".gguf") else "-hf", name]


_STANDS_FOR = dict.fromkeys(("split", "devices", "visible", "mode"), "split") | {
    name: name for name in ("gpu_layers", "drafts", "fitted")
}
"""Which devices, unequal shares of them and fewer layers on them are more than how many GPUs a plan has."""

_PROJECTING = "-mm --mmproj -mmu --mmproj-url --no-mmproj --no-mmproj-auto --no-mmproj-offload"
_MARKS = dict.fromkeys(("-hf", "-hfr", "--hf-repo"), FETCHED) | dict.fromkeys(_PROJECTING.split(), PROJECTOR)

LLAMACPP = Dialect(
    engine="llamacpp",
    rows=_ROWS,
    head=_head,
    positional=False,
    gguf=True,
    dashes=True,
    environment_prefix="LLAMA_ARG_",
    gather=gather,
    spread=spread,
    of_draft=(OF_DRAFT,),
    marks=FrozenDict(_MARKS),
    stands_for=lambda keyword: _STANDS_FOR.get(keyword.partition(".")[0], ""),
)

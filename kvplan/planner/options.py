"""The options of a plan, each said once: its type, its words, and how its text is read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from kvplan.arguments import Option, as_written
from kvplan.errors import UnitError
from kvplan.records import field_names
from kvplan.specs import ModelSpec
from kvplan.units import parse_bytes, parse_count, parse_ratio


def _sequences(text: str) -> int:
    return parse_count(text, "sequences")


def _stage_sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UnitError(f"{text!r} is not a list of layers per stage: write 16,16") from None


Bytes = int | str
"""A size: bytes, or text with its unit."""

Gpu = Annotated[
    Bytes | None,
    Option(
        help="A GPU by name (h100-80gb), or a size with its unit; 8xh100, or 2xrtx-4090+1xrtx-3090 together.",
        metavar="GPU",
    ),
]
GpuOfALog = Annotated[
    Bytes | None,
    Option(
        help="A GPU by name (h100-80gb) or size: compares the memory left for the cache, too.",
        unsaid="none",
        metavar="GPU",
    ),
]
KvMemory = Annotated[
    Bytes | None,
    Option(
        help="A known KV-cache memory per GPU; --gpu is then needed for its defaults alone.",
        metavar="SIZE",
        read=parse_bytes,
    ),
]
Context = Annotated[
    int | str | None,
    Option(
        help="Tokens per sequence: 8192, 8k, 1m.",
        unsaid="the model's longest",
        metavar="TOKENS",
        read=parse_count,
        short="-c",
        other="--max-model-len",
    ),
]
Batch = Annotated[
    int, Option(help="Sequences held at once.", default=1, metavar="N", read=_sequences, short="-b")
]
Tp = Annotated[int, Option(help="Tensor-parallel GPUs.", default=1, least=1, other="--tensor-parallel-size")]
Pp = Annotated[int, Option(help="Pipeline stages.", default=1, least=1, other="--pipeline-parallel-size")]
Dp = Annotated[int, Option(help="Replicas, each with a cache of its own.", default=1, least=1)]
Nodes = Annotated[
    int | None,
    Option(
        help="Nodes over which the GPUs are spread evenly; --gpu 8xh100 then names those of each.",
        unsaid="not known",
        least=1,
    ),
]
ModelDtype = Annotated[str | None, Option(help="Run the model in this dtype: float16, bfloat16, float32.")]
KvDtype = Annotated[
    str | None,
    Option(
        help="How the cache is stored: fp8, q8_0, fp8_ds_mla, or one role apart: q8_0,value=q4_0.",
        unsaid="the model's dtype",
        other="--kv-cache-dtype",
    ),
]
EngineName = Annotated[
    str,
    Option(
        help="Whose allocation rules: exact, vllm, vllm@0.19, sglang, trtllm, llamacpp, transformers.",
        default="exact",
    ),
]
Utilization = Annotated[
    str | float | None,
    Option(
        help="The share of the card to use.",
        unsaid="the engine's",
        metavar="RATIO",
        read=as_written(parse_ratio),
        other="--gpu-memory-utilization",
    ),
]
Weights = Annotated[
    Bytes | None,
    Option(help="All weights of one replica, before tp and pp: 16.06GB.", metavar="SIZE", read=parse_bytes),
]
WeightDtype = Annotated[
    str | None, Option(help="Weights in this dtype: fp8, int4, nvfp4, q4_k.", unsaid="the release's")
]
Activation = Annotated[
    Bytes | None, Option(help="Memory for activations, per GPU.", metavar="SIZE", read=parse_bytes)
]
Overhead = Annotated[
    Bytes | None,
    Option(
        help="Memory for everything else, per GPU.", unsaid="an estimate", metavar="SIZE", read=parse_bytes
    ),
]
PpLayers = Annotated[
    tuple[int, ...] | None,
    Option(help="Layers of each stage, if not split evenly.", metavar="N,N", read=_stage_sizes),
]
EncoderTokens = Annotated[
    int | None,
    Option(
        help="Encoder tokens per sequence, for cross-attention.", metavar="TOKENS", read=parse_count, least=1
    ),
]
Draft = Annotated[
    str | Path | ModelSpec | None,
    Option(
        help="What drafts tokens: a model as MODEL is, or mtp, the module of the model's own checkpoint.",
        unsaid="nothing",
        metavar="MODEL",
    ),
]
DraftKvDtype = Annotated[
    str | None,
    Option(
        help="How the draft's cache is stored, with an engine that keeps it apart: fp16, q8_0.",
        unsaid="the engine's",
    ),
]
BlockSize = Annotated[
    int | None, Option(help="Tokens in a block of the engine's pool.", unsaid="the engine's", least=1)
]
MaxNumBatchedTokens = Annotated[
    int | None,
    Option(
        help="Tokens in flight at once.", unsaid="the engine's", metavar="TOKENS", read=parse_count, least=1
    ),
]
MaxNumSeqs = Annotated[int | None, Option(help="The most sequences of one replica.", least=1)]
PrefixCaching = Annotated[bool | None, Option(help="Keep what prefix caching needs.", unsaid="the engine's")]
Dcp = Annotated[int, Option(help="Decode context parallelism, over the TP ranks.", default=1, least=1)]
Cp = Annotated[
    int,
    Option(help="Context-parallel GPUs: further ones, each with its part of a sequence.", default=1, least=1),
]
Ep = Annotated[
    int, Option(help="GPUs over which whole experts are dealt out, of the tp x dp.", default=1, least=1)
]
Prompt = Annotated[
    int | None,
    Option(
        help="Tokens with which every sequence comes: how many stand at once depends on it.",
        unsaid="not known: never more are promised than stand",
        metavar="TOKENS",
        read=parse_count,
        least=1,
    ),
]
Settings = Annotated[
    Mapping[str, str] | None,
    Option(
        help="A setting that only this engine has, by its own name: swa_full_tokens_ratio=0.5.",
        metavar="NAME=VALUE",
        name="--set",
    ),
]
Ignore = Annotated[
    Sequence[str],
    Option(
        help="Answer without a field of the config.json that kvplan does not know.",
        default=(),
        metavar="FIELD",
    ),
]


class WorkOptions(TypedDict, total=False):
    """What is asked of a plan."""

    context: Context
    batch: Batch


class SpreadOptions(TypedDict, total=False):
    """How a model is spread, and what runs it."""

    tp: Tp
    pp: Pp
    dp: Dp
    nodes: Nodes
    dtype: ModelDtype
    kv_dtype: KvDtype
    engine: EngineName
    pp_layers: PpLayers
    encoder_tokens: EncoderTokens
    draft: Draft
    draft_kv_dtype: DraftKvDtype


class SharedChoices(TypedDict, total=False):
    """What engines share of their options, whoever comes; each says which it has (Engine.takes)."""

    block_size: BlockSize
    max_num_batched_tokens: MaxNumBatchedTokens
    max_num_seqs: MaxNumSeqs
    prefix_caching: PrefixCaching
    dcp: Dcp
    cp: Cp
    ep: Ep


class EngineChoices(SharedChoices, total=False):
    """All that engines share, with the prompts of what comes, and what one of them has alone."""

    prompt: Prompt
    settings: Settings


class FileOptions(TypedDict, total=False):
    """How a model's own file is read."""

    ignore: Ignore


class CardOptions(TypedDict, total=False):
    """The memory there is."""

    gpu: Gpu
    kv_memory: KvMemory


class MemoryOptions(TypedDict, total=False):
    """What else is on a card."""

    utilization: Utilization
    weights: Weights
    weight_dtype: WeightDtype
    activation: Activation
    overhead: Overhead


class SizeOptions(WorkOptions, SpreadOptions, EngineChoices, FileOptions, total=False):
    """All options of `size`."""


class PlanOptions(CardOptions, SpreadOptions, MemoryOptions, EngineChoices, FileOptions, total=False):
    """All options of `plan`: those of `fit` but the work."""

    context: Context


class FitOptions(
    CardOptions, WorkOptions, SpreadOptions, MemoryOptions, EngineChoices, FileOptions, total=False
):
    """All options of `fit`."""


class CheckOptions(FileOptions, total=False):
    """All options of `check`."""

    tp: Tp
    pp: Pp
    dp: Dp
    ep: Ep
    nodes: Nodes
    kv_dtype: KvDtype
    pp_layers: PpLayers


class ExplainOptions(FileOptions, total=False):
    """All options of `explain`."""

    context: Context
    tp: Tp
    kv_dtype: KvDtype
    encoder_tokens: EncoderTokens


class LogOptions(EngineChoices, total=False):
    """What may be said against a log."""

    engine: EngineName
    gpu: GpuOfALog
    utilization: Utilization
    weight_dtype: WeightDtype
    context: Context
    tp: Tp
    pp: Pp
    kv_dtype: KvDtype


OF_LISTS = ("pp_layers", "settings", "ignore")
"""Options whose value is itself a list: of these a grid has one for all of its points."""


def part(options: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Return those of *options* that are fields of the dataclass *kind*; what is None is left to it."""
    return {name: options[name] for name in field_names(kind) if options.get(name) is not None}

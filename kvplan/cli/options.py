"""The options of the commands, each said once, and how their text is read."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any, TypeVar

import typer

from kvplan.attention import kind_names
from kvplan.dtypes import kv_format_names
from kvplan.engines import engine_names, find_engine
from kvplan.errors import KvplanError, OptionsError, UnitError
from kvplan.gpus import all_gpus
from kvplan.specs.catalogue import read_index
from kvplan.units import parse_bytes, parse_count, parse_ratio

T = TypeVar("T")


def _option(parse: Callable[[str], T]) -> Callable[[object], T]:
    """Turn a unit that cannot be read into a misused option."""

    def read(value: object) -> T:
        # typer also parses a default, which is an int already.
        try:
            return parse(str(value))
        except UnitError as error:
            raise typer.BadParameter(str(error)) from None

    read.__name__ = parse.__name__
    return read


def _ratio(text: str) -> str:
    parse_ratio(text)
    return text


def _sequences(text: str) -> int:
    return parse_count(text, "sequences")


def _stage_sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UnitError(f"{text!r} is not a list of layers per stage: write 16,16") from None


def _starting(names: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """Return a shell completion over *names*, in any case."""
    # What was typed stays as it is: shells drop an offer that does not begin with it.
    return lambda incomplete: [
        incomplete + name[len(incomplete) :] for name in names() if name.startswith(incomplete.lower())
    ]


def _model_names() -> list[str]:
    return sorted(read_index())


def _gpu_names() -> list[str]:
    return [gpu.name for gpu in all_gpus()]


def _settings(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the settings of the engine that stands before, up to their `=`; of all if it has none."""
    # What stands before may not be an engine, of which a completion says nothing.
    with suppress(KvplanError):
        named = find_engine(ctx.params.get("engine") or "exact").settings
        every = (setting for name in engine_names() for setting in find_engine(name).settings)
        names = {f"{setting.name}=" for setting in named or every}
        return _starting(lambda: sorted(names))(incomplete)
    return []


size_value = _option(parse_bytes)
count_value = _option(parse_count)
batch_value = _option(_sequences)

Model = Annotated[
    str,
    typer.Argument(
        help="A catalogue name, a hub id, a spec file, a config.json, a model folder, or a .gguf file.",
        autocompletion=_starting(_model_names),
        show_default=False,
    ),
]
ModelOrCommand = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="A model as in the other commands, or after -- the command that serves it: vllm serve, "
        "python -m sglang.launch_server, llama-server, trtllm-serve.",
        autocompletion=_starting(_model_names),
        show_default=False,
    ),
]
Gpu = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GPU",
        help="A GPU by name (h100-80gb), or a size with its unit.",
        autocompletion=_starting(_gpu_names),
        show_default=False,
    ),
]
KvMemory = Annotated[
    int | None,
    typer.Option(
        parser=size_value,
        metavar="SIZE",
        help="A known KV-cache memory per GPU; --gpu is then needed for its defaults alone.",
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        "--context",
        "-c",
        parser=count_value,
        metavar="TOKENS",
        help="Tokens per sequence: 8192, 8k, 1m.  [default: the model's longest]",
    ),
]
Batch = Annotated[
    int, typer.Option("--batch", "-b", parser=batch_value, metavar="N", help="Sequences held at once.")
]
Tp = Annotated[int, typer.Option(min=1, help="Tensor-parallel GPUs.")]
Pp = Annotated[int, typer.Option(min=1, help="Pipeline stages.")]
Dp = Annotated[int, typer.Option(min=1, help="Replicas, each with a cache of its own.")]
# typer would read a tuple type as two values; the parser returns one.
PpLayers = Annotated[
    Any,
    typer.Option(
        parser=_option(_stage_sizes), metavar="N,N", help="Layers of each stage, if not split evenly."
    ),
]
ModelDtype = Annotated[
    str | None, typer.Option("--dtype", help="Run the model in this dtype: float16, bfloat16, float32.")
]
KvDtype = Annotated[
    str | None,
    typer.Option(
        help="How the cache is stored: fp8, q8_0, fp8_ds_mla, or one role apart: q8_0,value=q4_0.  "
        "[default: the model's dtype]",
        autocompletion=_starting(kv_format_names),
    ),
]
EncoderTokens = Annotated[
    int | None,
    typer.Option(
        parser=count_value, metavar="TOKENS", help="Encoder tokens per sequence, for cross-attention."
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="Whose allocation rules: exact, vllm, vllm@0.19, sglang, trtllm, llamacpp, transformers.",
        autocompletion=_starting(engine_names),
    ),
]
BlockSize = Annotated[
    int | None, typer.Option(min=1, help="Tokens in a block of the engine's pool.  [default: the engine's]")
]
MaxNumBatchedTokens = Annotated[
    int | None,
    typer.Option(
        parser=count_value, metavar="TOKENS", help="Tokens in flight at once.  [default: the engine's]"
    ),
]
MaxNumSeqs = Annotated[int | None, typer.Option(min=1, help="The most sequences of one replica.")]
PrefixCaching = Annotated[
    bool | None,
    typer.Option(
        "--prefix-caching/--no-prefix-caching",
        help="Keep what prefix caching needs.  [default: the engine's]",
        show_default=False,
    ),
]
Dcp = Annotated[int, typer.Option(min=1, help="Decode context parallelism, over the TP ranks.")]
Utilization = Annotated[
    str | None,
    typer.Option(
        "--utilization",
        "--gpu-memory-utilization",
        parser=_option(_ratio),
        metavar="RATIO",
        help="The share of the card to use.  [default: the engine's]",
    ),
]
Weights = Annotated[
    int | None,
    typer.Option(
        parser=size_value, metavar="SIZE", help="All weights of one replica, before tp and pp: 16.06GB."
    ),
]
WeightDtype = Annotated[str | None, typer.Option(help="Weights in this dtype: fp8, int4, nvfp4.")]
Activation = Annotated[
    int | None, typer.Option(parser=size_value, metavar="SIZE", help="Memory for activations, per GPU.")
]
Overhead = Annotated[
    int | None,
    typer.Option(
        parser=size_value, metavar="SIZE", help="Memory for everything else, per GPU.  [default: an estimate]"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, sizes in bytes.")]
Ignore = Annotated[
    list[str],
    typer.Option(
        "--ignore",
        metavar="FIELD",
        help="Answer without a field of the config.json that kvplan does not know.",
        show_default=False,
    ),
]
Search = Annotated[str, typer.Argument(help="Show only names that contain this.", show_default=False)]
KindName = Annotated[
    str | None,
    typer.Option(
        "--kind", help="Only models with this attention kind.", autocompletion=_starting(kind_names)
    ),
]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting that only this engine has, by its own name: swa_full_tokens_ratio=0.5.",
        autocompletion=_settings,
        show_default=False,
    ),
]


def one_gpu(given: Sequence[str] | None) -> str | None:
    """Return the GPU that was given, if any; raise OptionsError for more, of which a plan has one kind."""
    if given and len(given) > 1:
        raise OptionsError(
            f"--gpu is given {len(given)} times: a plan has GPUs of one kind, and --tp, --pp, --dp count them"
        )
    return given[0] if given else None


def as_settings(given: Sequence[str]) -> dict[str, str]:
    """Return settings by name, hyphens read as underscores; raise OptionsError for what is not one."""
    settings: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not name or not equals or not value.strip():
            raise OptionsError(
                f"{text[:40]!r} is not a setting: write its name and value, as in kv_unified=true"
            )
        if settings.get(name, value) != value:
            raise OptionsError(f"{name} is set twice: {settings[name]!r} and {value[:40]!r}")
        settings[name] = value
    return settings

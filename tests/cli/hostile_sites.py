"""Every site that prints text from outside: what a command reads, with a given value in it."""

import json
import shlex
import struct
from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from kvplan.alternatives.options import AdviseOptions, NewOptions, WhatIfOptions
from kvplan.grids.options import SweepOptions
from kvplan.phases.options import BoundOptions, DisaggregateOptions
from kvplan.planner import options as o
from kvplan.tiering.options import TierOptions
from kvplan.traffic.options import HoldOptions
from tests.importers.configs import LLAMA
from tests.importers.model_files import gguf, gguf_text
from tests.reconcile.logs_at_hand import FOLDER, log_text

LOG = FOLDER / "vllm-0.19-llama-3.1-8b.txt"

KIND = {"kind": "gqa", "heads": 8, "groups": 2, "head_dim": 64}
SPEC = {
    "name": "hostile",
    "source": "none",
    "dtype": "bfloat16",
    "max_context": 4096,
    "parameters": 1_000_000,
    "layers": 2,
    "attention": KIND,
}
GGUF = {
    "general.architecture": ("str", "llama"),
    "llama.block_count": ("u32", 2),
    "llama.context_length": ("u32", 4096),
    "llama.embedding_length": ("u32", 256),
    "llama.feed_forward_length": ("u32", 512),
    "llama.attention.head_count": ("u32", 4),
    "llama.attention.head_count_kv": ("u32", 2),
    "llama.attention.layer_norm_rms_epsilon": ("f32", 1e-5),
    "llama.vocab_size": ("u32", 4),
}
TENSORS = {"token_embd.weight": (1, [256, 4], 2048)}

Site = Callable[[Path, str], str]
"""Writes what a command reads, with the given value in it, and returns the command."""


def in_json(path: Path, fields: Mapping[str, object], value: str) -> Path:
    """Write fields as JSON, which is YAML, too, with *value* in place of VALUE."""
    text = json.dumps(fields).replace("VALUE", json.dumps(value)[1:-1])
    path.write_text(text, encoding="utf-8")
    return path


def spec_with(command: str, **keys: object) -> Site:
    return lambda folder, value: command.format(in_json(folder / "x.yaml", SPEC | keys, value))


def config_with(command: str, **keys: object) -> Site:
    return lambda folder, value: command.format(in_json(folder / "config.json", LLAMA | keys, value))


def options_with(**keys: object) -> Site:
    command = "fit --gpu h100-80gb -- trtllm-serve Qwen/Qwen3-8B --config {}"
    return lambda folder, value: command.format(in_json(folder / "x.yaml", keys, value))


def gguf_with(make: Callable[[str], bytes]) -> Site:
    def site(folder: Path, value: str) -> str:
        path = folder / "x.gguf"
        path.write_bytes(make(value))
        return f"size {path}"

    return site


def typed(command: str) -> Site:
    return lambda _, value: command.replace("VALUE", shlex.quote(value))


def log_with(before: str) -> Site:
    """Return a site that reads a log in which the value, on one line, stands behind *before*."""

    def site(folder: Path, value: str) -> str:
        path = folder / "x.log"
        text = log_text("vllm-0.19-llama-3.1-8b").replace(before, before + "".join(value.splitlines()), 1)
        path.write_text(text, encoding="utf-8")
        return f"reconcile {path}"

    return site


def called(command: str, ending: str = "") -> Site:
    """Return a site whose file or folder is called by the value."""

    def site(folder: Path, value: str) -> str:
        return command.format(shlex.quote(str(folder / (value.replace("/", "") + ending))))

    return site


def output(folder: Path, value: str) -> str:
    config = in_json(folder / "config.json", LLAMA, "")
    return f"import {config} --output {shlex.quote(str(folder / value.replace('/', '')))}"


def checked(folder: Path, value: str) -> str:
    config = in_json(folder / "config.json", LLAMA, "")
    return f"import {config} --check {shlex.quote(str(folder / value.replace('/', '')))}"


def imported(folder: Path, value: str) -> str:
    """Return the import of a file that has the value in its name, as the spec's source has then."""
    name = value.replace("/", "")[:60] + ".json"
    return f"import {shlex.quote(str(in_json(folder / name, LLAMA, '')))}"


def versions() -> dict[str, str]:
    """Return the versions that a run records here, empty for what is not installed."""
    return {name: version(name) if find_spec(name) else "" for name in ("torch", "transformers")}


MEASURED = {
    "level": "L0",
    "subject": "x",
    "claim": "x",
    "measured": 1,
    "predicted": 1,
    "unit": "bytes",
    "rule": "equal",
    "detail": "",
}
RUN: dict[str, object] = {
    **dict.fromkeys(("driver", "card_bytes", "cuda", "cudnn", "allocator")),
    **versions(),
    "device": "cpu",
    "date": "2026-11-22",
    "measurements": [MEASURED],
    "skipped": [{"level": "L1", "name": "x", "reason": "x", "trace": ""}],
    "failed": [],
    "complete": False,
    "timings": [{"level": "L0", "name": "none", "seconds": 0.1, "peak_bytes": None}],
}
"""A recorded run that holds all that VALIDATE asks for, as a GPU-less machine records it."""

VALIDATE = "validate bert-base --level L0 --device cpu"
"""A validation that takes milliseconds: a model without a cache has one short check."""


def run_with(**keys: object) -> Site:
    def site(folder: Path, value: str) -> str:
        return f"{VALIDATE} --resume --json {in_json(folder / 'run.json', RUN | keys, value)}"

    return site


def gone_on_with(folder: Path, value: str) -> str:
    """Return a validation that goes on with a file that is called by the value and holds no run."""
    path = folder / (value.replace("/", "")[:60] + ".json")
    path.write_text("[", encoding="utf-8")
    return f"{VALIDATE} --resume --json {shlex.quote(str(path))}"


OPTIONS: Mapping[str, Any] = {
    "size": o.SizeOptions,
    "fit": o.FitOptions,
    "sweep": SweepOptions,
    "check": o.CheckOptions,
    "show": o.ExplainOptions,
    "compare": o.FitOptions,
    "plot": o.FitOptions,
    "whatif": WhatIfOptions,
    "advise": AdviseOptions,
    "new": NewOptions,
    "bounds": BoundOptions,
    "disaggregate": DisaggregateOptions,
    "hold": HoldOptions,
    "tiers": TierOptions,
    "import": o.FileOptions,
    "reconcile": o.LogOptions,
}
"""The options of each command, as the library has them."""

ARGUMENTS = {
    **dict.fromkeys(("size", "check", "show"), "llama-3.1-8b"),
    **dict.fromkeys(("fit", "sweep", "compare", "whatif", "advise"), "llama-3.1-8b --gpu h100-80gb"),
    "plot": "memory llama-3.1-8b --gpu h100-80gb",
    **dict.fromkeys(("bounds", "disaggregate", "tiers"), "llama-3.1-8b --gpu h100-80gb"),
    "hold": "llama-3.1-8b --gpu h100-80gb --traffic uniform:1..8k",
    "new": "x --heads 2 --head-dim 8 --layers 2",
    "reconcile": str(LOG),
}
"""What stands before an option whose value is shown."""


def shown(options: Any) -> list[str]:
    """Return the options whose value an error shows: all but switches and plain numbers."""
    found = []
    for name, hint in options.__annotations__.items():
        kind, option = get_args(hint)
        if bool not in get_args(kind) and (option.read or int not in (kind, *get_args(kind))):
            found.append(option.name or "--" + name.replace("_", "-"))
    return found


FIT = "fit {} --gpu h100-80gb --context 1k"
SERVE = "fit --gpu h100-80gb -- vllm serve Qwen/Qwen3-8B"
SITES: dict[str, Site] = {
    "notes of a spec": spec_with("show {}", notes="VALUE"),
    "source of a spec": spec_with("show {}", source="VALUE"),
    "pinned source of a spec": spec_with(FIT, source=f"VALUE/blob/{40 * 'a'}/"),
    "name of a layer type": spec_with(
        "show {}", attention={"VALUE": KIND}, layers=[{"repeat": 2, "pattern": ["VALUE"]}]
    ),
    "why parameters are not counted": spec_with(FIT, parameters=None, uncounted=["all parameters (VALUE)"]),
    "key of a spec": spec_with("size {}", VALUE=1),
    "value in a spec": spec_with("size {}", name="VALUE"),
    "kind in a spec": spec_with("size {}", attention={"kind": "VALUE"}),
    "key of a kind": spec_with("size {}", attention=KIND | {"VALUE": 1}),
    "dtype in a spec": spec_with("size {}", dtype="VALUE"),
    "type of a model": config_with("size {}", model_type="VALUE"),
    "field of a config": config_with("size {}", VALUE=1),
    "value in a config": config_with("size {}", hidden_size="VALUE"),
    "dtype in a config": config_with("size {}", torch_dtype="VALUE"),
    "quantisation in a config": config_with(
        "fit {} --gpu 80GB", quantization_config={"quant_method": "VALUE"}
    ),
    "architecture of a GGUF": gguf_with(
        lambda value: gguf(GGUF | {"general.architecture": ("str", value)}, TENSORS)
    ),
    "value in a GGUF": gguf_with(lambda value: gguf(GGUF | {"llama.block_count": ("str", value)}, TENSORS)),
    "key of a GGUF": gguf_with(
        lambda value: b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_text(value) + struct.pack("<I", 99)
    ),
    "tensor of a GGUF": gguf_with(lambda value: gguf(GGUF, {value: (999, [3], 12)})),
    "model": typed("size VALUE"),
    "GPU": typed("fit llama-3.1-8b --gpu VALUE"),
    "engine": typed("size llama-3.1-8b --engine VALUE"),
    "dtype of the cache": typed("size llama-3.1-8b --kv-dtype VALUE"),
    "dtype of the model": typed("size llama-3.1-8b --dtype VALUE"),
    "dtype of the weights": typed("fit llama-3.1-8b --gpu 80GB --weight-dtype VALUE"),
    "setting": typed("size llama-3.1-8b --engine vllm --set VALUE=1"),
    "value of a setting": typed("size llama-3.1-8b --engine sglang --set swa_full_tokens_ratio=VALUE"),
    "size": typed("fit llama-3.1-8b --kv-memory VALUE"),
    "context": typed("size llama-3.1-8b --context VALUE"),
    "ratio": typed("fit llama-3.1-8b --gpu 80GB --utilization VALUE"),
    "stages": typed("size llama-3.1-8b --pp 2 --pp-layers VALUE"),
    "option": typed("size --VALUE"),
    "command": typed("VALUE"),
    "search of models": typed("models VALUE"),
    "kind of models": typed("models --kind VALUE"),
    "search of GPUs": typed("gpus VALUE"),
    "revision": typed("import org/model --revision VALUE"),
    "ignored option": typed(f"{SERVE} --chat-template VALUE"),
    "unknown option": typed(f"{SERVE} --VALUE"),
    "value in a serving command": typed(f"{SERVE} --kv-cache-dtype VALUE"),
    "key in a file of options": options_with(VALUE=1),
    "key of a section in a file of options": options_with(kv_cache_config={"VALUE": 1}),
    "value in a file of options": options_with(max_batch_size="VALUE"),
    "value of no effect in a file of options": options_with(tokenizer="VALUE"),
    "draft in a file of options": options_with(
        speculative_config={"decoding_type": "Eagle3", "max_draft_len": 3, "speculative_model_dir": "VALUE"}
    ),
    "path of a file of options": called("fit --gpu h100-80gb -- trtllm-serve Qwen/Qwen3-8B --config {}"),
    "model of a serving command": typed("fit --gpu h100-80gb -- vllm serve VALUE"),
    "dtype in a log": log_with("kv_cache_dtype="),
    "engine of a log": typed(f"reconcile {LOG} --engine VALUE"),
    "model of a log": typed(f"reconcile {LOG} --model VALUE"),
    "GPU of a log": typed(f"reconcile {LOG} --gpu VALUE"),
    "path of a spec": called("size {}", ".yaml"),
    "path of a config": called("size {}", ".json"),
    "path of a GGUF": called("size {}", ".gguf"),
    "path of a source": called("import {}"),
    "path of a log": called("reconcile {}"),
    "path of an output": output,
    "path of a spec to check": checked,
    "path in an imported spec": imported,
    "model of a grid": typed("sweep VALUE --gpu h100-80gb"),
    "GPU of a grid": typed("sweep llama-3.1-8b --gpu h100-80gb,VALUE"),
    "pair of a grid": typed("sweep llama-3.1-8b --with VALUE"),
    "value in a pair of a grid": typed("sweep llama-3.1-8b --with gpu=VALUE"),
    "format in a grid": typed("sweep llama-3.1-8b --gpu h100-80gb -c 8k --kv-dtype VALUE --csv"),
    "format in lines of a grid": typed("sweep llama-3.1-8b --gpu h100-80gb -c 8k --kv-dtype VALUE --json"),
    "format in a grid's Markdown": typed("sweep bert-base --gpu 80GB --dtype VALUE,bf16 --markdown"),
    "price": typed("sweep llama-3.1-8b --gpu h100-80gb --price VALUE=1"),
    "rows": typed("sweep llama-3.1-8b --gpu h100-80gb --rows VALUE"),
    "columns": typed("sweep llama-3.1-8b --gpu h100-80gb --columns VALUE"),
    "figure": typed("sweep llama-3.1-8b --gpu h100-80gb --value VALUE"),
    "key of a frontier": typed("sweep llama-3.1-8b --gpu h100-80gb --pareto VALUE"),
    "file of a report": called("fit llama-3.1-8b --gpu h100-80gb -c 8k -o {}", ".pdf"),
    "file of a grid": called("sweep llama-3.1-8b --gpu h100-80gb -o {}", ".xlsx"),
    "path of a spec in a grid": called("sweep {} --gpu h100-80gb", ".yaml"),
    "option of the program": typed("--VALUE"),
    "command to help with": typed("help VALUE"),
    "argument that schema lacks": typed("schema VALUE"),
    "path of a spec of a broken rule": called("check {}", ".yaml"),
    "GPU to rehearse": typed("rehearse --gpu VALUE -- vllm serve org/model"),
    "level": typed("validate --level VALUE"),
    "device": typed(f"{VALIDATE} --device VALUE"),
    "part of a level": typed(f"{VALIDATE} --part VALUE"),
    "model to validate": typed(f"{VALIDATE} VALUE"),
    "path of a run": called(VALIDATE + " --json {}/x.json"),
    "path of a run to go on with": gone_on_with,
    "key of a recorded measurement": run_with(measurements=[{"VALUE": 1}]),
    "device of a recorded run": run_with(device="VALUE"),
    "reason in a recorded run": run_with(skipped=[{"level": "L1", "name": "x", "reason": "VALUE"}]),
    "claim of a recorded run": run_with(measurements=[MEASURED | {"claim": "VALUE"}]),
    **{
        f"{option} of {command}": typed(f"{command} {arguments} {option} VALUE")
        for command, arguments in ARGUMENTS.items()
        for option in shown(OPTIONS[command])
        if option not in arguments
    },
}

NEEDS_TORCH = (
    "device",
    "part of a level",
    "model to validate",
    "device of a recorded run",
    "reason in a recorded run",
    "claim of a recorded run",
)
"""Sites whose text is read after torch is."""

"""The command `rehearse`: an engine's own start-up without a GPU, beside the plan."""

import sys
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvplan.cli.printing import examples, print_answer, say
from kvplan.errors import OptionsError
from kvplan.units import format_gib

if TYPE_CHECKING:
    from kvplan import Fit
    from kvplan.serving import Served
    from kvplan.validate.rehearsal.run import Measured, Rehearsed, RehearsedSglang

INTERRUPTED = 130

Command = Annotated[
    list[str],
    typer.Argument(
        metavar="COMMAND",
        help="Behind --: vllm serve ..., python -m sglang.launch_server ...",
        show_default=False,
    ),
]
Gpu = Annotated[str, typer.Option(help="The card that is not there, by its name: h100-80gb.")]
Config = Annotated[
    Path | None,
    typer.Option(help="The model's config.json.  [default: that of the folder which the command serves]"),
]
Python = Annotated[
    str, typer.Option(help="The Python that has the engine.  [default: python3]", show_default=False)
]
Online = Annotated[
    bool, typer.Option("--online", help="Fetch the config from the hub; else nothing asks the network.")
]
Seconds = Annotated[int, typer.Option(min=1, help="After so many it is ended.")]
Ram = Annotated[
    int, typer.Option("--ram", min=1, help="GiB of this machine's memory, over which it is ended.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print exact bytes.")]

_NOT_MEASURED = (
    "No kernel computed anything. The driver's own memory, NCCL and what a driver holds for CUDA graphs are "
    "not measured: they are in the plan's overhead alone."
)

_ENGINES = ("vllm", "sglang")

_NOT_MEASURED_OF_SGLANG = (
    "No kernel computed anything. The driver's own memory, NCCL and what a driver holds for CUDA graphs are "
    "not measured: 0.51 GiB stand for the first two."
)

EPILOG = examples(
    "kvplan rehearse --gpu h100-80gb -- vllm serve ./my-model --enforce-eager",
    "kvplan rehearse --gpu l40s-48gb --config config.json -- vllm serve org/model",
    "kvplan rehearse --gpu h100 -- python -m sglang.launch_server --model ./m",
)

app = typer.Typer()


@app.command(name="rehearse", epilog=EPILOG)
def _rehearse(
    command: Command,
    gpu: Gpu,
    config: Config = None,
    python: Python = "python3",
    online: Online = False,
    seconds: Seconds = 900,
    ram: Ram = 8,
    as_json: AsJson = False,
) -> None:
    """
    What vLLM or SGLang itself measures when it starts, on a machine without a GPU, beside the plan.

    The engine runs unmodified up to its KV memory under a CUDA runtime that has addresses and no card: Linux,
    a C compiler and an installed engine are needed. Weights are not loaded, and no kernel computes.
    """
    from kvplan.cli.served import read_command
    from kvplan.gpus import find_card
    from kvplan.serving.words import find_launch
    from kvplan.validate.rehearsal.build import find_installed
    from kvplan.validate.rehearsal.run import Bounds, rehearse

    served, card = read_command(command), find_card(gpu)
    _require_known(served)
    installed = find_installed(python, served.engine)
    file = _config(served, config, online=online)
    degrees = (served.asked.get(name, 1) for name in ("tp", "pp"))
    ranks = prod(degree for degree in degrees if isinstance(degree, int))
    _plan(file, served, gpu, served.engine)  # What no plan takes is said before minutes have passed.
    bounds = Bounds(seconds=seconds, ram_gib=ram)
    try:
        flags = find_launch(command).rest
        found = rehearse(installed, file, flags, card=card, ranks=ranks, bounds=bounds)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    plan = _plan(file, served, gpu, _release(found))
    if as_json:
        print_answer({"measured": asdict(found), "planned": plan.to_dict()["memory"]})
    else:
        _print(found, plan)


def _require_known(served: "Served") -> None:
    if served.engine not in _ENGINES or not sys.platform.startswith("linux"):
        raise OptionsError(
            "only the start-ups of vLLM and SGLang can be rehearsed, on Linux: give `-- vllm serve ...` "
            "or `-- python -m sglang.launch_server ...`"
        )


def _release(found: "Measured") -> str:
    """Return the engine whose rules a plan of the same start-up goes by."""
    from kvplan.validate.rehearsal.run import Rehearsed

    return f"vllm@{found.vllm}" if isinstance(found, Rehearsed) else f"sglang@{found.sglang}"


def _config(served: "Served", given: Path | None, *, online: bool) -> Path:
    """Return the config.json of the model that is served."""
    from kvplan.importers.config import config_path

    if given is not None:
        return config_path(given)
    if Path(served.model).exists():
        return config_path(served.model)
    if not online:
        raise OptionsError(
            f"{served.model[:60]} is no folder: give --config FILE, its config.json, or --online to fetch it"
        )
    from kvplan.importers.hub import fetch_model

    return config_path(fetch_model(served.model).folder)


def _plan(file: Path, served: "Served", gpu: str, engine: str) -> "Fit":
    """Return the plan of the same start-up by the rules of a release."""
    from kvplan import fit

    asked: dict[str, Any] = {name: value for name, value in served.asked.items() if name != "engine"}
    return fit(str(file), gpu=gpu, engine=engine, advice=False, **asked)


def _print(found: "Measured", plan: "Fit") -> None:
    from kvplan.validate.rehearsal.run import Rehearsed

    if isinstance(found, Rehearsed):
        _print_vllm(found, plan)
    else:
        _print_sglang(found, plan)


def _print_sglang(found: "RehearsedSglang", plan: "Fit") -> None:
    memory = plan.memory
    say(f"SGLang {found.sglang} (torch {found.torch}), rank 0, on {plan.gpu}")
    say(f"{'':24}{'rehearsed':>12}{'planned':>12}")
    numerator, denominator = plan.budget.utilization
    for name, measured, planned in (
        ("mem_fraction_static", f"{found.fraction:.3f}", f"{numerator / denominator:.3f}"),
        ("weights", format_gib(found.weights_bytes), format_gib(memory.weights_bytes)),
        ("KV memory", format_gib(found.kv_bytes), format_gib(memory.kv_bytes)),
        ("tokens", f"{found.tokens:,}", "-" if plan.kv_tokens is None else f"{plan.kv_tokens:,}"),
    ):
        say(f"{name:24}{measured:>12}{planned:>12}")
    needed = plan.budget.needs.aside
    if found.graphs_bytes is not None and needed is not None:
        graphs = needed.graphs_bytes - needed.driver_bytes
        say(f"{'graphs, of torch':24}{format_gib(found.graphs_bytes):>12}{format_gib(graphs):>12}")
        chunk = format_gib(found.chunk_bytes or 0)
        say(f"{'a chunk of prefill':24}{chunk:>12}{format_gib(needed.activation_bytes):>12}")
    requests, table = f"{found.requests:,}", format_gib(found.table_bytes)
    say(f"A table of {requests} requests takes {table} of what is kept back.")
    say(_NOT_MEASURED_OF_SGLANG)


def _print_vllm(found: "Rehearsed", plan: "Fit") -> None:
    memory = plan.memory
    rows = (
        ("weights", found.weights_bytes, memory.weights_bytes),
        ("activation peak", found.activation_bytes, memory.activation_bytes),
        ("CUDA graphs, overhead", found.graphs_bytes + (found.kept_bytes or 0), memory.overhead_bytes),
        ("KV memory", found.kv_bytes, memory.kv_bytes),
    )
    say(f"vLLM {found.vllm} (torch {found.torch}, model runner {found.runner}), rank 0, on {plan.gpu}")
    say(f"{'':24}{'rehearsed':>12}{'planned':>12}")
    for name, measured, planned in rows:
        say(f"{name:24}{format_gib(measured):>12}{format_gib(planned):>12}")
    say(_NOT_MEASURED)

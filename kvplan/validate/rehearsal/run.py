"""Rehearse a start-up: a scratch folder, a child process bounded in time and memory, and what it measured."""

import json
import os
import re
import signal
import site
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kvplan.errors import KvplanError
from kvplan.gpus import Card
from kvplan.inert import inert
from kvplan.records import record
from kvplan.units import MIB
from kvplan.validate.rehearsal.build import Installed, build
from kvplan.validate.rehearsal.start import MARK

_START = Path(__file__).parent / "start.py"
_HOPPER = (9, 0)
_ERROR = re.compile(r"^(?:\[rank0\]: )?(?:[\w.]+(?:Error|Exception|Exit)|kvplan): ")
"""The line of a traceback that says what went wrong, or that of start.py."""


@record
class Rehearsed:
    """
    What vLLM's own start-up measured on rank 0, in bytes, where no kernel computed.

    `kept_bytes` is what the device had lost beside the weights when the profile run was over, None in
    releases that do not count it; `graphs_bytes` is vLLM's estimate, without what a driver holds for them.
    """

    vllm: str
    torch: str
    runner: str
    tokens: int
    sequences: int
    weights_bytes: int
    activation_bytes: int
    graphs_bytes: int
    kept_bytes: int | None
    kv_bytes: int


@record
class RehearsedSglang:
    """
    What SGLang's own start-up measured and decided on rank 0, sizes in bytes, where no kernel computed.

    `fraction` is its mem_fraction_static; `kv_bytes` what weights leave of it, `tokens`, `window_tokens` and
    `slots` the pools that it becomes, None for one that there is not, in pages of `page` tokens.
    `table_bytes` is the table of `requests` by tokens, which lies in the part of the card that SGLang keeps
    back, as do `graphs_bytes`, which torch takes for attention and graphs, and `chunk_bytes`, which the
    forward pass of a chunk takes beside them; both are None where they cannot be had without a card.
    """

    sglang: str
    torch: str
    fraction: float
    page: int
    tokens: int
    window_tokens: int | None
    slots: int | None
    requests: int
    table_bytes: int
    weights_bytes: int
    kv_bytes: int
    graphs_bytes: int | None = None
    chunk_bytes: int | None = None


Measured = Rehearsed | RehearsedSglang
_RESULTS: dict[str, type[Measured]] = {"vllm": Rehearsed, "sglang": RehearsedSglang}


@record
class Bounds:
    """How many `seconds` and how many GiB of RAM (`ram_gib`) a rehearsal may take."""

    seconds: int = 600
    ram_gib: int = 8


def rehearse(  # noqa: PLR0913 - each is one choice of who asks
    installed: Installed, config: Path, flags: Sequence[str], *, card: Card, ranks: int, bounds: Bounds
) -> Measured:
    """
    Return what an engine measures when it starts on a model's *config* with the *flags* of its server.

    Nothing is written outside a scratch folder, which is removed. Raises KvplanError where the engine does
    not start, with the last line that it said.
    """
    with tempfile.TemporaryDirectory(prefix="kvplan-rehearsal-") as scratch:
        folder = Path(scratch)
        libraries = folder / "lib"
        libraries.mkdir()
        preloaded = build(installed, libraries)
        told = {**_card_settings(card, ranks), **_answers(installed.engine, config)}
        tools = {"PATH": f"{_tools(folder, card)}{os.pathsep}{os.environ.get('PATH', '')}"}
        environment = {**os.environ, **told, **_caches(folder), **tools, **preloaded}
        asked = (installed.engine, str(config.resolve()), str(bounds.ram_gib))
        command = [installed.python, "-P", str(_START), *asked, *flags]
        if ranks > 1:
            command.append("--disable-custom-all-reduce")
        return _read(installed, _output(installed, command, environment, bounds.seconds))


def _card_settings(card: Card, ranks: int) -> dict[str, str]:
    """Return the card as the runtime reads it; one whose capability is not known is taken for a Hopper."""
    major, minor = card.capability or _HOPPER
    return {
        "KVPLAN_TOTAL": str(card.total_bytes),
        "KVPLAN_NAME": card.device or card.label,
        "KVPLAN_SM": str(10 * major + minor),
        "KVPLAN_COUNT": str(ranks),
    }


def _tools(folder: Path, card: Card) -> Path:
    """Return a folder with an nvidia-smi that tells the card's memory: SGLang asks it."""
    tools = folder / "bin"
    tools.mkdir()
    program = tools / "nvidia-smi"
    printed = (card.smi_bytes or card.total_bytes) // MIB
    program.write_text(f'#!/bin/sh\ncase "$*" in *memory.total*) echo {printed};; *) exit 1;; esac\n')
    program.chmod(0o755)
    return tools


def _answers(engine: str, config: Path) -> dict[str, str]:
    """
    Return what a program reads where it asks a yes or no of a kernel, none of which computes.

    vLLM asks whether a scale in NVFP4 was left as it was made, and refuses to start on a yes (process in
    quantization/modelopt.py of 0.30). SGLang asks whether a scale of the cache is above 0, and refuses on
    a no (process_weights_after_loading in layers/quantization/kv_cache.py of 0.5.23).
    """
    if engine == "sglang":
        return {"KVPLAN_BYTE": "1"}
    return {"KVPLAN_BYTE": "0"} if "nvfp4" in config.read_text(encoding="utf-8").lower() else {}


def _caches(folder: Path) -> dict[str, str]:
    """
    Return folders of its own for what is compiled: none of it may be used on a real card.

    vLLM's humming compiles into the home folder, of which only what Python installed there is looked for.
    """
    names = (
        "HOME",
        "VLLM_CACHE_ROOT",
        "TORCHINDUCTOR_CACHE_DIR",
        "TRITON_CACHE_DIR",
        "FLASHINFER_WORKSPACE_BASE",
        "SGLANG_CACHE_DIR",
        "TVM_FFI_CACHE_DIR",
        "XDG_CACHE_HOME",
        "HF_HOME",
        "TMPDIR",
    )
    caches = {name: str(folder / name.lower()) for name in names}
    for path in caches.values():
        Path(path).mkdir()
    return {"PYTHONUSERBASE": site.getuserbase(), **caches}


def _output(
    installed: Installed, command: list[str], environment: Mapping[str, str], seconds: int
) -> list[str]:
    """Return the lines of a child process, all of which end with it, be it by the clock or by Ctrl-C."""
    with subprocess.Popen(  # noqa: S603 - the Python that the user named
        command,
        env=environment,
        cwd=environment["TMPDIR"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as child:
        try:
            said, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise KvplanError(
                f"{installed.name} did not start within {seconds} s: give more, as in --seconds {2 * seconds}"
            ) from None
        finally:
            _end(child)
    return said.splitlines()


def _end(child: "subprocess.Popen[str]") -> None:
    """End a child and what it started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _read(installed: Installed, lines: Sequence[str]) -> Measured:
    for line in lines:
        if line.startswith(MARK):
            values: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return _RESULTS[installed.engine](**values)
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if _ERROR.search(line)]
    last = (errors or said or ["it said nothing"])[-1]
    raise KvplanError(f"{installed.name} did not start: {inert(last)[:300]}")

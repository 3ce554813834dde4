"""Rehearse a start-up: a scratch folder, a child process bounded in time and memory, and what it measured."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kvplan.errors import KvplanError
from kvplan.gpus import Card
from kvplan.inert import inert
from kvplan.records import record
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
class Bounds:
    """How many `seconds` and how many GiB of RAM (`ram_gib`) a rehearsal may take."""

    seconds: int = 600
    ram_gib: int = 8


def rehearse(  # noqa: PLR0913 - each is one choice of who asks
    installed: Installed, config: Path, flags: Sequence[str], *, card: Card, ranks: int, bounds: Bounds
) -> Rehearsed:
    """
    Return what vLLM measures when it starts on a model's *config* with the *flags* of its server.

    Nothing is written outside a scratch folder, which is removed. Raises KvplanError where vLLM does not
    start, with the last line that it said.
    """
    with tempfile.TemporaryDirectory(prefix="kvplan-rehearsal-") as scratch:
        folder = Path(scratch)
        libraries = folder / "lib"
        libraries.mkdir()
        preloaded = build(installed, libraries)
        told = {**_card_settings(card, ranks), **_answers(config)}
        environment = {**os.environ, **told, **_caches(folder), **preloaded}
        command = [installed.python, "-P", str(_START), str(config.resolve()), str(bounds.ram_gib), *flags]
        if ranks > 1:
            command.append("--disable-custom-all-reduce")
        return _read(_output(command, environment, folder, bounds.seconds))


def _card_settings(card: Card, ranks: int) -> dict[str, str]:
    """Return the card as the runtime reads it; one whose capability is not known is taken for a Hopper."""
    major, minor = card.capability or _HOPPER
    return {
        "KVPLAN_TOTAL": str(card.total_bytes),
        "KVPLAN_NAME": card.device or card.label,
        "KVPLAN_SM": str(10 * major + minor),
        "KVPLAN_COUNT": str(ranks),
    }


def _answers(config: Path) -> dict[str, str]:
    """
    Return what a program reads where it asks a yes or no of a kernel, none of which computes.

    vLLM asks whether a scale in NVFP4 was left as it was made, and refuses to start on a yes (process in
    quantization/modelopt.py of 0.30).
    """
    return {"KVPLAN_BYTE": "0"} if "nvfp4" in config.read_text(encoding="utf-8").lower() else {}


def _caches(folder: Path) -> dict[str, str]:
    """Return folders of its own for what is compiled: none of it may be used on a real card."""
    names = (
        "VLLM_CACHE_ROOT",
        "TORCHINDUCTOR_CACHE_DIR",
        "TRITON_CACHE_DIR",
        "FLASHINFER_WORKSPACE_BASE",
        "TMPDIR",
    )
    caches = {name: str(folder / name.lower()) for name in names}
    for path in caches.values():
        Path(path).mkdir()
    return caches


def _output(command: list[str], environment: Mapping[str, str], folder: Path, seconds: int) -> list[str]:
    """Return the lines of a child process, all of which end with it, be it by the clock or by Ctrl-C."""
    with subprocess.Popen(  # noqa: S603 - the Python that the user named
        command,
        env=environment,
        cwd=folder,
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
                f"vLLM did not start within {seconds} s: give more, as in --seconds {2 * seconds}"
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


def _read(lines: Sequence[str]) -> Rehearsed:
    for line in lines:
        if line.startswith(MARK):
            values: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return Rehearsed(**values)
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if _ERROR.search(line)]
    last = (errors or said or ["it said nothing"])[-1]
    raise KvplanError(f"vLLM did not start: {inert(last)[:300]}")

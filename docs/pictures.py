"""Draw docs/fit.svg and docs/gallery/ from real output; `--check` says whether they are current."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.text import Text

from kvplan.cli.commands import app

_DOCS = Path(__file__).parent
_COMMAND = "kvplan fit llama-3.1-8b --gpu h100-80gb --context 8k"
_WIDTH = 88

GALLERY = {
    "memory": "kvplan plot memory llama-3.1-8b gemma-3-12b qwen3-32b --gpu h100-80gb --engine vllm -c 8k",
    "missing": "kvplan plot memory llama-3.1-70b --gpu h100-80gb --tp 2,4 -c 32k -b 32",
    "frontier": "kvplan plot frontier gemma-3-27b --gpu h100-80gb --engine vllm",
    "frontiers": "kvplan plot frontier llama-3.1-8b gemma-3-12b deepseek-v2-lite --gpu h100-80gb --dark",
    "growth": "kvplan plot growth gemma-3-27b --engine vllm",
    "growths": "kvplan plot growth llama-3.1-8b gemma-3-12b qwen3-next-80b-a3b deepseek-v3",
    "tp": "kvplan plot tp llama-3.1-70b --gpu h100-80gb -c 8k",
    "waterfall": "kvplan plot waterfall gemma-3-27b --gpu h100-80gb --engine vllm -c 32k",
    "heat": "kvplan plot heat llama-3.1-70b --gpu h100-80gb,h200-141gb --tp 2,3,4,8 -c 8k..128k",
    "traffic": "kvplan plot traffic gemma-3-27b --gpu h100-80gb --engine vllm --traffic azure-conv-2023",
    "narrow": "kvplan plot memory llama-3.1-8b gemma-3-12b --gpu l40s-48gb -c 8k --width 480",
}
"""The pictures of docs/gallery.md by the names of their files, each with the command that draws it."""


def draw() -> str:
    """Return the terminal picture of the README's first answer as SVG."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(_WIDTH), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    output = subprocess.run(  # noqa: S603 - the program that is shown
        [sys.executable, "-m", "kvplan", *_COMMAND.split()[1:]],
        capture_output=True,
        check=True,
        cwd=_DOCS.parent,
        encoding="utf-8",
        env=environment,
    ).stdout
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=_WIDTH, file=nowhere, force_terminal=True)
        console.print(Text(f"$ {_COMMAND}\n", style="bold"))
        console.print(Text.from_ansi(output.rstrip()))
    return console.export_svg(title="kvplan") + "\n"


def plotted(command: str) -> str:
    """Return the SVG that a command `kvplan plot` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        # In this process: matplotlib takes longer to import than to draw.
        app([*shlex.split(command)[1:], "-o", str(path)], standalone_mode=False)
        return path.read_text(encoding="utf-8")


def texts(svg: str) -> list[str]:
    """
    Return the texts of a picture in their order: titles, ticks, answers.

    Another release of matplotlib may draw the same numbers with other bytes.
    """
    root = ET.fromstring(svg)  # noqa: S314 - our own
    return ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


def title(svg: str) -> str:
    """Return the title of a picture."""
    root = ET.fromstring(svg)  # noqa: S314 - as above
    (found,) = root.iter("{http://purl.org/dc/elements/1.1/}title")
    return found.text or ""


def check() -> None:
    """Fail with a reason if a picture that is there is out of date."""
    stale = [] if (_DOCS / "fit.svg").read_text(encoding="utf-8") == draw() else ["fit.svg"]
    for name, command in GALLERY.items():
        path = _DOCS / "gallery" / f"{name}.svg"
        if not path.exists() or texts(path.read_text(encoding="utf-8")) != texts(plotted(command)):
            stale.append(f"gallery/{path.name}")
    if stale:
        sys.exit(f"{', '.join(stale)}: not what kvplan shows now: run python docs/pictures.py")


def main() -> None:
    """Write the pictures, or check those that are there."""
    if "--check" in sys.argv[1:]:
        check()
        return
    (_DOCS / "fit.svg").write_text(draw(), encoding="utf-8")
    for name, command in GALLERY.items():
        (_DOCS / "gallery" / f"{name}.svg").write_text(plotted(command), encoding="utf-8")


if __name__ == "__main__":
    main()

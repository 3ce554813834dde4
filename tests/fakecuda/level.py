"""Run L4 on the fake runtime, as the command line runs it on a GPU."""

import subprocess
from pathlib import Path

from kvplan.validate.machine import ALLOCATOR_SETTINGS
from tests.fakecuda.build import Torch

ENTRY = Path(__file__).parent / "kvplan_on_fake.py"
ROOT = Path(__file__).parents[2]


def run_level(
    torch: Torch, environment: dict[str, str], file: Path, *, parts: str = "", root: Path = ROOT
) -> str:
    """
    Run *parts* of L4 (all for none) of the kvplan in *root*, write them to *file*, and return what it said.

    The exit status says nothing here: claims about values fail, as nothing computes any.
    """
    chosen = [argument for part in parts for argument in ("--part", part)]
    command = [torch.python, str(ENTRY), "validate", "--level", "L4", "--device", "cuda", "--json", str(file)]
    # The allocator is measured as it is by default, and this project's code is not an installed one.
    plain = {name: value for name, value in environment.items() if name not in ALLOCATOR_SETTINGS}
    # From 2.13 on, torch compiles some matrix products with Triton, which wants a driver of its own.
    plain["TORCH_DISABLE_NATIVE_JIT"] = "1"
    ended = subprocess.run(  # noqa: S603 - this project's own program
        [*command, *chosen],
        env={**plain, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout + ended.stderr

"""
See which deliberate errors of mutations.py L4 notices, run on torch's allocator without a GPU.

`KVPLAN_CUDA_PYTHON=... python -m tests.fakecuda.errors [RUN.json] [NAME...]`, with a run of all of L4
under the fake runtime, which is made first if none is given. What a formula gets wrong of a model's
cache shows in the prediction (replay.py), what it gets wrong of a pool or an edge in running it again.
Exit status 1 if an error that concerns what L4 runs goes unnoticed.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kvplan.validate.record import load
from tests.fakecuda.build import Torch, build, missing, torch_of
from tests.fakecuda.level import run_level
from tests.mutations import MUTATIONS, Mutation, copy, mutated

CONCERNED = ("attention/", "terms.py", "dtypes.py", "engines/transformers/caches.py", "planner/search.py")
"""
Files whose figures L4 measures: what a cache holds, and how many sequences of it fit.

Not what a budget is, as the limit of an edge is the plan's own; nor the rules of the serving engines.
"""

_NO_CLASS = "no class of transformers caches it"
_ONE_GPU = "L4 has one GPU"
_PLAIN = "L4 stores bf16, fp32 and fp8, a row for each token"
APART = {
    "no sinks": "transformers keeps no sinks beside a window",
    "GQA without its indexer": _NO_CLASS,
    "MLA without its indexer": "transformers before 5.23 expands K and V",
    "keys from entries wait, too": _NO_CLASS,
    "the state has q and k channels": _NO_CLASS,
    "no normalizer": _NO_CLASS,
    "groups are not replicated": _ONE_GPU,
    "a rank without a unit": _ONE_GPU,
    "ceil for floor": "the rows of several tokens that L4 measures are counted in the rules of transformers",
    "the residual counts twice": _PLAIN,
    "scales of a row forgotten": _PLAIN,
    "q8_0 without its scale": _PLAIN,
    "Falcon without its broadcast": "at full size L4 builds no Falcon, and a small model is told its copies",
}
"""Errors in those files that concern nothing that L4 runs, and why."""


def main(arguments: list[str]) -> int:
    """Print who notices which error, and return the exit status."""
    torch = torch_of(os.environ.get("KVPLAN_CUDA_PYTHON", sys.executable))
    if reason := missing(torch):
        sys.exit(reason)
    names = {each for each in arguments if not each.endswith(".json")}
    runs = [Path(each) for each in arguments if each.endswith(".json")]
    concerned = [each for each in MUTATIONS if each.file.startswith(CONCERNED) and each.name not in APART]
    asked = [each for each in concerned if not names or each.name in names]
    with tempfile.TemporaryDirectory(prefix="kvplan-fakecuda-") as scratch, copy() as folder:
        trial = Trial(torch, Path(scratch), folder, runs[0] if runs else None)
        if by := trial.noticed_by():
            sys.exit(f"{by} fails without any error")
        unnoticed = [each.name for each in asked if not _tried(trial, folder, each)]
    sys.stdout.write(f"L4 noticed {len(asked) - len(unnoticed)} of {len(asked)} errors\n")
    return 1 if unnoticed else 0


def _tried(trial: "Trial", folder: Path, mutation: Mutation) -> bool:
    started = time.monotonic()
    with mutated(folder, mutation):
        by = trial.noticed_by()
    seconds = time.monotonic() - started
    sys.stdout.write(f"{mutation.name:<40} {mutation.file:<32} {by or 'NOBODY'} in {seconds:.0f} s\n")
    sys.stdout.flush()
    return by is not None


class Trial:
    """L4 over a copy of kvplan: a run without errors to replay, and what runs the rest again."""

    def __init__(self, torch: Torch, scratch: Path, folder: Path, run: Path | None) -> None:
        self._torch, self._scratch, self._folder = torch, scratch, folder
        (scratch / "runtime").mkdir()
        self._environment = build(torch, scratch / "runtime")
        self._run = run.absolute() if run else scratch / "whole.json"
        if run is None:
            run_level(torch, self._environment, self._run)

    def noticed_by(self) -> str | None:
        """Return which part of L4 fails over the copy as it is now, None if all hold."""
        if self._replay_fails():
            return "(a), (e)"
        return "(b), (c)" if self._rerun_fails() else None

    def _replay_fails(self) -> bool:
        command = [sys.executable, str(Path(__file__).parent / "replay.py"), str(self._run)]
        environment = {**os.environ, "PYTHONPATH": str(self._folder), "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(command, env=environment, cwd=self._folder, capture_output=True, check=False)  # noqa: S603
        return ended.returncode != 0

    def _rerun_fails(self) -> bool:
        file = self._scratch / "again.json"
        file.unlink(missing_ok=True)
        run_level(self._torch, self._environment, file, parts="bc", root=self._folder)
        found = load(file)
        # A formula that raises before anything is measured leaves no file.
        if found is None or found.failed:
            return True
        return any(not each.passed for each in found.measurements if each.unit != "sequences")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""
L4 on torch's own caching allocator without a GPU: its bookkeeping is real, and no value is.

It needs gcc and the CUDA build of torch of the Python that KVPLAN_CUDA_PYTHON names, and takes minutes.
KVPLAN_CUDA_PARTS leaves out all but some parts of L4 (`bc`). What is measured here says nothing about
CUDA and is recorded nowhere.
"""

import os

import pytest

from kvplan.validate.record import load
from kvplan.validate.results import Measurement, Run
from tests.fakecuda.build import build, missing, torch_of
from tests.fakecuda.level import run_level

KIB, MIB = 2**10, 2**20
PARTS = os.environ.get("KVPLAN_CUDA_PARTS", "abcdef")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    if not (python := os.environ.get("KVPLAN_CUDA_PYTHON")):
        pytest.skip("torch's allocator without a GPU: KVPLAN_CUDA_PYTHON names no Python with CUDA's torch")
    torch = torch_of(python)
    if reason := missing(torch):
        pytest.skip(f"torch's allocator without a GPU: {reason}")
    environment = build(torch, tmp_path_factory.mktemp("fakecuda"))
    file = tmp_path_factory.mktemp("run") / "run.json"
    said = run_level(torch, environment, file, parts=PARTS)
    found = load(file)
    # Its end is the reason, where the program did not come to its own.
    assert found, said[-2000:]
    assert found.complete, said[-2000:]
    return found


def of_values(each: Measurement) -> bool:
    """Whether a claim is about what tensors contain, which nothing computed here."""
    return each.unit == "sequences"


def test_every_claim_about_sizes_holds(run: Run) -> None:
    held = [each for each in run.measurements if not of_values(each)]
    assert [f"{each.subject}: {each.claim}" for each in held if not each.passed] == []
    assert [f"{each.name}: {each.reason}" for each in run.failed] == []
    assert [each.name for each in run.skipped if each.name != "(f) the catalogue's bytes"] == []


def test_it_is_no_evidence_about_cuda(run: Run) -> None:
    assert "fake" in run.device
    assert not run.on_cuda


@pytest.mark.skipif("d" not in PARTS, reason="part d was left out")
def test_the_allocator_rounds_as_its_source_says(run: Run) -> None:
    """To 512 bytes; small tensors in segments of 2 MiB, middle ones in 20, large ones in their own."""
    sizes = {each.claim: each.measured for each in run.measurements}
    assert sizes["allocated for 513 bytes"] == 1024
    assert sizes[f"reserved for {MIB} bytes"] == 2 * MIB
    assert sizes[f"reserved for {MIB + 1} bytes"] == 20 * MIB
    assert sizes[f"reserved for {10 * MIB} bytes"] == 10 * MIB
    workspace = sizes["workspace that a first matrix product keeps in the allocator"]
    assert workspace == 32 * MIB

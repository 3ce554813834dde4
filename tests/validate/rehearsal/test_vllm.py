"""A real start-up of vLLM, where KVPLAN_VLLM_PYTHON names a Python that has it; minutes, and gcc."""

import json
import os
from pathlib import Path

import pytest

from kvplan.engines.vllm.profiling import CUBLAS_BYTES, Batch, Widths, forward_bytes
from kvplan.gpus import find_card
from kvplan.units import MIB
from kvplan.validate.rehearsal.build import build, find_installed
from kvplan.validate.rehearsal.run import Bounds, Rehearsed, rehearse
from tests.validate.rehearsal.test_rehearsing import CONFIG

PYTHON = os.environ.get("KVPLAN_VLLM_PYTHON")
pytestmark = pytest.mark.skipif(PYTHON is None, reason="KVPLAN_VLLM_PYTHON names no Python that has vLLM")

WEIGHTS = 2 * (
    2 * 32_000 * 512  # The embedding and the head.
    + 2 * (512 * (512 + 2 * 128) + 512 * 512 + 3 * 512 * 1024 + 2 * 512)  # Two layers and their norms.
    + 512  # The last norm.
)
TABLE = 2 * 8192 * 64
"""Cosines and sines of each position, of half a head each."""

ROUNDED = 2 * (32 * MIB - 2 * 32_000 * 512)
"""
The embedding and the head have memory of their own in whole 2 MiB, of which a rest up to 1 MiB stays theirs.

So has each tensor from 10 MiB on; all others are whole 512 bytes here. Source: kMinLargeAlloc, kRoundLarge
and should_split in c10/cuda/CUDACachingAllocator.cpp of torch 2.14.
"""

SCALARS = 2 * 4 + 1
"""
Tensors of one number, in 512 bytes each.

Those are the scales of queries, keys, values and probabilities of two layers; beside them stands the table of
the eight numbers of FP4, which a module of vLLM's makes when it is imported: at most so many.
"""


def test_the_libraries_take_the_place_of_cudas(tmp_path: Path) -> None:
    environment = build(find_installed(PYTHON or ""), tmp_path)
    assert Path(environment["LD_PRELOAD"]).is_file()
    names = {path.name for path in tmp_path.iterdir()}
    assert {"libkvplan.so", "libcuda.so.1", "libnvidia-ml.so.1"} <= names


def test_a_small_llama_has_the_weights_and_the_peak_of_its_widths(tmp_path: Path) -> None:
    """Of weights all, with what the allocator rounds up; of the peak all but two hidden states at most."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    found = rehearse(
        find_installed(PYTHON or ""),
        file,
        ["--max-model-len", "8192", "--max-num-seqs", "64", "--enforce-eager"],
        card=find_card("h100-80gb"),
        ranks=1,
        bounds=Bounds(),
    )
    assert isinstance(found, Rehearsed)
    scalars = found.weights_bytes - WEIGHTS - TABLE - ROUNDED
    assert scalars in (512 * (SCALARS - 1), 512 * SCALARS)
    batch = Batch(
        tokens=found.tokens,
        sequences=found.sequences,
        hidden=512,
        vocab=32_000,
        element_bytes=2,
        tp=1,
        v2=found.runner == "v2",
        eager=True,
    )
    most = CUBLAS_BYTES + forward_bytes(batch, Widths(dense=1024))
    assert found.activation_bytes <= most + MIB
    assert found.kv_bytes > 0

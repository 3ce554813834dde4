"""A real start-up of SGLang, where KVPLAN_SGLANG_PYTHON names a Python that has it; a minute, and gcc."""

import json
import os
from pathlib import Path

import pytest

from kvplan.gpus import find_card
from kvplan.units import MIB
from kvplan.validate.rehearsal.build import find_installed
from kvplan.validate.rehearsal.run import Bounds, RehearsedSglang, rehearse
from tests.validate.rehearsal.test_rehearsing import CONFIG
from tests.validate.rehearsal.test_vllm import WEIGHTS

PYTHON = os.environ.get("KVPLAN_SGLANG_PYTHON")
pytestmark = pytest.mark.skipif(PYTHON is None, reason="KVPLAN_SGLANG_PYTHON names no Python that has SGLang")

ROTATIONS = (8192 + 256) * 64 * 4
"""The table of rotary embeddings in float32, 256 tokens past the context."""


def test_a_small_llama_has_the_weights_and_the_share_of_its_widths(tmp_path: Path) -> None:
    """Weights but for rounding to 512 bytes, and segments; a token has 2 x 2 x 64 x 2 x 2 bytes."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    found = rehearse(
        find_installed(PYTHON or "", "sglang"),
        file,
        ["--model-path", "org/model"],
        card=find_card("h100-80gb"),
        ranks=1,
        bounds=Bounds(),
    )
    assert isinstance(found, RehearsedSglang)
    assert found.fraction == 0.83
    assert 0 <= found.weights_bytes - WEIGHTS - ROTATIONS < 32 * MIB
    assert found.tokens == found.kv_bytes // 1024
    assert found.table_bytes == (found.requests + 1) * (8192 + 4) * 4
    assert found.graphs_bytes is not None
    assert found.chunk_bytes is not None
    assert found.graphs_bytes > 2 * 32 * MIB  # cuBLAS has so much in each of two streams.
    assert 0 < found.chunk_bytes < found.graphs_bytes

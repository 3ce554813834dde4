"""The buffer of a GGUF file's graph against llama.cpp itself: as test_compute_buffers.py has it of names."""

from pathlib import Path

import pytest

from kvplan.importers.gguf_specs import import_gguf
from kvplan.units import MIB
from tests.engines.llamacpp.gguf_models import MODELS
from tests.engines.llamacpp.test_compute_buffers import PRINTED, known, planned


@pytest.mark.parametrize("model", MODELS)
def test_a_file_has_the_buffer_that_llamacpp_prints(tmp_path: Path, model: str) -> None:
    """As the model of the catalogue has, by the keys and tensors of its file alone."""
    of_files = PRINTED["printed_of_files"].get(model)
    digits = 4 if of_files is None else 2
    printed = known(of_files or PRINTED["printed"][model])
    spec = import_gguf(MODELS[model]().write(tmp_path)).spec
    assert spec.architecture is None
    found = [f"{planned(spec, asked).budget.needs.activation_bytes / MIB:.{digits}f}" for asked, _ in printed]
    assert found == [f"{size:.{digits}f}" for _, size in printed]

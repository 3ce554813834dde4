"""What a model or its file is called is for people: no engine decides by it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.engines import engine_names
from kvplan.specs import ModelSpec
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load_file
from tests.importers.configs import FALCON_7B, GEMMA_3_4B, LLAMA, MISTRAL, NEMOTRON_H, STEP

# Names by which engines decided once: of an architecture that llama.cpp lacks, of classes of their own.
MISLEADING = (
    "opt-1",
    "step-1000",
    "falcon-40b",
    "mistral-7b-v0.1",
    "gemma-3-x",
    "xlstm-7b",
    "phi-3",
    "model",
)


def answer(model: str | Path | ModelSpec, engine: str) -> dict[str, Any] | str:
    """Return every figure without the model's name, or which error refuses it."""
    try:
        size = kvplan.size(model, engine=engine, context=8192).to_dict()
        return {key: value for key, value in size.items() if key not in ("model", "source", "warnings")}
    except kvplan.KvplanError as error:
        return type(error).__name__


@pytest.mark.parametrize("path", spec_files(), ids=lambda path: path.stem)
def test_a_spec_by_another_name_is_the_same_model(path: Path) -> None:
    spec = load_file(path)
    renamed = [spec.model_copy(update={"name": name}) for name in MISLEADING]
    for engine in engine_names():
        told = answer(spec, engine)
        assert all(answer(each, engine) == told for each in renamed), engine


@given(
    st.sampled_from([LLAMA, MISTRAL, FALCON_7B, GEMMA_3_4B, NEMOTRON_H, STEP]),
    st.sampled_from(MISLEADING),
    st.sampled_from(MISLEADING),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
def test_a_config_in_another_place_is_the_same_model(
    tmp_path: Path, config: dict[str, object], folder: str, file: str
) -> None:
    told = []
    for place in (tmp_path / "plain" / "config.json", tmp_path / folder / f"{file}.json"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(config))
        told.append([answer(place, engine) for engine in engine_names()])
    assert told[0] == told[1]

"""What every command takes as MODEL."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import kvplan
from kvplan.errors import ImportedError, KvplanError, SpecError, UnknownNameError
from kvplan.importers import import_model, is_source, load
from kvplan.importers.hub import HubModel
from tests.importers import configs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "my-llama"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(configs.LLAMA), encoding="utf-8")
    return model


def test_a_name_and_a_hub_id_are_found_in_the_catalogue() -> None:
    assert load("llama-3.1-8b").name == "llama-3.1-8b"
    assert load("meta-llama/Llama-3.1-8B").name == "llama-3.1-8b"


def test_a_config_and_its_folder_are_read(folder: Path) -> None:
    for source in (folder, str(folder), folder / "config.json", str(folder / "config.json")):
        assert load(source).name == "my-llama"


def test_a_relative_folder_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    for source in ("my-llama", "./my-llama", "my-llama/"):
        assert load(source).name == "my-llama"


def test_an_empty_folder_does_not_hide_a_catalogue_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llama-3.1-8b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("llama-3.1-8b").hf_id == "meta-llama/Llama-3.1-8B"
    with pytest.raises(ImportedError, match=r"holds no config\.json"):
        load("./llama-3.1-8b")


def test_a_spec_file_is_still_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("name: x\n", encoding="utf-8")
    with pytest.raises(SpecError, match="expected these keys"):
        load(path)


def test_the_error_says_what_else_there_is(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"a spec file in YAML, or a config\.json, a model folder, a \.gguf file"
    ):
        load(str(tmp_path / "nothing"))


@pytest.mark.parametrize("text", ["", "\0", "x" * 5000, "a/b/c", "~", "{}"])
def test_odd_names_are_no_sources_and_no_tracebacks(text: str) -> None:
    assert not is_source(text)
    with pytest.raises(KvplanError):
        load(text)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"\0")
    with pytest.raises(ImportedError, match=r"is no model's own file; expected a config\.json"):
        import_model(path)


def test_a_hub_id_is_looked_up_after_the_catalogue(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's part has tests of its own; here it answers from a folder."""
    model = HubModel(
        repo_id="some/llama", commit="0123abcd", folder=folder, origin="https://hub.example", weights=None
    )
    monkeypatch.setattr("kvplan.importers.complete.fetch_model", lambda *_: model)
    spec = load("some/llama")
    assert spec.hf_id == "some/llama"
    assert "/0123abcd/" in spec.source
    assert load("meta-llama/Llama-3.1-8B").name == "llama-3.1-8b"


def test_an_unknown_hub_id_keeps_the_catalogues_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> HubModel:
        raise ImportedError("the hub has no such model")

    monkeypatch.setattr("kvplan.importers.complete.fetch_model", missing)
    with pytest.raises(UnknownNameError, match=r"(?s)did you mean .*\n +the hub has no such model"):
        load("meta-llama/Llama-3.1-8")


def test_a_folder_with_a_gguf_file_alone_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(ImportedError, match=r"model\.gguf"):
        load(tmp_path)


def test_an_imported_model_is_sized_as_a_reviewed_one(folder: Path) -> None:
    imported, reviewed = (kvplan.size(each, context="8k") for each in (load(folder), load("llama-3.1-8b")))
    assert imported.bytes_per_sequence == reviewed.bytes_per_sequence == 8192 * 128 * 1024


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = """if True:
        import sys
        import kvplan.importers
        heavy = {"pydantic", "yaml", "json", "typer", "numpy", "torch", "gguf", "huggingface_hub"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 - this very Python

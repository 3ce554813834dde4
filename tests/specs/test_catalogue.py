"""The catalogue: an index of names over a folder of specs, here over folders made for the test."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvplan.errors import SpecError, UnknownNameError
from kvplan.specs import __main__ as write_index
from kvplan.specs import catalogue
from kvplan.specs.catalogue import find_spec, spec_files
from kvplan.specs.index import build_index
from kvplan.specs.load import load
from kvplan.specs.strict_yaml import Document, read_document
from tests.steps import at_most


def add(folder: Path, file: str, name: str, extra: str = "") -> Path:
    """Write a spec of *name* into *folder*."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"name: {name}\nsource: https://example.org\ndtype: bfloat16\nmax_context: 4096\n"
        f"layers: 2\nattention: {{kind: mha, heads: 2, head_dim: 64}}\n{extra}",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make the folder of a catalogue of two models, which takes the place of the shipped one."""
    made = tmp_path / "model_specs"
    add(made, "family/toy-1.yaml", "toy-1", "hf_id: Org/Toy-1\naliases: [Tiny, org/toy-1, toy]\n")
    add(made, "toy-2.yaml", "toy-2")
    index = json.dumps(build_index(made))
    (made / catalogue.INDEX_NAME).write_text(index, encoding="utf-8")
    monkeypatch.setattr(catalogue, "PACKAGE", tmp_path / "kvplan")
    catalogue.catalogue_folder.cache_clear()
    catalogue.read_index.cache_clear()
    yield made
    catalogue.catalogue_folder.cache_clear()
    catalogue.read_index.cache_clear()


def test_the_index_has_every_name_alias_and_hub_id_in_lower_case(folder: Path) -> None:
    """Sorted, relative to the folder; a name that a spec gives twice is there once."""
    index = build_index(folder)
    assert index == {
        "org/toy-1": "family/toy-1.yaml",
        "tiny": "family/toy-1.yaml",
        "toy": "family/toy-1.yaml",
        "toy-1": "family/toy-1.yaml",
        "toy-2": "toy-2.yaml",
    }
    assert list(index) == sorted(index)
    assert spec_files(folder) == spec_files() == [folder / "family/toy-1.yaml", folder / "toy-2.yaml"]


@pytest.mark.parametrize(
    ("name", "extra", "taken"),
    [
        ("tiny", "", "tiny"),
        ("toy-3", "aliases: [TOY-2]\n", "toy-2"),
        ("toy-3", "hf_id: org/TOY-1\n", "org/toy-1"),
        ("toy-3", "aliases: [toy-3b, Tiny]\n", "tiny"),
    ],
)
def test_a_name_belongs_to_one_spec(folder: Path, name: str, extra: str, taken: str) -> None:
    """Whichever of name, alias or hub id it is, in whatever case; the error names both files."""
    path = add(folder, f"zoo/{name}.yaml", name, extra)
    owner = "toy-2.yaml" if taken == "toy-2" else "family/toy-1.yaml"
    with pytest.raises(SpecError) as caught:
        build_index(folder)
    assert str(caught.value) == f"{path}: the name {taken!r} is already that of {owner}"


def test_a_file_is_named_after_its_model(folder: Path) -> None:
    path = add(folder, "family/other.yaml", "toy-3")
    with pytest.raises(SpecError) as caught:
        build_index(folder)
    assert str(caught.value) == f"{path}: the file of 'toy-3' must be named toy-3.yaml"


def test_a_broken_spec_is_told_when_the_index_is_built(folder: Path) -> None:
    path = add(folder, "toy-3.yaml", "toy-3", "potato: 1\n")
    with pytest.raises(SpecError) as caught:
        build_index(folder)
    assert str(caught.value).startswith(f"{path}:7: potato: unknown key")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("source: https://example.org\n", "source: found nothing; the catalogue says where"),
        ("max_context: 4096\n", "max_context: found nothing; a model of the catalogue was made for some"),
    ],
)
def test_a_published_model_has_a_source_and_a_longest_context(folder: Path, line: str, problem: str) -> None:
    """Which a design of one's own need not have."""
    path = add(folder, "toy-3.yaml", "toy-3")
    path.write_text(path.read_text(encoding="utf-8").replace(line, ""), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        build_index(folder)
    assert str(caught.value).startswith(f"{path}: {problem}")


def test_the_parameters_of_a_published_model_can_be_counted(folder: Path) -> None:
    path = add(folder, "toy-3.yaml", "toy-3")
    latent = "attention: {kind: mla, heads: 2, d_c: 64, d_rope: 8, d_nope: 16}"
    text = path.read_text(encoding="utf-8").replace("attention: {kind: mha, heads: 2, head_dim: 64}", latent)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        build_index(folder)
    assert str(caught.value).startswith(f"{path}: attention: mla without v_head_dim: ")


@pytest.mark.parametrize("name", ["toy-1", "TOY-1", " tiny ", "Org/Toy-1", "toy"])
def test_a_model_is_found_by_any_of_its_names_in_any_case(folder: Path, name: str) -> None:
    assert find_spec(name) == folder / "family/toy-1.yaml"


def test_an_unknown_model_is_refused_with_what_is_close(folder: Path) -> None:
    assert folder.is_dir()
    with pytest.raises(UnknownNameError) as caught:
        find_spec("tiy-2")
    assert str(caught.value).startswith("unknown model 'tiy-2' (did you mean 'toy-2' or ")
    assert str(caught.value).endswith(
        "?); `kvplan models` lists the known ones, or give a spec file: model.yaml"
    )
    with pytest.raises(UnknownNameError, match=r"^unknown model 'potato'; `kvplan models` lists"):
        find_spec("potato")


def test_a_look_up_reads_the_index_alone(folder: Path) -> None:
    """Not even the spec that it finds: there are none left to read."""
    for path in spec_files(folder):
        path.unlink()
    assert find_spec("tiny") == folder / "family/toy-1.yaml"
    with pytest.raises(UnknownNameError):
        find_spec("potato")


def test_loading_a_model_reads_its_file_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of however many there are."""
    read: list[Path] = []

    def spy(path: Path) -> Document:
        read.append(path)
        return read_document(path)

    monkeypatch.setattr(sys.modules["kvplan.specs.load"], "read_document", spy)
    assert load("tiny").name == "toy-1"
    assert read == [folder / "family/toy-1.yaml"]


def test_the_index_is_read_once(folder: Path) -> None:
    find_spec("tiny")
    (folder / catalogue.INDEX_NAME).unlink()
    assert find_spec("toy-2") == folder / "toy-2.yaml"


def test_an_installed_package_has_its_specs_inside(folder: Path) -> None:
    """A wheel ships them in kvplan/model_specs; a checkout has them beside the package."""
    assert catalogue.catalogue_folder() == folder
    inside = folder.parent / "kvplan" / "model_specs"
    inside.mkdir(parents=True)
    (inside / catalogue.INDEX_NAME).write_text("{}", encoding="utf-8")
    catalogue.catalogue_folder.cache_clear()
    assert catalogue.catalogue_folder() == inside


def test_a_missing_catalogue_is_told(folder: Path) -> None:
    (folder / catalogue.INDEX_NAME).unlink()
    with pytest.raises(SpecError, match=r"the model catalogue is missing beside .*: install kvplan again"):
        find_spec("tiny")


def test_the_index_can_be_written_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m kvplan.specs` in a checkout: one name a line, so that changes are seen in review."""
    add(folder, "toy-3.yaml", "toy-3", "aliases: [élan]\n")
    monkeypatch.setattr(write_index, "PACKAGE", folder.parent / "kvplan")
    write_index.main()
    text = (folder / catalogue.INDEX_NAME).read_text(encoding="utf-8")
    assert json.loads(text) == build_index(folder)
    assert '\n"toy-3": "toy-3.yaml",\n' in text
    assert text.endswith('"élan": "toy-3.yaml"\n}\n')
    assert capsys.readouterr().out == "index.json: 7 names\n"


def test_a_long_unknown_name_is_taken_apart_once() -> None:
    """A part of 50,000 characters per name of the catalogue took 12 seconds."""
    with at_most(calls=1_000_000), pytest.raises(UnknownNameError):
        find_spec("y-" * 50_000)

"""An imported spec as a file: it says where its facts came from, and loads back to the same spec."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.errors import ImportedError, KvplanError
from kvplan.importers.config import import_config, import_values, runs
from kvplan.importers.write import as_yaml, save, spec_yaml
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load_file
from kvplan.specs.model import ModelSpec
from tests.importers import configs
from tests.importers.originals import FOLDER, REFUSED, index
from tests.strategies import specs

LLAMA_YAML = """\
name: llama-3.1-8b
source: config.json (llama)
architecture: llama  # model_type
dtype: bfloat16  # torch_dtype
max_context: 131072  # max_position_embeddings
hidden: 4096  # hidden_size
mlp: {intermediate: 14336}
layers: 32  # num_hidden_layers
# heads: num_attention_heads = 32
# groups: num_key_value_heads = 8
# head_dim: hidden_size / num_attention_heads
attention: {kind: gqa, heads: 32, groups: 8, head_dim: 128}
"""

NEMOTRON_YAML = """\
attention:
  mamba: {kind: mamba2, heads: 128, head_dim: 80, groups: 8, d_state: 128, conv_kernel: 4,
    conv_dtype: bf16, state_dtype: fp32}
  attention: {kind: gqa, heads: 40, groups: 8, head_dim: 128}
  mlp: {kind: none}
layers:
  - {repeat: 1, pattern: [mamba]}
  - {repeat: 1, pattern: [mlp]}
  - {repeat: 1, pattern: [mamba]}
  - {repeat: 1, pattern: [attention]}
"""


def _yaml(config: dict[str, Any], name: str = "llama-3.1-8b") -> str:
    return spec_yaml(import_values(config, file="config.json", name=name))


def _without_parameters(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("parameters:"))


def test_a_plain_model_is_written_as_a_person_would() -> None:
    assert _without_parameters(_yaml(configs.LLAMA)) == LLAMA_YAML


def test_a_hybrid_names_its_layer_types() -> None:
    assert _yaml(configs.NEMOTRON_H).endswith(NEMOTRON_YAML)


def test_what_is_not_counted_is_in_the_notes() -> None:
    text = _yaml(configs.DEEPSEEK_V3)
    assert "notes: >-\n  Not counted: 1 draft layer for multi-token prediction" in text


@pytest.mark.parametrize(
    "notes",
    [
        " ".join(["multi-token-prediction"] * 20),
        "a\nattention: {kind: none}\x85layers: 1\u2028\x1b[2J",
        "# no comment, 'quoted' \"twice\" and a \\ mark",
    ],
)
def test_notes_come_back_as_they_were_shown(tmp_path: Path, notes: str) -> None:
    """Not broken at hyphens, and nothing in them is YAML, ends a line or reaches a terminal."""
    imported = import_values(configs.LLAMA, file="config.json", name="llama-3.1-8b")
    spec = imported.spec.model_copy(update={"notes": notes})
    path = tmp_path / "model.yaml"
    path.write_text(text := spec_yaml(replace(imported, spec=spec)), encoding="utf-8")
    assert load_file(path) == spec
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    "entry",
    [entry for entry in index() if entry["file"] not in REFUSED],
    ids=lambda entry: entry["file"][:-5],
)
def test_every_original_loads_back_to_an_equal_spec(entry: dict[str, Any], tmp_path: Path) -> None:
    imported = import_config(FOLDER / entry["file"])
    text = spec_yaml(imported)
    path = tmp_path / "model.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_file(path) == imported.spec
    assert max(len(line) for line in text.splitlines() if not line.startswith("source:")) <= 100
    for origin in imported.origins.values():
        assert origin.partition(" = ")[0].split()[0] in text


@pytest.mark.parametrize("name", [name for name in dir(configs) if name.isupper() and name != "WITH_CODE"])
def test_every_small_config_loads_back_to_an_equal_spec(name: str, tmp_path: Path) -> None:
    imported = import_values(getattr(configs, name), file="config.json", name="model")
    path = tmp_path / "model.yaml"
    path.write_text(spec_yaml(imported), encoding="utf-8")
    assert load_file(path) == imported.spec


def _read_back(text: str, folder: Path) -> ModelSpec:
    path = folder / "model.yaml"
    path.write_text(text, encoding="utf-8")
    return load_file(path)


@pytest.mark.parametrize("path", spec_files(), ids=lambda path: path.stem)
def test_every_spec_of_the_catalogue_loads_back_to_an_equal_one(path: Path, tmp_path: Path) -> None:
    spec = load_file(path)
    assert _read_back(as_yaml(spec, {}), tmp_path) == spec


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120)
SENTENCES = st.lists(
    st.sampled_from(["--kv-dtype fp8", "a-b", "x" * 120, "#", "- ", "'", ": "]) | WORDS, min_size=1
)
TEXTS = WORDS | SENTENCES.map(" ".join)
ORIGINS = st.dictionaries(st.sampled_from(["dtype", "max_context", "layers", "heads"]), TEXTS)


@st.composite
def texts_and_specs(draw: st.DrawFn) -> ModelSpec:
    """A spec whose texts and layer types are called anything but `kind`, which is a key of a kind."""
    facts, lists = draw(specs()).model_dump(), st.lists(TEXTS, max_size=4).map(tuple)
    old = list(facts["attention"])
    new = draw(st.lists(WORDS | st.just(""), min_size=len(old), max_size=len(old), unique=True))
    named = {name: other if other != "kind" else name for name, other in zip(old, new, strict=True)}
    facts["attention"] = {named[name]: kinds for name, kinds in facts["attention"].items()}
    for run in facts["layers"]:
        run["pattern"] = tuple(named[name] for name in run["pattern"])
    if draw(st.booleans()):
        facts |= {
            "source": draw(TEXTS),
            "hf_id": draw(TEXTS),
            "aliases": draw(lists),
            "quantized": draw(lists),
        }
    optional = {"max_context": draw(st.none() | st.just(4096)), "notes": draw(st.none() | TEXTS)}
    return ModelSpec.model_validate(facts | optional)


@settings(deadline=None)
@given(texts_and_specs(), ORIGINS)
def test_any_spec_loads_back_to_an_equal_one(
    tmp_path_factory: pytest.TempPathFactory, spec: ModelSpec, origins: dict[str, str]
) -> None:
    """Wherever its facts come from."""
    assert _read_back(as_yaml(spec, origins), tmp_path_factory.getbasetemp()) == spec


@pytest.mark.parametrize("letters", ["\x1b[31m", "\u202e", "\x85", "a\nb", "\t"])
def test_what_could_act_on_a_terminal_is_escaped(letters: str, tmp_path: Path) -> None:
    """And read back as it was."""
    text = _yaml_of(notes=letters, hf_id=letters, aliases=(letters,))
    assert text.replace("\n", "").isprintable()
    assert _read_back(text, tmp_path).notes == letters


def test_notes_are_broken_between_words_alone() -> None:
    """A hyphen at the end of a line would be read back with a space behind it: `--kv- dtype`."""
    said = "The checkpoint declares a KV cache in fp8_e4m3: --kv-dtype fp8_e4m3. " * 20
    (folded,) = re.findall(r"notes: >-\n((?:  .*\n)+)", _yaml_of(notes=said.strip()))
    assert folded.count("--kv-dtype") == 20
    assert max(map(len, folded.splitlines())) <= 100


def _yaml_of(**facts: object) -> str:
    llama = import_values(configs.LLAMA, file="config.json", name="model").spec
    return as_yaml(llama.model_copy(update=facts), {})


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("aaaa", [(4, "a")]),
        ("aaab" * 3, [(3, "aaab")]),
        ("abababa", [(3, "ab"), (1, "a")]),
        ("aab" * 2 + "cc", [(2, "aab"), (2, "c")]),
        ("abc", [(1, "a"), (1, "b"), (1, "c")]),
    ],
)
def test_layers_are_written_as_short_patterns(letters: str, expected: list[tuple[int, str]]) -> None:
    found = runs(tuple(letters))
    assert [(run["repeat"], "".join(run["pattern"])) for run in found] == expected
    assert "".join("".join(run["pattern"]) * run["repeat"] for run in found) == letters


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(ImportedError, match=r"model\.yaml exists; give another name, or --force"):
        save("new", path)
    assert path.read_text(encoding="utf-8") == "mine"
    save("new", path, force=True)
    assert path.read_text(encoding="utf-8") == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["model.yaml"]


def test_a_broken_link_is_a_file_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ImportedError, match="exists"):
        save("new", path)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("mine", encoding="utf-8")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KvplanError, match=r"cannot write .*: No space left on device"):
        save("new", path, force=True)
    assert path.read_text(encoding="utf-8") == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["model.yaml"]


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(ImportedError, match="is a folder"):
        save("new", tmp_path, force=True)
    with pytest.raises(KvplanError, match="cannot write"):
        save("new", tmp_path / "none" / "model.yaml")


def test_a_written_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        save("new", tmp_path / "model.yaml")
    finally:
        os.umask(old)
    assert (tmp_path / "model.yaml").stat().st_mode & 0o777 == 0o640

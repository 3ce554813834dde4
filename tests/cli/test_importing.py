"""The command `import`, in this process."""

import json
from pathlib import Path

import pytest
import typer

from kvplan.cli import app
from kvplan.errors import ImportedError
from tests.importers import configs


def _run(*arguments: str) -> int:
    return int(app(["import", *arguments], standalone_mode=False) or 0)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(configs.DEEPSEEK_V3), encoding="utf-8")
    return str(path)


def test_the_spec_is_printed_and_what_is_left_out_is_said(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(config) == 0
    out, err = capsys.readouterr()
    assert "attention: {kind: mla, heads: 128, d_c: 512, d_rope: 64, d_nope: 128, v_head_dim: 128" in out
    draft, parameters = err.splitlines()
    assert draft == "kvplan: not counted: 1 draft layer for multi-token prediction (num_nextn_predict_layers)"
    assert parameters.startswith("kvplan: not counted: all parameters (")
    assert "tie_word_embeddings: found nothing" in parameters


def test_a_written_spec_passes_its_own_check(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = str(tmp_path / "deepseek.yaml")
    assert _run(config, "-o", spec) == 0
    assert _run(config, "--check", spec) == 0
    assert capsys.readouterr().out == f"wrote {spec}\n{spec} agrees with its source\n"


def test_a_hyphen_is_the_terminal(config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As for other programs, and no file of that name."""
    printed = []
    for options in ((), ("-o", "-"), ("--output", "-", "--force")):
        assert _run(config, *options) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0].startswith("name: ")
    assert printed == printed[:1] * 3
    spec = tmp_path / "spec.yaml"
    spec.write_text(printed[0], encoding="utf-8")
    assert _run(config, "--check", str(spec)) == 0
    assert not Path("-").exists()


def test_a_spec_that_differs_ends_with_status_1(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "deepseek.yaml"
    assert _run(config, "-o", str(spec)) == 0
    spec.write_text(spec.read_text(encoding="utf-8").replace("d_c: 512", "d_c: 256"), encoding="utf-8")
    assert _run(config, "--check", str(spec)) == 1
    assert "d_c 256" in capsys.readouterr().out


def test_what_is_not_checked_is_said_and_fails_nothing(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The source does not tell how weights are stored, and a label decides nothing."""
    spec = tmp_path / "deepseek.yaml"
    assert _run(config, "-o", str(spec)) == 0
    text = spec.read_text(encoding="utf-8")
    more = "hf_id: a/b\nweight_dtype: fp8\nsource: "
    spec.write_text(text.replace("source: ", more), encoding="utf-8")
    capsys.readouterr()
    assert _run(config, "--check", str(spec)) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{spec} agrees with its source",
        "not checked: weight_dtype: fp8 in the spec, nothing in the source, which leaves it open",
        "not checked, as it decides nothing: hf_id",
    ]


def test_an_existing_file_is_replaced_by_force_alone(config: str, tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text("mine", encoding="utf-8")
    with pytest.raises(ImportedError, match="--force"):
        _run(config, "-o", str(spec))
    assert spec.read_text(encoding="utf-8") == "mine"
    assert _run(config, "-o", str(spec), "--force") == 0
    assert "kind: mla" in spec.read_text(encoding="utf-8")


def test_a_bad_source_harms_no_output(tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text("mine", encoding="utf-8")
    bad = tmp_path / "bad.json"
    bad.write_text("{", encoding="utf-8")
    with pytest.raises(ImportedError, match="not JSON"):
        _run(str(bad), "-o", str(spec), "--force")
    assert spec.read_text(encoding="utf-8") == "mine"


def test_output_and_check_are_not_given_together(config: str) -> None:
    with pytest.raises(typer.BadParameter, match="not both"):
        _run(config, "-o", "a.yaml", "--check", "b.yaml")

"""What the program says of itself: help, examples that work, the version."""

import re
from pathlib import Path

import pytest

from kvplan import __version__
from tests.program import ROOT, Cli

COMMANDS = (
    *(
        "fit",
        "hold",
        "tiers",
        "sweep",
        "size",
        "check",
        "show",
        "compare",
        "plot",
        "whatif",
        "advise",
        "new",
        "bounds",
        "disaggregate",
        "models",
        "gpus",
        "schema",
    ),
    *("import", "reconcile", "rehearse", "validate"),
)


def example_spec() -> str:
    """Return the README's spec of a model that is not in the catalogue."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (spec,) = re.findall(r"```yaml\n(layers: .*?)```", readme, re.DOTALL)
    return str(spec)


# Those of the others read a model's own files, or need torch.
@pytest.mark.parametrize("command", COMMANDS[: COMMANDS.index("import")])
def test_the_examples_of_each_help_work(
    kvplan: Cli, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example may answer that a plan does not fit, but none may be refused."""
    helped = kvplan(f"{command} --help")
    assert (helped.status, helped.err) == (0, "")
    _, _, examples = helped.out.partition("Examples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-model.yaml").write_text(example_spec(), encoding="utf-8")
    for line in lines:
        program, _, example = line.partition(" ")
        assert (program, example.split()[0]) == ("kvplan", command)
        shown = kvplan(example.partition(" > ")[0])
        written = example.partition(" -o ")[2].partition(" ")[0]
        assert shown.out or (tmp_path / written).stat().st_size
        assert shown.status == 0 or " tokens do not fit: " in shown.err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal_of_80_columns(
    kvplan: Cli, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = kvplan(f"{command} --help").out.splitlines()
    assert [line for line in lines if len(line) > 80] == []


def test_without_a_command_the_help_is_printed(kvplan: Cli) -> None:
    bare = kvplan("")
    assert (bare.status, bare.err) == (0, "")
    assert bare.out == kvplan("--help").out == kvplan("-h").out
    listed = re.findall(r"^  (\w+)  ", bare.out.partition("Commands:\n")[2], re.MULTILINE)
    assert tuple(listed) == COMMANDS


def test_the_version_is_the_one_of_the_project(kvplan: Cli) -> None:
    """pyproject.toml takes it from the package, so an uninstalled checkout knows it, too."""
    for option in ("--version", "-V"):
        told = kvplan(option)
        assert (told.status, told.out, told.err) == (0, f"kvplan {__version__}\n", "")
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_a_command_too(kvplan: Cli, command: str) -> None:
    assert kvplan(f"help {command}") == kvplan(f"{command} --help")


def test_the_help_of_what_is_no_command_is_refused(kvplan: Cli) -> None:
    run = kvplan("help fits")
    assert (run.status, run.out) == (2, "")
    assert run.err.startswith("kvplan: No such command 'fits'.")

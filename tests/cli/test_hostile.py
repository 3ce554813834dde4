"""Every site that prints text from outside, with a value that would clear the screen and set the title."""

import ast
import json
import re
from pathlib import Path

import pytest

from tests.cli.hostile_sites import FIT, NEEDS_TORCH, SITES, SPEC, Site, in_json
from tests.program import ROOT, Cli, Run, start

HOSTILE = "x\x1b]0;owned\x07\x1b[2J\x9b31m\u202etxt\u2066\r\n\x85\u2028\ufeff\xa0[bold]:smile:[/x]end"
SEEN = ("x\\x1b", "x\\u001b", "x\\e")
"""How the value begins where it is shown, as Python, as JSON and as YAML write it."""

LONG = "y\x1b" * 5_000
"""More than any line may have, and no more: a shell takes its words apart letter by letter."""


def assert_inert(run: Run) -> None:
    for line in (run.out + run.err).split("\n"):
        assert line.isprintable(), line
        assert len(line) <= 4200
    assert len(run.err) <= 1200
    assert run.err.count("\n") <= 2
    assert "Traceback" not in run.err


@pytest.mark.parametrize("place", SITES)
def test_a_hostile_value_is_shown_and_does_nothing(kvplan: Cli, tmp_path: Path, place: str) -> None:
    if place in NEEDS_TORCH:
        pytest.importorskip("torch", reason="what is validated is read after torch")
    run = kvplan(SITES[place](tmp_path, HOSTILE))
    assert_inert(run)
    assert any(seen in run.out + run.err for seen in SEEN)


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_long_value_is_cut(kvplan: Cli, tmp_path: Path, site: Site) -> None:
    assert_inert(kvplan(site(tmp_path, LONG)))


def test_every_command_has_a_site(kvplan: Cli, tmp_path: Path) -> None:
    listed = re.findall(r"^  (\w+)  ", kvplan("").out.partition("Commands:\n")[2], re.MULTILINE)
    assert listed
    assert {*listed, "help"} <= {site(tmp_path, "x").split()[0] for site in SITES.values()}


@pytest.mark.parametrize("command", ["size", "show", "check", FIT.removesuffix(" {}")])
def test_every_report_of_a_hostile_spec(kvplan: Cli, tmp_path: Path, command: str) -> None:
    notes = {"notes": "VALUE", "source": f"VALUE/blob/{40 * 'a'}/"}
    path = in_json(tmp_path / "x.yaml", SPEC | notes, HOSTILE)
    run = kvplan(command.format(path) if "{}" in command else f"{command} {path}")
    assert run.status == 0
    assert_inert(run)


def test_json_says_exactly_what_a_spec_says(kvplan: Cli, tmp_path: Path) -> None:
    path = in_json(tmp_path / "x.yaml", SPEC | {"notes": "VALUE"}, HOSTILE)
    run = kvplan(f"show {path} --json")
    assert json.loads(run.out)["notes"] == HOSTILE
    assert run.out.isascii()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("secret.yaml", "hunter2\n"),
        ("more.yaml", "password: hunter2\n"),
        ("list.yaml", "[hunter2]\n"),
        ("secret.json", '"hunter2"'),
        ("more.json", '{"password": "hunter2"}'),
        ("list.json", '["hunter2"]'),
        ("text.json", "hunter2"),
        ("x.gguf", "hunter2 and what follows it"),
    ],
)
@pytest.mark.parametrize("command", ["size", "import", "reconcile"])
def test_a_file_that_is_no_spec_is_not_quoted(
    kvplan: Cli, tmp_path: Path, command: str, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    run = kvplan(f"{command} {path}")
    assert run.status == 1
    assert not any(word in run.out + run.err for word in ("hunter2", "root:x", "/bin/sh"))


def test_the_second_line_of_an_error_is_given_as_one() -> None:
    """A line end within a message is shown, not broken at: it might have come from outside."""
    for path in sorted((ROOT / "kvplan").rglob("*.py")):
        for raised in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(raised, ast.Raise):
                texts = [node.value for node in ast.walk(raised) if isinstance(node, ast.Constant)]
                assert not [text for text in texts if isinstance(text, str) and "\n" in text], path


def test_random_hostile_inputs_do_nothing() -> None:
    """
    The same few hundred each time; `python -m tests.cli.hostile --inputs 100000` runs more of any seed.

    The bound of a time is for runs by hand.
    """
    program = "import sys; from tests.cli.hostile import main; sys.exit(main())"
    ended = start("--inputs", "300", "--seconds", "600", script=program)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout

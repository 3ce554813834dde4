"""The few places through which all text goes that is printed."""

import ast
from pathlib import Path

from tests.program import ROOT

PACKAGE = ROOT / "kvplan"


def imports(path: Path, module: str) -> bool:
    """Tell whether a file imports a module, or names from it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == module:
            return True
        if isinstance(node, ast.Import) and any(alias.name == module for alias in node.names):
            return True
    return False


def calls(path: Path, *names: str) -> bool:
    """Tell whether a file calls a function that prints."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.Call) and ast.unparse(node.func) in names for node in ast.walk(tree))


def test_reports_have_one_kind_of_text() -> None:
    """Rich's own would print escapes, and read brackets as markup."""
    using = {path for path in PACKAGE.rglob("*.py") if imports(path, "rich.text")}
    assert using == {PACKAGE / "report/console.py"}


def test_lines_are_printed_in_few_places() -> None:
    """Help, the version, errors, grids' lines, pictures, a rehearsal's child; all else goes through these."""
    printing = {
        path for path in PACKAGE.rglob("*.py") if calls(path, "typer.echo", "print", "sys.stdout.write")
    }
    assert {str(path.relative_to(PACKAGE)) for path in printing} == {
        "cli/commands.py",
        "cli/plotting.py",
        "cli/printing.py",
        "cli/sweeping.py",
        "report/console.py",
        "specs/__main__.py",
        "validate/rehearsal/start.py",
    }

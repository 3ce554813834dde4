"""
A release of vLLM is one value: what means the newest takes it from the table of releases.

A test or a text may name a release as a fact: what a file of it says, or what it answered. Where the newest
is meant because nothing was asked for, a new release must not be looked for all over.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from kvplan.engines.vllm import NEWEST, RELEASES

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "kvplan" / "engines" / "vllm" / "versions.py"
_NEWEST = re.compile(rf"(?<![\d.]){re.escape(NEWEST.release)}(?!\d)")


def strings(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module with their lines, but for its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def test_the_package_names_the_newest_release_in_sources_alone() -> None:
    """A source is a file of that release, as in models/config.py."""
    found = [
        (file.name, line, text)
        for file in sorted((ROOT / "kvplan").rglob("*.py"))
        if file != TABLE
        for line, text in strings(file)
        if _NEWEST.search(text) and ".py" not in text
    ]
    assert found == []


def test_no_test_expects_the_newest_release_by_its_number() -> None:
    found = [
        (file.name, line, text)
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for line, text in strings(file)
        if f"vLLM {NEWEST.release}" in text
    ]
    assert found == []


def test_the_documents_take_the_newest_release_from_the_table() -> None:
    engines = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    assert f"by the rules of releases {RELEASES[0].release} to {NEWEST.release}:" in engines
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        # What a command prints is generated, and so are the titles of pictures.
        generated = r"```console\n.*?```|!\[[^]]*\]"
        written = re.sub(generated, "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert f"@{NEWEST.release}" not in written, file.name

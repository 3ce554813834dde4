"""README and docs: their code runs, their specs load, their links lead somewhere."""

import re
from pathlib import Path

import pytest
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

import kvplan
from tests.program import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the page and the content of every fenced block of a language."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [(page, block) for page, text in TEXTS.items() for block in pattern.findall(text)]


@pytest.mark.parametrize("page", sorted({page for page, _ in blocks("python")}))
def test_the_python_of_a_page_runs(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """From top to bottom in one namespace, as a reader would type it."""
    (path,) = (each for each in PAGES if each.name == page)
    examples = list(Document.parse(str(path), PythonCodeBlockParser()).examples())
    assert len(examples) == sum(each == page for each, _ in blocks("python"))
    for example in examples:
        example.evaluate()
    assert capsys.readouterr().out


def test_a_capacity_plan_of_ten_lines_is_shown() -> None:
    """And run, by the test above."""
    lengths = [len(block.split("\n\n", 1)[-1].splitlines()) for page, block in blocks("python")]
    assert {"README.md", "library.md"} <= {page for page, _ in blocks("python")}
    assert max(lengths) <= 10


def test_a_planners_five_questions_are_a_command_and_five_lines_each() -> None:
    """Both are run: the commands by cog, the lines by the test above."""
    section = TEXTS["sweep.md"].partition("## Five questions")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\$ kvplan sweep ", section, re.MULTILINE)) == 5
    lines = [each.strip().splitlines() for each in re.findall(r"```python\n(.*?)```", section, re.DOTALL)]
    assert len(lines) == 5
    assert max(sum(bool(line) for line in each) for each in lines) <= 5


SPECS = [block for _, block in blocks("yaml") if re.search(r"^name:", block, re.MULTILINE)]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.partition("\n")[0])
def test_the_specs_that_are_shown_load(spec: str, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(spec, encoding="utf-8")
    assert f"name: {kvplan.load(path).name}\n" in spec
    assert kvplan.size(path).bytes_per_token > 0


def test_the_hybrid_that_is_shown_loads_with_a_head(tmp_path: Path) -> None:
    """docs/specs.md shows its attention and its order alone."""
    (hybrid,) = (block for _, block in blocks("yaml") if block.startswith("attention:"))
    path = tmp_path / "hybrid.yaml"
    head = "name: hybrid\nsource: docs/specs.md\ndtype: bfloat16\nmax_context: 131072\n"
    path.write_text(head + hybrid, encoding="utf-8")
    assert kvplan.load(path).layer_count == 10 * 6 + 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_the_repository_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", TEXTS[page.name], flags=re.DOTALL | re.MULTILINE)
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target.partition("#")[0]).exists()]
    assert missing == []
    headings = {re.sub(r"[^\w -]", "", line).strip().replace(" ", "-") for line in prose.lower().splitlines()}
    assert [target for target in targets if target.startswith("#") and target[1:] not in headings] == []


def test_the_readme_has_exactly_two_commands_for_a_shell() -> None:
    """One gives the first answer in a new environment, one runs the tests in it."""
    readme = TEXTS["README.md"]
    marked = dict(re.findall(r"<!-- command: (\w+) -->\n```bash\n(.*?)\n```", readme, re.DOTALL))
    assert list(marked) == ["answer", "test"]
    assert readme.count("```bash") == readme.count("<!-- command: ") == 2
    for command, ending in (
        ("answer", " && .venv/bin/kvplan fit llama-3.1-8b --gpu h100-80gb --context 8k"),
        ("test", " && .venv/bin/python -m pytest -n auto"),
    ):
        assert marked[command].startswith("python3 -m venv .venv && ")
        assert marked[command].endswith(ending)
        assert "\n" not in marked[command]


def test_what_the_program_prints_is_never_typed_by_hand() -> None:
    """Each console block stands in a part of its page that cog writes."""
    assert blocks("console")
    for text in TEXTS.values():
        by_hand = re.sub(r"<!-- \[\[\[cog\n.*?<!-- \[\[\[end\]\]\] -->", "", text, flags=re.DOTALL)
        assert "```console" not in by_hand
        assert "[[[" not in by_hand

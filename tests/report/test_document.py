"""One document, whatever shows it: the terminal's text and HTML say the same, and no text is markup."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

import kvplan
from kvplan.planner.check import check
from kvplan.planner.explain import explain
from kvplan.report.document import Document
from kvplan.report.fit_text import fit_document
from kvplan.report.html import html
from kvplan.report.terminal import show
from kvplan.report.text import check_document, explanation_document, size_document

HOSTILE = "<script>alert(1)</script>[bold]&amp;\x1b[31m"


class Read(HTMLParser):
    """The text of a page, and its elements that are still open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= {"class", "style"}
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def documents(model: Any) -> list[Document]:
    fit = kvplan.fit(model, gpu="h100-80gb", context=8192, engine="vllm")
    size = size_document(kvplan.size(model))
    return [fit_document(fit), size, check_document(check(model)), explanation_document(explain(model))]


def words(text: str) -> set[str]:
    """Return the words and numbers: marks and what a bar is drawn with are the terminal's own."""
    return set(re.findall(r"[\w.,'-]*\w", text))


@pytest.mark.parametrize("which", range(4))
def test_a_page_says_what_a_terminal_says(which: int, capsys: pytest.CaptureFixture[str]) -> None:
    document = documents("gemma-3-27b")[which]
    show(document)
    page = Read(html(document))
    assert page.open == []
    assert words(" ".join(page.texts)) == words(capsys.readouterr().out)


@pytest.mark.parametrize("which", range(4))
def test_a_hostile_name_is_text(which: int, capsys: pytest.CaptureFixture[str]) -> None:
    spec = kvplan.load("llama-3.1-8b").model_copy(update={"name": HOSTILE, "source": HOSTILE})
    document = documents(spec)[which]
    page = Read(html(document))
    assert page.tags <= {"h1", "h2", "p", "b", "i", "span", "code", "div", "table", "tr", "th", "td"}
    assert "<script>alert(1)</script>[bold]&amp;" in "".join(page.texts)
    show(document)
    out = capsys.readouterr().out
    assert "<script>alert(1)</script>[bold]&amp;" in out
    assert "\x1b" not in out + "".join(page.texts)

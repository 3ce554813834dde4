"""A report as Markdown, read by a parser of Markdown: what came from outside is text, and none is lost."""

from typing import Any

import pytest
from markdown_it import MarkdownIt

import kvplan
from kvplan.report.alternatives_text import comparison_text
from kvplan.report.document import Column, Document, Heading, Line, Span, Table, line
from kvplan.report.fit_text import fit_document
from kvplan.report.markdown import markdown
from kvplan.report.reports import report_of, text_of

HOSTILE = (
    "<script>alert(1)</script> <img src=x> a|b `code` ```\n# title\n- item\n[x](http://y) [x]: z ![i](j) "
    "**bold** _it_ ~~no~~ $x$ &amp; https://evil.example www.evil.example \\| \\\\ \u202e"
)
READ = MarkdownIt("commonmark").enable(["table", "strikethrough"])
KINDS = {"heading", "paragraph", "inline", "table", "thead", "tbody", "tr", "th", "td", "strong", "fence"}
KINDS |= {"text", "text_special", "bullet_list", "list_item"}


def texts(written: str) -> list[str]:
    """Return the text of each paragraph, title and cell; whatever else than these is there fails."""
    found = []
    for token in READ.parse(written):
        every: list[Any] = [token, *(token.children or ())]
        kinds = {each.type.removesuffix("_open").removesuffix("_close") for each in every}
        assert kinds <= KINDS
        if token.type == "inline":
            found.append("".join(each.content for each in token.children or ()))
        elif token.type == "fence":
            found.append(token.content.removesuffix("\n"))
    return found


@pytest.mark.parametrize(
    "hostile",
    [
        HOSTILE,
        "- item",
        "1. item",
        "12) item",
        "# title",
        "> quote",
        "    code",
        "===",
        "---",
        "+ item",
        "1. - x",
    ],
)
def test_any_text_is_read_as_it_is(hostile: str) -> None:
    shown = hostile.replace("\n", "\\n").replace("\u202e", "\\u202e").strip()
    document: Document = (
        Heading(hostile, level=1),
        line(hostile),
        line(hostile, label="Label"),
        line(hostile, indented=True),
        Table((Column(hostile), Column("number", numbers=True)), ((hostile, Span(hostile)),)),
    )
    assert texts(markdown(document)) == [
        *(shown, shown, f"Label {shown}", shown),
        *(shown, "number", shown, shown),
    ]


def test_a_command_is_in_one_block_whatever_it_holds() -> None:
    command = "vllm serve '```' `ls`\n# x"
    assert texts(markdown((Line((Span(command),), label="Serve", whole=True),))) == [
        "Serve",
        "vllm serve '```' `ls`\\n# x",
    ]


def test_it_says_what_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    answer = kvplan.fit("gemma-3-27b", gpu="h100-80gb", context="32k", engine="vllm")
    found = texts(text_of(report_of(answer), ".md"))
    assert found[0] == "2 sequences of 32,768 tokens fit on one NVIDIA H100 SXM 80GB."
    assert found[-1] == f"kvplan {kvplan.__version__}, 2023-11-14 22:13 UTC"
    said = [block.text for block in fit_document(answer) if isinstance(block, Heading)]
    assert set(said) <= set(found)
    assert {"window reserve", "6,978,895,872 B", "What is assumed"} <= set(found)


def test_tables_of_markdown_alone_are_as_inert() -> None:
    """`--markdown` of sweep and compare, with a reason why there is no answer."""
    spec = kvplan.load("llama-3.1-8b").model_copy(update={"name": HOSTILE})
    shown = HOSTILE.replace("\n", "\\n").replace("\u202e", "\\u202e")
    grid = kvplan.sweep(spec, gpu="h100-80gb", tp=[1, 3], context="8k,16k").to_markdown()
    compared = comparison_text(kvplan.compare(spec, gpu="h100-80gb", tp=[1, 3], context="8k"), "markdown")
    said, refused = texts(grid), texts(compared)
    assert said[0].startswith(f"max_batch by context (model {shown}, ")
    assert said[-1] == f"[1] {shown}: 32 heads do not spread over tp=3: 32 % 3 is 2, not 0"
    assert refused[-1] == f"tp 3: {shown}: 32 heads do not spread over tp=3: 32 % 3 is 2, not 0"

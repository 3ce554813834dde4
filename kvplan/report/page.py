"""A report as one page of HTML that loads nothing: style and pictures are in it, and it has no script."""

from functools import cache
from html import escape
from pathlib import Path

from kvplan.inert import inert
from kvplan.report.document import Document
from kvplan.report.html import html
from kvplan.report.stamp import Stamp

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""A browser is told that nothing is loaded, run or sent (Content Security Policy 3, w3.org/TR/CSP3)."""


def page(title: str, document: Document, stamp: Stamp) -> str:
    """Return a whole page."""
    made = f"kvplan {stamp.version}, {stamp.made}"
    return f"""\
<!DOCTYPE html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="{escape(inert(f"kvplan {stamp.version}"))}">
<title>{escape(inert(title))}</title>
<style>
{_style()}</style>
</head>
<body>
<main>
{html(document)}
</main>
<footer>{escape(inert(made))}</footer>
</body>
</html>
"""


@cache
def _style() -> str:
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

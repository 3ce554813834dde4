"""Answers that can be written as a report: how they are shown is the business of a package above them."""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from kvplan.arguments import as_argument

_REPORTS = "kvplan.report.reports"
"""It imports the answers, so that they find it by its name, as `kvplan` finds its own."""


class Reported:
    """An answer with a report."""

    __slots__ = ()

    def report(self, path: str | Path, **options: Any) -> None:  # noqa: ANN401 - those of each kind of answer
        """
        Write a report to a file by its ending: a page of HTML that needs nothing else, Markdown or JSON.

        A file that is there is replaced, whole or not at all. Raises KvplanError.
        """
        reports, target = import_module(_REPORTS), as_path(path, "report: path")
        reports.require_report(target)
        reports.write(reports.report_of(self, **options), target)

    def to_html(self, **options: Any) -> str:  # noqa: ANN401 - as above
        """Return the report as a page of HTML: one text without a script, and nothing that it loads."""
        reports = import_module(_REPORTS)
        text: str = reports.text_of(reports.report_of(self, **options), ".html")
        return text


def as_path(value: object, where: str) -> Path:
    """Return a path of text or of a path; raise ArgumentError for what is neither."""
    return Path(cast("str | Path", as_argument(value, str | Path, where)))

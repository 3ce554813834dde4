"""How answers show themselves: pictures and reports stand above them, and are imported when asked for."""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from kvplan.arguments import as_argument

_REPORTS = "kvplan.report.reports"
"""It imports the answers, so that they find it by its name, as `kvplan` finds its own."""


class Shown:
    """An answer that is drawn by `plot`, written as a report, and shown by notebooks as a page."""

    __slots__ = ()

    def plot(self, kind: str | None = None, **options: Any) -> Any:  # noqa: ANN401 - a Chart, which is above
        """
        Return a picture of this answer, a `kvplan.Chart`: its usual one, or of a kind that it has.

        *options* are the `context` or contexts that are marked, and of a map `rows`, `columns` and `value`.
        Raises OptionsError for a kind that this answer is not drawn as.
        """
        return import_module("kvplan.pictures.answers").picture_of(self, kind, options)

    def _repr_html_(self) -> str:
        return str(import_module("kvplan.report.notebook").page_of(self))

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

"""Reports: an answer as one file to send, a page of HTML, Markdown or JSON by the file's ending."""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from kvplan.arguments import ArgumentError
from kvplan.errors import OptionsError
from kvplan.files import is_folder, require_writable, write_whole
from kvplan.planner.results import SCHEMA_VERSION
from kvplan.records import record
from kvplan.report.document import Block, Document, Heading, line
from kvplan.report.stamp import Stamp, stamp
from kvplan.shown import Shown, as_path
from kvplan.units import counted


@record(kw_only=False)
class Report:
    """An answer to send: its title, the document, and the same as plain values, as `--json` has them."""

    title: str
    document: Document
    data: Mapping[str, Any]


def _html(report: Report, made: Stamp) -> str:
    from kvplan.report.page import page  # noqa: PLC0415 - only what is written is imported

    return page(report.title, report.document, made)


def _markdown(report: Report, made: Stamp) -> str:
    from kvplan.report.markdown import markdown  # noqa: PLC0415 - as above

    return f"{markdown(report.document)}\nkvplan {made.version}, {made.made}\n"


def _json(report: Report, made: Stamp) -> str:
    head = {"schema_version": SCHEMA_VERSION, "kvplan": made.version, "made": made.made}
    return json.dumps({**head, **report.data}, indent=2) + "\n"


_WRITERS: Mapping[str, Callable[[Report, Stamp], str]] = {".html": _html, ".md": _markdown, ".json": _json}

_HOMES = {
    "Comparison": "compare_report",
    "Fit": "fit_report",
    "Reconciliation": "reconcile_report",
    "Sweep": "sweep_report",
}
"""The module beside this one whose `report_of` makes the report of an answer, by the answer's class."""


def report_of(answer: object, **options: Any) -> Report:  # noqa: ANN401 - those of each kind of answer
    """Return the report of an answer."""
    home = import_module(f"{__package__}.{_HOMES[type(answer).__name__]}")
    made: Report = home.report_of(answer, **options)
    return made


def write_report(answers: Shown | Sequence[Shown], path: str | Path) -> None:
    """
    Write one report of an answer, or of several one below the other, to a file by its ending.

    It is .html (one page that needs nothing else), .md or .json. A file that is there is replaced, whole or
    not at all. Raises KvplanError.
    """
    target = as_path(path, "kvplan.write_report: path")
    require_report(target)
    if isinstance(answers, Shown):
        write(report_of(answers), target)
        return
    listed = answers if isinstance(answers, list | tuple) else [answers]
    for each in listed:
        if not isinstance(each, Shown):
            raise ArgumentError(
                f"kvplan.write_report: answers: found a {type(each).__name__}; expected what fit, compare, "
                "sweep or reconcile answer"
            )
    write(_joined([report_of(each) for each in listed]), target)


def _joined(reports: Sequence[Report]) -> Report:
    """Return several reports as one: all answers first, then each report, its parts below its title."""
    if not reports:
        raise OptionsError("there is no answer to report: give at least one")
    title = counted(len(reports), "answer")
    document: list[Block] = [Heading(title, level=1)]
    document += [line(f"{number}. {each.title}") for number, each in enumerate(reports, 1)]
    for each in reports:
        document += each.document
    return Report(title, tuple(document), {"reports": [each.data for each in reports]})


def require_report(path: Path) -> str:
    """Return the ending by which a report is written; raise KvplanError for others, and for no file."""
    ending = path.suffix.lower()
    if ending not in _WRITERS:
        raise OptionsError(
            f"{path} ends in {ending or 'nothing'}: a report is written as {', '.join(_WRITERS)}"
        )
    if is_folder(path):
        raise OptionsError(f"{path} is a folder: name the file of the report in it")
    require_writable(path)
    return ending


def text_of(report: Report, ending: str) -> str:
    """Return a report as the text of a file with such an ending."""
    return _WRITERS[ending](report, stamp())


def write(report: Report, path: Path) -> None:
    """Write a report by its path's ending, whole or not at all; raise KvplanError where that cannot be."""
    write_whole(text_of(report, require_report(path)), path)

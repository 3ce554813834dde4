"""Answers as notebooks show them: their documents, with the few rules of style that a bar needs."""

from html import escape

from kvplan.alternatives.compare import Comparison
from kvplan.inert import inert
from kvplan.planner.fit import Fit
from kvplan.planner.size import Size
from kvplan.report.document import Document
from kvplan.report.html import html

_STYLE = """\
.kvplan .bar { height: 1.4em; margin: .4em 0; max-width: 48em; border: 1px solid gray }
.kvplan .bar .weights { background: #56b4e9 } .kvplan .bar .used { background: #009e73 }
.kvplan .bar .overhead { background: #cc79a7 } .kvplan .bar .kept { background: #bbb }
.kvplan td, .kvplan th { text-align: left; padding: .1em .8em .1em 0 } .kvplan p { margin: .3em 0 }
.kvplan .quiet { opacity: .7 } .kvplan .strong, .kvplan .yes, .kvplan .no { font-weight: bold }
"""
"""Okabe and Ito's colours, as in pictures; paper and ink are the notebook's own."""


def page_of(answer: object) -> str:
    """Return an answer as a part of a page, all text escaped; its name where it has no document."""
    document = _document(answer)
    if document is None:
        return f"<code>{escape(inert(repr(answer)))}</code>"
    return f'<div class="kvplan"><style>{_STYLE}</style>{html(document)}</div>'


def _document(answer: object) -> Document | None:
    match answer:
        case Fit():
            from kvplan.report.fit_text import fit_document  # noqa: PLC0415 - the one that is shown

            return fit_document(answer)
        case Size():
            from kvplan.report.text import size_document  # noqa: PLC0415 - as above

            return size_document(answer)
        case Comparison():
            from kvplan.report.alternatives_text import comparison_document  # noqa: PLC0415 - as above

            return comparison_document(answer)
        case _:
            return _of_grid(answer)


def _of_grid(answer: object) -> Document | None:
    """Return what people read of answers that need numpy; None for what is none, as a plan without a load."""
    try:
        from kvplan.grids.pivot import MOST_POINTS  # noqa: PLC0415 - numpy is needed for grids alone
        from kvplan.grids.results import Sweep  # noqa: PLC0415 - as above
        from kvplan.traffic.held import Held  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        return None
    if isinstance(answer, Held):
        from kvplan.report.hold_text import hold_document  # noqa: PLC0415 - the one that is shown

        return hold_document(answer)
    if not isinstance(answer, Sweep) or len(answer) > MOST_POINTS:
        return None
    from kvplan.report.sweep_text import sweep_document  # noqa: PLC0415 - as above

    return sweep_document(answer.pivot())

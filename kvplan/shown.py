"""How answers show themselves: pictures and pages stand above them, and are imported when asked for."""

from importlib import import_module
from typing import Any


class Shown:
    """An answer that is drawn by `plot`, and by notebooks as a page."""

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

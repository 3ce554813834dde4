"""Charts in files: PNG, SVG and PDF, the same bytes for the same chart."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kvplan.errors import OptionsError
from kvplan.extras import needed
from kvplan.files import require_writable, written_whole
from kvplan.inert import inert
from kvplan.pictures.chart import Chart

_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What each kind of file says of itself: neither a date nor a version, so that nothing changes by itself."""

ENDINGS = tuple(_METADATA)

_DENSITY = {".png": 192}
"""A PNG has two pixels for each of the picture's, as screens have."""

LEAST_WIDTH, MOST_WIDTH = 320, 4000


def save(chart: Chart, path: Path, *, dark: bool = False, width: int | None = None) -> None:
    """Write a chart to a file by its ending; raise KvplanError for another one, and without matplotlib."""
    require_ending(path)
    require_writable(path)
    data = _data(chart, path.suffix.lower(), dark=dark, width=width)
    with written_whole(path) as file:
        file.write(data)


def svg(chart: Chart, *, dark: bool = False, width: int | None = None) -> str:
    """Return a chart as SVG."""
    return _data(chart, ".svg", dark=dark, width=width).decode("utf-8")


def require_ending(path: Path) -> None:
    """Raise OptionsError for a file that is no picture by its ending."""
    if path.suffix.lower() not in ENDINGS:
        raise OptionsError(f"{path}: a picture ends in .png, .svg or .pdf")


def _data(chart: Chart, ending: str, *, dark: bool, width: int | None) -> bytes:
    if width is not None and not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise OptionsError(f"a picture is {LEAST_WIDTH} to {MOST_WIDTH:,} pixels wide, and not {width:,}")
    needed("matplotlib", "a picture in a file", extra="plot")
    from kvplan.pictures.painted.page import painted  # noqa: PLC0415 - it needs matplotlib

    with settings(), io.BytesIO() as file:
        figure = painted(chart, dark=dark, width=width)
        figure.savefig(
            file,
            format=ending[1:],
            dpi=_DENSITY.get(ending, "figure"),
            facecolor=figure.get_facecolor(),
            metadata={**_METADATA[ending], "Title": inert(chart.title)},
        )
        return file.getvalue()


@contextmanager
def settings() -> Iterator[None]:
    """Draw with kvplan's settings, whatever the user's own file of settings says, and leave those alone."""
    import matplotlib as mpl  # noqa: PLC0415 - where it is needed

    from kvplan.pictures.painted.style import SETTINGS  # noqa: PLC0415 - as above

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        # A letter that the font lacks is still text in SVG, and a box elsewhere.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield

"""llama.cpp's figures: the cells, K and V of each of its caches."""

from collections.abc import Sequence
from fractions import Fraction

from kvplan.engines.llamacpp.buffers import Buffer, buffers
from kvplan.engines.llamacpp.engine import Cells
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.log import Figure, FigureName, StartUpLog
from kvplan.reconcile.rows import DRAFT, Row, row
from kvplan.reconcile.setup import Setup

_WINDOWS = "swa"
_STATES = "rs"
_WHOLE: dict[FigureName, tuple[bool, bool]] = {
    # Of a buffer's two tensors, those that a figure counts.
    "KV size": (True, True),
    "K size": (True, False),
    "V size": (False, True),
    "state memory": (True, True),
    "conv size": (True, False),
    "state size": (False, True),
}


def llamacpp_rows(log: StartUpLog, setup: Setup) -> tuple[Row, ...]:
    """Return the rows of every cache; raise a KvplanError if the setup cannot be planned."""
    # `KV self size` sums all caches up, and is older than the cache that windows have of their own.
    summed = [each for each in log.all("KV size") if "cells" not in each.given]
    deployment = (setup.with_setting("swa_full", "on") if summed else setup).deployed()
    if not isinstance(deployment.arrangement, Cells):
        raise LogError(
            f"the log is llama.cpp's: plan it with --engine llamacpp, not {deployment.engine.name}"
        )
    planned = buffers(deployment.arrangement.arranged, context=setup.context, batch=setup.batch)
    figures = log.different(*_WHOLE)
    drafts = _drafts(figures, planned)
    return tuple(_row(figure, planned, draft=figure in drafts) for figure in figures)


def _drafts(figures: Sequence[Figure], planned: tuple[Buffer, ...]) -> list[Figure]:
    """
    Return the figures of caches that are beside the model's own: those with other layers.

    A multi-token prediction or a draft model prints a line of the same form for its layers (the logs of
    github.com/ggml-org/llama.cpp/pull/22673 and later). Without a line for the model's own layers a cache
    is not the draft's.
    """
    attention = [each for each in figures if "cells" in each.given and not each.given.get("window")]
    own = {each.layers for each in planned if each.name not in (_STATES, _WINDOWS)}
    layers = {each.given.get("layers") for each in attention if each.name == "KV size"}
    if not own & layers:
        return []
    kv = ("KV size", "K size", "V size")
    return [each for each in attention if each.name in kv and each.given.get("layers") not in own]


def _row(figure: Figure, planned: tuple[Buffer, ...], *, draft: bool) -> Row:
    caches = [each for each in planned if _is_of(figure, each)]
    first, second = _WHOLE[figure.name]
    size = Fraction(sum(first * each.k_bytes + second * each.v_bytes for each in caches))
    if draft:
        # Each of its layers is like one of the model's.
        size = size * figure.given["layers"] / sum(each.layers for each in caches)
        return row(f"{figure.name}{DRAFT}", figure.printed, size)
    name = f"{figure.name}, windows" if figure.given.get("window") else figure.name
    return row(name, figure.printed, size)


def _is_of(figure: Figure, buffer: Buffer) -> bool:
    """Tell whether a printed line is about a cache; one without cells is about all but the states."""
    if figure.name in ("state memory", "conv size", "state size"):
        return buffer.name == _STATES
    if "cells" not in figure.given:
        return buffer.name != _STATES
    if "window" in figure.given:
        return (buffer.name == _WINDOWS) is bool(figure.given["window"])
    return buffer.name != _STATES

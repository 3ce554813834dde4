"""What a start-up log says: the engine, its options and the figures that it printed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from kvplan.reconcile.foreign import Foreign
from kvplan.reconcile.lines import Line
from kvplan.reconcile.printed import Printed
from kvplan.records import record

EngineName = Literal["vllm", "sglang", "llamacpp", "trtllm"]

MAX_DIFFERENT = 64
"""Figures of some names that are compared: more are those of starts that no line tells apart."""

NO_DRAFT = "none"
"""The method of speculative decoding where a log says that there is none."""

FigureName = Literal[
    "weights",
    "activation",
    "non-torch memory",
    "CUDA graphs",
    "GPU memory",
    "free memory",
    "KV memory",
    "KV tokens",
    "blocks",
    "CPU blocks",
    "block size",
    "concurrency",
    "needed memory",
    "longest context",
    "KV size",
    "K size",
    "V size",
    "full tokens",
    "window tokens",
    "state slots",
    "conv size",
    "state size",
    "state memory",
    "padding layers",
]


@record
class Figure:
    """
    One printed figure: the line it stands on, the worker that printed it, and what it is for.

    `given` holds the counts that the same line states: the `tokens` of a pool, the `cells`,
    `layers`, `sequences` and `streams` of a buffer, whether it is for `window` layers.
    """

    name: FigureName
    printed: Printed
    line: int
    worker: str = ""
    given: Mapping[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> object:
        """What it says, whoever printed it on whichever line: all ranks print the same pools."""
        return (self.name, self.printed, *self.given.items())


@record
class PrintedOptions:
    """
    The options that a log names; None where it does not.

    `kv_dtype` is the engine's own word, `auto` included; `draft` names the method of speculative
    decoding, or NO_DRAFT. `settings` are options of this engine alone, by kvplan's names for them.
    """

    model: str | None = None
    dtype: str | None = None
    kv_dtype: str | None = None
    quantization: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    dcp: int | None = None
    context: int | None = None
    block_size: int | None = None
    utilization: str | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    prefix_caching: bool | None = None
    draft: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@record
class StartUpLog:
    """
    A start-up log as kvplan understood it; `version` is None where the log does not tell.

    `restarted` says that earlier starts are in the same log, of which nothing is here. `foreign` is the
    program that wrote it, where it is not the engine alone.
    """

    engine: EngineName
    version: str | None
    options: PrintedOptions
    figures: tuple[Figure, ...]
    restarted: bool = False
    foreign: Foreign | None = None

    def all(self, name: FigureName) -> tuple[Figure, ...]:
        """Return every figure of that name, in the order of the log."""
        return tuple(each for each in self.figures if each.name == name)

    def different(self, *names: FigureName) -> tuple[Figure, ...]:
        """Return each different figure of those names once, where it was printed first: ranks print alike."""
        found: dict[object, Figure] = {}
        for figure in self.figures:
            if figure.name in names:
                found.setdefault(figure.kind, figure)
        return tuple(found.values())[-MAX_DIFFERENT:]

    def last(self, name: FigureName) -> Printed | None:
        """Return the figure that was printed last: an engine that starts twice counts the second time."""
        found = self.all(name)
        return found[-1].printed if found else None

    def least(self, name: FigureName) -> Printed | None:
        """Return the least of what several workers printed, which is the one that counts."""
        found = self.all(name)
        return min(found, key=lambda each: each.printed.value).printed if found else None

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        named = {name: getattr(self.options, name) for name in PrintedOptions.__dataclass_fields__}
        return {
            "engine": self.engine,
            "version": self.version,
            "options": {name: value for name, value in named.items() if value not in (None, {})},
            "figures": [_figure(each) for each in self.figures],
        }


def _figure(figure: Figure) -> dict[str, Any]:
    low, high = figure.printed.interval()
    return {
        "name": figure.name,
        "printed": str(figure.printed),
        "line": figure.line,
        "worker": figure.worker,
        "low": float(low),
        "high": float(high),
        **({"given": dict(figure.given)} if figure.given else {}),
    }


def merged(parts: Sequence[Mapping[str, Any]]) -> PrintedOptions:
    """Return the options of several lines; what a later one says replaces what an earlier one did."""
    options: dict[str, Any] = {}
    settings: dict[str, str] = {}
    for part in parts:
        options.update({name: value for name, value in part.items() if name != "settings"})
        settings.update(part.get("settings", {}))
    return PrintedOptions(**options, settings=settings)


def gather(
    engine: EngineName,
    lines: Iterable[Line],
    *,
    version: Callable[[str], str | None],
    options: Callable[[str], Iterable[dict[str, Any]]],
    figures: Callable[[Line], Iterable[Figure]],
) -> StartUpLog:
    """Return what *lines* say when each is read on its own; the last version that is named counts."""
    found: str | None = None
    parts: list[dict[str, Any]] = []
    printed: list[Figure] = []
    for line in lines:
        found = version(line.text) or found
        parts += options(line.text)
        printed += figures(line)
    return StartUpLog(engine=engine, version=found, options=merged(parts), figures=tuple(printed))

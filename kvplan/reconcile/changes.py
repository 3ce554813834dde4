"""One change of a setup, in words and as the option that makes it."""

from collections.abc import Callable
from dataclasses import replace

from kvplan.planner.deployment import lowered
from kvplan.reconcile.log import StartUpLog
from kvplan.reconcile.setup import Setup
from kvplan.records import record
from kvplan.specs.runs import LayerRun
from kvplan.terms import Growing, Term


@record
class Assumption:
    """
    A change of the plan, in words and as the option that makes it (empty if kvplan has none).

    Of one `topic` only one assumption holds at a time. One that is `free` has a number of its own to
    fit, and explains less than one that has not; `fitted` gives that number in words.
    """

    topic: str
    text: str
    option: str
    apply: Callable[[Setup], Setup]
    free: bool = False
    fitted: Callable[[StartUpLog, Setup], str] | None = None

    def said(self, log: StartUpLog, setup: Setup) -> str:
        """Return the text, with the number that fits *log* where *setup* is the changed one."""
        return self.text if self.fitted is None else f"{self.text}: {self.fitted(log, setup)}"


def choice(topic: str, text: str, option: str, **changes: object) -> Assumption:
    """Return an assumption that changes the shared options."""
    return Assumption(topic=topic, text=text, option=option, apply=lambda each: each.chosen(**changes))


def setting(topic: str, text: str, name: str, value: str) -> Assumption:
    """Return an assumption that changes a setting of the engine."""
    return Assumption(
        topic=topic,
        text=text,
        option=f"--set {name}={value}",
        apply=lambda each: each.with_setting(name, value),
    )


def with_layers(setup: Setup, more: int) -> Setup:
    """Return a setup whose model has *more* layers like its last one of attention over all tokens."""
    layers, _ = lowered(setup.spec, replace(setup.choice, kv_dtype=None))
    whole = [name for name in setup.spec.layer_types if any(map(_keeps_all, layers[name]))]
    last = (whole or setup.spec.layer_types)[-1]
    runs = (*setup.spec.layers, LayerRun(repeat=more, pattern=(last,)))
    # What such a layer weighs is not known: the weights are spread evenly.
    return replace(setup, spec=setup.spec.model_copy(update={"layers": runs, "parts": None}))


def _keeps_all(term: Term) -> bool:
    return isinstance(term.rows, Growing) and term.rows.window is None

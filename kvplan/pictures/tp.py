"""The picture `tp`: what each tensor-parallel degree holds and stores, and why others are none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kvplan.alternatives.products import Product
from kvplan.errors import KvplanError, OptionsError, SplitError
from kvplan.pictures.chart import Bar, Bars, Chart, Part
from kvplan.pictures.phrases import number_of
from kvplan.pictures.plans import MOST_BARS, Drawn, each_of, subtitle
from kvplan.pictures.scales import gib_axis, number_axis
from kvplan.planner.fit import plan
from kvplan.planner.several import Models
from kvplan.planner.work import as_context
from kvplan.terms import Split
from kvplan.units import counted, format_bytes, format_tokens

_USUAL = (1, 2, 3, 4, 5, 6, 7, 8, 16)
"""Degrees that are drawn unasked: those of a node of 8 GPUs, and of two."""

Degree = tuple[int, Drawn | KvplanError]
"""A degree with its plan, or why there is none."""


def tp(models: Models, options: Mapping[str, Any]) -> Chart:
    """Return the sequences that each degree holds, and the bytes that its GPUs store for one of them."""
    asked = {name: value for name, value in options.items() if value is not None}
    degrees = each_of(models, {"tp": _USUAL} | asked, _planned, most=MOST_BARS, kind="tp")
    plans = [made for _, made in degrees if isinstance(made, Drawn)]
    refusals = [made for _, made in degrees if isinstance(made, KvplanError)]
    if not plans:
        raise refusals[0]
    if len({each.plan.deployment.spec.name for each in plans}) > 1 or len({at for at, _ in degrees}) < len(
        degrees
    ):
        raise OptionsError(
            "a picture of the kind tp is of one model on one kind of card: its bars are the degrees"
        )
    return _chart(degrees, plans)


def _planned(product: Product) -> Degree:
    options = {name: value for name, value in product.options.items() if name != "batch"}
    degree = int(options["tp"])
    try:
        made = plan(product.spec, **options)
    except OptionsError:
        raise
    except KvplanError as error:
        return degree, error
    return degree, Drawn(name=product.name, plan=made, context=options.get("context"))


def _chart(degrees: Sequence[Degree], plans: Sequence[Drawn]) -> Chart:
    first = plans[0]
    context = as_context(first.context, first.plan.deployment.spec)
    held = {degree: made.plan.max_batch(context) for degree, made in degrees if isinstance(made, Drawn)}
    stored = {
        degree: made.plan.deployment.all_gpus_bytes(tokens=context, batch=made.plan.deployment.dp)
        for degree, made in degrees
        if isinstance(made, Drawn)
    }
    tokens = format_tokens(context)
    most = max((each or 0 for each in held.values()), default=0)
    bars = (
        Bars(
            title=f"sequences of {tokens} held by all GPUs together",
            x=number_axis("sequences", max(most, 1)),
            bars=tuple(_held(degree, made, held) for degree, made in degrees),
            legend=False,
        ),
        Bars(
            title=f"what all GPUs together store of one sequence of {tokens}",
            x=gib_axis("bytes", max(*stored.values(), 1)),
            bars=tuple(_stored(degree, made, stored) for degree, made in degrees if isinstance(made, Drawn)),
            legend=False,
        ),
    )
    return Chart(
        kind="tp",
        title=_title(first, held, tokens),
        subtitle=", ".join(filter(None, (first.plan.gpu, subtitle([first])))),
        panels=bars,
    )


def _held(degree: int, made: Drawn | KvplanError, held: Mapping[int, int | None]) -> Bar:
    name = f"TP {degree}"
    if isinstance(made, KvplanError):
        return Bar(
            name=name, refusal=made.line.partition(": ")[2] if isinstance(made, SplitError) else made.line
        )
    most = held[degree]
    each = (
        f", {most / degree / made.plan.deployment.choice.pp / made.plan.deployment.dp:,.3g} on each GPU"
        if most
        else ""
    )
    part = Part(kind="used", name="sequences", start=0, end=most or 0)
    return Bar(name=name, parts=(part,) if most else (), text=f"{number_of(most)}{each}")


def _stored(degree: int, made: Drawn, stored: Mapping[int, int]) -> Bar:
    size_bytes = stored[degree]
    part = Part(kind="weights", name="stored", start=0, end=size_bytes)
    copied = ", ".join(f"{each.counted} on {degree} GPUs" for each in _copied(made))
    text = f"{format_bytes(size_bytes)}, {copied}" if copied else f"{format_bytes(size_bytes)}, once"
    return Bar(name=f"TP {degree}", parts=(part,), text=text)


def _copied(made: Drawn) -> Iterator[Split]:
    """Yield what is stored on several ranks."""
    deployment = made.plan.deployment
    splits = dict.fromkeys(term.split for layer in deployment.layers.values() for term in layer)
    yield from (each for each in splits if each.copies(deployment.tp) > 1)


def _title(drawn: Drawn, held: Mapping[int, int | None], tokens: str) -> str:
    some = [degree for degree, most in held.items() if most != 0]
    if not some:
        return f"{drawn.model}: no degree holds {counted(1, 'sequence')} of {tokens}"
    first, last = some[0], some[-1]
    more = f", {number_of(held[last])} with TP {last}" if last != first else ""
    return f"{drawn.model}, sequences of {tokens}: {number_of(held[first])} with TP {first}{more}"

"""What is drawn: plans, or the sizes of caches, one for each product of models and options."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from kvplan.alternatives.products import Product, read_products
from kvplan.errors import KvplanError, OptionsError
from kvplan.planner import words
from kvplan.planner.deployment import Deployment
from kvplan.planner.fit import plan
from kvplan.planner.lists import split_values
from kvplan.planner.plan import Plan
from kvplan.planner.several import Models
from kvplan.planner.work import as_tokens
from kvplan.records import record
from kvplan.units import format_tokens

T = TypeVar("T")

MOST_LINES = 8
"""More lines are told apart by neither colour nor dash: as many have the colours of Okabe and Ito."""

MOST_BARS = 24
"""More bars are a table: `kvplan compare`."""


@record
class Drawn:
    """A plan that is drawn: what tells it from the others, and its own context and batch if given."""

    name: str
    plan: Plan
    context: int | None = None
    batch: int | None = None

    @property
    def model(self) -> str:
        """The model's name."""
        return self.plan.deployment.spec.name

    @property
    def where(self) -> str:
        """On how many of which cards it stands."""
        return words.where(self.plan)

    @property
    def longest(self) -> int | None:
        """The longest context that the model was made for."""
        return self.plan.deployment.spec.max_context


def read_plans(models: Models, options: Mapping[str, Any], *, most: int, kind: str) -> tuple[Drawn, ...]:
    """
    Return a plan for each product; raise KvplanError for more than *most*, and for what is no plan.

    The error of one of several names it.
    """
    return each_of(models, options, _planned, most=most, kind=kind)


def each_of(
    models: Models, options: Mapping[str, Any], made: Callable[[Product], T], *, most: int, kind: str
) -> tuple[T, ...]:
    """Return what is *made* of each product; raise as read_plans."""
    products = read_products(models, options, asker="kvplan.plot")
    if len(products) > most:
        raise OptionsError(
            f"{len(products):,} plans are more than the {most} that a picture of the kind {kind} shows: give "
            "fewer models or values, or a table with kvplan compare"
        )
    return tuple(_named(product, made, several=len(products) > 1) for product in products)


def _named(product: Product, made: Callable[[Product], T], *, several: bool) -> T:
    try:
        return made(product)
    except KvplanError as error:
        if not several:
            raise
        raise type(error)(f"{product.name}: {error.line}", error.advice) from None


def _planned(product: Product) -> Drawn:
    options = {name: value for name, value in product.options.items() if name != "batch"}
    return Drawn(
        name=product.name,
        plan=plan(product.spec, **options),
        context=options.get("context"),
        batch=product.options.get("batch"),
    )


def without(options: Mapping[str, Any], names: Collection[str], kind: str, why: str) -> dict[str, Any]:
    """Return *options*; raise OptionsError with the reason *why* if one of *names* was given."""
    for name in names:
        if options.get(name) is not None:
            raise OptionsError(f"--{name.replace('_', '-')}: a picture of the kind {kind} {why}")
    return dict(options)


def subtitle(drawn: Collection[Drawn]) -> str:
    """Return how plans were asked for: what all of them share; one plan's cards stand in its title."""
    cards = {each.where for each in drawn} if len(drawn) > 1 else set()
    if len(cards) > 1:
        cards = {each.plan.gpu for each in drawn}
    shared = shared_by([each.plan.deployment for each in drawn])
    return ", ".join([*cards, shared] if len(cards) == 1 else [shared])


def shared_by(deployments: Sequence[Deployment]) -> str:
    """Return what deployments share of their model, if they are several, their spread, dtype and engine."""
    found: dict[str, set[Any]] = {
        "model": {each.spec.name for each in deployments} if len(deployments) > 1 else set(),
        "tp": {each.tp for each in deployments} - {1},
        "pp": {each.choice.pp for each in deployments} - {1},
        "dp": {each.dp for each in deployments} - {1},
        "KV cache in": {each.kv.name for each in deployments},
        "engine": {each.engine.name for each in deployments},
    }
    return ", ".join(f"{label} {values.pop()}" for label, values in found.items() if len(values) == 1)


def as_contexts(given: object) -> tuple[int, ...]:
    """Return the contexts that an option names, in tokens: text with commas, one, or several."""
    several = given if isinstance(given, list | tuple) else [] if given is None else [given]
    texts: Iterator[Any] = (
        part
        for each in several
        for part in (split_values("context", each) if isinstance(each, str) else [each])
    )
    return tuple(dict.fromkeys(map(as_tokens, texts)))


def require_reached(contexts: Sequence[int], low: int, high: int) -> list[int]:
    """Return *contexts* in order; raise OptionsError for one that no line of a picture reaches."""
    for each in contexts:
        if not low <= each <= high:
            ends = f"{format_tokens(low)} to {format_tokens(high)}"
            raise OptionsError(f"--context {format_tokens(each)}: the lines of this picture go from {ends}")
    return sorted(contexts)

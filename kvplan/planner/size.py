"""The forward answer: bytes per token, sequence, batch, rank and all ranks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack

from kvplan.arguments import checked
from kvplan.engines import EXACT, plain_name
from kvplan.frozen import FrozenDict
from kvplan.gpus import Card
from kvplan.importers import load
from kvplan.loads import Load, uniform
from kvplan.planner import words
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.planner.drafts import OWN
from kvplan.planner.facts import Assumed, BeyondContext, Ignored, PassedOn, ReadAs, Replicated, Warned
from kvplan.planner.model_dtype import stored_in
from kvplan.planner.options import SizeOptions, part
from kvplan.planner.results import Answer, LayerSize, figure
from kvplan.planner.work import as_batch, as_context, require_room_for
from kvplan.records import record
from kvplan.shown import Shown
from kvplan.specs import ModelSpec
from kvplan.terms import Fixed
from kvplan.units import ceil_div, format_bytes, format_gib

Model = str | Path | ModelSpec


@record
class Work:
    """What was asked for: `batch` sequences of `context` tokens, over all replicas."""

    context: int
    batch: int = 1

    @property
    def load(self) -> Load:
        """The sequences over all replicas."""
        return uniform(self.context, self.batch)


@record(slots=False, eq=False)
class Size(Answer, Shown):
    """
    What a cache takes. Sizes are per GPU (a rank of the fullest stage) unless the name says otherwise.

    They are what the engine reserves; `layers` are the formula's with any engine.
    """

    deployment: Deployment
    work: Work

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.model}: {format_bytes(self.bytes_per_token)} per token and "
            f"{format_gib(self.bytes_per_sequence)} per sequence of {self.context} tokens on each GPU>"
        )

    @figure
    def model(self) -> str:
        """The model's name."""
        return self.deployment.spec.name

    @figure
    def source(self) -> str:
        """Where the model's facts come from: a commit of its repository if they were read there."""
        return self.deployment.spec.source

    @figure
    def engine(self) -> str:
        """Whose rules these are, with its release."""
        return self.deployment.engine.name

    @figure
    def kv_dtype(self) -> str:
        """How the cache is stored."""
        return self.deployment.kv.name

    @figure
    def tp(self) -> int:
        """Tensor-parallel GPUs."""
        return self.deployment.tp

    @figure
    def pp(self) -> int:
        """Pipeline stages."""
        return self.deployment.choice.pp

    @figure
    def dp(self) -> int:
        """Replicas, each with a cache of its own."""
        return self.deployment.dp

    @figure
    def nodes(self) -> int | None:
        """The nodes over which the GPUs are spread; None where that is not known."""
        return self.deployment.choice.nodes

    @figure
    def context(self) -> int:
        """The tokens of each sequence."""
        return self.work.context

    @figure
    def batch(self) -> int:
        """The sequences over all replicas."""
        return self.work.batch

    @figure
    def bytes_per_token(self) -> int | float:
        """What one more token adds to one long sequence, all windows full."""
        return self.deployment.token_bytes(self._rank)

    @figure
    def bytes_per_sequence(self) -> int:
        """
        What one more sequence takes beside others.

        The first takes more where an engine needs room for a prefill in flight.
        """
        return self.deployment.sequence_bytes(self.context)

    @figure
    def fixed_bytes(self) -> int:
        """The part of `bytes_per_sequence` that no token count changes."""
        return self.deployment.arrangement.fixed_bytes(self._rank)

    @figure
    def total_bytes(self) -> int:
        """What the sequences of `batch` take that one replica holds."""
        return self.deployment.reserved_bytes(uniform(self.context, ceil_div(self.batch, self.dp)))

    @figure
    def total_bytes_all_gpus(self) -> int:
        """What all of `batch` takes on all GPUs together."""
        return self.deployment.all_gpus_bytes(tokens=self.context, batch=self.batch)

    @figure
    def layers(self) -> tuple[LayerSize, ...]:
        """The layers of the fullest rank by type, by the formula."""
        return _layer_sizes(self.deployment, self._rank, self.context)

    @figure
    def warnings(self) -> tuple[Warned, ...]:
        """What to know before the figures are relied on."""
        return tuple(warnings_of(self.deployment, self.context))

    @figure
    def ignored_fields(self) -> tuple[str, ...]:
        """Fields of the model's own file that were not read."""
        return (*self.deployment.spec.ignored, *self.deployment.spec.unread)

    @figure
    def options(self) -> dict[str, Any]:
        """The engine's options that were given, by name."""
        return FrozenDict(self.deployment.choice.given())

    def _said(self) -> dict[str, Any]:
        return {"warnings": tuple(map(words.warning, self.warnings))}

    @property
    def _rank(self) -> int:
        return self.deployment.fullest_rank(self.context)


@checked
def size(model: Model, **options: Unpack[SizeOptions]) -> Size:
    """
    Return what the cache of *batch* sequences of *context* tokens takes.

    *model* is a catalogue name, a hub id, a spec file or a spec. *context* takes `8k`; left out, it
    is the model's longest. *dtype* is the one in which the model runs, unless its engine chooses. From
    *block_size* to *settings* all are options that an *engine* other than `exact` may have. *ignore* names
    fields of a config that kvplan does not know and that are answered without. Raises a KvplanError for
    what it does not understand.
    """
    spec = as_spec(model, options.get("ignore", ()))
    choice = choice_of(spec, options)
    if plain_name(choice.engine) == EXACT.name and choice.dtype is None and choice.kv_dtype is not None:
        spec = stored_in(spec, choice.kv_dtype)
    deployment = deploy(spec, choice)
    context = as_context(options.get("context"), deployment.spec)
    require_room_for(choice.prompt, context)
    return Size(deployment=deployment, work=Work(context=context, batch=as_batch(options.get("batch", 1))))


def _layer_sizes(deployment: Deployment, rank: int, context: int) -> tuple[LayerSize, ...]:
    tp, cp = deployment.tp, deployment.choice.cp
    own = tuple(
        LayerSize(
            kind=layer_kind(deployment.spec, name),
            count=count,
            bytes_per_token=deployment.growth(name, count),
            bytes_per_sequence=count
            * sum(term.bytes_on_rank(ceil_div(context, cp), tp) for term in deployment.layers[name]),
        )
        for name, count in Counter(deployment.stages[rank].types).items()
    )
    first = len(deployment.stages) - len(deployment.draft.stages) if deployment.draft else rank + 1
    if deployment.draft is None or rank < first:
        return own
    drafts = _layer_sizes(deployment.draft, rank - first, context)
    return (*own, *(replace(each, kind=f"{each.kind}, draft") for each in drafts))


def layer_kind(spec: ModelSpec, name: str) -> str:
    """Return the kinds of a layer type as one word: `gqa`, or `gqa+mamba2` side by side."""
    return "+".join(kind.kind for kind in spec.attention[name])


def warnings_of(deployment: Deployment, context: int) -> Iterator[Warned]:
    """Yield what to know of a deployment that holds sequences of *context* tokens."""
    spec, tp = deployment.spec, deployment.tp
    if spec.max_context is not None and context > spec.max_context:
        yield BeyondContext(model=spec.name, context=context, max_context=spec.max_context)
    if spec.read_as:
        yield ReadAs(model=spec.name, release=spec.read_as, how=spec.read_by or "")
    yield from deployment.notes
    yield from (Assumed(text=each) for each in spec.left_out)
    if spec.ignored:
        yield Ignored(fields=spec.ignored)
    splits = dict.fromkeys(term.split for layer in deployment.layers.values() for term in layer)
    for split in splits:
        if (copies := split.copies(tp)) > 1:
            yield Replicated(unit=split.unit, units=split.count, copies=copies, tp=tp)
    if deployment.choice.cp > 1:
        yield PassedOn(cp=deployment.choice.cp, context=context, size_bytes=_passed_on(deployment, context))


def _passed_on(deployment: Deployment, context: int) -> int:
    """
    Return what a rank of the fullest stage sends to the next one in a prefill of *context* tokens.

    Keys and values go round the ring of cp ranks: each rank sends its own and those that it got, but for what
    the next one began with (Ring Attention, arXiv 2310.01889, section 3).
    """
    tp, cp = deployment.tp, deployment.choice.cp
    parts = (
        sum(
            count * term.bytes_on_rank(ceil_div(context, cp), tp)
            for layer, count in stage.counts
            for term in layer
            if not isinstance(term.rows, Fixed)
        )
        for stage in deployment.stages
    )
    return (cp - 1) * max(parts)


def choice_of(
    spec: ModelSpec, options: Mapping[str, Any], on: Card | tuple[Card, ...] | None = None
) -> Choice:
    """
    Return what *options* choose of a deployment *on* a card where one is known, or on several kinds of them.

    A model that is named as its own draft drafts with its own module.
    """
    draft = as_draft(options.get("draft"))
    chosen = {**part(options, Choice), "draft": OWN if draft == spec else draft}
    cards = on if isinstance(on, tuple) else ()
    return Choice(**chosen, card=cards[0] if isinstance(on, tuple) else on, cards=cards)


def as_draft(draft: Model | None) -> ModelSpec | Literal["mtp"] | None:
    """Return the spec of what drafts tokens; `mtp` is the model's own module."""
    if draft is None or draft == OWN:
        return None if draft is None else OWN
    return as_spec(draft)


def as_spec(model: Model, ignore: Sequence[str] = ()) -> ModelSpec:
    """
    Return *model* itself if it is a spec, else the spec that it names.

    *ignore* names unknown fields of a model's own file that are answered without.
    """
    return model if isinstance(model, ModelSpec) else load(model, ignore)

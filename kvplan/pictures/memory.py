"""The picture `memory`: the card's bar, of several plans one below the other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kvplan.loads import uniform
from kvplan.pictures.chart import Bar, Bars, Chart, Edge, Part, PartKind
from kvplan.pictures.phrases import fitting, most_and_fewest, number_of
from kvplan.pictures.plans import MOST_BARS, Drawn, read_plans, subtitle
from kvplan.pictures.scales import gib_axis
from kvplan.planner.results import Memory
from kvplan.planner.several import Models
from kvplan.planner.work import as_context
from kvplan.records import record
from kvplan.units import format_bytes, format_gib, format_tokens, printed_gib


@record
class Filled:
    """A plan's card with sequences on it: as many as were asked for, or the most that fit."""

    drawn: Drawn
    context: int
    most: int | None
    memory: Memory

    @property
    def asked(self) -> int | None:
        """The sequences that were asked for, if more than one; None of a card that is filled."""
        return self.drawn.batch if self.drawn.batch != 1 else None


def memory(models: Models, options: Mapping[str, Any]) -> Chart:
    """Return the memory of a card of each plan by what it is taken for, filled or with the asked batch."""
    return memory_of(read_plans(models, options, most=MOST_BARS, kind="memory"))


def memory_of(drawn: Sequence[Drawn]) -> Chart:
    """Return the same of plans that are there."""
    filled = [_filled(each) for each in drawn]
    bars = tuple(_bar(each) for each in filled)
    end = max(each.memory.gpu_bytes - min(0, each.memory.free_bytes) for each in filled)
    return Chart(
        kind="memory",
        title=_title(filled),
        subtitle=subtitle(drawn),
        panels=(Bars(x=gib_axis("memory of each GPU", end), bars=bars, edges=_edges(filled)),),
        notes=tuple(_notes(filled)),
    )


def _filled(drawn: Drawn) -> Filled:
    context = as_context(drawn.context, drawn.plan.deployment.spec)
    most = drawn.plan.max_batch(context)
    shown = drawn.batch if drawn.batch and drawn.batch > 1 else most
    load = uniform(context, shown) if shown else ()
    return Filled(drawn=drawn, context=context, most=most, memory=drawn.plan.memory(load))


def _bar(filled: Filled) -> Bar:
    return Bar(name=filled.drawn.name, parts=tuple(_parts(filled.memory)), text=_text(filled))


def _text(filled: Filled) -> str:
    tokens = format_tokens(filled.context)
    if filled.asked is None:
        found = filled.drawn.plan.max_batch_range(filled.context)
        unsure = f" ({found[0]:,} to {found[1]:,})" if found and found[0] != found[1] else ""
        return f"{number_of(filled.most)} of {tokens}{unsure}"
    if filled.most is None or filled.asked <= filled.most:
        return f"{filled.asked:,} of {tokens}"
    return f"{filled.asked:,} of {tokens} do not fit: {number_of(filled.most)}"


def _parts(memory: Memory) -> Iterator[Part]:
    """Yield a card's parts; what does not fit stands behind its edge."""
    sizes: list[tuple[PartKind, str, int]] = [
        ("weights", "weights", memory.weights_bytes),
        ("activation", "activation", memory.activation_bytes),
        ("overhead", "overhead", memory.overhead_bytes),
        ("kept", "kept back", memory.gpu_bytes - memory.budget_bytes),
        ("used", "KV cache used", memory.kv_used_bytes),
        ("free", "KV cache free", max(0, memory.free_bytes)),
    ]
    start = 0
    texts = printed_gib([size for *_, size in sizes])
    for (kind, name, size), text in zip(sizes, texts, strict=True):
        end = start + size
        edge = min(end, memory.gpu_bytes)
        if start < edge:
            cut = f"{format_gib(edge - start).removesuffix(' GiB')} of " if edge < end else ""
            yield Part(kind=kind, name=name, start=start, end=edge, text=cut + text)
        start = end
    if start > memory.gpu_bytes:
        missing = start - memory.gpu_bytes
        yield Part(
            kind="missing", name="missing", start=memory.gpu_bytes, end=start, text=printed_gib([missing])[0]
        )


def _title(filled: Sequence[Filled]) -> str:
    if len(filled) == 1:
        (one,) = filled
        answer = fitting(one.most, one.context, asked=one.asked)
        return f"{one.drawn.model} {one.drawn.where}: {answer}"
    answers = most_and_fewest([(each.drawn.name, each.most) for each in filled])
    if len({(each.context, each.asked) for each in filled}) == 1 and (batch := filled[0].asked):
        fitting_in = [each.drawn.name for each in filled if each.most is None or batch <= each.most]
        where = f"with {', '.join(fitting_in)}" if fitting_in else "nowhere"
        return f"{batch:,} sequences of {format_tokens(filled[0].context)} fit {where}; at most {answers}"
    contexts = {each.context for each in filled}
    of = f"Sequences of {format_tokens(contexts.pop())}" if len(contexts) == 1 else "Sequences"
    return f"{of}: {answers}"


def _notes(filled: Sequence[Filled]) -> Iterator[str]:
    """Yield what one sequence takes, and where ranges come from."""
    if len(filled) == 1:
        (one,) = filled
        size = format_bytes(one.drawn.plan.deployment.sequence_bytes(one.context))
        yield f"a sequence of {format_tokens(one.context)} takes {size} on each GPU"
    if any(" to " in _text(each) for each in filled):
        yield "activation and overhead are estimates: ranges are what fits in the least and the most memory"


def _edges(filled: Sequence[Filled]) -> tuple[Edge, ...]:
    """Return the card's edge, if all plans have the same card."""
    sizes = {each.memory.gpu_bytes for each in filled}
    if len(sizes) != 1:
        return ()
    (size,) = sizes
    return (Edge(at=size, text=f"all of it: {format_gib(size)}", hard=True),)

"""Tiers of the cache as a document."""

from kvplan.report.document import BLANK, Block, Cell, Column, Document, Span, Table, line
from kvplan.report.terminal import show
from kvplan.tiering.answer import HitRate, Tier, Tiers
from kvplan.units import counted, format_bytes, format_decimal, format_seconds

_NAMES = {"none": "no cache", "card": "the card", "endless": "without an end"}


def print_tiers(answer: Tiers) -> None:
    """Print what each tier holds, and what a trace would find in them."""
    show(tiers_document(answer))


def tiers_document(answer: Tiers) -> Document:
    """Return what each tier holds, and what a trace would find in them."""
    running = f"{counted(answer.batch, 'sequence')} of {counted(answer.context, 'token')}"
    spread = f"tp {answer.tp} x pp {answer.pp}, " if answer.tp * answer.pp > 1 else ""
    verb = "runs" if answer.batch == 1 else "run"
    return (
        line(
            f"{running} of {answer.model} {verb} on {_where(answer)}; what waits is in these tiers.", "strong"
        ),
        line(f"{spread}KV cache in {answer.fit.kv_dtype}, engine {answer.engine}, of one replica", "quiet"),
        BLANK,
        _tiers(answer),
        BLANK,
        *_notes(answer),
        *_hit_rates(answer),
    )


def _where(answer: Tiers) -> str:
    gpus, card = answer.fit.deployment.gpus, answer.fit.sources.card
    return answer.gpu if card is None else f"{f'{gpus} x' if gpus > 1 else 'one'} {card.label}"


def _tiers(answer: Tiers) -> Table:
    timed = any(tier.restore_seconds is not None for tier in answer.tiers)
    titles = ["tier", "for the cache", "a sequence takes", "sequences", "tokens"]
    titles += ["comes back in", "sooner than computed"] if timed else []
    rows = tuple(_row(answer, tier)[: len(titles)] for tier in answer.tiers)
    return Table(tuple(Column(title, numbers=at > 0) for at, title in enumerate(titles)), rows)


def _row(answer: Tiers, tier: Tier) -> tuple[Cell, ...]:
    times: tuple[Cell, ...] = ("", "") if tier.name == "card" else (_time(tier), _sooner(answer, tier))
    return (
        _NAMES.get(tier.name, tier.name),
        format_bytes(tier.size_bytes),
        format_bytes(tier.sequence_bytes),
        _count(tier.sequences),
        _count(tier.tokens),
        *times,
    )


def _count(number: int | None) -> str:
    return "any" if number is None else f"{number:,}"


def _time(tier: Tier) -> Cell:
    return Span("no rate", "quiet") if tier.restore_seconds is None else format_seconds(tier.restore_seconds)


def _sooner(answer: Tiers, tier: Tier) -> Cell:
    if answer.recompute_seconds is None or tier.restore_seconds is None:
        return Span("not known" if answer.recompute_seconds is None else "no rate", "quiet")
    if tier.break_even_tokens is None:
        return "never"
    return f"from {counted(tier.break_even_tokens, 'token')} on"


def _notes(answer: Tiers) -> list[Block]:
    found: list[Block] = []
    if answer.below:
        found.append(line(_kept(answer), label="Kept by"))
    rates = [f"{name} {format_decimal(below.rate)}/s" for name, below in answer.below.items() if below.rate]
    if rates:
        found.append(
            line(f"{', '.join(rates)}: times are the least in which all bytes come back", label="Rates")
        )
    if answer.recompute_seconds is not None:
        took = format_seconds(answer.recompute_seconds)
        rate = answer.prefill_rate
        how = "at least, by the card's operations" if rate is None else f"at {rate:,} tokens per second"
        found.append(line(f"{took} for its prompt, {how}", label="Computed"))
    return found


def _kept(answer: Tiers) -> str:
    ranks = answer.tp
    if ranks == 1:
        return f"{answer.kept_by}, of one rank"
    if answer.copies == 1:
        return f"{answer.kept_by}: each of {ranks} ranks has its own part there, even where these are alike"
    return f"{answer.kept_by}: what {answer.copies} ranks hold alike is stored once"


def _hit_rates(answer: Tiers) -> list[Block]:
    trace = answer.replayed
    if trace is None:
        return []
    titles = ("prefix cache", "blocks", "of the blocks", "of the tokens")
    prompts = f"{counted(trace.requests, 'prompt')} of {counted(trace.tokens, 'token')}"
    return [
        BLANK,
        line(
            f"{prompts}, in {counted(trace.blocks, 'block')} of {trace.block}, of which {trace.distinct:,} "
            "differ; found are, where no tier repeats what another holds:",
            label="Trace",
        ),
        Table(
            tuple(Column(title, numbers=at > 0) for at, title in enumerate(titles)),
            tuple(map(_hit_rate, answer.hit_rates)),
        ),
    ]


def _hit_rate(found: HitRate) -> tuple[Cell, ...]:
    name = _NAMES.get(found.tier, f"and {found.tier}")
    blocks = "" if found.tier == "endless" else _count(found.blocks)
    return name, blocks, f"{found.block_hits:.1%}", f"{found.token_hits:.1%}"

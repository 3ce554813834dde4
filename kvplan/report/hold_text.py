"""The answer of `kvplan hold` as a document: the three numbers, the memory they fill, and replicas."""

from kvplan.planner import words
from kvplan.report.document import BLANK, Block, Column, Document, Line, Span, Table, line
from kvplan.report.notes import pinned
from kvplan.report.terminal import show
from kvplan.traffic.held import Held, Histogram
from kvplan.units import counted, format_gib

_BAR = 40
"""The width of the longest bar."""

_HOW = {
    "convolution": "exactly, by convolution",
    "normal": "by a normal sum with its skewness",
    "draws": "by 10,000 seeded draws",
    "replay": "as its requests come, in their order",
}


def print_hold(answer: Held) -> None:
    """Print the answer for people: see hold_document."""
    show(hold_document(answer))


def hold_document(answer: Held) -> Document:
    """Return the answer for people."""
    parts: list[Block] = [_headline(answer), line(_subtitle(answer), "quiet"), *pinned(answer.source), BLANK]
    parts += _traffic(answer)
    if answer.never is not None:
        parts += _numbers(answer)
    parts += [
        *_little(answer),
        *(line(words.warning(each), "warning", label="Warning") for each in answer.warnings),
    ]
    if answer.memory is not None:
        parts += [BLANK, *_histogram(answer, answer.memory)]
    if answer.replicas:
        parts += [BLANK, *_replicas(answer)]
    return tuple(parts)


def _headline(answer: Held) -> Line:
    on = words.where(answer.plan)
    if answer.likely is None or answer.never is None:
        return line(f"Any number of sequences runs {on}: memory sets no limit.", "yes")
    if not answer.never:
        return line(f"No: the longest request of this traffic does not fit {on}.", "no")
    run = (
        f"{counted(answer.likely, 'sequence')} of this traffic {'runs' if answer.likely == 1 else 'run'} {on}"
    )
    if answer.likely == answer.never:
        return line(f"{run}; none is preempted.", "yes")
    kept = "one is" if answer.never == 1 else f"{answer.never:,} are"
    return line(f"{run}; {kept} never preempted.", "yes")


def _subtitle(answer: Held) -> str:
    degrees = (
        ("tp", answer.tp),
        ("pp", answer.pp),
        ("cp", answer.plan.deployment.choice.cp),
        ("dp", answer.dp),
    )
    spread = " x ".join(f"{name} {degree}" for name, degree in degrees if degree > 1)
    parts = [answer.model, spread, f"KV cache in {answer.kv_dtype}", f"engine {answer.engine}"]
    return ", ".join(part for part in parts if part)


def _traffic(answer: Held) -> list[Line]:
    lengths = (
        f"{answer.mean_prompt:,.0f} tokens of prompt and {answer.mean_output:,.0f} of output on average, "
        f"{answer.longest:,} at most"
    )
    lines = [line(answer.traffic, label="Traffic"), line(lengths, label="Lengths")]
    if answer.refused:
        refused = f"{answer.refused:.2%} of the requests are longer than {answer.context:,} tokens"
        lines.append(line(refused, label="Refused"))
    lines += [line(each, "quiet") for each in answer.requests.notes]
    if answer.prefix:
        share = f"{answer.prefix_hits:.0%} of the requests begin with the same {answer.prefix:,} tokens"
        lines.append(line(share, label="Prefix"))
    if answer.samples > 1:
        lines.append(line(f"{answer.samples} sequences answer a request", label="Samples"))
    return lines


def _sequences(number: int | None) -> str:
    """Return a number that memory limits, as this page has no other."""
    return counted(number or 0, "sequence")


def _numbers(answer: Held) -> list[Line]:
    lines = [line(f"{_sequences(answer.never)}: all may be at their longest at once", label="Never")]
    if answer.method is not None:
        of = " of each replica" if answer.dp > 1 else ""
        risk = f"those{of} need more than there is at no more than {100 * answer.risk:g} % of all moments"
        lines.append(line(f"{_sequences(answer.likely)}: {risk} ({_HOW[answer.method]})", label="At risk"))
        fill = "fills" if answer.average == 1 else "fill"
        lines.append(line(f"{_sequences(answer.average)} {fill} the memory on average", label="Average"))
    if answer.likely_range is not None and answer.likely_range[0] != answer.likely_range[1]:
        low, high = answer.likely_range
        lines.append(
            line(f"{low:,} to {high:,} at this risk, with the estimate of the overhead", label="Range")
        )
    return lines


def _little(answer: Held) -> list[Line]:
    if answer.requests_per_second is None or answer.seconds is None:
        return []
    return [
        line(
            f"{answer.requests_per_second:,.2f} requests per second at most, as each runs "
            f"{answer.requests.mean_life * answer.seconds:,.2f} s (Little's law; prefills take no time: "
            "kvplan bounds has theirs)",
            label="Bound",
        )
    ]


def _histogram(answer: Held, memory: Histogram) -> tuple[Block, ...]:
    most = max(memory.shares)
    rows = tuple(
        (
            f"{format_gib(memory.edges_bytes[place])} to {format_gib(memory.edges_bytes[place + 1])}",
            f"{share:.1%}",
            Span(
                "█" * round(_BAR * share / most),
                "no" if memory.edges_bytes[place] >= memory.room_bytes else "ok",
            ),
        )
        for place, share in enumerate(memory.shares)
    )
    title = (
        f"What {counted(memory.sequences, 'sequence')}{' of a replica' if answer.dp > 1 else ''} take of "
        f"{format_gib(memory.room_bytes)} on each GPU: p50 {format_gib(memory.p50_bytes)}, "
        f"p99 {format_gib(memory.p99_bytes)}"
    )
    columns = (Column("KV memory"), Column("moments", numbers=True), Column(""))
    return line(title, "strong"), Table(columns, rows, names=1)


def _replicas(answer: Held) -> tuple[Block, ...]:
    columns = (
        Column("requests/s", numbers=True),
        Column("replicas", numbers=True),
        Column("GPUs", numbers=True),
    )
    rows = tuple(
        (f"{each.requests_per_second:,g}", f"{each.replicas:,}", f"{each.gpus:,}") for each in answer.replicas
    )
    title = f"Fewest replicas of tp {answer.tp} x pp {answer.pp}, a bound and no prediction"
    return line(title, "strong"), Table(columns, rows)

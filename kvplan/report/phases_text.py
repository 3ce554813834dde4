"""The answers of `kvplan disaggregate` and `kvplan bounds` as documents: what moves, and times as bounds."""

from collections.abc import Iterator

from kvplan.phases.disaggregate import Disaggregation
from kvplan.phases.timed import Timed
from kvplan.phases.together import Bounds
from kvplan.planner import words
from kvplan.report.document import BLANK, Document, Line, line
from kvplan.report.notes import pinned
from kvplan.report.terminal import show
from kvplan.units import counted, format_decimal, format_gib, format_rate, format_seconds


def print_disaggregation(answer: Disaggregation) -> None:
    """Print the answer for people."""
    show(disaggregation_document(answer))


def disaggregation_document(answer: Disaggregation) -> Document:
    """Return the answer for people: bytes as they are, and times as bounds."""
    lines = [*_moves(answer), *_prefills(answer), *_over(answer), *_decodes(answer), *_pool(answer)]
    headline = f"A prompt of {counted(answer.context, 'token')} moves {format_decimal(answer.prompt_bytes)}"
    return (
        line(f"{headline}, each unit once: {answer.prompt_bytes:,} B.", "strong"),
        line(_subtitle(answer), "quiet"),
        *_below(answer, lines),
    )


def print_bounds(answer: Bounds) -> None:
    """Print the answer for people."""
    show(bounds_document(answer))


def bounds_document(answer: Bounds) -> Document:
    """Return the answer for people: what cannot be exceeded, and why."""
    on = _spread(answer.tp, answer.pp, answer.dp, answer.gpu)
    step = (
        "" if answer.tpot_seconds is None else f": at least {format_seconds(answer.tpot_seconds)} per token"
    )
    given = f": {format_seconds(answer.tpot_seconds or 0.0)} per token, as given"
    sequences = f"{counted(answer.held or 0, 'sequence')} of {counted(answer.context, 'token')}"
    return (
        line(f"{sequences} on {on}{given if answer.tpot_given else step}.", "strong"),
        line(f"{answer.model}, KV cache in {answer.kv_dtype}, engine {answer.engine}", "quiet"),
        *_below(answer, [*_prefills(answer), *_decodes(answer)]),
    )


def _below(answer: Timed, lines: list[Line]) -> Iterator[Line]:
    """Yield an answer's lines, that they are bounds where they are, and what to know of them."""
    yield from pinned(answer.prefilling.spec.source)
    yield BLANK
    yield from lines
    if any("at least" in span.text for each in lines for span in each.spans):
        yield line("Times are bounds by the card's own figures, and no predictions.", "quiet")
    yield from (line(words.warning(each), "warning", label="Warning") for each in answer.warnings)


def _subtitle(answer: Disaggregation) -> str:
    prefill = _spread(answer.tp, answer.pp, answer.dp, answer.gpu)
    decode = _spread(answer.decode_tp, answer.pp, answer.decode_dp, answer.decode_gpu)
    engine = f"engine {answer.engine}"
    return (
        f"{answer.model}, prefill on {prefill}, decode on {decode}, KV cache in {answer.kv_dtype}, {engine}"
    )


def _spread(tp: int, pp: int, dp: int, gpu: str | None) -> str:
    degrees = " x ".join(
        f"{name} {degree}" for name, degree in (("tp", tp), ("pp", pp), ("dp", dp)) if degree > 1
    )
    gpus = tp * pp * dp
    card = f"{gpus} x {gpu}" if gpu else counted(gpus, "GPU")
    return f"{card} ({degrees})" if degrees else card


def _moves(answer: Disaggregation) -> Iterator[Line]:
    """Yield what is stored of the prompt, and what the engine moves of it."""
    if answer.stored_bytes != answer.prompt_bytes:
        gpus = counted(answer.tp * answer.pp, "GPU")
        stored = f"{format_decimal(answer.stored_bytes)} on the {gpus} that prefill"
        yield line(f"{stored}: what TP cannot split is on several", label="Stored")
    if answer.connector is None or answer.rank_bytes is None or answer.descriptors is None:
        return
    fewest, most = answer.descriptors
    asked = f"{fewest:,}" if fewest == most else f"{fewest:,} (blocks in a row) to {most:,} (each apart)"
    yield line(
        f"{answer.connector} moves {format_decimal(answer.moved_bytes)} in whole blocks; a GPU reads "
        f"{format_decimal(answer.rank_bytes)} with {asked} descriptors",
        label="Moves",
    )


def _prefills(answer: Timed) -> Iterator[Line]:
    """Yield the time of the prompt, where it is known."""
    if answer.prefill_seconds is not None:
        yield line(_prefill(answer), label="Prefill")


def _over(answer: Disaggregation) -> Iterator[Line]:
    """Yield the transfer's time, and which link hides it behind the prefill."""
    if answer.transfer_seconds is not None and answer.link_bytes_per_second is not None:
        over = f"{answer.links} x {answer.link}" if answer.links > 1 else f"{answer.link}"
        rate = format_rate(answer.link_bytes_per_second)
        named = over if over == rate.replace(" ", "") else f"{over} ({rate} one way)"
        yield line(
            f"{named}: at least {format_seconds(answer.transfer_seconds)}{_left(answer)}", label="Link"
        )
    if answer.needed_bytes_per_second is not None:
        yield line(_hiding(answer), label="Hides")


def _prefill(answer: Timed) -> str:
    seconds = format_seconds(answer.prefill_seconds or 0.0)
    if answer.prefill_given:
        return f"{seconds}, as given"
    speeds = answer.prefill_speeds
    dtype = f" in {speeds.dtype}" if speeds.dtype else ""
    rate = f"{(speeds.flops or 0) / 1e12:,.0f} dense TFLOPS{dtype}"
    return f"at least {seconds}: its operations at {rate} on {counted(answer.tp * answer.pp, 'GPU')}"


def _left(answer: Disaggregation) -> str:
    if answer.exposed_seconds is None:
        return ""
    left = format_seconds(answer.exposed_seconds)
    return f", of which {left} are left after the prefill if layers are sent one by one"


def _hiding(answer: Disaggregation) -> str:
    behind = "its prefill" if answer.prefill_given else "the fastest prefill"
    needed = f"behind {behind} with {format_rate(answer.needed_bytes_per_second or 0.0)}"
    slowest = f"{answer.slowest_link} carries that" if answer.slowest_link else "no one link carries that"
    said = "" if answer.hides is None else "; this link does" if answer.hides else "; this link does not"
    return f"{needed}: {slowest}{said}"


def _decodes(answer: Timed) -> Iterator[Line]:
    """Yield the time of a step, and the most requests."""
    if answer.tpot_given and answer.tpot_seconds is not None:
        yield line(f"{format_seconds(answer.tpot_seconds)} per output token, as given", label="Decode")
    elif answer.decode is not None:
        yield line(_step(answer), label="Decode")
    if answer.requests_per_second is not None and answer.output is not None:
        served = f"at most {answer.requests_per_second:.3g} requests per second"
        of = f"of {counted(answer.output, 'token')} with room for all of them, by Little's law"
        yield line(f"{served} {of}", label="Serves")


def _pool(answer: Disaggregation) -> Iterator[Line]:
    """Yield how many instances decode what one prefills."""
    if answer.decode_instances is None or answer.prompts_per_second is None:
        return
    gpus = answer.decode_instances * answer.decode_tp * answer.pp * answer.decode_dp
    pool = f"{answer.decode_instances:.2f} instances ({gpus:.1f} GPUs) decode what one prefills"
    yield line(f"{pool} at these times: {answer.prompts_per_second:.3g} prompts per second", label="Pool")


def _step(answer: Timed) -> str:
    found, held = answer.decode, answer.held or 0
    if found is None:
        return ""
    differ = found.all_differ_seconds
    spread = (
        "" if differ == found.seconds else f"; {format_seconds(differ)} where all tokens differ in experts"
    )
    return (
        f"at least {format_seconds(found.seconds)} for a step of {counted(held, 'sequence')}: a GPU reads "
        f"{format_gib(found.weights_bytes)} of weights and {format_gib(found.cache_bytes)} of cache{spread}"
    )

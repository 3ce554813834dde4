"""The answer of `kvplan fit` as a document: a sentence, the card as a bar and as lines, the ways out."""

from collections.abc import Mapping, Sequence

from kvplan.loads import uniform
from kvplan.planner import words
from kvplan.planner.advice import searched_gpus
from kvplan.planner.budget import Budget
from kvplan.planner.facts import Origin
from kvplan.planner.fit import Fit
from kvplan.planner.results import Memory
from kvplan.report.document import (
    BLANK,
    Block,
    Card,
    Column,
    Document,
    Grid,
    Heading,
    Line,
    Part,
    Span,
    Step,
    Table,
    Tone,
    Waterfall,
    line,
)
from kvplan.report.notes import not_read, pinned
from kvplan.report.terminal import show
from kvplan.units import GIB, ceil_div, counted, format_bytes, format_gib


def print_fit(answer: Fit, *, beside: Fit | str | None = None, ignored: Sequence[str] = ()) -> None:
    """Print the answer for people: see fit_document."""
    show(fit_document(answer, beside=beside, ignored=ignored))


def fit_document(answer: Fit, *, beside: Fit | str | None = None, ignored: Sequence[str] = ()) -> Document:
    """
    Return the answer for people.

    *beside* the formula stands vLLM's answer, or why it refuses; *ignored* are options of a serving
    command that the plan does not use.
    """
    parts: list[Block] = [
        Heading(*headline(answer), level=1),
        line(_subtitle(answer), "quiet"),
        *pinned(answer.source),
    ]
    parts += [BLANK, card(answer), *_each_card(answer), BLANK, *_findings(answer)]
    if ignored:
        parts.append(line(" ".join(ignored), "quiet", label="Ignored"))
    parts += [*not_read(answer.ignored_fields), *_beside(beside)]
    if len(answer.waterfall) > 1:
        parts += [BLANK, *_waterfall(answer)]
    if answer.hints:
        parts += [BLANK, *_ways_out(answer)]
    return tuple(parts)


def _beside(vllm: Fit | str | None) -> list[Line]:
    """Return what vLLM would hold in the same memory, and the command for it."""
    if isinstance(vllm, str):
        return [line(f"refuses: {vllm}", label="vLLM")]
    if vllm is None or vllm.max_batch is None:
        return []
    release = vllm.engine.removeprefix("vllm@")
    held = line(f"{release} would hold {vllm.max_batch:,} in the same memory", label="vLLM")
    return [held, _serve(vllm.command)] if vllm.command else [held]


def _serve(command: str) -> Line:
    """Return the command to copy, or the comment that says what is missing for one."""
    return Line((Span(command),), label="Serve", whole=not command.startswith("#"))


def headline(answer: Fit) -> tuple[str, Tone]:
    """Return the answer in a sentence, and whether it is a yes."""
    where = words.where(answer.plan)
    each = f"of {counted(answer.context, 'token')}"
    asked = f"{counted(answer.batch, 'sequence')} {each}"
    if answer.max_batch is None:
        return f"Any number of sequences fits {where}: {answer.model} caches nothing.", "yes"
    if answer.batch == 1 and answer.max_batch:
        verb = "fits" if answer.max_batch == 1 else "fit"
        return f"{counted(answer.max_batch, 'sequence')} {each} {verb} {where}.", "yes"
    if answer.fits:
        return f"Yes: {asked} fit {where}; at most {answer.max_batch:,} do.", "yes"
    most = f"at most {answer.max_batch:,} fit" if answer.max_batch else "not even one does"
    verb = "does" if answer.batch == 1 else "do"
    return f"No: {asked} {verb} not fit {where}" + (f"; {most}." if answer.batch > 1 else "."), "no"


def _subtitle(answer: Fit) -> str:
    degrees = (("tp", answer.tp), ("pp", answer.pp), ("cp", answer.deployment.choice.cp), ("dp", answer.dp))
    spread = " x ".join(f"{name} {degree}" for name, degree in degrees if degree > 1)
    parts = [answer.model, spread, f"KV cache in {answer.kv_dtype}", f"engine {answer.engine}"]
    if answer.prompt is not None:
        parts.append(f"with prompts of {counted(answer.prompt, 'token')}")
    return ", ".join(part for part in parts if part)


def card(answer: Fit) -> Card:
    """Return the tightest card with the sequences that were asked for on it, or as many as fit."""
    memory, batch = _shown(answer)
    budget = answer.plan.tightest(uniform(answer.context, batch) if batch else ())
    parts = tuple(_parts(answer, memory, batch, words.sources(budget)))
    which = budget.gpu if answer.deployment.choice.cards else "each GPU"
    return Card(parts, memory.gpu_bytes, _total_note(budget), which)


def _each_card(answer: Fit) -> list[Block]:
    """Return every stage's card with the same sequences on it, where they are of several kinds."""
    if not answer.deployment.choice.cards:
        return []
    load = uniform(answer.context, _shown(answer)[1])
    names = ("layers", "weights", "KV cache", "free", "of")
    columns = (Column("GPU"), *(Column(name, numbers=True) for name in names))
    rows = tuple(
        (
            f"{each.gpus} x {each.gpu}" if each.gpus > 1 else each.gpu,
            str(each.layers),
            format_gib(each.memory.weights_bytes),
            format_gib(each.memory.kv_used_bytes),
            format_gib(each.memory.free_bytes),
            format_gib(each.memory.gpu_bytes),
        )
        for each in answer.plan.stages(load)
    )
    return [BLANK, Table(columns, rows)]


def _total_note(budget: Budget) -> str:
    match budget.sources.gpu_bytes:
        case Origin.LABEL:
            return "its label, as no driver's figure is known"
        case Origin.DRIVER:
            return "what its driver reports"
        case _:
            return "given"


def _shown(answer: Fit) -> tuple[Memory, int]:
    """Return the card to draw and the sequences on it: those asked for, or as many as fit."""
    if answer.batch > 1 or not answer.max_batch:
        return answer.memory, answer.batch
    return answer.filled, answer.max_batch


def _parts(answer: Fit, memory: Memory, batch: int, sources: Mapping[str, str]) -> list[Part]:
    share = ceil_div(batch, answer.dp)
    each = answer.bytes_per_sequence
    used = f"{counted(share, 'sequence')} of {format_gib(each) if each >= GIB else format_bytes(each)}"
    grows = f", {format_bytes(answer.bytes_per_token)} per token" if answer.bytes_per_token else ""
    free = "KV cache free" if memory.free_bytes >= 0 else "missing"
    kept = memory.gpu_bytes - memory.budget_bytes
    overhead = sources.get("overhead", "")
    activation = "estimate" if answer.sources.overhead is Origin.ESTIMATE else overhead
    parts = [
        Part("weights", "weights", memory.weights_bytes, sources.get("weights", "") + _more(memory)),
        Part("used", "KV cache used", memory.kv_used_bytes, used + grows),
        Part("free", free, memory.free_bytes, ""),
        Part("overhead", "activation", memory.activation_bytes, activation),
        Part("overhead", "overhead", memory.overhead_bytes, overhead),
        Part("kept", "kept back", kept, f"utilization {sources.get('utilization', '')}"),
    ]
    return [part for part in parts if part.size_bytes or part.kind in ("used", "free")]


def _more(memory: Memory) -> str:
    """Return what of the weights are adapters' buffers, and what more is not on the card."""
    found = ""
    if memory.adapters_bytes:
        found += f", {format_gib(memory.adapters_bytes)} of it for adapters"
    if memory.offloaded_bytes:
        found += f", {format_gib(memory.offloaded_bytes)} more in the host's memory"
    return found


def _findings(answer: Fit) -> list[Line]:
    asked = counted(answer.batch, "sequence")
    lines = [*_experts(answer), *_start_up(answer), *_kept_back(answer)]
    lines += _range(answer)
    lines += [
        line(words.limit(answer.limit), label="Limit"),
        line(_longest(answer, asked), label="Longest"),
    ]
    if not answer.deployment.choice.cards:
        lines.append(line(_fewest(answer, asked), label="Fewest"))
    if answer.command:
        lines.append(_serve(answer.command))
    return [*lines, *(line(words.warning(each), "warning", label="Warning") for each in answer.warnings)]


def _start_up(answer: Fit) -> list[Line]:
    """Return the engine's own start-up figures, and how many the formula alone would hold."""
    if answer.num_blocks is None:
        return []
    figures = [f"{answer.num_blocks:,} blocks of {counted(answer.block_size or 1, 'token')}"]
    if answer.kv_tokens is not None:
        figures.append(f"KV cache size {counted(answer.kv_tokens, 'token')}")
    if answer.max_concurrency is not None:
        figures.append(
            f"maximum concurrency {answer.max_concurrency:.2f}x for {counted(answer.context, 'token')}"
        )
    formula = "any number" if answer.analytic_max_batch is None else f"{answer.analytic_max_batch:,}"
    return [
        line("; ".join(figures), label="Starts"),
        *_at_once(answer),
        line(f"{formula} of these sequences, without an engine's rounding{_less(answer)}", label="Formula"),
    ]


def _experts(answer: Fit) -> list[Line]:
    """Return where the experts are and what all weights come to, where replicas hold them together."""
    found, gpus = answer.experts, answer.deployment.gpus
    if found is None or (found.dealt_over == 1 and found.cut_over <= answer.tp):
        return []
    cut = f", each cut over {found.cut_over}" if found.cut_over > 1 else ", whole"
    dealt = f"{found.on_gpu} of {found.count} on the fullest GPU{cut}"
    weights = f"{format_gib(answer.weights_bytes_all_gpus)} of weights on all {gpus} GPUs"
    return [line(f"{dealt}; {weights}", label="Experts")]


def _kept_back(answer: Fit) -> list[Line]:
    """Return what has to fit beside the engine's share, where that is known."""
    kept = answer.kept_back
    if kept is None:
        return []
    run = kept.graphs_bytes + kept.activation_bytes
    between = f"{format_gib(kept.low_bytes)} to {format_gib(kept.high_bytes)}"
    parts = [f"{format_gib(run)} for graphs and a chunk of prefill (estimate, {between})"]
    parts.append(f"{format_gib(kept.table_bytes)} for a table of requests")
    drawn = f"{format_gib(kept.draws_bytes)} to draw for {counted(kept.sequences, 'sequence')} at once"
    said = f"of {format_gib(kept.size_bytes)}: {', '.join(parts)}, {drawn}"
    return [line(said, label="Aside")]


def _less(answer: Fit) -> str:
    """Return why an engine holds more than the formula, where it does: what it stores smaller."""
    held, formula = answer.max_batch, answer.analytic_max_batch
    if held is None or formula is None or held <= formula:
        return ""
    smaller = [f"{each.name}: {each.reason}" for each in answer.waterfall if each.size_bytes < 0]
    return f"; the engine holds more ({'; '.join(smaller)})" if smaller else ""


def _at_once(answer: Fit) -> list[Line]:
    """Return why more sequences stand at once than the engine prints, where they do."""
    held, printed = (answer.max_batch or 0) // answer.dp, answer.max_concurrency
    if printed is None or held <= printed:
        return []
    replica = " in each replica" if answer.dp > 1 else ""
    worst = f"{answer.engine} prints {printed:.2f}x, its worst case: all in mid-prefill"
    return [line(f"{held:,} are held{replica}; {worst}", label="At once")]


def _range(answer: Fit) -> list[Line]:
    """Return how far the answer moves with the estimate of the overhead, if it moves at all."""
    if answer.max_batch_range is None or not answer.max_batch_range[1]:
        return []
    (low, high), memory = answer.max_batch_range, answer.kv_range or (0, 0)
    batch = counted(low, "sequence") if low == high else f"{low:,} to {counted(high, 'sequence')}"
    return [
        line(f"{batch} in {format_gib(memory[0])} to {format_gib(memory[1])} of KV memory", label="Range")
    ]


def _longest(answer: Fit, asked: str) -> str:
    if answer.max_context is None:
        return "any context: the cache does not grow"
    if not answer.max_context:
        return f"none: there is no room for {asked} of even 1 token"
    longest = f"{counted(answer.max_context, 'token')} for {asked}"
    made_for = answer.model_context
    return longest if made_for is None else f"{longest}; {answer.model} was made for {made_for:,}"


def _fewest(answer: Fit, asked: str) -> str:
    spread = answer.smallest_gpus
    if spread is None:
        most = searched_gpus(answer.plan)
        none = "one GPU, all that a Mac has, does not hold"
        held = none if most == 1 else f"no number of GPUs up to {most} holds"
        return f"{held} {asked} of {counted(answer.context, 'token')}"
    degrees = f"tp {spread.tp}" + (f" x pp {spread.pp}" if spread.pp > 1 else "")
    verb = "holds" if spread.gpus == 1 else "hold"
    return f"{counted(spread.gpus, 'GPU')} ({degrees}) {verb} {asked} of {counted(answer.context, 'token')}"


def _waterfall(answer: Fit) -> tuple[Block, ...]:
    title = f"From the formula to what is reserved for {counted(answer.batch, 'sequence')}"
    steps = tuple(Step(each.name, each.size_bytes, each.reason) for each in answer.waterfall)
    return Heading(title), Waterfall(steps, "reserved")


def _ways_out(answer: Fit) -> tuple[Block, ...]:
    rows = []
    for hint in answer.hints:
        longest = f"or {counted(hint.max_context, 'token')} for {answer.batch:,}" if hint.max_context else ""
        rows.append((Span(words.change(hint), "option"), counted(hint.max_batch, "sequence"), longest))
    return Heading("To hold more"), Grid(tuple(rows), indented=True)

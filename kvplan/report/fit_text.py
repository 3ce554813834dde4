"""The answer of `kvplan fit` as text: a sentence, the card as a bar and as lines, the ways out."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from kvplan.planner.results import Fit, Memory
from kvplan.report.card import Part, bar, printed_gib
from kvplan.report.console import Text, bar_width, can_draw, labelled, not_read, pinned, write
from kvplan.units import GIB, ceil_div, counted, format_bytes, format_gib


def print_fit(answer: Fit, *, beside: Fit | str | None = None, ignored: Sequence[str] = ()) -> None:
    """
    Print the answer for people.

    *beside* the formula stands vLLM's answer, or why it refuses; *ignored* are options of a serving
    command that the plan does not use.
    """
    parts: list[RenderableType] = [_headline(answer), Text(_subtitle(answer), "dim")]
    parts += pinned(answer.source)
    parts += ["", _card(answer), "", *_findings(answer)]
    if ignored:
        parts.append(labelled("Ignored", " ".join(ignored), "dim"))
    parts += not_read(answer.ignored_fields)
    parts += _beside(beside)
    if len(answer.waterfall) > 1:
        parts += ["", _waterfall(answer)]
    write(*parts, *(["", _ways_out(answer)] if answer.hints else []))


def _beside(vllm: Fit | str | None) -> list[RenderableType]:
    """Return what vLLM would hold in the same memory, and the command for it."""
    if isinstance(vllm, str):
        return [labelled("vLLM", f"refuses: {vllm}")]
    if vllm is None or vllm.max_batch is None:
        return []
    release = vllm.engine.removeprefix("vllm@")
    held = labelled("vLLM", f"{release} would hold {vllm.max_batch:,} in the same memory")
    return [held, labelled("Serve", vllm.command)] if vllm.command else [held]


def _headline(answer: Fit) -> Text:
    where = _where(answer)
    each = f"of {counted(answer.context, 'token')}"
    asked = f"{counted(answer.batch, 'sequence')} {each}"
    if answer.max_batch is None:
        return _good(f"Any number of sequences fits {where}: {answer.model} caches nothing.")
    if answer.batch == 1 and answer.max_batch:
        verb = "fits" if answer.max_batch == 1 else "fit"
        return _good(f"{counted(answer.max_batch, 'sequence')} {each} {verb} {where}.")
    if answer.fits:
        return _good(f"Yes: {asked} fit {where}; at most {answer.max_batch:,} do.")
    most = f"at most {answer.max_batch:,} fit" if answer.max_batch else "not even one does"
    verb = "does" if answer.batch == 1 else "do"
    return Text(
        f"No: {asked} {verb} not fit {where}" + (f"; {most}." if answer.batch > 1 else "."), "bold red"
    )


def _where(answer: Fit) -> str:
    gpus = answer.tp * answer.pp * answer.dp
    if "gpu" in answer.sources:
        return f"on {f'{gpus} x' if gpus > 1 else 'one'} {answer.sources['gpu']}"
    return f"in {answer.gpu}" + (f" on each of {gpus} GPUs" if gpus > 1 else "")


def _good(text: str) -> Text:
    return Text(text, "bold green")


def _subtitle(answer: Fit) -> str:
    degrees = (("tp", answer.tp), ("pp", answer.pp), ("dp", answer.dp))
    spread = " x ".join(f"{name} {degree}" for name, degree in degrees if degree > 1)
    parts = [answer.model, spread, f"KV cache in {answer.kv_dtype}", f"engine {answer.engine}"]
    if answer.prompt is not None:
        parts.append(f"with prompts of {counted(answer.prompt, 'token')}")
    return ", ".join(part for part in parts if part)


def _card(answer: Fit) -> RenderableType:
    parts = _parts(answer, *_shown(answer))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    sizes = printed_gib([part.size_bytes for part in parts])
    for part, size in zip(parts, sizes, strict=True):
        glyph = Text(part.glyph(drawn=can_draw()), part.style)
        table.add_row(glyph, part.name, size, Text(part.note, "dim"))
    total = Text(format_gib(answer.memory.gpu_bytes), "bold")
    table.add_row("=", Text("each GPU", "bold"), total, Text(_total_note(answer), "dim"))
    return Group(bar(parts, width=bar_width(), drawn=can_draw()), table)


def _total_note(answer: Fit) -> str:
    if any("label is read" in warning for warning in answer.warnings):
        return "its label, read as decimal bytes"
    return "given" if answer.sources["gpu_bytes"] == "given" else "what its driver reports"


def _shown(answer: Fit) -> tuple[Memory, int]:
    """Return the card to draw and the sequences on it: those asked for, or as many as fit."""
    if answer.batch > 1 or not answer.max_batch:
        return answer.memory, answer.batch
    return answer.filled, answer.max_batch


def _parts(answer: Fit, memory: Memory, batch: int) -> list[Part]:
    sources = answer.sources
    share = ceil_div(batch, answer.dp)
    each = answer.bytes_per_sequence
    used = f"{counted(share, 'sequence')} of {format_gib(each) if each >= GIB else format_bytes(each)}"
    grows = f", {format_bytes(answer.bytes_per_token)} per token" if answer.bytes_per_token else ""
    free = "KV cache free" if memory.free_bytes >= 0 else "missing"
    kept = memory.gpu_bytes - memory.budget_bytes
    overhead = sources.get("overhead", "")
    activation = overhead if overhead == "given" else "estimate"
    parts = [
        Part("weights", "weights", memory.weights_bytes, sources.get("weights", "")),
        Part("used", "KV cache used", memory.kv_used_bytes, used + grows),
        Part("free", free, memory.free_bytes, ""),
        Part("overhead", "activation", memory.activation_bytes, activation),
        Part("overhead", "overhead", memory.overhead_bytes, overhead),
        Part("kept", "kept back", kept, f"utilization {sources.get('utilization', '')}"),
    ]
    return [part for part in parts if part.size_bytes or part.kind in ("used", "free")]


def _findings(answer: Fit) -> list[RenderableType]:
    asked = counted(answer.batch, "sequence")
    lines = _start_up(answer)
    lines += _range(answer)
    lines += [
        labelled("Limit", answer.limit),
        labelled("Longest", _longest(answer, asked)),
        labelled("Fewest", _fewest(answer, asked)),
    ]
    if answer.command:
        lines.append(labelled("Serve", answer.command))
    return [*lines, *(labelled("Warning", warning, "yellow") for warning in answer.warnings)]


def _start_up(answer: Fit) -> list[RenderableType]:
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
        labelled("Starts", "; ".join(figures)),
        *_at_once(answer),
        labelled("Formula", f"{formula} of these sequences, without an engine's rounding{_less(answer)}"),
    ]


def _less(answer: Fit) -> str:
    """Return why an engine holds more than the formula, where it does: what it stores smaller."""
    held, formula = answer.max_batch, answer.analytic_max_batch
    if held is None or formula is None or held <= formula:
        return ""
    smaller = [f"{line.name}: {line.reason}" for line in answer.waterfall if line.size_bytes < 0]
    return f"; the engine holds more ({'; '.join(smaller)})" if smaller else ""


def _at_once(answer: Fit) -> list[RenderableType]:
    """Return why more sequences stand at once than the engine prints, where they do."""
    held, printed = (answer.max_batch or 0) // answer.dp, answer.max_concurrency
    if printed is None or held <= printed:
        return []
    replica = " in each replica" if answer.dp > 1 else ""
    worst = f"{answer.engine} prints {printed:.2f}x, its worst case: all in mid-prefill"
    return [labelled("At once", f"{held:,} are held{replica}; {worst}")]


def _range(answer: Fit) -> list[RenderableType]:
    """Return how far the answer moves with the estimate of the overhead, if it moves at all."""
    if answer.max_batch_range is None or not answer.max_batch_range[1]:
        return []
    (low, high), memory = answer.max_batch_range, answer.kv_range or (0, 0)
    batch = counted(low, "sequence") if low == high else f"{low:,} to {counted(high, 'sequence')}"
    return [labelled("Range", f"{batch} in {format_gib(memory[0])} to {format_gib(memory[1])} of KV memory")]


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
        return f"no number of GPUs up to 256 holds {asked} of {counted(answer.context, 'token')}"
    degrees = f"tp {spread.tp}" + (f" x pp {spread.pp}" if spread.pp > 1 else "")
    verb = "holds" if spread.gpus == 1 else "hold"
    return f"{counted(spread.gpus, 'GPU')} ({degrees}) {verb} {asked} of {counted(answer.context, 'token')}"


def _waterfall(answer: Fit) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    for line in answer.waterfall:
        table.add_row(line.name, f"{line.size_bytes:,} B", Text(line.reason, "dim"))
    total = sum(line.size_bytes for line in answer.waterfall)
    table.add_row(Text("reserved", "bold"), Text(f"{total:,} B", "bold"), "")
    title = Text(f"From the formula to what is reserved for {counted(answer.batch, 'sequence')}", "bold")
    return Group(title, Padding(table, (0, 0, 0, 2)))


def _ways_out(answer: Fit) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for hint in answer.hints:
        longest = f"or {counted(hint.max_context, 'token')} for {answer.batch:,}" if hint.max_context else ""
        table.add_row(Text(hint.change, "cyan"), counted(hint.max_batch, "sequence"), longest)
    return Group(Text("To hold more", "bold"), Padding(table, (0, 0, 0, 2)))

"""The other answers as text: size, check, show, and the tables of models and GPUs."""

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table

from kvplan.gpus import Gpu, memory_bytes
from kvplan.planner.catalogue_rows import ModelRow
from kvplan.planner.check import Check
from kvplan.planner.deployment import LISTED_TP
from kvplan.planner.explain import Explanation, LayerFormula, TermSize
from kvplan.planner.size import Size
from kvplan.report.console import Text, labelled, not_read, pinned, write
from kvplan.report.narrow import Column, NumberTable
from kvplan.units import counted, format_bytes, format_gib


def print_size(answer: Size) -> None:
    """Print what a token, a sequence and a batch take."""
    token, sequence = format_bytes(answer.bytes_per_token), format_bytes(answer.bytes_per_sequence)
    batch = counted(answer.batch, "sequence")
    table = _table("each GPU", ("bytes", "right"), ("", "right"))
    rows: tuple[tuple[str, int | float], ...] = (
        ("one more token", answer.bytes_per_token),
        (f"one sequence of {counted(answer.context, 'token')}", answer.bytes_per_sequence),
        ("of it, whatever the context", answer.fixed_bytes),
        (batch, answer.total_bytes),
        (f"{batch}, over {counted(answer.tp * answer.pp * answer.dp, 'GPU')}", answer.total_bytes_all_gpus),
    )
    for name, size in rows:
        table.add_row(name, f"{size:,}", format_bytes(size))
    by = "layers" if answer.engine == "exact" else "layers, by the formula"
    layers = _table(by, ("kind", "left"), ("bytes per token", "right"), ("bytes per sequence", "right"))
    for layer in answer.layers:
        sizes = (f"{layer.bytes_per_token:,}", f"{layer.bytes_per_sequence:,}")
        layers.add_row(f"{layer.count} x", layer.kind, *sizes)
    spread = f"tp {answer.tp} x pp {answer.pp} x dp {answer.dp}"
    setting = f"KV cache in {answer.kv_dtype}, engine {answer.engine}, {spread}"
    headline = Text(f"{answer.model} caches {token} per token, {sequence} per sequence.", "bold")
    write(headline, Text(setting, "dim"), *pinned(answer.source), "", table, "", layers)
    said = [labelled("Warning", warning, "yellow") for warning in answer.warnings]
    if said := [*not_read(answer.ignored_fields), *said]:
        write("", *said)


def print_check(answer: Check) -> None:
    """Print the rules, the legal degrees, and why the others are refused."""
    verdict, style = ("spreads", "bold green") if answer.ok else ("does not spread", "bold red")
    table = Table.grid(padding=(0, 2, 0, 0))
    for rule in answer.checks:
        mark = Text("ok" if rule.ok else "NO", "green" if rule.ok else "bold red")
        table.add_row(mark, rule.rule, rule.detail)
    refused = _table("refused", ("because", "left"))
    for reason, degrees in _by_reason(answer.refused_tp).items():
        refused.add_row(f"tp {degrees}", reason)
    write(
        Text(f"{answer.model} {verdict} over tp {answer.tp} x pp {answer.pp}.", style),
        "",
        table,
        "",
        labelled("Legal tp", f" {', '.join(map(str, answer.legal_tp))} (searched up to {LISTED_TP})"),
        *(labelled("Advice", advice) for advice in answer.advice),
        *not_read(answer.ignored_fields),
        "",
        refused,
    )


def print_explanation(answer: Explanation) -> None:
    """Print a spec, and its formula with the numbers put in, term by term."""
    layers = counted(sum(layer.count for layer in answer.layers), "layer")
    facts = [f"{answer.parameters:,} parameters"] if answer.parameters else []
    made_for = [f"made for {counted(answer.max_context, 'token')}"] if answer.max_context else []
    facts += [layers, *made_for]
    total = _sums(answer.bytes_per_token, answer.bytes_per_sequence, answer.context)
    write(
        Text(answer.model, "bold"),
        Text(answer.source, "dim"),
        *([Text(answer.notes, "dim")] if answer.notes else []),
        *not_read(answer.ignored_fields),
        ", ".join(facts),
        f"KV cache in {answer.kv_dtype}, one of {counted(answer.tp, 'rank')}",
        "",
        *(line for layer in answer.layers for line in _formula(layer, answer.context)),
        Text(f"All layers: {total}", "bold"),
    )


def _formula(layer: LayerFormula, context: int) -> list[RenderableType]:
    name = f" {layer.name!r}" if layer.name else ""
    title = f"{counted(layer.count, 'layer')} of {' + '.join(layer.kinds)}{name}"
    lines: list[RenderableType] = [Text(title, "bold cyan")]
    for formula, source in dict.fromkeys(zip(layer.formulas, layer.sources, strict=True)):
        lines.append(Padding(Text.assemble(f"elements: {formula}  ", (f"[{source}]", "dim")), (0, 0, 0, 2)))
    lines += [Padding(Text(_term(term)), (0, 0, 0, 2)) for term in layer.terms]
    if layer.terms:
        sums = _sums(layer.bytes_per_token, layer.bytes_per_sequence, context)
        lines.append(Padding(Text(f"= {layer.count} layers: {sums}"), (0, 0, 0, 2)))
    return [*lines, ""]


def _sums(per_token: float, per_sequence: int, context: int) -> str:
    return f"{per_token:,} B per token, {per_sequence:,} B for {counted(context, 'token')}"


def _term(term: TermSize) -> str:
    units = f"{term.units} {term.split} x " if term.units > 1 else ""
    return f"{term.name}: {units}{term.width} {term.dtype} = {term.units * term.row_bytes:,} B, {term.rows}"


def print_models(rows: list[ModelRow]) -> None:
    """Print the catalogue's models."""
    table = _table(
        "model", ("layers", "right"), ("kinds", "left"), ("per token", "right"), ("context", "right")
    )
    for row in rows:
        table.add_row(
            row.name, str(row.layers), row.kinds, format_bytes(row.bytes_per_token), f"{row.max_context:,}"
        )
    write(table)


def print_gpus(gpus: list[Gpu]) -> None:
    """Print the known GPUs, with a `~` where the label stands in for the driver's figure."""
    table = _table("gpu", ("memory", "right"), ("sold as", "left"))
    for gpu in gpus:
        about = "" if gpu.reported else "~"
        table.add_row(gpu.name, about + format_gib(memory_bytes(gpu)), gpu.label)
    write(table)


def _table(first: str, *columns: tuple[str, str]) -> NumberTable:
    others = (Column(name, numbers=justify == "right") for name, justify in columns)
    return NumberTable((Column(first), *others))


def _by_reason(refused: dict[int, str]) -> dict[str, str]:
    """Group refused degrees, whose reasons all begin with the same part and end in their own numbers."""
    grouped: dict[str, list[int]] = {}
    for degree, reason in refused.items():
        grouped.setdefault(reason.partition(" do not spread")[0], []).append(degree)
    return {f"{part} do not spread over them": _ranges(degrees) for part, degrees in grouped.items()}


def _ranges(degrees: list[int]) -> str:
    """Return `3, 5-7, 9` for a sorted list of numbers."""
    runs: list[list[int]] = []
    for degree in degrees:
        if runs and degree == runs[-1][-1] + 1:
            runs[-1].append(degree)
        else:
            runs.append([degree])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)

"""The other answers as documents: size, check, show, and the tables of models and GPUs."""

from collections.abc import Iterator

from kvplan.gpus import Gpu, memory_bytes
from kvplan.planner import words
from kvplan.planner.catalogue_rows import ModelRow
from kvplan.planner.check import Check
from kvplan.planner.explain import Explanation, LayerFormula, TermSize
from kvplan.planner.size import Size
from kvplan.planner.splits import LISTED_TP
from kvplan.report.document import BLANK, Block, Column, Document, Grid, Line, Span, Table, line
from kvplan.report.notes import not_read, pinned
from kvplan.report.terminal import show
from kvplan.terms import Split
from kvplan.units import counted, format_bytes, format_gib


def print_size(answer: Size) -> None:
    """Print what a token, a sequence and a batch take."""
    show(size_document(answer))


def size_document(answer: Size) -> Document:
    """Return what a token, a sequence and a batch take."""
    token, sequence = format_bytes(answer.bytes_per_token), format_bytes(answer.bytes_per_sequence)
    cp = answer.deployment.choice.cp
    spread = f"tp {answer.tp} x pp {answer.pp} x dp {answer.dp}" + (f" x cp {cp}" if cp > 1 else "")
    parts: list[Block] = [
        line(f"{answer.model} caches {token} per token, {sequence} per sequence.", "strong"),
        line(f"KV cache in {answer.kv_dtype}, engine {answer.engine}, {spread}", "quiet"),
        *pinned(answer.source),
        BLANK,
        _sizes(answer),
        BLANK,
        _layers(answer),
    ]
    said = [line(words.warning(each), "warning", label="Warning") for each in answer.warnings]
    if said := [*not_read(answer.ignored_fields), *said]:
        parts += [BLANK, *said]
    return tuple(parts)


def _sizes(answer: Size) -> Table:
    batch = counted(answer.batch, "sequence")
    rows: tuple[tuple[str, int | float], ...] = (
        ("one more token", answer.bytes_per_token),
        (f"one sequence of {counted(answer.context, 'token')}", answer.bytes_per_sequence),
        ("of it, whatever the context", answer.fixed_bytes),
        (batch, answer.total_bytes),
        (f"{batch}, over {counted(answer.deployment.gpus, 'GPU')}", answer.total_bytes_all_gpus),
    )
    columns = (Column("each GPU"), Column("bytes", numbers=True), Column("", numbers=True))
    return Table(columns, tuple((name, f"{size:,}", format_bytes(size)) for name, size in rows))


def _layers(answer: Size) -> Table:
    by = "layers" if answer.engine == "exact" else "layers, by the formula"
    numbers = (Column(f"bytes per {each}", numbers=True) for each in ("token", "sequence"))
    rows = tuple(
        (
            f"{layer.count} x",
            layer.kind,
            f"{layer.bytes_per_token:,}",
            f"{layer.bytes_per_sequence:,}",
        )
        for layer in answer.layers
    )
    return Table((Column(by), Column("kind"), *numbers), rows)


def print_check(answer: Check) -> None:
    """Print the rules, the legal degrees, and why the others are refused."""
    show(check_document(answer))


def check_document(answer: Check) -> Document:
    """Return the rules, the legal degrees, and why the others are refused."""
    verdict = "spreads" if answer.ok else "does not spread"
    rules = (
        (Span("ok", "ok") if rule.ok else Span("NO", "no"), rule.rule, rule.detail) for rule in answer.checks
    )
    refused = ((f"tp {degrees}", reason) for reason, degrees in _by_part(answer.refused_tp).items())
    legal = f" {', '.join(map(str, answer.legal_tp))} (searched up to {LISTED_TP})"
    return (
        line(f"{answer.model} {verdict} over {_degrees(answer)}.", "yes" if answer.ok else "no"),
        BLANK,
        Grid(tuple(rules)),
        BLANK,
        line(legal, label="Legal tp"),
        *_legal_ep(answer),
        *(line(advice, label="Advice") for advice in answer.advice),
        *not_read(answer.ignored_fields),
        BLANK,
        Table((Column("refused"), Column("because")), tuple(refused)),
    )


def _degrees(answer: Check) -> str:
    more = (("dp", answer.dp), ("ep", answer.ep))
    return f"tp {answer.tp} x pp {answer.pp}" + "".join(f", {name} {each}" for name, each in more if each > 1)


def _legal_ep(answer: Check) -> list[Line]:
    """Return over how many of several GPUs whole experts can be dealt out, and why not over others."""
    gpus = answer.tp * answer.dp
    if gpus == 1 or not (answer.legal_ep or answer.refused_ep):
        return []
    listed = ", ".join(map(str, answer.legal_ep)) or "none"
    refused = [line(f"ep {ep}: {reason}", label="Refused") for ep, reason in answer.refused_ep.items()]
    return [line(f" {listed} of the {gpus} GPUs", label="Legal ep"), *refused]


def print_explanation(answer: Explanation) -> None:
    """Print a spec, and its formula with the numbers put in, term by term."""
    show(explanation_document(answer))


def explanation_document(answer: Explanation) -> Document:
    """Return a spec, and its formula with the numbers put in, term by term."""
    layers = counted(sum(layer.count for layer in answer.layers), "layer")
    facts = [f"{answer.parameters:,} parameters"] if answer.parameters else []
    made_for = [f"made for {counted(answer.max_context, 'token')}"] if answer.max_context else []
    facts += [layers, *made_for]
    return (
        line(answer.model, "strong"),
        line(answer.source, "quiet"),
        *([line(answer.notes, "quiet")] if answer.notes else []),
        *not_read(answer.ignored_fields),
        line(", ".join(facts)),
        *formulas(answer),
    )


def formulas(answer: Explanation) -> Document:
    """Return the formula of each layer type with its numbers, and all together."""
    total = _sums(answer.bytes_per_token, answer.bytes_per_sequence, answer.context)
    return (
        line(f"KV cache in {answer.kv_dtype}, one of {counted(answer.tp, 'rank')}"),
        BLANK,
        *(each for layer in answer.layers for each in _formula(layer, answer.context)),
        line(f"All layers: {total}", "strong"),
    )


def _formula(layer: LayerFormula, context: int) -> Iterator[Line]:
    name = f" {layer.name!r}" if layer.name else ""
    yield line(f"{counted(layer.count, 'layer')} of {' + '.join(layer.kinds)}{name}", "kind")
    for formula, source in dict.fromkeys(zip(layer.formulas, layer.sources, strict=True)):
        yield Line((Span(f"elements: {formula}  "), Span(f"[{source}]", "quiet")), indented=True)
    for term in layer.terms:
        yield line(_term(term), indented=True)
    if layer.terms:
        sums = _sums(layer.bytes_per_token, layer.bytes_per_sequence, context)
        yield line(f"= {counted(layer.count, 'layer')}: {sums}", indented=True)
    yield BLANK


def _sums(per_token: float, per_sequence: int, context: int) -> str:
    return f"{per_token:,} B per token, {per_sequence:,} B for {counted(context, 'token')}"


def _term(term: TermSize) -> str:
    units = f"{term.units} {term.split} x " if term.units > 1 else ""
    return f"{term.name}: {units}{term.width} {term.dtype} = {term.units * term.row_bytes:,} B, {term.rows}"


def print_models(models: list[ModelRow]) -> None:
    """Print the catalogue's models."""
    columns = (
        Column("model"),
        Column("layers", numbers=True),
        Column("kinds"),
        Column("per token", numbers=True),
        Column("context", numbers=True),
    )
    rows = (
        (each.name, str(each.layers), each.kinds, format_bytes(each.bytes_per_token), f"{each.max_context:,}")
        for each in models
    )
    show((Table(columns, tuple(rows)),))


def print_gpus(gpus: list[Gpu]) -> None:
    """Print the known GPUs, with a `~` where the label stands in for the driver's figure."""
    columns = (Column("gpu"), Column("memory", numbers=True), Column("sold as"))
    rows = (
        (gpu.name, ("" if gpu.reported else "~") + format_gib(memory_bytes(gpu)), gpu.label) for gpu in gpus
    )
    unsure = not all(gpu.reported for gpu in gpus)
    note = (line("~ is by the label alone: no driver's figure is known", "quiet"),) if unsure else ()
    show((Table(columns, tuple(rows)), *note))


def _by_part(refused: dict[int, Split]) -> dict[str, str]:
    """Group refused degrees by what does not spread over them."""
    grouped: dict[str, list[int]] = {}
    for degree, part in refused.items():
        grouped.setdefault(f"{part.unspread} over them", []).append(degree)
    return {reason: _ranges(degrees) for reason, degrees in grouped.items()}


def _ranges(degrees: list[int]) -> str:
    """Return `3, 5-7, 9` for a sorted list of numbers."""
    runs: list[list[int]] = []
    for degree in degrees:
        if runs and degree == runs[-1][-1] + 1:
            runs[-1].append(degree)
        else:
            runs.append([degree])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)

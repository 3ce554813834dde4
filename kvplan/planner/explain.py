"""The formula with the numbers put in: what each layer type keeps, term by term, and who says so."""

from collections import Counter
from dataclasses import asdict, replace
from typing import Any, Unpack

from kvplan.arguments import checked
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.planner.model_dtype import stored_in
from kvplan.planner.options import ExplainOptions, part
from kvplan.planner.size import Model, as_spec
from kvplan.planner.work import as_context
from kvplan.records import record
from kvplan.terms import Term, growth


@record
class TermSize:
    """
    One term of one layer on one rank: bytes = units x width x dtype, for each of `rows` rows.

    `rows` is in words how many rows a sequence holds; `rows_at_context` the number at the context.
    """

    name: str
    split: str
    units: int
    width: int
    dtype: str
    row_bytes: int
    rows: str
    rows_at_context: int
    bytes_per_sequence: int


@record
class LayerFormula:
    """One layer type: its kinds, the formula of each with its source, and the terms with numbers."""

    name: str
    count: int
    kinds: tuple[str, ...]
    formulas: tuple[str, ...]
    sources: tuple[str, ...]
    terms: tuple[TermSize, ...]
    bytes_per_token: int | float
    bytes_per_sequence: int


@record
class Explanation:
    """
    A model's cache, explained for one rank of a single pipeline stage. Sizes are per sequence.

    `ignored_fields` are as in Size.
    """

    model: str
    source: str
    notes: str | None
    kv_dtype: str
    tp: int
    context: int
    max_context: int | None
    parameters: int | None
    layers: tuple[LayerFormula, ...]
    bytes_per_token: int | float
    bytes_per_sequence: int
    ignored_fields: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Explanation {self.model}: {len(self.layers)} layer types>"

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return asdict(self)


@checked
def explain(model: Model, **options: Unpack[ExplainOptions]) -> Explanation:
    """Return the formulas of *model* with its numbers put in; raise a KvplanError as `size` does."""
    spec = stored_in(as_spec(model, options.get("ignore", ())), options.get("kv_dtype"))
    deployment = deploy(spec, Choice(**part(options, Choice)))
    return _explained(deployment, as_context(options.get("context"), spec))


def explained(deployment: Deployment, context: int) -> Explanation:
    """Return the formulas of a model as it is deployed and stores its cache there, on a single stage."""
    choice = deployment.choice.analytic(deployment.stage_sizes, deployment.kv)
    return _explained(deploy(deployment.spec, replace(choice, pp=1, pp_layers=None)), context)


def _explained(deployment: Deployment, tokens: int) -> Explanation:
    spec, tp = deployment.spec, deployment.tp
    layers, growing = [], deployment.growing
    for name, count in Counter(spec.layer_types).items():
        kinds, terms = spec.attention[name], deployment.layers[name]
        layers.append(
            LayerFormula(
                name=name,
                count=count,
                kinds=tuple(kind.kind for kind in kinds),
                formulas=tuple(kind.formula for kind in kinds),
                sources=tuple(kind.source for kind in kinds),
                terms=tuple(_term(term, tokens, tp) for term in terms),
                bytes_per_token=growth(growing.layers[name] * count, tp),
                bytes_per_sequence=count * sum(term.bytes_on_rank(tokens, tp) for term in terms),
            )
        )
    (stage,) = growing.stages
    return Explanation(
        model=spec.name,
        source=spec.source,
        notes=spec.notes,
        kv_dtype=deployment.kv.name,
        tp=tp,
        context=tokens,
        max_context=spec.max_context,
        parameters=spec.parameters,
        layers=tuple(layers),
        bytes_per_token=growth(stage.terms(), tp),
        bytes_per_sequence=sum(layer.bytes_per_sequence for layer in layers),
        ignored_fields=(*spec.ignored, *spec.unread),
    )


def _term(term: Term, tokens: int, tp: int) -> TermSize:
    return TermSize(
        name=term.label,
        split=term.split.unit,
        units=term.split.on_rank(tp),
        width=term.width,
        dtype=term.dtype.name,
        row_bytes=term.row_bytes,
        rows=term.rows.words(),
        rows_at_context=term.rows.at(tokens),
        bytes_per_sequence=term.bytes_on_rank(tokens, tp),
    )

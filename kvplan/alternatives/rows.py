"""One alternative as a row: what it caches, and on a card what it holds."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kvplan.changes.weights import projected
from kvplan.errors import KvplanError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import lowered
from kvplan.planner.fit import Fit, fit
from kvplan.planner.options import SizeOptions
from kvplan.planner.results import Spread
from kvplan.planner.size import Model, Size, as_spec, size
from kvplan.planner.splits import legal_tps, splits
from kvplan.records import record
from kvplan.specs import ModelSpec


@record
class Row:
    """
    An alternative: sizes in bytes, on each GPU of the fullest stage.

    `share` is that of the first row's sequence. What a card decides (`max_batch`, `max_context`,
    `smallest_gpus`) is None without one, and with it where memory sets no limit or nothing searched holds
    the work. `parameters` are those of the model and `projections` of them those of its attention, None
    where the spec does not tell. `price` is what a sequence costs in an hour, if GPUs have prices. Where an
    alternative is not possible, `refusal` says why, and its figures are None.
    """

    model: str
    engine: str
    kv_dtype: str | None = None
    gpu: str | None = None
    tp: int = 1
    pp: int = 1
    cp: int = 1
    dp: int = 1
    context: int | None = None
    batch: int = 1
    bytes_per_token: int | float | None = None
    bytes_per_sequence: int | None = None
    share: float | None = None
    fits: bool | None = None
    max_batch: int | None = None
    max_context: int | None = None
    smallest_gpus: Spread | None = None
    legal_tp: tuple[int, ...] = ()
    parameters: int | None = None
    projections: int | None = None
    price: float | None = None
    refusal: str | None = None

    @property
    def gpus(self) -> int:
        """The GPUs of all replicas."""
        return self.tp * self.pp * self.cp * self.dp

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return asdict(self)


_OF_SIZES = frozenset(SizeOptions.__annotations__)


def row_or_reason(model: Model, options: Mapping[str, Any]) -> Row:
    """Return the row of a model, or one that says why there is no answer."""
    spec = as_spec(model, options.get("ignore", ()))
    try:
        return row_of(spec, options)
    except KvplanError as error:
        return _refused(spec, options, error)


def row_of(spec: ModelSpec, options: Mapping[str, Any]) -> Row:
    """Return the row of a model by the options of `fit`, or of `size` where they name no memory."""
    answer = answer_of(spec, options)
    return Row(
        model=answer.model,
        engine=answer.engine,
        kv_dtype=answer.kv_dtype,
        tp=answer.tp,
        pp=answer.pp,
        cp=answer.deployment.engine.context_ranks(answer.deployment.options),
        dp=answer.dp,
        context=answer.context,
        batch=answer.batch,
        bytes_per_token=answer.bytes_per_token,
        bytes_per_sequence=answer.bytes_per_sequence,
        legal_tp=_legal(spec),
        parameters=spec.parameters,
        projections=projected(spec),
        **_held(answer),
    )


def answer_of(spec: ModelSpec, options: Mapping[str, Any]) -> Size:
    """Return what `fit` answers, or `size` where the options name no memory."""
    if options.get("gpu") is not None or options.get("kv_memory") is not None:
        return fit(spec, **options)
    return size(spec, **{name: value for name, value in options.items() if name in _OF_SIZES})


def _held(answer: Size) -> dict[str, Any]:
    """Return what a card decides."""
    if not isinstance(answer, Fit):
        return {}
    return {
        "gpu": answer.gpu,
        "fits": answer.fits,
        "max_batch": answer.max_batch,
        "max_context": answer.max_context,
        "smallest_gpus": answer.smallest_gpus,
    }


def _refused(spec: ModelSpec, options: Mapping[str, Any], error: KvplanError) -> Row:
    """Return a row that says why there is no answer; what was asked stands in it."""
    named = ("engine", "kv_dtype", "tp", "pp", "cp", "dp")
    asked = {name: options[name] for name in named if options.get(name)}
    gpu = options.get("gpu")
    return Row(
        model=spec.name,
        refusal=error.line,
        parameters=spec.parameters,
        **{"engine": "exact", "gpu": None if gpu is None else str(gpu)} | asked,
    )


def _legal(spec: ModelSpec) -> tuple[int, ...]:
    layers, _ = lowered(spec, Choice())
    return legal_tps(splits(spec, layers))

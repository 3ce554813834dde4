"""The dtype in which a model runs: as asked, or as its engine resolves what the release says."""

from kvplan.dtypes import model_dtype, model_dtype_words
from kvplan.engines import Engine
from kvplan.errors import OptionsError
from kvplan.gpus import Card
from kvplan.specs import ModelSpec


def as_run(
    spec: ModelSpec, asked: str | None, engine: Engine, card: Card | None
) -> tuple[ModelSpec, str | None]:
    """
    Return the model in the dtype that is *asked* for, or else in the engine's own choice, and a note on it.

    Raises OptionsError for a dtype in which no model runs.
    """
    if asked is not None and asked != "auto":
        return in_dtype(spec, asked), None
    chosen = engine.model_dtype(spec.dtype, spec.architecture, card)
    if chosen == spec.dtype:
        return spec, None
    return (
        in_dtype(spec, chosen),
        f"{engine.name} runs this {spec.dtype} model in {chosen} unless --dtype says otherwise",
    )


def in_dtype(spec: ModelSpec, dtype: str) -> ModelSpec:
    """
    Return the model as it runs in *dtype*; weights that are not quantised are then stored in it, too.

    Raises OptionsError for a dtype in which no model runs.
    """
    known = model_dtype(dtype)
    if known is None:
        raise OptionsError(f"no model runs in {dtype[:40]!r}: choose {', '.join(model_dtype_words())}")
    changes: dict[str, object] = {"dtype": known}
    if spec.weight_dtype is None and spec.parameters is not None:
        changes["weight_bytes"] = None
    return spec.model_copy(update=changes)

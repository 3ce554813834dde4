"""The dtype in which a model runs: as asked, or as its engine resolves what the release says."""

from kvplan.dtypes import dtype_by_name, model_dtype, model_dtype_words
from kvplan.engines import Engine
from kvplan.errors import OptionsError
from kvplan.gpus import Card
from kvplan.planner.facts import RunsIn
from kvplan.specs import ModelSpec


def as_run(
    spec: ModelSpec, asked: str | None, engine: Engine, card: Card | None
) -> tuple[ModelSpec, RunsIn | None]:
    """
    Return the model in the dtype that is *asked* for, or else in the engine's own choice, and a note on it.

    Raises OptionsError for a dtype in which no model runs.
    """
    if asked is not None and asked != "auto":
        run = in_dtype(spec, asked)
        return run, RunsIn(dtype=run.dtype, released=None, engine=None) if spec.dtype_open else None
    if spec.dtype_open:
        return _undecided(spec, engine, card)
    chosen = engine.model_dtype(spec.dtype, spec.architecture, card)
    if chosen == spec.dtype:
        return spec, None
    return in_dtype(spec, chosen), RunsIn(dtype=chosen, released=spec.dtype, engine=engine.name)


def _undecided(spec: ModelSpec, engine: Engine, card: Card | None) -> tuple[ModelSpec, RunsIn]:
    """Return a model whose source names no dtype in that of its engine; raise OptionsError if it has none."""
    if engine.unsaid_dtype is None:
        raise OptionsError(
            f"the files of {spec.name} name no dtype, and the engine {engine.name} decides none: "
            "give --dtype, as in --dtype bfloat16"
        )
    chosen = engine.model_dtype(engine.unsaid_dtype, spec.architecture, card)
    return in_dtype(spec, chosen), RunsIn(dtype=chosen, released=None, engine=engine.name)


def in_dtype(spec: ModelSpec, dtype: str) -> ModelSpec:
    """
    Return the model as it runs in *dtype*; weights that are not quantised are then stored in it, too.

    Raises OptionsError for a dtype in which no model runs.
    """
    known = model_dtype(dtype)
    if known is None:
        raise OptionsError(f"no model runs in {dtype[:40]!r}: choose {', '.join(model_dtype_words())}")
    changes: dict[str, object] = {"dtype": known, "dtype_open": False}
    if spec.weight_dtype is None and spec.parameters is not None and not _is_quantised(spec, spec.parameters):
        changes["weight_bytes"] = None
    return spec.model_copy(update=changes)


def _is_quantised(spec: ModelSpec, parameters: int) -> bool:
    """Return whether the weights take less than the parameters in the model's own dtype."""
    own = dtype_by_name(spec.dtype)
    return spec.weight_bytes is not None and spec.weight_bytes < parameters * own.block_bytes // own.block


def stored_in(spec: ModelSpec, kv_dtype: str | None) -> ModelSpec:
    """
    Return a model of which the cache alone is asked for, by the formula.

    Raises OptionsError if neither its source nor *kv_dtype* says in what it is stored.
    """
    if not spec.dtype_open:
        return spec
    if kv_dtype in (None, "auto"):
        raise OptionsError(f"the files of {spec.name} name no dtype: give --kv-dtype, as in --kv-dtype bf16")
    return spec.model_copy(update={"dtype_open": False})

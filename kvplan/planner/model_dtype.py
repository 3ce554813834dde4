"""The dtype in which a model runs: as asked, or as its engine resolves what the release says."""

from kvplan.engines import Engine
from kvplan.errors import OptionsError
from kvplan.gpus import Card
from kvplan.specs import ModelSpec

MODEL_DTYPES = {
    "float16": "float16",
    "half": "float16",
    "fp16": "float16",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "float32": "float32",
    "float": "float32",
    "fp32": "float32",
}
"""The dtypes in which engines run a model, by the names that they take."""


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
    if dtype not in MODEL_DTYPES:
        raise OptionsError(f"no model runs in {dtype[:40]!r}: choose {', '.join(MODEL_DTYPES)}")
    changes: dict[str, object] = {"dtype": MODEL_DTYPES[dtype]}
    if spec.weight_dtype is None and spec.parameters is not None:
        changes["weight_bytes"] = None
    return spec.model_copy(update=changes)

"""A spec from a handful of options: a design of one's own, to begin with."""

from collections.abc import Iterator, Mapping
from typing import Any, Unpack

from pydantic import ValidationError

from kvplan.alternatives.options import NewOptions
from kvplan.arguments import checked
from kvplan.changes import CHANGES
from kvplan.dtypes import model_dtype, model_dtype_words
from kvplan.errors import OptionsError
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.specs.names import as_name


@record
class _Sketch:
    """What was asked for, every option by its name; what is wrong is told all at once."""

    asked: Mapping[str, Any]

    def get(self, name: str) -> Any:  # noqa: ANN401 - any option's value
        return self.asked.get(name)

    def has(self, *names: str) -> bool:
        """Return whether any of these options were given."""
        return any(self.get(name) is not None for name in names)

    def problems(self) -> Iterator[str]:
        """Yield all that is wrong."""
        needed = ["heads", "layers"] + ([] if self.has("d_c") else ["head_dim"])
        yield from (f"{_option(name)} is missing" for name in needed if self.get(name) is None)
        heads, groups = self.get("heads"), self.get("groups")
        if heads and groups and heads % groups:
            yield f"--groups {groups} do not divide --heads {heads}"
        if self.has("d_c", "d_rope") and not (self.has("d_c") and self.has("d_rope")):
            missing = "d_rope" if self.has("d_c") else "d_c"
            yield f"{_option(missing)} is missing: a latent has both, d_rope of 0 where nothing is rotated"
        if self.has("d_c") and self.has("groups", "window"):
            yield "a latent has no groups and no window: leave out --groups and --window, or --d-c"
        dtype = self.get("dtype")
        if dtype is not None and model_dtype(dtype) is None:
            yield f"--dtype: no model runs in {dtype[:40]!r}: choose {', '.join(model_dtype_words())}"
        ends = (self.get("vocab") or 0) * (self.get("hidden") or 0) * (2 if self.get("tied") is False else 1)
        if self.has("parameters") and ends > self.get("parameters"):
            yield f"--vocab x --hidden is {ends:,} parameters of embedding and head, more than there are"
        if self.has("full_every") and not self.has("window"):
            yield "--full-every says which layers have no --window: give both"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


@checked
def new(name: str, **options: Unpack[NewOptions]) -> ModelSpec:
    """
    Return the spec of a design of one's own: MHA, GQA with *groups*, or MLA with *d_c* and *d_rope*.

    A *window* leaves each *full_every*-th layer full. Raises an OptionsError that lists all that is wrong.
    """
    sketch = _Sketch(asked=options)
    if problems := [*sketch.problems()]:
        raise OptionsError(f"{name[:60]}: {'; '.join(problems)}")
    facts = {key: sketch.get(key) for key in ("max_context", "parameters", "hidden", "vocab", "tied")}
    spec = _checked(
        {
            "name": as_name(name, otherwise="model"),
            "dtype": sketch.get("dtype") or "bfloat16",
            "layers": sketch.get("layers"),
            "attention": _attention(sketch),
            **{key: value for key, value in facts.items() if value is not None},
        }
    )
    if not sketch.has("window"):
        return spec
    every = f",full_every={sketch.get('full_every')}" if sketch.has("full_every") else ""
    words = f"{sketch.get('window')}{every}"
    windowed = CHANGES["window"].read(words).made_of(spec)
    return windowed.changed(name=spec.name, source=spec.source)


def _checked(facts: dict[str, Any]) -> ModelSpec:
    """Return a spec of these facts; raise OptionsError, which lists all that is wrong with them."""
    try:
        return ModelSpec.model_validate(facts)
    except ValidationError as error:
        said = (
            f"{each['loc'][-1]}: found {str(each['input'])[:40]}; {each['msg'].lower()}"
            for each in error.errors(include_url=False)
        )
        raise OptionsError(f"{facts['name']}: {'; '.join(said)}") from None


def _attention(sketch: _Sketch) -> dict[str, Any]:
    heads = {"heads": sketch.get("heads")}
    if sketch.has("d_c"):
        widths = {name: sketch.get(name) for name in ("d_c", "d_rope")}
        parts = {name: sketch.get("head_dim") for name in ("d_nope", "v_head_dim") if sketch.has("head_dim")}
        return {"kind": "mla", **heads, **widths, **parts}
    heads |= {"head_dim": sketch.get("head_dim")}
    groups = sketch.get("groups")
    if groups is None or groups == heads["heads"]:
        return {"kind": "mha", **heads}
    return {"kind": "mqa", **heads} if groups == 1 else {"kind": "gqa", "groups": groups, **heads}


COMMENTS: Mapping[str, str] = {
    "dtype": "of the checkpoint, and of its cache unless --kv-dtype says otherwise",
    "max_context": "the longest context that the model is made for; else give --context",
    "parameters": "all that is loaded, for the weights; else give --weights",
    "hidden": "the width of the residual stream, for projections and pipeline stages",
    "vocab": "rows of the embedding; with tied: true where it is the output head, too",
    "layers": "how many; or runs of a pattern of the names below",
    "attention": "its kind and sizes; kvplan schema lists every kind and key",
}
"""What a new spec says beside each fact."""

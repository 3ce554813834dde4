"""The JSON Schema of a spec file, so that an editor completes and checks it."""

from typing import Annotated, Any, Union

from pydantic import Field, create_model

from kvplan.attention import kind_class, kind_names
from kvplan.attention.base import Count
from kvplan.specs.draft_module import DraftModule
from kvplan.specs.model import ModelSpec, Name
from kvplan.specs.runs import LayerRun


def json_schema() -> dict[str, Any]:
    """
    Return the JSON Schema (draft 2020-12) of a model spec.

    It describes the file, where `attention` and `layers` have short forms that ModelSpec brings to
    one, and `name` may be left to the file's own; so it is that of a twin of ModelSpec with these
    three as they are written, and with the kinds of a draft's own attention.
    """
    classes = tuple(kind_class(name) for name in kind_names())
    kind: Any = Annotated[Union[classes], Field(discriminator="kind")]  # noqa: UP007
    module = create_model("WrittenModule", __base__=DraftModule, attention=(Union[kind, None], None))  # noqa: UP007
    written = create_model(
        "WrittenSpec",
        __base__=ModelSpec,
        name=(Name, Field(default_factory=str)),
        attention=(Union[kind, dict[str, Union[kind, tuple[kind, ...]]]], ...),  # noqa: UP007
        layers=(Count | tuple[LayerRun, ...], ...),
        draft=(Union[module, None], None),  # noqa: UP007
    )
    schema = written.model_json_schema(mode="validation")
    form = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": form, **schema, "title": "kvplan model spec", "description": ModelSpec.__doc__}

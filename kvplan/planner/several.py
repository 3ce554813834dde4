"""The models that several plans at once are asked for."""

from collections.abc import Sequence
from pathlib import Path

from kvplan.arguments import ArgumentError
from kvplan.files import exists
from kvplan.planner.lists import split_values
from kvplan.planner.size import Model
from kvplan.specs import ModelSpec

Models = Model | Sequence[Model]


def as_models(models: object, asker: str) -> list[Model]:
    """
    Return models one by one: text may name several, unless it is a file's name as it stands.

    Errors name the *asker*, a function of the library. Raises ArgumentError for what names no model.
    """
    given = [models] if isinstance(models, str | Path | ModelSpec) else models
    if not isinstance(given, list | tuple):
        raise ArgumentError(f"{asker}: models: expected a name, a path, a spec, or a list of them")
    found: list[Model] = []
    for each in given:
        if not isinstance(each, str | Path | ModelSpec):
            raise ArgumentError(f"{asker}: models: found a {type(each).__name__}; expected names or specs")
        if isinstance(each, str) and "," in each and not exists(Path(each)):
            found += split_values("model", each)
        else:
            found.append(each)
    return found

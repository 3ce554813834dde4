"""`kvplan fit -- vllm serve ...`: the options of a serving command beside those of kvplan."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from kvplan.cli.options import without_degrees
from kvplan.engines import find_engine, plain_name
from kvplan.errors import KvplanError, OptionsError
from kvplan.planner.drafts import OWN, knows_module
from kvplan.planner.size import as_draft, as_spec
from kvplan.planner.work import LONGEST
from kvplan.serving import Served
from kvplan.serving import read_command as read_words
from kvplan.specs.catalogue import read_index

_MODEL_FILES = (".yaml", ".yml", ".json", ".gguf")


def read_command(words: Sequence[str]) -> Served:
    """
    Return what a serving command says; raise OptionsError if the name of a model stands before it.

    A single word is a whole command in quotes, which may end in the name of a file of options.
    """
    served, first = read_words(words), words[0].strip()
    if len(words) > 1 and names_a_model(first):
        raise OptionsError(f"give the model {first[:60]} or the command that serves one, not both")
    return _with_known_draft(served)


def _with_known_draft(served: Served) -> Served:
    """Return a command without a draft of which there is no spec, as it is answered all the same."""
    draft = served.asked.get("draft")
    if draft is None or _is_known(str(draft), served.model):
        return served
    what = "the model's own draft (mtp)" if draft == OWN else f"the draft {str(draft)[:60]}"
    told = (
        f"{what}: kvplan has no spec of it, and its weights and its layers' cache are counted only with "
        "--draft FILE: it takes more than planned"
    )
    asked = {name: answer for name, answer in served.asked.items() if not name.startswith("draft")}
    if isinstance(settings := asked.get("settings"), Mapping):
        asked["settings"] = {name: text for name, text in settings.items() if name not in served.of_draft}
    return replace(served, asked=asked, unmodelled=(*served.unmodelled, told))


def _is_known(draft: str, model: str) -> bool:
    """Tell whether there is a spec of a draft, which may be the model's own module, or none of the model."""
    try:
        known = as_draft(draft)
    except KvplanError:
        return False
    try:
        return known != OWN or knows_module(as_spec(model))
    except KvplanError:
        return True


def names_a_model(word: str) -> bool:
    """Tell whether a word is a name of the catalogue or that of a model's file."""
    return word.lower() in read_index() or word.lower().endswith(_MODEL_FILES)


def joined(options: Mapping[str, Any], served: Served, given: AbstractSet[str]) -> dict[str, Any]:
    """
    Return kvplan's *options* and those of a command as one; raise OptionsError where they differ.

    *given* are the options that a person wrote: all others are defaults, and say nothing. A server that
    splits a model over all cards that there are leaves the degrees to them.
    """
    if find_engine(served.engine).spread == "pp":
        options = without_degrees(options, given)
    said: dict[str, Any] = {**served.asked, "engine": served.engine}
    settings = dict(said.pop("settings", {}))
    for name, value in options.get("settings", {}).items():
        if settings.setdefault(name, value) != value:
            raise OptionsError(
                f"--set {name}={value}, and the command says {settings[name]}: keep one of them"
            )
    if plain_name(options["engine"]) == served.engine:
        del said["engine"]
    for name, value in said.items():
        own = options.get(name)
        if name in given and str(own) != str(value):
            option = name.replace("_", "-")
            raise OptionsError(f"--{option} says {own}, and the command {value}: keep one of them")
    if served.sharing > 1 and "context" not in {*said, *given}:
        said["context"] = f"{LONGEST}/{served.sharing}"
    return {**options, **said, "settings": settings}


def not_used(served: Served) -> list[str]:
    """Return the options that the plan does not use, as they were written."""
    return [*served.ignored, *(f"{option} (not known)" for option in served.unknown)]

"""What an unknown name means: a model of the catalogue by the words of its name, or by an alias."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from kvplan.errors import UnknownNameError
from kvplan.records import record
from kvplan.specs.catalogue import read_index
from kvplan.specs.model_names import ModelName, take_apart, without_active
from kvplan.specs.strict_yaml import read_yaml

Words = tuple[str, ...]
Known = TypeVar("Known")


@record
class Reading:
    """
    A name as it is understood: the `model` of the catalogue, and `how` in words.

    `other_weights` are in a format whose bytes the name does not tell, perhaps of a `gguf` file; those in
    `sixteen_bits` are told by their dtype. Some aliases have not the `same_parameters`. `max_context` is the
    alias's own, where it differs.
    """

    model: str
    how: str
    other_weights: bool
    gguf: bool = False
    same_parameters: bool = True
    sixteen_bits: str | None = None
    max_context: int | None = None


@record
class _Alias:
    names: tuple[str, ...]
    model: str
    source: str
    max_context: int | None = None
    same_weights: bool = False


def read_name(name: str) -> Reading | None:
    """
    Return what *name* means by its words; None if nothing of the catalogue.

    Raises UnknownNameError, with the candidates, for a name of several models.
    """
    said = _known_part(take_apart(name))
    weights = f" with {said.release} weights" if said.release else ""
    alias = _found(name, said, _aliases())
    if alias is not None:
        return Reading(
            model=alias.model,
            how=f"{weights}, whose shapes it has by {alias.source}",
            other_weights=said.other_weights or not alias.same_weights,
            gguf=said.gguf,
            same_parameters=alias.same_weights,
            sixteen_bits=said.sixteen_bits,
            max_context=alias.max_context,
        )
    file = _found(name, said, _models())
    if file is None:
        return None
    model = PurePosixPath(file).stem
    unknown = (
        "; whether it says how its cache is stored is not known"
        if said.other_weights and not said.gguf
        else ""
    )
    return Reading(
        model=model,
        how=f"{weights}, by its name{unknown}",
        other_weights=said.other_weights,
        gguf=said.gguf,
        sixteen_bits=said.sixteen_bits,
    )


def is_alias(name: str) -> bool:
    """Tell whether *name* itself is an alias, whose source says more of it than any file needs to."""
    return name.strip().lower() in {each.lower() for alias in _data()[1] for each in alias.names}


def _found(name: str, said: ModelName, known: Mapping[Words, dict[Known, str]]) -> Known | None:
    """Return what the words of a name stand for, by the strictest way to read them that finds any."""
    for words in _ways(said):
        found = known.get(words, {})
        if len(found) > 1:
            raise UnknownNameError(f"{name[:80]!r} may be {' or '.join(sorted(found.values()))}: name one")
        if found:
            return next(iter(found))
    return None


def _ways(said: ModelName) -> tuple[Words, ...]:
    """Return the words of a name as they are, and without those of trainings, marked apart."""
    plain = _plain(said.plain_words)
    # Ollama's names leave out which training is meant.
    as_said = () if said.tagged else (("said", *said.words),)
    return (
        *as_said,
        ("plain", *plain),
        ("total", *plain),
        ("plain", *_without_maker(plain, said.organisation)),
    )


def _plain(words: Words) -> Words:
    return tuple(word for word in words if word not in _data()[0])


def _without_maker(words: Words, organisation: str | None) -> Words:
    """Return words without a maker's own before the model's: huihui-ai/Huihui-Qwen3.5-27B."""
    made = organisation is not None and words[:1] and words[0] in organisation.lower().split("-")
    return words[1:] if made else words


def _known_part(said: ModelName) -> ModelName:
    """Return a name without an organisation that is joined to it: `Qwen_Qwen3-8B`."""
    before, _, after = said.model.partition("_")
    if not after or before.lower() not in _organisations():
        return said
    return ModelName(organisation=before, model=after, release=said.release, tagged=said.tagged)


@cache
def _organisations() -> frozenset[str]:
    return frozenset(name.partition("/")[0] for name in read_index() if "/" in name)


@cache
def _models() -> dict[Words, dict[str, str]]:
    """Return the files of the catalogue, and their names, by the words that stand for them."""
    return _by_words((file, PurePosixPath(file).stem, (name,)) for name, file in read_index().items())


@cache
def _aliases() -> dict[Words, dict[_Alias, str]]:
    return _by_words((alias, alias.model, alias.names) for alias in _data()[1])


def _by_words(entries: Iterable[tuple[Known, str, tuple[str, ...]]]) -> dict[Words, dict[Known, str]]:
    """Return what each way to read the names of *entries* stands for, with its label."""
    known: dict[Words, dict[Known, str]] = {}
    for entry, label, names in entries:
        for said in map(take_apart, names):
            plain = _plain(said.plain_words)
            for words in (("said", *said.words), ("plain", *plain), ("total", *without_active(plain))):
                known.setdefault(words, {})[entry] = label
    return known


@cache
def _data() -> tuple[frozenset[str], tuple[_Alias, ...]]:
    document: Any = read_yaml(Path(__file__).parent / "aliases.yaml").value
    rows = (_Alias(**{**row, "names": tuple(row["names"])}) for row in document["aliases"])
    return frozenset(document["same"]), tuple(rows)

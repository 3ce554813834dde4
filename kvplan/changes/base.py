"""What every change is: a few facts, a source, and a pure function from a spec to a spec."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from kvplan.attention import Kind
from kvplan.attention.base import Facts
from kvplan.changes.weights import with_weights_of
from kvplan.dtypes import kv_format
from kvplan.errors import OptionsError, UnitError, asking, closest
from kvplan.specs.model import ModelSpec
from kvplan.specs.names import MAX_LENGTH
from kvplan.specs.runs import runs_of
from kvplan.terms import Target
from kvplan.units import counted, parse_count

Kinds = tuple[Kind, ...]


class Change(Facts):
    """
    A change of a design.

    `name` is the option's, `source` the paper that proposes it, `help` says in a line what it does, and
    `note` what a reader may not expect of it.
    `grows` says that it may take more than before, where every other change takes as much at most.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    source: ClassVar[str]
    note: ClassVar[str] = ""
    grows: ClassVar[bool] = False

    @classmethod
    def read(cls, text: str) -> Self:
        """
        Return the change that a text asks for: `8`, or `d_c=512,d_rope=64`, the first fact without its name.

        Raises OptionsError, which says how the change is written, for a text that is none.
        """
        facts: dict[str, Any] = {}
        known = list(cls.model_fields)
        for number, part in enumerate(filter(None, (each.strip() for each in text.split(",")))):
            key, equals, value = part.partition("=")
            if not equals:
                if number or not known:
                    raise OptionsError(
                        f"--{cls.name} {text[:60]}: {part[:40]!r} has no name; {cls.written()}"
                    )
                key, value = known[0], part
            key = key.strip()
            if key not in known:
                hint = asking(closest(key, known))
                raise OptionsError(f"--{cls.name}: {key[:40]!r} is unknown{hint}; {cls.written()}")
            facts[key] = _value(value.strip())
        try:
            return cls.model_validate(facts)
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False)
            where = ".".join(map(str, first["loc"])) or cls.name
            found = "" if first["type"] == "missing" else f"found {str(first['input'])[:40]!r}; "
            said = f"{found}{first['msg'].lower()}; {cls.written()}"
            raise OptionsError(f"--{cls.name}: {where}: {said}") from None

    @classmethod
    def written(cls) -> str:
        """Return how the change is written."""
        facts = [
            f"{name}=..." if field.is_required() else f"[{name}=...]"
            for name, field in cls.model_fields.items()
        ]
        return f"write --{cls.name}" + (f" {','.join(facts)}" if facts else "")

    def words(self) -> str:
        """Return the change as it is written, its first fact without a name."""
        facts = self.model_dump(exclude_defaults=True)
        (first, *_) = [*type(self).model_fields, ""]
        written = [f"{value}" if key == first else f"{key}={value}" for key, value in facts.items()]
        return " ".join((self.name, *([",".join(written)] if written else [])))

    def planned(self) -> dict[str, str]:
        """Return the options with which a changed design is planned, beside what is in its spec."""
        return {}

    def made_of(self, spec: ModelSpec) -> ModelSpec:
        """Return the changed design; raise OptionsError where the change has nothing to work on."""
        raise NotImplementedError


def _value(text: str) -> int | str:
    if text == "0":  # A layer that does not rotate has a d_rope of 0; no count is.
        return 0
    try:
        return parse_count(text)
    except UnitError:
        return text


def each_layer(
    spec: ModelSpec, change: Change, made: Callable[[int, Kinds], Kinds], eligible: Callable[[Kind], bool]
) -> ModelSpec:
    """
    Return a spec of whose layers each that has an *eligible* kind is what *made* makes of it.

    *made* gets the layer's number among these, from 0 on, and its kinds. Raises OptionsError where there is
    none, and for a change that claims to shrink where one of them would take more.
    """
    layers: list[Kinds] = []
    number = 0
    for name in spec.layer_types:
        kinds = spec.attention[name]
        if any(map(eligible, kinds)):
            kinds = made(number, kinds)
            number += 1
        layers.append(kinds)
    if not number:
        found = ", ".join(dict.fromkeys(kind.kind for kind in spec.kinds()))
        raise OptionsError(f"--{change.name} has nothing to change: {spec.name} has {found}")
    if not change.grows:
        _require_no_growth(spec, change, layers)
    return rebuilt(spec, change, layers)


def each_kind(
    spec: ModelSpec, change: Change, made: Callable[[Kind], Kind], eligible: Callable[[Kind], bool]
) -> ModelSpec:
    """Return a spec of which each *eligible* kind is what *made* makes of it; raise as `each_layer` does."""
    return each_layer(spec, change, lambda _, kinds: swapped(kinds, eligible, made), eligible)


def swapped(kinds: Kinds, eligible: Callable[[Kind], bool], made: Callable[[Kind], Kind]) -> Kinds:
    """Return the kinds of a layer with each *eligible* one replaced."""
    return tuple(made(kind) if eligible(kind) else kind for kind in kinds)


_PROBED = (1, 1024, 2**20)
"""Tokens for which a change that claims to shrink is held to it: caches are straight between windows."""


def _require_no_growth(spec: ModelSpec, change: Change, layers: Sequence[Kinds]) -> None:
    for name, after in dict.fromkeys(zip(spec.layer_types, layers, strict=True)):
        for tokens in _PROBED:
            had, has = (elements(kinds, tokens) for kinds in (spec.attention[name], after))
            if has > had:
                raise OptionsError(
                    f"--{change.name} would cache {has:,} elements of {counted(tokens, 'token')} in a layer "
                    f"that caches {had:,}: choose less"
                )


def elements(kinds: Kinds, tokens: int) -> int:
    """Return what a layer of these kinds caches of *tokens* tokens, each unit once."""
    target = Target(kv=kv_format("bf16"))
    return sum(
        term.split.count * term.width * term.rows.at(tokens) for kind in kinds for term in kind.lower(target)
    )


def rebuilt(spec: ModelSpec, change: Change, layers: Sequence[Kinds]) -> ModelSpec:
    """
    Return a spec with other layers: what is known of the release alone is left out.

    Its weights are changed by the projections that come and go, and are stored as before.
    """
    names = _names(layers)
    same = _same_shapes(spec, names)
    facts = {
        "name": _named(spec, change),
        "hf_id": None,
        "aliases": (),
        "quantized": (),
        "quantized_kv": {},
        "quantized_weights": {},
        "source": f"{spec.name} ({spec.source}), changed: {change.words()} ({change.source})",
        "notes": None,
        "architecture": spec.architecture if same else None,
        "computed_as": spec.computed_as if same else None,
        "weight_bytes": None,
        "weight_least_bytes": None,
        "tensors": None,
        "replicated": None,
        "parts": None,
        "parameters": None,
        "attention": {name: kinds for kinds, name in names.items()},
        "layers": runs_of([names[kinds] for kinds in layers]),
    }
    return with_weights_of(spec, spec.changed(**facts))


def _named(spec: ModelSpec, change: Change) -> str:
    """Return the name of a changed design, which stays a name however often it changes."""
    (first, *_) = [*(str(value) for _, value in change if isinstance(value, int)), ""]
    return f"{spec.name}-{change.name}{first}"[:MAX_LENGTH].rstrip("-.")


def _names(layers: Sequence[Kinds]) -> dict[Kinds, str]:
    """Return a name for each type of layer: its kinds, with a number where two have the same."""
    types = list(dict.fromkeys(layers))
    if len(types) == 1:
        return {types[0]: ""}
    names: dict[Kinds, str] = {}
    for kinds in types:
        plain = "-".join(kind.kind for kind in kinds)
        taken = sum(name == plain or name.startswith(f"{plain}-no") for name in names.values())
        names[kinds] = f"{plain}-no{taken + 1}" if taken else plain
    return names


def _same_shapes(spec: ModelSpec, layers: Iterable[Kinds]) -> bool:
    """Return whether all kinds are those that the architecture had, by which engines know its class."""
    had = {kind.kind for kind in spec.kinds()}
    return {kind.kind for kinds in layers for kind in kinds} <= had

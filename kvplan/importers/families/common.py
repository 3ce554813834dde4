"""What the readers share: the frame of a model, kinds in the form of a spec, and small checks."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kvplan.dtypes import short_dtype
from kvplan.importers.fields import Fields
from kvplan.records import record
from kvplan.specs.draft_module import DraftModule
from kvplan.specs.runs import MAX_LAYERS

Facts = dict[str, Any]
"""One attention kind as a spec file has it: `{"kind": "gqa", "heads": 32, ...}`."""

_GROUPS = "num_key_value_heads"

LOCAL_OR_GLOBAL = {"sliding_attention": "local", "full_attention": "global"}
"""transformers' words for the two types of layers, and ours."""


@record
class Reading:
    """
    What a reader found: the type of each layer in order, and the kind or kinds of each type.

    `notes` are facts that a person should know; `not_counted` names parts left out of the spec.
    `states_fixed` says that the file or the family's code fixes the dtype of recurrent states, so
    that an engine does not choose its own. `architecture` is the spec's where two models share a model_type.
    `draft` is a module for multi-token prediction that the file tells of by its layers alone.
    """

    hidden: int
    max_context: int
    layers: tuple[str, ...]
    attention: Mapping[str, Facts | tuple[Facts, ...]]
    notes: tuple[str, ...] = ()
    not_counted: tuple[str, ...] = ()
    states_fixed: bool = False
    architecture: str | None = None
    draft: DraftModule | None = None


@record
class Frame:
    """The three numbers that every model has."""

    hidden: int
    layers: int
    max_context: int

    def same(self, name: str, *kinds: Facts, notes: Sequence[str] = ()) -> Reading:
        """Return the reading of a model whose layers are all alike."""
        return self.mixed([name] * self.layers, {name: kinds[0] if len(kinds) == 1 else kinds}, notes=notes)

    def mixed(
        self,
        layers: Sequence[str],
        attention: Mapping[str, Facts | tuple[Facts, ...]],
        *,
        notes: Sequence[str] = (),
        not_counted: Sequence[str] = (),
    ) -> Reading:
        """Return the reading of a model with several types of layers; unused types are left out."""
        return Reading(
            hidden=self.hidden,
            max_context=self.max_context,
            layers=tuple(layers),
            attention={name: kind for name, kind in attention.items() if name in set(layers)},
            notes=tuple(notes),
            not_counted=tuple(not_counted),
        )


def frame(
    fields: Fields,
    *,
    hidden: Sequence[str] = ("hidden_size",),
    layers: Sequence[str] = ("num_hidden_layers",),
    context: Sequence[str] | int = ("max_position_embeddings",),
) -> Frame:
    """Take a model's width, its number of layers and its longest context (a number is known)."""
    count = fields.take_count(*layers, to="layers")
    if count > MAX_LAYERS:
        raise fields.error(layers[0], f"found {count}; expected at most {MAX_LAYERS} layers")
    return Frame(
        hidden=fields.take_count(*hidden, to="hidden"),
        layers=count,
        max_context=context if isinstance(context, int) else fields.take_count(*context, to="max_context"),
    )


def trained_on(fields: Fields, tokens: int, source: str, *names: str) -> int:
    """Return the training context of a family whose files name none; of the file, if it does."""
    given = fields.take_optional_count(*(names or ("max_position_embeddings",)), to="max_context")
    if given is None:
        fields.state("max_context", f"the training context: {source}")
    return given or tokens


def softmax(heads: int, groups: int, head_dim: int, **more: Any) -> Facts:  # noqa: ANN401 - a spec's facts
    """Return full attention as MHA, MQA or GQA, whichever the number of KV heads makes it."""
    sizes = {"head_dim": head_dim, **more}
    if groups == heads and not more.keys() - {"v_head_dim"}:
        return {"kind": "mha", "heads": heads, **sizes}
    if groups == 1 and not more.keys() - {"v_head_dim"}:
        return {"kind": "mqa", "heads": heads, **sizes}
    return {"kind": "gqa", "heads": heads, "groups": groups, **sizes}


def sliding(heads: int, groups: int, head_dim: int, window: int, **more: Any) -> Facts:  # noqa: ANN401
    """Return attention over the newest *window* tokens."""
    return {
        "kind": "sliding",
        "heads": heads,
        "groups": groups,
        "head_dim": head_dim,
        **more,
        "window": window,
    }


def take_heads(fields: Fields, *names: str) -> int:
    """Take the number of query heads."""
    return fields.take_count(*(names or ("num_attention_heads",)), to="heads")


def take_groups(fields: Fields, heads: int, *names: str, to: str = "groups") -> int:
    """
    Take the number of KV heads, which must divide the query heads.

    A null `num_key_value_heads` says that there are as many: the config classes of transformers 5.23.
    """
    names = names or (_GROUPS,)
    if _GROUPS in names and _GROUPS in fields and fields.take(*names) is None:
        left_out = _GROUPS in fields.defaults
        fields.state(
            to, f"as many as heads, as {fields.path}{_GROUPS} is {'left out' if left_out else 'null'}"
        )
        if left_out:
            fields.tell(f"leaves out {_GROUPS}: as many as heads are taken, as its class does")
        return heads
    groups = fields.take_count(*names, to=to)
    if heads % groups:
        raise fields.error(names[0], f"{groups} KV heads do not divide {heads} query heads")
    return groups


def take_head_dim(fields: Fields, *names: str) -> int:
    """Take the size of a head, in files that always give it."""
    return fields.take_count(*(names or ("head_dim",)), to="head_dim")


def divided_head_dim(
    fields: Fields, hidden: int, heads: int, names: Sequence[str] = ("hidden_size", "num_attention_heads")
) -> int:
    """Return the size of a head as hidden / heads, in files that never give it otherwise."""
    if hidden % heads:
        raise fields.error(names[1], f"{heads} heads do not divide {names[0]} = {hidden}")
    fields.state("head_dim", f"{names[0]} / {names[1]}")
    return hidden // heads


def optional_head_dim(
    fields: Fields, hidden: int, heads: int, *, written_since: tuple[int, int] | None = None
) -> int:
    """
    Take `head_dim` where the file has it, else hidden / heads as the family's class does.

    *written_since* is the version of transformers whose files of this family always have the
    field, be it null: a later file without it has lost it, which a note says.
    """
    if (given := fields.take_optional_count("head_dim", to="head_dim")) is not None:
        return given
    if "head_dim" not in fields:
        tell_if_lost(fields, "head_dim", written_since, "hidden_size / num_attention_heads")
    return divided_head_dim(fields, hidden, heads)


def stated_head_dim(fields: Fields, hidden: int, heads: int, *names: str) -> int:
    """Take `head_dim`, which the files always have; null says hidden / heads, as the class reads it."""
    names = names or ("head_dim",)
    if fields.take(*names) is None:
        if names[0] in fields.defaults:
            fields.tell(
                f"leaves out {names[0]}: hidden_size / num_attention_heads is taken, as its class does"
            )
        return divided_head_dim(fields, hidden, heads)
    return take_head_dim(fields, *names)


def is_lost(fields: Fields, written_since: tuple[int, int] | None) -> bool:
    """Return whether a field that is missing was always written by the file's version of transformers."""
    version = transformers_version(fields)
    return written_since is not None and (version is None or version >= written_since)


def require_older(fields: Fields, name: str, written_since: tuple[int, int]) -> None:
    """Raise if a field is missing from a file of a transformers version that always wrote it."""
    if is_lost(fields, written_since):
        version = transformers_version(fields)
        raise fields.error(
            name,
            f"found nothing; files of this family have this field since transformers "
            f"{'.'.join(map(str, written_since))}, and this one says "
            f"{'.'.join(map(str, version)) if version else 'no version'}",
        )


def tell_if_lost(fields: Fields, name: str, written_since: tuple[int, int] | None, taken: str) -> None:
    """Say what is *taken* for a field that a file of such a version has lost, as its class takes it."""
    if is_lost(fields, written_since):
        fields.tell(f"leaves out {name}: {taken} is taken, as its class does")


def transformers_version(fields: Fields) -> tuple[int, int] | None:
    """Return the version of transformers that wrote the file, or None if it does not say."""
    if not fields.has("transformers_version"):
        return None
    found = re.match(r"(\d{1,4})\.(\d{1,4})", fields.take_text("transformers_version"))
    return (int(found[1]), int(found[2])) if found else None


def expect(fields: Fields, name: str, allowed: Sequence[object], *, why: str) -> None:
    """Take a field that kvplan reads for a few values only; raise, saying *why*, for another one."""
    if name in fields and not any(
        type(fields.take(name)) is type(value) and fields.take(name) == value for value in allowed
    ):
        known = " or ".join("null" if value is None else str(value).lower() for value in allowed)
        raise fields.error(name, f"found {fields.take(name)!r}; kvplan knows {known} here: {why}")


def product(fields: Fields, name: str, expected: int, text: str, *, to: str = "") -> None:
    """Take a field that repeats what others say; raise if it contradicts them."""
    value = fields.take_optional_count(name, to=to)
    if value is not None and value != expected:
        raise fields.error(name, f"found {value}, but {text} is {expected}")


def by_types(fields: Fields, count: int, names: Mapping[str, str], *spellings: str) -> list[str]:
    """
    Take the list of layer types, one for each layer, and return our names for them.

    *names* says what each of the file's words is here.
    """
    spellings = spellings or ("layer_types",)
    types = fields.take_texts(*spellings, to="layers")
    if len(types) != count:
        raise fields.error(spellings[0], f"lists {len(types)} layers, but there are {count}")
    return [_word(fields, spellings[0], names, word) for word in types]


def _word(fields: Fields, field: str, names: Mapping[str, str], word: str) -> str:
    if word not in names:
        raise fields.error(field, f"{word!r} is unknown here; expected {', '.join(names)}")
    return names[word]


def periodic(count: int, period: int, most: str, last: str) -> list[str]:
    """Return *count* layers of type *most*, of which every *period*-th is *last*."""
    return [last if (index + 1) % period == 0 else most for index in range(count)]


def require_equal(
    fields: Fields, name: str, given: Sequence[str], computed: Sequence[str], text: str
) -> None:
    """Raise if a second way of telling the layers' types disagrees with the first."""
    if list(given) != list(computed):
        raise fields.error(name, f"contradicts {text}")


def take_state_dtype(fields: Fields, name: str) -> str:
    """Take the dtype of a state as a spec names it."""
    text = fields.take_text(name)
    dtype = short_dtype(text)
    if dtype is None:
        raise fields.error(name, f"found {text!r}; expected float32, bfloat16, float16")
    fields.origins["state_dtype"] = f"{fields.path}{name} = {text!r}"
    return dtype


def local_and_global(fields: Fields, window: int) -> dict[str, Facts]:
    """Take one shape of heads for both types of layers, where the files always give `head_dim`."""
    heads = take_heads(fields)
    shape = (heads, take_groups(fields, heads), take_head_dim(fields))
    return {"local": sliding(*shape, window), "global": softmax(*shape)}

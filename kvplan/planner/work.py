"""What is asked of a plan, read: contexts, numbers of sequences, and loads of both."""

import re
from collections.abc import Iterable
from typing import Any

from kvplan.arguments import ArgumentError, as_argument
from kvplan.errors import OptionsError
from kvplan.loads import Load
from kvplan.specs import ModelSpec
from kvplan.units import MAX_COUNT, parse_count


def as_tokens(context: int | str) -> int:
    """Return a number of tokens: 8192, `8192` or `8k`."""
    if type(context) is int and 1 <= context <= MAX_COUNT:  # What a plan asks of others is read already.
        return context
    return parse_count(str(as_argument(context, int | str, "tokens")))


LONGEST = "longest"
"""The model's longest context, which several sequences share as `longest/4`."""

_SHARED = re.compile(rf"{LONGEST}(?:/([1-9]\d{{0,5}}))?")


def as_context(context: int | str | None, spec: ModelSpec) -> int:
    """
    Return a context in tokens; the model's longest if none is given, and a fourth of it for `longest/4`.

    Raises OptionsError without both.
    """
    shared = _SHARED.fullmatch(str(context).strip().lower())
    if context is not None and shared is None:
        return as_tokens(context)
    if spec.max_context is None:
        raise OptionsError(
            f"the spec of {spec.name} has no max_context: give --context 8k, or add max_context"
        )
    return max(1, spec.max_context // int((shared and shared[1]) or 1))


def require_room_for(prompt: int | None, context: int) -> None:
    """Raise OptionsError for a prompt that is longer than the context which it begins."""
    if prompt is not None and prompt > context:
        raise OptionsError(
            f"a prompt of {prompt:,} tokens is longer than the context of {context:,}: shorten --prompt, or "
            "raise --context"
        )


def as_batch(batch: int) -> int:
    """Return *batch* if it is a number of sequences that can be asked for."""
    if type(batch) is int and 1 <= batch <= MAX_COUNT:  # As above.
        return batch
    return parse_count(str(as_argument(batch, int, "sequences")), "sequences")


def as_load(load: Iterable[tuple[int | str, int]]) -> Load:
    """Return pairs of (tokens, sequences), each length once; raise a KvplanError for what is no such pair."""
    try:
        pairs = [_pair(each) for each in load]
    except (TypeError, ValueError):
        raise ArgumentError('a load is pairs of tokens and sequences: [("32k", 4), (2048, 60)]') from None
    lengths: dict[int, int] = {}
    for asked, sequences in pairs:
        tokens = as_tokens(asked)
        lengths[tokens] = lengths.get(tokens, 0) + as_batch(sequences)
    return tuple(lengths.items())


def _pair(each: Any) -> tuple[Any, Any]:  # noqa: ANN401 - any argument
    """Return two things that are a pair; raise TypeError or ValueError for two letters, and for others."""
    if isinstance(each, str | bytes):
        raise TypeError
    tokens, sequences = each
    return tokens, sequences

"""What is asked of a plan, read: contexts, numbers of sequences, and loads of both."""

from collections.abc import Iterable

from kvplan.arguments import ArgumentError
from kvplan.errors import OptionsError
from kvplan.loads import Load
from kvplan.specs import ModelSpec
from kvplan.units import parse_count


def as_tokens(context: int | str) -> int:
    """Return a number of tokens: 8192, `8192` or `8k`."""
    return parse_count(str(context))


def as_context(context: int | str | None, spec: ModelSpec) -> int:
    """Return a context in tokens; the model's longest if none is given. Raises OptionsError without both."""
    if context is not None:
        return as_tokens(context)
    if spec.max_context is None:
        raise OptionsError(
            f"the spec of {spec.name} has no max_context: give --context 8k, or add max_context"
        )
    return spec.max_context


def as_batch(batch: int) -> int:
    """Return *batch* if it is a number of sequences that can be asked for."""
    return parse_count(str(batch), "sequences")


def as_load(load: Iterable[tuple[int | str, int]]) -> Load:
    """Return pairs of (tokens, sequences), read; raise a KvplanError for what is no such pair."""
    try:
        pairs = [(tokens, sequences) for tokens, sequences in load]
    except (TypeError, ValueError):
        raise ArgumentError('a load is pairs of tokens and sequences: [("32k", 4), (2048, 60)]') from None
    return tuple((as_tokens(tokens), as_batch(sequences)) for tokens, sequences in pairs)

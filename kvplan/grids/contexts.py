"""The contexts of a piece in tokens, and the errors that `fit` raises for some of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kvplan.errors import KvplanError, OptionsError
from kvplan.grids.arrays import Flags, Ints, ints
from kvplan.grids.grid import Axis, Structure
from kvplan.planner.plan import Plan
from kvplan.planner.work import as_context, require_room_for
from kvplan.records import record


@record(eq=False)
class Contexts:
    """
    Contexts in `tokens`, 0 where none is known, and what is said of each in place of an answer.

    `why` is the place of that in `reasons`, below 0 where there is an answer.
    """

    tokens: Ints
    why: Ints
    reasons: tuple[str, ...] = ()

    @property
    def answered(self) -> Flags:
        """Which of them have an answer."""
        return self.why < 0

    def refused(self, where: Flags, reason: Callable[[int], str]) -> "Contexts":
        """Return the same with a reason for those *where* there still was an answer, each length once."""
        where = where & self.answered
        lengths, places = np.unique(self.tokens[where], return_inverse=True)
        why = self.why.copy()
        why[where] = places + len(self.reasons)
        return replace(self, why=why, reasons=(*self.reasons, *(reason(int(each)) for each in lengths)))

    def all_refused(self, reason: str) -> "Contexts":
        """Return the same with one reason for all that still had an answer."""
        why = np.where(self.answered, len(self.reasons), self.why)
        return replace(self, why=why, reasons=(*self.reasons, reason))

    def with_reason(self, place: int, reason: str) -> "Contexts":
        """Return the same with a reason for one of them."""
        reasons = self.reasons if reason in self.reasons else (*self.reasons, reason)
        why = self.why.copy()
        why[place] = reasons.index(reason)
        return replace(self, why=why, reasons=reasons)

    def at(self, place: int) -> "Contexts":
        """Return one of them."""
        return replace(self, tokens=self.tokens[place : place + 1], why=self.why[place : place + 1])


def read_contexts(structure: Structure, cut: slice) -> Contexts:
    """Return contexts of a structure, with why there is none, or why one is too short for a prompt."""
    found = _in_tokens(structure, structure.contexts[cut])
    prompt = structure.options.get("prompt")
    if prompt is None:
        return found
    return found.refused(found.tokens < prompt, lambda tokens: _error_of_prompt(prompt, tokens))


def _in_tokens(structure: Structure, axis: Axis) -> Contexts:
    if isinstance(axis, np.ndarray):
        return Contexts(tokens=axis, why=np.full(len(axis), -1, dtype=np.int64))
    read = [_context(structure, each) for each in axis]
    reasons = tuple(dict.fromkeys(each for each in read if isinstance(each, str)))
    why = [reasons.index(each) if isinstance(each, str) else -1 for each in read]
    tokens = ints([0 if isinstance(each, str) else each for each in read], "a context")
    return Contexts(tokens=tokens, why=np.array(why, dtype=np.int64), reasons=reasons)


def _context(structure: Structure, value: int | str | None) -> int | str:
    """Return one context of a model in tokens, or why there is none."""
    try:
        return as_context(value, structure.spec)
    except OptionsError as error:
        return error.line


def _error_of_prompt(prompt: int, tokens: int) -> str:
    try:
        require_room_for(prompt, tokens)
    except KvplanError as error:
        return error.line
    raise AssertionError(f"{tokens} tokens have room for a prompt of {prompt}")


def refused_at(plan: Plan, tokens: Ints) -> Flags:
    """Return at which contexts the engine would not start as asked: from one on."""
    return tokens >= _first(tokens, lambda each: plan.refusal(each) is not None)


def with_refusals(plan: Plan, contexts: Contexts) -> Contexts:
    """Return contexts with what the engine says of those that it refuses, where it has room for one."""
    refused = refused_at(plan, contexts.tokens)
    if not refused.any():
        return contexts
    crowded = contexts.tokens >= _first(contexts.tokens, lambda each: not plan.start_up(each))
    return contexts.refused(refused & ~crowded, lambda tokens: plan.refusal(tokens) or "")


def _first(tokens: Ints, holds: Callable[[int], bool]) -> int:
    """Return the least of *tokens* for which *holds*, as for all longer ones; more than all if for none."""
    longest = int(tokens.max())
    if longest < 1 or not holds(longest):
        return longest + 1
    lengths = np.unique(tokens[tokens > 0])
    low, high = 0, len(lengths)
    while low < high:
        middle = (low + high) // 2
        if holds(int(lengths[middle])):
            high = middle
        else:
            low = middle + 1
    return int(lengths[low])

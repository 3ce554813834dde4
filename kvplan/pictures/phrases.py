"""The answers that stand in titles."""

from collections.abc import Sequence

from kvplan.units import counted, format_tokens

_LISTED = 3
"""So many are all named in a title; of more, the first and the last."""


def fitting(most: int | None, context: int, *, asked: int | None = None) -> str:
    """Return how many sequences of a context fit, or whether those that were *asked* for do."""
    tokens = format_tokens(context)
    if most is None:
        return "any number of sequences fits"
    if asked is None:
        verb = "fits" if most in (0, 1) else "fit"
        return f"{counted(most, 'sequence') if most else 'not one sequence'} of {tokens} {verb}"
    verdict = "fit" if asked <= most else "do not fit"
    return f"{counted(asked, 'sequence')} of {tokens} {verdict}, at most {most:,} do"


def number_of(sequences: int | None) -> str:
    """Return a number of sequences: `any number` where memory sets no limit, `none` for 0."""
    return "any number" if sequences is None else f"{sequences:,}" if sequences else "none"


def most_and_fewest(answers: Sequence[tuple[str, int | None]]) -> str:
    """Return answers from the most to the fewest, each with its name; None is any number."""
    ordered = sorted(answers, key=lambda each: -(float("inf") if each[1] is None else each[1]))
    return with_names([(number_of(number), name) for name, number in ordered], "at the most", "at the least")


def with_names(answers: Sequence[tuple[str, str]], first: str, last: str) -> str:
    """Return pairs of an answer and a name, `53 with tp 2`; of many the *first* and the *last*, so called."""
    told = [f"{answer} with {name}" for answer, name in answers]
    return ", ".join(told) if len(told) <= _LISTED else f"{told[0]} {first}, {told[-1]} {last}"


def held_of(answers: Sequence[tuple[int, int]]) -> str:
    """Return pairs of sequences and tokens: `61 sequences of 8k, 1 of 512k`."""
    (most, tokens), *rest = answers
    return ", ".join(
        [
            f"{counted(most, 'sequence')} of {format_tokens(tokens)}",
            *(f"{held:,} of {format_tokens(of)}" for held, of in rest),
        ]
    )

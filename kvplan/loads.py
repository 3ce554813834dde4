"""What a cache is asked to hold at once: sequences by their numbers of tokens."""

from kvplan.units import ceil_div

Load = tuple[tuple[int, int], ...]
"""Pairs of (tokens, sequences): so many sequences of so many tokens each. Nothing is asked of `()`."""


def uniform(tokens: int, sequences: int) -> Load:
    """Return a load of sequences of one length."""
    return ((tokens, sequences),)


def sequences_in(load: Load) -> int:
    """Return the number of sequences."""
    return sum(sequences for _, sequences in load)


def tokens_in(load: Load) -> int:
    """Return the tokens of all sequences together."""
    return sum(tokens * sequences for tokens, sequences in load)


def longest_in(load: Load) -> int:
    """Return the tokens of the longest sequence; 0 without sequences."""
    return max((tokens for tokens, sequences in load if sequences), default=0)


def dealt(load: Load, replicas: int) -> Load:
    """
    Return what the fullest of *replicas* gets when sequences are dealt out in turn, the longest first.

    Each other one then has as many or one less, and each of its own is no longer.
    """
    if replicas == 1:
        return load
    share, before = [], 0
    for tokens, sequences in sorted(load, reverse=True):
        held = ceil_div(before + sequences, replicas) - ceil_div(before, replicas)
        before += sequences
        share += [(tokens, held)] if held else []
    return tuple(share)

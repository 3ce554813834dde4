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
    """Return what the fullest of *replicas* gets when the sequences of each length are dealt out evenly."""
    return tuple((tokens, ceil_div(sequences, replicas)) for tokens, sequences in load)

"""What an instance that decodes reads of a prompt that another one computed."""

from typing import NamedTuple


class Handover(NamedTuple):
    """A prompt that another instance computed on `tp` ranks, and whose cache comes from there."""

    tokens: int
    tp: int


class Pulled(NamedTuple):
    """
    What one rank reads of a prompt that another instance computed.

    A descriptor is a range of bytes that is asked for at once: the `fewest` there can be where a prompt's
    blocks lie in a row, the `most` where each lies apart.
    """

    size_bytes: int
    fewest: int
    most: int

"""What unequal sequences take together: amounts that add up, and how much of each there is."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from kvplan.records import record

Claim = Literal["now", "end"]
"""What a running sequence takes: that of the tokens that it has by now, or of those that it will have."""


class Bound(NamedTuple):
    """
    How much of one amount there is: sequences are held if theirs sum to at most `most`.

    They are held, too, whatever that sum is, if the first amount sums to at most `unless`.
    """

    most: int
    unless: int = -1


class Arrival(NamedTuple):
    """The `steps` for which a request that has come takes `amounts`, before it takes those of its tokens."""

    steps: int
    amounts: tuple[int, ...]


class Tally(Protocol):
    """
    Sequences of one replica that share an engine's pools, and the lengths to which they grow.

    What one of them takes does not depend on the others.
    """

    @property
    def claim(self) -> Claim:
        """Which of its tokens a running sequence is charged for."""

    def amounts(self, context: int) -> tuple[int, ...]:
        """
        Return what a sequence of *context* tokens takes of each thing that sequences share.

        Of an int64 array of contexts these are arrays, or ints where no context changes an amount.
        """

    def shared(self, prefix: int) -> tuple[int, ...] | None:
        """Return what a sequence takes less if its first *prefix* tokens are another's; None: nothing."""

    def arrival(self, prompt: int) -> Arrival:
        """Return what a request of *prompt* tokens takes while it is prefilled; arrays of an int64 array."""

    def room(self, pools: Sequence[int], *, sequences: int, arriving: int) -> tuple[Bound, ...]:
        """
        Return how much of each amount *sequences* may take in *pools*, the bytes on each rank.

        Beside them there is room for so many *arriving*, none or one, at the worst moment of a prefill.
        """


@record
class BytesTally:
    """
    Amounts that are bytes: of each rank's pool, or of equal parts of it.

    `of` gives those of a sequence, `first_of` those of a prefix that an engine stores once, if it does. Each
    rank has as many `parts`.
    """

    of: Callable[[int], tuple[int, ...]]
    first_of: Callable[[int], tuple[int, ...]] | None = None
    claim: Claim = "now"
    parts: int = 1

    def amounts(self, context: int) -> tuple[int, ...]:
        """Return the bytes of a sequence in each part of each rank's pool."""
        return self.of(context)

    def shared(self, prefix: int) -> tuple[int, ...] | None:
        """Return the bytes of a prefix that is stored once."""
        return None if self.first_of is None else self.first_of(prefix)

    def arrival(self, prompt: int) -> Arrival:  # noqa: ARG002 - of any
        """Return no steps: a prefill takes no more than its tokens."""
        return Arrival(0, (0,))

    def room(self, pools: Sequence[int], *, sequences: int, arriving: int) -> tuple[Bound, ...]:  # noqa: ARG002 - all have it
        """Return the bytes of each part of each pool."""
        return tuple(Bound(pool // self.parts) for pool in pools for _ in range(self.parts))


def is_held(sums: Sequence[float], room: Sequence[Bound]) -> bool:
    """Return whether amounts that sum so have room, element by element where they are arrays."""
    held = True
    for amount, bound in zip(sums, room, strict=True):
        held &= (amount <= bound.most) | (sums[0] <= bound.unless)
    return held

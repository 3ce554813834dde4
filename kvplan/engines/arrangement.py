"""How an engine lays a model's cache out, whatever the memory, and the figures of that."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol

from kvplan.engines.tally import Tally
from kvplan.loads import Load
from kvplan.records import record


@record
class Line:
    """Bytes that one rule adds on a rank; below 0 where an engine takes less than the formula."""

    name: str
    size_bytes: int
    reason: str


@record
class StartUp:
    """
    The figures that an engine prints when it starts; None where it has none.

    `max_num_seqs` is the most that it can be told to start, because it refuses its own default.
    `runs` are the sequences that it runs at once because it is told no number, whatever its pools hold.
    `table_bytes` is a table of its requests in the part of the card that it keeps back.
    """

    num_blocks: int
    block_size: int
    kv_tokens: int | None
    max_concurrency: float | None
    max_num_seqs: int | None = None
    runs: int | None = None
    table_bytes: int = 0


class Straight(NamedTuple):
    """
    The bytes of sequences of one length on a rank: the first takes `first` of them, and each one more `more`.

    `least` is what an engine asks for before it starts at all, however few they are.
    """

    first: int
    more: int
    least: int = 0

    def of(self, sequences: int) -> int:
        """Return what so many sequences take, of which there is one at least."""
        return max(self.least, self.first + (sequences - 1) * self.more)

    def held(self, there_bytes: int) -> int | None:
        """Return how many sequences *there_bytes* hold; None if any number."""
        if there_bytes < self.of(1):
            return 0
        return 1 + (there_bytes - self.first) // self.more if self.more else None


class Arrangement(Protocol):
    """A model's cache as an engine lays it out over pipeline ranks, whatever the memory."""

    @property
    def assumed(self) -> tuple[str, ...]:
        """What was taken for granted, in words, because nobody named a card that decides it."""

    @property
    def longest(self) -> int | None:
        """The most tokens of a sequence that the engine takes; None if memory alone decides."""

    @property
    def takes_arrays(self) -> bool:
        """
        Whether `by_sequence` takes an int64 array of contexts, too, and `most_sequences` heeds no context.

        Its rules are then written with `minimum` and `maximum` of kvplan.units, without a condition on the
        context.
        """

    @property
    def never_falls(self) -> bool:
        """Whether a longer sequence never takes less, without the exception of `reserved_bytes`."""

    def reserved_bytes(self, *, rank: int, load: Load) -> int:
        """
        Return the bytes that the sequences of one replica take on a rank.

        It never falls when one of them grows or one more comes, but for a few tokens in which an engine
        hands a state on from block to block. An empty pool may take some, too.
        """

    def by_sequence(self, context: int) -> tuple[Straight, ...] | None:
        """
        Return, for each rank, what sequences of *context* tokens take, whatever their number.

        None where more than one line would be needed to tell it.
        """

    def tally(self, lengths: int) -> Tally:
        """Return what unequal sequences take together that grow to *lengths*, an int or an int64 array."""

    def token_bytes(self, rank: int) -> Fraction:
        """Return what one token more adds to one long sequence on a rank, its windows full."""

    def fixed_bytes(self, rank: int) -> int:
        """Return what a sequence takes on a rank whatever its length: states, an encoder's tokens."""

    def lines(self, *, rank: int, load: Load) -> tuple[Line, ...]:
        """Return the same bytes line by line, from the formula's to all that is reserved."""

    def most_bytes(self, rank: int) -> int | None:
        """Return the size to which a setting bounds the pool on a rank; None if memory alone does."""

    def most_sequences(self, context: int) -> int | None:
        """Return how many sequences of a context run at once whatever the memory; None if any number."""

    def refusal(self, pools: Sequence[int], context: int) -> str | None:
        """
        Return in words why the engine would not start as it was asked; None if it would.

        *pools* are the bytes on each rank, *context* the longest of a sequence: of what is refused any longer
        one is, too. Whether one sequence has room is another matter.
        """

    def start_up(self, available_bytes: Sequence[int], context: int) -> StartUp | None:
        """Return what the engine prints with so much memory on each rank; raise if it refuses."""

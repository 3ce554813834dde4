"""
What an answer says beside its bytes, as facts; what an engine or a command says keeps its own words.

They are named tuples, which a cold command makes in a fifth of the time of as many dataclasses.
"""

from enum import StrEnum
from typing import Literal, NamedTuple

from kvplan.gpus import Card


class Resource(StrEnum):
    """What there is not enough of for one sequence more."""

    NOTHING = "nothing"
    SEQUENCES = "sequences"
    POOL = "pool"
    CACHE = "cache"
    WEIGHTS = "weights"
    OVERHEAD = "overhead"


class Limit(NamedTuple):
    """
    What stops one sequence more, on the tightest card.

    `needed_bytes` and `free_bytes` are of CACHE, WEIGHTS and OVERHEAD (activations, too). `sequences` are of
    SEQUENCES those that a replica may run, and of CACHE all that would stand with one more.
    """

    resource: Resource
    needed_bytes: int | None = None
    free_bytes: int | None = None
    sequences: int | None = None


class Hint(NamedTuple):
    """A computed way out: the option to change, its new value, and what it would then give."""

    option: Literal["kv_dtype", "tp", "context"]
    value: int | str
    max_batch: int
    max_context: int | None


class Origin(StrEnum):
    """
    How a figure is known: the driver's, read from a card's label, a release's own, counted, and so on.

    A `bound` is the most that a config leaves open.
    """

    GIVEN = "given"
    DRIVER = "driver"
    LABEL = "label"
    RELEASE = "release"
    BOUND = "bound"
    PARAMETERS = "parameters"
    DEFAULT = "default"
    ESTIMATE = "estimate"


class Sources(NamedTuple):
    """
    Where the figures of a card's memory come from; None for what is no part of a known KV memory.

    `parameters` are counted in `weight_dtype` where they make the weights, embedding and head in `ends_dtype`
    if that is another. `stands_in` says that the asked
    context stands in, in the estimate of the overhead, for that of a model that is made for none.
    """

    gpu_bytes: Origin
    card: Card | None = None
    weights: Origin | None = None
    parameters: int | None = None
    weight_dtype: str | None = None
    ends_dtype: str | None = None
    utilization: Origin | None = None
    overhead: Origin | None = None
    stands_in: bool = False


class BeyondContext(NamedTuple):
    """A sequence is longer than the model was made for."""

    model: str
    context: int
    max_context: int


class ReadAs(NamedTuple):
    """A name is answered as a model by its words alone, and `how` it was read, in words."""

    model: str
    release: str
    how: str


class RunsIn(NamedTuple):
    """A model runs in another dtype than its release names (None: names none), by the engine or as asked."""

    dtype: str
    released: str | None
    engine: str | None


class DeclaredKv(NamedTuple):
    """A checkpoint declares a dtype for its KV cache, and the engine takes it or takes no heed."""

    dtype: str
    engine: str
    taken: bool


class Assumed(NamedTuple):
    """What an engine, a command or the name of a GPU leaves open, and is taken for granted: in words."""

    text: str


class Lowered(NamedTuple):
    """
    An engine refuses its own default of sequences at once: planned are the most with which it starts.

    `least` are those with which it starts in the least memory of the range; None where there is no range,
    or where not even one starts.
    """

    engine: str
    sequences: int
    least: int | None


class RunsFewer(NamedTuple):
    """The pools of a replica hold more sequences than an engine runs at once unless it is told more."""

    engine: str
    sequences: int


class Crowded(NamedTuple):
    """
    What an engine keeps back of a card beside its share is too little, or its tables take more than half.

    It has to hold tables and `needed_bytes` of graphs and activations, at most `most_bytes`. `share` is the
    largest that leaves room for what is needed, None where no share does.
    """

    engine: str
    table_bytes: int
    kept_bytes: int
    needed_bytes: int = 0
    most_bytes: int = 0
    share: str | None = None


class LeftOut(NamedTuple):
    """An option of a serving command that changes the memory and that no plan counts, in words."""

    text: str


class Ignored(NamedTuple):
    """Fields of a config that could change the memory, and that are answered without."""

    fields: tuple[str, ...]


class Replicated(NamedTuple):
    """Each of `units` units is stored on `copies` tensor-parallel ranks."""

    unit: str
    units: int
    copies: int
    tp: int


class PassedOn(NamedTuple):
    """Each of `cp` ranks passes so many bytes on in a prefill of `context` tokens, and has all weights."""

    cp: int
    context: int
    size_bytes: int


class Uncounted(NamedTuple):
    """Parts of the model whose weights are not counted."""

    parts: tuple[str, ...]


class WeightsOpen(NamedTuple):
    """A config leaves the size of a replica's weights open: the most is planned."""

    least_bytes: int
    most_bytes: int


class LabelRead(NamedTuple):
    """The driver's figure of a card is not known: its label is read as so many bytes."""

    gpu: str
    total_bytes: int


Warned = (
    BeyondContext
    | ReadAs
    | RunsIn
    | DeclaredKv
    | Assumed
    | Lowered
    | RunsFewer
    | Crowded
    | LeftOut
    | Ignored
    | Replicated
    | PassedOn
    | Uncounted
    | WeightsOpen
    | LabelRead
)
"""What to know before an answer is relied on."""

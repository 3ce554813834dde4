"""What kvplan answers with: answers whose figures are the keys of `--json`, and the values of figures."""

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from kvplan.planner.facts import Hint
from kvplan.records import field_names, record

SCHEMA_VERSION = 1
"""Of the objects that `--json` prints: it rises where a key goes or means something else."""

Value = TypeVar("Value")


class figure(cached_property[Value]):  # noqa: N801 - written as @figure
    """A figure of an answer: a key of `--json`, computed when it is first asked for and then kept."""

    if not TYPE_CHECKING:  # It is of the type that it has above.

        def __get__(self, answer: Any, owner: Any = None) -> Any:  # noqa: ANN401 - any figure
            """Return the figure without the lock that Python had before 3.12: all find it the same."""
            if answer is None:
                return self
            value = answer.__dict__[self.attrname] = self.func(answer)
            return value


class Answer:
    """
    What kvplan answers: figures, each computed when it is first asked for.

    Answers are equal where all their figures are; they do not change, and can be sent elsewhere.
    """

    @classmethod
    @cache
    def figures(cls) -> tuple[str, ...]:
        """Return the names of all figures, in the order of `--json`."""
        named = [item for each in reversed(cls.__mro__) for item in vars(each).items()]
        return tuple(dict.fromkeys(name for name, value in named if isinstance(value, figure)))

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints, facts in words."""
        said = self._said()
        return {
            name: said[name] if name in said else plain_value(getattr(self, name)) for name in self.figures()
        }

    def _said(self) -> dict[str, Any]:
        """Return the words for those figures that are facts."""
        return {}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            getattr(self, name) == getattr(other, name) for name in self.figures()
        )

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self.figures()[:_TOLD_APART])))


_TOLD_APART = 9
"""An answer's first figures, which say what was asked, tell most answers apart."""


_PLAIN = frozenset({type(None), bool, int, float, str})


def plain_value(value: Any) -> Any:  # noqa: ANN401 - any figure
    """Return a value as `--json` prints it: dataclasses by their fields."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, tuple):
        return tuple(map(plain_value, value))
    if isinstance(value, dict):
        return dict(value)
    held = {name: getattr(value, name) for name in field_names(value.__class__)}
    return {name: each if type(each) in _PLAIN else plain_value(each) for name, each in held.items()} or value


@record
class LayerSize:
    """The `count` layers of one type on the fullest rank, and what all of them together keep."""

    kind: str
    count: int
    bytes_per_token: int | float
    bytes_per_sequence: int


@record
class Memory:
    """
    One GPU's memory, in bytes.

    budget = gpu x utilization (or the engine's own share of the card), and
    gpu = (gpu - budget) + weights + activation + overhead + kv_used + free,
    where `free_bytes` is negative when the plan does not fit. `kv_bytes` is what is there for the
    cache: budget - weights - activation - overhead, or 0 if that is negative. Of the weights
    `adapters_bytes` are buffers of LoRA adapters, and `offloaded_bytes` are none of them: weights that the
    engine is asked to leave in the host's memory.
    """

    gpu_bytes: int
    budget_bytes: int
    weights_bytes: int
    activation_bytes: int
    overhead_bytes: int
    kv_bytes: int
    kv_used_bytes: int
    free_bytes: int
    adapters_bytes: int = 0
    offloaded_bytes: int = 0


@record
class KeptBack:
    """
    The part of a card that an engine keeps back beside its share, in bytes, and what has to fit in it.

    `graphs_bytes` are CUDA graphs with the memory that they run in, `activation_bytes` what a chunk of
    prefill takes beside them, both together between `low_bytes` and `high_bytes`, and `table_bytes` a table
    of requests. Drawing the next tokens of `sequences` at once takes `draws_bytes`, when a chunk is over.
    `free_bytes` are left, below 0 where something has no room.
    """

    size_bytes: int
    graphs_bytes: int
    activation_bytes: int
    low_bytes: int
    high_bytes: int
    table_bytes: int
    sequences: int
    draws_bytes: int
    free_bytes: int


@record
class StageMemory:
    """A GPU of one pipeline stage, of which there are `gpus` alike: its layers, and its memory."""

    gpu: str
    gpus: int
    layers: int
    memory: Memory


@record
class Experts:
    """
    How the routed experts of a layer are spread: of `count`, the fullest GPU holds a part of `on_gpu`.

    Each is cut over `cut_over` GPUs, and whole ones are dealt out over `dealt_over`.
    """

    count: int
    on_gpu: int
    cut_over: int
    dealt_over: int


@record
class Spread:
    """A number of GPUs and the tensor and pipeline degrees that make it up."""

    gpus: int
    tp: int
    pp: int


@record
class Advice:
    """
    What else would hold the asked sequences, or more of them.

    `smallest_tp` and `smallest_gpus` hold them; None if nothing searched does. `hints` are single
    changes that hold more sequences of the asked context.
    """

    smallest_tp: int | None
    smallest_gpus: Spread | None
    hints: tuple[Hint, ...]

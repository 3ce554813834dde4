"""What kvplan answers: frozen results whose fields are the keys of `--json`."""

from dataclasses import asdict, dataclass, field
from typing import Any

from kvplan.engines import Line
from kvplan.units import format_bytes, format_gib


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSize:
    """The `count` layers of one type on the fullest rank, and what all of them together keep."""

    kind: str
    count: int
    bytes_per_token: int | float
    bytes_per_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Size:
    """
    What a cache takes. Sizes are per GPU (a rank of the fullest stage) unless the name says otherwise.

    `source` is where the model's facts come from, a commit of its repository if they were read there.
    `bytes_per_token` is what one more token adds to one long sequence, all windows full;
    `bytes_per_sequence` what one more sequence takes beside others: the first takes more where an engine
    needs room for a prefill in flight;
    `fixed_bytes` the part of `bytes_per_sequence` that no token count changes; `total_bytes` is for
    the sequences of `batch` that one replica holds. All of these are what the engine reserves;
    `layers` are the formula's with any engine.
    """

    model: str
    source: str
    engine: str
    kv_dtype: str
    tp: int
    pp: int
    dp: int
    context: int
    batch: int
    bytes_per_token: int | float
    bytes_per_sequence: int
    fixed_bytes: int
    total_bytes: int
    total_bytes_all_gpus: int
    layers: tuple[LayerSize, ...]
    warnings: tuple[str, ...]
    ignored_fields: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.model}: {format_bytes(self.bytes_per_token)} per token and "
            f"{format_gib(self.bytes_per_sequence)} per sequence of {self.context} tokens on each GPU>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """
    One GPU's memory, in bytes.

    budget = gpu x utilization (or the engine's own share of the card), and
    gpu = (gpu - budget) + weights + activation + overhead + kv_used + free,
    where `free_bytes` is negative when the plan does not fit. `kv_bytes` is what is there for the
    cache: budget - weights - activation - overhead, or 0 if that is negative.
    """

    gpu_bytes: int
    budget_bytes: int
    weights_bytes: int
    activation_bytes: int
    overhead_bytes: int
    kv_bytes: int
    kv_used_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A computed way out: the option to change, and what it would then give."""

    change: str
    max_batch: int
    max_context: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A number of GPUs and the tensor and pipeline degrees that make it up."""

    gpus: int
    tp: int
    pp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """
    What else would hold the asked sequences, or more of them.

    `smallest_tp` and `smallest_gpus` hold them; None if nothing searched does. `hints` are single
    changes that hold more sequences of the asked context.
    """

    smallest_tp: int | None
    smallest_gpus: Spread | None
    hints: tuple[Hint, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Fit(Size):
    """
    How many sequences fit, and the inverse answers.

    `max_batch` counts the sequences of `context` tokens that all replicas hold together;
    `max_context` is for `batch` sequences; both are None where memory sets no limit.
    `kv_range` is the least and the most memory for the cache on the tightest card, and
    `max_batch_range` what they hold, as far as activations and overhead are an estimate; else None.
    `memory` is the tightest card with `batch` sequences on it, `filled` the same with `max_batch`.
    `smallest_tp` and `smallest_gpus` hold `batch` sequences of `context`; None if nothing searched does.
    The latter fills a node of 8 GPUs by tensor parallelism before it adds pipeline stages.
    `command` starts the engine with this plan, None where no command does.
    `model_context` is the context that the model was made for, None where the spec does not tell, and
    `prompt` the tokens with which each sequence was said to come.
    `waterfall` leads line by line from the formula's bytes to `memory.kv_used_bytes`. `kv_tokens`,
    `num_blocks`, `block_size` and `max_concurrency` are what the engine prints when it starts, None
    where it prints none or refuses.
    """

    gpu: str
    fits: bool
    max_batch: int | None
    max_batch_range: tuple[int, int] | None
    kv_range: tuple[int, int] | None
    analytic_max_batch: int | None
    max_context: int | None
    model_context: int | None
    prompt: int | None
    kv_tokens: int | None
    num_blocks: int | None
    block_size: int | None
    max_concurrency: float | None
    memory: Memory
    filled: Memory
    waterfall: tuple[Line, ...]
    smallest_tp: int | None
    smallest_gpus: Spread | None
    limit: str
    hints: tuple[Hint, ...]
    sources: dict[str, str] = field(hash=False)
    command: str | None

    def __repr__(self) -> str:
        return f"<Fit {self.model} on {self.gpu}: {self.max_batch} sequences of {self.context} tokens>"

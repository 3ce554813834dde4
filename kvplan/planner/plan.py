"""One deployment on cards of one kind: what fits on them, forward and inverse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kvplan.engines import Line, StartUp
from kvplan.errors import NoRoomError
from kvplan.planner.budget import Budget
from kvplan.planner.deployment import Choice, Deployment, deploy
from kvplan.planner.results import Memory
from kvplan.planner.search import largest
from kvplan.planner.weights import rank_weights
from kvplan.units import ceil_div


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A deployment, the cards it runs on, and the work asked of it: `batch` times `context`."""

    budget: Budget
    deployment: Deployment
    context: int
    batch: int

    def weights(self) -> tuple[int, ...]:
        """Return the bytes of the weights on a GPU of each pipeline stage."""
        sizes = [len(stage.types) for stage in self.deployment.stages]
        replica = self.budget.replica_weights_bytes
        return rank_weights(self.deployment.spec, replica, tp=self.deployment.tp, stages=sizes)

    def left(self, overhead_bytes: int | None = None) -> tuple[int, ...]:
        """Return what is left for the cache on a GPU of each stage; below 0 if the rest does not fit."""
        other = self.budget.overhead.middle_bytes if overhead_bytes is None else overhead_bytes
        return tuple(self.budget.left_bytes(weights, other) for weights in self.weights())

    def memory(self, batch: int) -> Memory:
        """Return the lines of the tightest card with *batch* sequences on it; 0 leaves it empty."""
        share = ceil_div(batch, self.deployment.dp)
        used = self.deployment.by_stage(self.context, share)
        rank = self._tightest(used)
        return self.budget.memory(weights_bytes=self.weights()[rank], kv_used_bytes=used[rank])

    def empty(self) -> Memory:
        """Return the lines of the same card with the weights and no cache."""
        rank = self._tightest(self.deployment.by_stage(self.context, 1))
        return self.budget.memory(weights_bytes=self.weights()[rank], kv_used_bytes=0)

    def _tightest(self, used: Sequence[int]) -> int:
        """Return the pipeline rank that has the least left when so much is *used* on each."""
        free = [left - taken for left, taken in zip(self.left(), used, strict=True)]
        return free.index(min(free))

    def fits(self, *, tokens: int, batch: int) -> bool:
        """Return whether *batch* sequences of *tokens* tokens, over all replicas, fit."""
        return self._fits(self.left(), tokens, batch)

    def _fits(self, left: Sequence[int], tokens: int, batch: int) -> bool:
        share = ceil_div(batch, self.deployment.dp)
        most = self.deployment.choice.max_num_seqs
        if most is not None and share > most:
            return False
        used = self.deployment.by_stage(tokens, share)
        return all(taken <= there for taken, there in zip(used, left, strict=True))

    def holds(self) -> bool:
        """Return whether the asked work fits."""
        return self.fits(tokens=self.context, batch=self.batch)

    def max_batch(self) -> int | None:
        """Return the most sequences of the asked context; None if memory sets no limit."""
        return self._most(self.left())

    def max_batch_range(self) -> tuple[int, int] | None:
        """Return the most sequences with the highest and lowest estimate of the overhead, if it has two."""
        overhead = self.budget.overhead
        low, high = (self._most(self.left(size)) for size in (overhead.high_bytes, overhead.low_bytes))
        same = overhead.low_bytes == overhead.high_bytes
        return None if same or low is None or high is None else (low, high)

    def _most(self, left: Sequence[int]) -> int | None:
        dp = self.deployment.dp
        share = largest(lambda each: self._fits(left, self.context, each * dp))
        return None if share is None else share * dp

    def max_context(self) -> int | None:
        """Return the longest context for the asked batch; None if memory sets no limit."""
        left = self.left()
        return largest(lambda tokens: self._fits(left, tokens, self.batch))

    def start_up(self) -> StartUp | None:
        """Return what the engine prints when it starts; None if it prints nothing or has no room."""
        try:
            return self.deployment.arrangement.start_up([max(0, left) for left in self.left()], self.context)
        except NoRoomError:
            return None

    def waterfall(self) -> tuple[Line, ...]:
        """Return the lines from the formula's bytes to those of the asked work on the tightest rank."""
        share = ceil_div(self.batch, self.deployment.dp)
        rank = self._tightest(self.deployment.by_stage(self.context, share))
        return self.deployment.arrangement.lines(rank=rank, context=self.context, batch=share)

    def analytic(self) -> "Plan":
        """Return this plan by the formula alone, in the same memory."""
        exact = Choice()
        return self.changed(
            engine=exact.engine,
            block_size=exact.block_size,
            max_num_batched_tokens=exact.max_num_batched_tokens,
            prefix_caching=exact.prefix_caching,
            dcp=exact.dcp,
            settings=exact.settings,
        )

    def changed(self, **changes: object) -> "Plan":
        """Return this plan with another Choice; raise a KvplanError if that is not possible."""
        choice: Choice = replace(self.deployment.choice, **changes)  # type: ignore[arg-type]
        return replace(self, deployment=deploy(self.deployment.spec, choice))

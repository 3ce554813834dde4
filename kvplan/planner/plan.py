"""One deployment on cards of one kind: what fits on them, forward and inverse."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kvplan.engines import Line, StartUp
from kvplan.errors import KvplanError, NoRoomError
from kvplan.planner.budget import Asked, Budget, make_budget
from kvplan.planner.deployment import Choice, Deployment, deploy
from kvplan.planner.results import Memory
from kvplan.planner.search import largest
from kvplan.planner.weights import stage_weights
from kvplan.units import ceil_div


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    A deployment, the cards it runs on, and the work asked of it: `batch` times `context`.

    `asked` is what the user said of the memory, and `budget` what follows from it for this deployment;
    `weights` are the bytes on a GPU of each pipeline stage.
    """

    asked: Asked
    budget: Budget
    weights: tuple[int, ...]
    deployment: Deployment
    context: int
    batch: int

    def left(self, other_bytes: int | None = None) -> tuple[int, ...]:
        """
        Return what is left for the cache on a GPU of each stage; below 0 if the rest does not fit.

        *other_bytes* replaces the estimate of what is neither weights nor cache.
        """
        other = self.budget.middle_bytes if other_bytes is None else other_bytes
        return tuple(self.budget.left_bytes(weights, other) for weights in self.weights)

    def memory(self, batch: int) -> Memory:
        """Return the lines of the tightest card with *batch* sequences on it; 0 leaves it empty."""
        share = ceil_div(batch, self.deployment.dp)
        used = self.deployment.by_stage(self.context, share)
        rank = self._tightest(used)
        return self.budget.memory(weights_bytes=self.weights[rank], kv_used_bytes=used[rank])

    def empty(self) -> Memory:
        """Return the lines of the same card with the weights and no cache."""
        rank = self._tightest(self.deployment.by_stage(self.context, 1))
        return self.budget.memory(weights_bytes=self.weights[rank], kv_used_bytes=0)

    def _tightest(self, used: Sequence[int]) -> int:
        """Return the pipeline rank that has the least left when so much is *used* on each."""
        free = [left - taken for left, taken in zip(self.left(), used, strict=True)]
        return free.index(min(free))

    def fits(self, *, tokens: int, batch: int) -> bool:
        """Return whether *batch* sequences of *tokens* tokens, over all replicas, fit."""
        return self._fits(self.left(), tokens, batch)

    def most_sequences(self, tokens: int) -> int | None:
        """Return how many sequences of *tokens* tokens one replica may run, as asked or as its engine can."""
        limits = self.deployment.choice.max_num_seqs, self.deployment.arrangement.most_sequences(tokens)
        return min((limit for limit in limits if limit is not None), default=None)

    def _fits(self, left: Sequence[int], tokens: int, batch: int) -> bool:
        share = ceil_div(batch, self.deployment.dp)
        most = self.most_sequences(tokens)
        if most is not None and share > most:
            return False
        used = self.deployment.by_stage(tokens, share)
        return all(taken <= there for taken, there in zip(used, self._bounded(left), strict=True))

    def _bounded(self, left: Sequence[int]) -> list[int]:
        """Return what the pools take of what is *left* on each stage: a setting may bound them."""
        bounds = [self.deployment.arrangement.most_bytes(rank) for rank in range(len(left))]
        return [
            there if bound is None else min(there, bound) for there, bound in zip(left, bounds, strict=True)
        ]

    def is_bounded(self) -> bool:
        """Return whether a setting, and not the memory, decides how large the pools are."""
        left = self.left()
        return min(left) >= 0 and list(left) != self._bounded(left)

    def holds(self) -> bool:
        """Return whether the asked work fits."""
        return self.fits(tokens=self.context, batch=self.batch)

    def max_batch(self) -> int | None:
        """Return the most sequences of the asked context; None if memory sets no limit."""
        return self._most(self.left())

    def kv_range(self) -> tuple[int, int] | None:
        """Return the least and the most memory for the cache, if what else there is is an estimate."""
        needs = self.budget.needs
        if needs.low_bytes == needs.high_bytes:
            return None
        share = ceil_div(self.batch, self.deployment.dp)
        rank = self._tightest(self.deployment.by_stage(self.context, share))
        return max(0, self.left(needs.high_bytes)[rank]), max(0, self.left(needs.low_bytes)[rank])

    def max_batch_range(self) -> tuple[int, int] | None:
        """Return the most sequences in the least and in the most memory; None as in `kv_range`."""
        needs = self.budget.needs
        if needs.low_bytes == needs.high_bytes:
            return None
        low, high = (self._most(self.left(size)) for size in (needs.high_bytes, needs.low_bytes))
        return None if low is None or high is None else (low, high)

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
        """
        Return the lines from the formula's bytes to those of the asked work on the tightest rank.

        They are the same bytes as those that decide what fits: a KvplanError says so if they are not.
        """
        share = ceil_div(self.batch, self.deployment.dp)
        used = self.deployment.by_stage(self.context, share)
        rank = self._tightest(used)
        lines = self.deployment.arrangement.lines(rank=rank, context=self.context, batch=share)
        told = sum(line.size_bytes for line in lines)
        if told != used[rank]:
            raise KvplanError(
                f"kvplan contradicts itself: the lines of this plan sum to {told:,} B, and {used[rank]:,} B "
                "are reserved; please report it"
            )
        return lines

    def analytic(self) -> "Plan":
        """Return this plan by the formula alone, in the memory that the engine leaves on each stage."""
        exact = Choice()
        choice = replace(
            self.deployment.choice,
            engine=exact.engine,
            pp_layers=self.deployment.stage_sizes,
            kv_dtype=self.deployment.kv.name,
            block_size=exact.block_size,
            max_num_batched_tokens=exact.max_num_batched_tokens,
            prefix_caching=exact.prefix_caching,
            dcp=exact.dcp,
            settings=exact.settings,
        )
        return replace(self, deployment=deploy(self.deployment.spec, choice))

    def changed(self, **changes: object) -> "Plan":
        """Return this plan with another Choice; raise a KvplanError if that is not possible."""
        choice: Choice = replace(self.deployment.choice, **changes)  # type: ignore[arg-type]
        return self.moved(deploy(self.deployment.spec, choice))

    def moved(self, deployment: Deployment) -> "Plan":
        """Return the same work and memory with another *deployment* of the model."""
        return make_plan(deployment, self.asked, context=self.context, batch=self.batch)


def make_plan(deployment: Deployment, asked: Asked, *, context: int, batch: int) -> Plan:
    """Return the plan of *batch* sequences of *context* tokens; raise a KvplanError as make_budget does."""
    budget = make_budget(deployment, asked, context=context)
    return Plan(
        asked=asked,
        budget=budget,
        weights=stage_weights(deployment, budget.replica_weights_bytes),
        deployment=deployment,
        context=context,
        batch=batch,
    )

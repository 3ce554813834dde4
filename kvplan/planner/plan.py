"""One deployment on its cards: built once, then asked what fits, forward and inverse."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby

from kvplan.engines import EXACT, Arrangement, Line, StartUp, Straight
from kvplan.errors import KvplanError, NoRoomError
from kvplan.loads import Load, dealt, longest_in, sequences_in, uniform
from kvplan.planner.budget import Asked, Budget
from kvplan.planner.deployment import KEPT, Deployment
from kvplan.planner.loaded import Loaded, loaded
from kvplan.planner.results import Advice, Memory, StageMemory
from kvplan.planner.search import LARGEST, largest
from kvplan.planner.stage_budgets import stage_budgets
from kvplan.planner.work import as_batch, as_load, as_tokens, require_room_for
from kvplan.records import record
from kvplan.shown import Shown


@record(eq=False)
class Plan(Shown):
    """
    A model deployed on its cards, whatever the work: ask it, in microseconds, what fits.

    A load is pairs of (tokens, sequences), over all replicas: `[("32k", 4), (2048, 60)]`. Replicas get
    them in turn, the longest first. `asked` is what was said of the memory, and `budgets` what follows
    from it for a GPU of each pipeline stage. Of these, in bytes: what is `loaded` of weights, what
    is `left` for the cache (below 0 if the rest does not fit), and of that what the `pools` take, which a
    setting may bound. `lowered` is the most sequences at once that the engine must be told, as it would
    refuse to start with its own default; None where it starts, or was told.
    """

    asked: Asked
    budgets: tuple[Budget, ...]
    deployment: Deployment
    loaded: Loaded
    left: tuple[int, ...]
    pools: tuple[int, ...]
    lowered: int | None = None

    def __repr__(self) -> str:
        deployment = self.deployment
        spread = f"tp {deployment.tp} x pp {deployment.choice.pp} x dp {deployment.dp}"
        return f"<Plan {deployment.spec.name} on {self.gpu}, {deployment.engine.name}, {spread}>"

    @property
    def budget(self) -> Budget:
        """The budget of a GPU of the first stage: all others' too, where they are of one kind."""
        return self.budgets[0]

    @property
    def gpu(self) -> str:
        """The card's name, those of several kinds with their numbers, or the memory that was given."""
        names = groupby(card.name for card in self.deployment.choice.cards)
        return "+".join(f"{len(list(each))}x{name}" for name, each in names) or self.budget.gpu

    @property
    def weights(self) -> tuple[int, ...]:
        """The bytes of weights, and what comes with them, on a GPU of each pipeline stage."""
        return self.loaded.weights

    def _decided_by(self) -> tuple[object, ...]:
        deployment = self.deployment
        return deployment.spec, deployment.choice, self.asked, self.left, self.pools

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self._decided_by() == other._decided_by()

    def __hash__(self) -> int:
        return hash(self._decided_by())

    def max_batch(self, context: int | str) -> int | None:
        """Return the most sequences of *context* tokens at once; None if memory sets no limit."""
        tokens = as_tokens(context)
        require_room_for(self.deployment.choice.prompt, tokens)
        return _most(self.deployment, self.pools, tokens)

    def max_context(self, batch: int = 1) -> int | None:
        """Return the longest context for *batch* sequences at once; None if memory sets no limit."""
        share = dealt(uniform(1, as_batch(batch)), self.deployment.dp)[0][1]
        return _longest(self.deployment, self.pools, share)

    def fits(self, load: Iterable[tuple[int | str, int]]) -> bool:
        """Return whether sequences of these lengths stand at once."""
        asked = as_load(load)
        for tokens, _ in asked:
            require_room_for(self.deployment.choice.prompt, tokens)
        return self._holds(dealt(asked, self.deployment.dp))

    def memory(self, load: Iterable[tuple[int | str, int]]) -> Memory:
        """Return the lines of the tightest card with a load on it; `[]` leaves it empty."""
        used = self.deployment.by_stage(dealt(as_load(load), self.deployment.dp))
        rank = self._tightest(used)
        return self._memory(rank, used[rank])

    def stages(self, load: Iterable[tuple[int | str, int]]) -> tuple[StageMemory, ...]:
        """Return a GPU of each pipeline stage, the fullest and smallest one, with a load on it."""
        used = self.deployment.by_stage(dealt(as_load(load), self.deployment.dp))
        sizes = self.deployment.stage_sizes
        return tuple(
            StageMemory(
                gpu=self.budgets[rank].gpu,
                gpus=self.deployment.gpus // len(sizes),
                layers=layers,
                memory=self._memory(rank, used[rank]),
            )
            for rank, layers in enumerate(sizes)
        )

    def tightest(self, load: Iterable[tuple[int | str, int]]) -> Budget:
        """Return the budget of the card that has the least left with a load on it."""
        return self.budgets[
            self._tightest(self.deployment.by_stage(dealt(as_load(load), self.deployment.dp)))
        ]

    def refusal(self, context: int | str) -> str | None:
        """
        Return in words why the engine would not start as asked for sequences of up to *context* tokens.

        None if it would; whether one has room is another matter. No load fits what is refused.
        """
        return self.deployment.arrangement.refusal(self.pools, as_tokens(context))

    def start_up(self, context: int | str) -> StartUp | None:
        """Return what the engine prints when it starts; None if it prints nothing or has no room."""
        return self._started(self.left, as_tokens(context))

    def startable(self, other_bytes: int | None = None) -> int | None:
        """
        Return the most sequences with which the engine starts, if it refuses its own default; else None.

        *other_bytes* may stand in for the budget's estimate of what is neither weights nor cache.
        """
        left = self.left if other_bytes is None else self.left_beside(other_bytes)
        start_up = self._started(left, 1)
        return start_up.max_num_seqs if start_up else None

    def waterfall(self, load: Iterable[tuple[int | str, int]]) -> tuple[Line, ...]:
        """
        Return the lines from the formula's bytes to those of a load on the tightest rank.

        They are the same bytes as those that decide what fits: a KvplanError says so if they are not.
        """
        share = dealt(as_load(load), self.deployment.dp)
        used = self.deployment.by_stage(share)
        rank = self._tightest(used)
        lines = self.deployment.arrangement.lines(rank=rank, load=share)
        told = sum(line.size_bytes for line in lines)
        if told != used[rank]:
            raise KvplanError(
                f"kvplan contradicts itself: the lines of this plan sum to {told:,} B, and {used[rank]:,} B "
                "are reserved; please report it"
            )
        return lines

    def advice(self, context: int | str, batch: int = 1) -> Advice:
        """Return what else would hold *batch* sequences of *context* tokens, or more; in milliseconds."""
        from kvplan.planner.advice import advise  # noqa: PLC0415 - it asks other plans

        return advise(self, context=as_tokens(context), batch=as_batch(batch))

    def free_bytes(self, load: Load) -> int:
        """Return what the tightest card has free with a load on it; below 0 if that lacks."""
        return _left(self.deployment, self.left, dealt(load, self.deployment.dp))

    def without_cache(self, context: int) -> Memory:
        """Return the lines of the card that sequences of *context* tokens fill first, with no cache on it."""
        rank = self._tightest(self.deployment.by_stage(uniform(context, 1)))
        return self._memory(rank, 0)

    def _memory(self, rank: int, kv_used_bytes: int) -> Memory:
        memory = self.budgets[rank].memory(weights_bytes=self.weights[rank], kv_used_bytes=kv_used_bytes)
        adapters, offloaded = self.loaded.adapters[rank], self.loaded.offloaded[rank]
        if not adapters and not offloaded:
            return memory
        return replace(memory, adapters_bytes=adapters, offloaded_bytes=offloaded)

    def most_sequences(self, tokens: int) -> int | None:
        """Return how many sequences of *tokens* tokens one replica may run, as asked or as its engine can."""
        return _most_sequences(self.deployment, tokens)

    def is_bounded(self) -> bool:
        """Return whether a setting, and not the memory, decides how large the pools are."""
        return min(self.left) >= 0 and self.left != self.pools

    def kv_range(self, load: Load) -> tuple[int, int] | None:
        """Return the least and the most memory for the cache, if what else there is is an estimate."""
        needs = self.budget.needs
        if needs.low_bytes == needs.high_bytes:
            return None
        rank = self._tightest(self.deployment.by_stage(dealt(load, self.deployment.dp)))
        least, most = (self.left_beside(size)[rank] for size in (needs.high_bytes, needs.low_bytes))
        return max(0, least), max(0, most)

    def max_batch_range(self, context: int) -> tuple[int, int] | None:
        """Return the most sequences in the least and in the most memory; None as in `kv_range`."""
        needs = self.budget.needs
        if needs.low_bytes == needs.high_bytes:
            return None
        least, most = (self.left_beside(size) for size in (needs.high_bytes, needs.low_bytes))
        arrangement = self.deployment.arrangement
        low, high = (_most(self.deployment, bounded(arrangement, left), context) for left in (least, most))
        return None if low is None or high is None else (low, high)

    def analytic(self) -> "Plan":
        """Return this plan by the formula alone, in the memory that the engine leaves on each stage."""
        if self.deployment.engine is EXACT:
            return self
        deployment = self.deployment.analytic()
        return replace(self, deployment=deployment, pools=bounded(deployment.arrangement, self.left))

    def left_beside(self, other_bytes: int) -> tuple[int, ...]:
        """Return what is left on each stage beside weights and *other_bytes*."""
        each = zip(self.budgets, self.weights, strict=True)
        return tuple(budget.left_bytes(weights, other_bytes) for budget, weights in each)

    def _started(self, left: Sequence[int], tokens: int) -> StartUp | None:
        """Return what the engine prints with so much *left* on each stage; None as in `start_up`."""
        try:
            return self.deployment.arrangement.start_up([max(0, each) for each in left], tokens)
        except NoRoomError:
            return None

    def _tightest(self, used: Sequence[int]) -> int:
        """Return the pipeline rank that has the least left when so much is *used* on each."""
        if len(used) == 1:  # As of most plans.
            return 0
        free = [left - taken for left, taken in zip(self.left, used, strict=True)]
        return free.index(min(free))

    def _holds(self, share: Load) -> bool:
        """Return whether the pools hold one replica's *share*."""
        if self.refusal(max(1, longest_in(share))):
            return False
        shortest = min((tokens for tokens, sequences in share if sequences), default=1)
        most = self.most_sequences(shortest)
        if most is not None and sequences_in(share) > most:
            return False
        return _left(self.deployment, self.pools, share) >= 0


def _most_sequences(deployment: Deployment, tokens: int) -> int | None:
    asked, able = deployment.choice.max_num_seqs, deployment.arrangement.most_sequences(tokens)
    return able if asked is None else asked if able is None else min(asked, able)


def _left(deployment: Deployment, pools: Sequence[int], share: Load) -> int:
    """Return what the fullest of *pools* has left beside one replica's *share*; below 0 if that lacks."""
    used = deployment.by_stage(share)
    return min(there - taken for taken, there in zip(used, pools, strict=True))


@lru_cache(maxsize=KEPT)
def _most(deployment: Deployment, pools: tuple[int, ...], context: int) -> int | None:
    """Return how many sequences of a context the pools of all replicas hold; the last answers are kept."""
    if deployment.arrangement.refusal(pools, context):
        return 0
    rows, most = deployment.by_sequence(context), _most_sequences(deployment, context)
    if rows is not None:
        share = _by_division(pools, rows, most)
    else:
        share = (
            0 if most == 0 else largest(lambda each: _left(deployment, pools, uniform(context, each)), most)
        )
    return None if share is None else share * deployment.dp


@lru_cache(maxsize=KEPT)
def _longest(deployment: Deployment, pools: tuple[int, ...], share: int) -> int | None:
    """Return the longest context of *share* sequences in the pools of a replica; kept as above."""
    if deployment.arrangement.refusal(pools, 1):
        return 0

    def left(tokens: int) -> int:
        most = _most_sequences(deployment, tokens)
        return -1 if most is not None and share > most else _left(deployment, pools, uniform(tokens, share))

    longest = largest(left, deployment.arrangement.longest)
    # No context is shorter than the prompt with which it begins.
    return 0 if longest is not None and longest < (deployment.choice.prompt or 0) else longest


def _by_division(pools: Sequence[int], rows: Sequence[Straight], most: int | None) -> int | None:
    """Return how many sequences all *pools* hold, *most* at most."""
    every = [most, *(row.held(there) for there, row in zip(pools, rows, strict=True))]
    held = min((each for each in every if each is not None), default=None)
    return None if held is not None and held > LARGEST else held


def bounded(arrangement: Arrangement, left: Sequence[int]) -> tuple[int, ...]:
    """Return what the pools take of what is *left* on each stage: a setting may bound them."""
    bounds = [arrangement.most_bytes(rank) for rank in range(len(left))]
    return tuple(
        there if bound is None else min(there, bound) for there, bound in zip(left, bounds, strict=True)
    )


@lru_cache(maxsize=KEPT)
def make_plan(deployment: Deployment, asked: Asked, *, longest: int) -> Plan:
    """
    Return the plan of a deployment; raise a KvplanError as make_budget does.

    *longest* stands in for the longest context of a model that is not made for any. Where the engine would
    refuse its own default of sequences, it is the plan of the most with which it starts. The last plans
    are kept, as deployments are.
    """
    plan = _planned(deployment, asked, longest)
    most = plan.startable()
    return plan if most is None else _lowered(plan, most)


def _lowered(plan: Plan, least: int) -> Plan:
    """
    Return the plan of the most sequences with which its engine starts; it does with *least*.

    Each sequence less leaves more memory for the others' states, so that it is not *least* itself.
    """

    def of(sequences: int) -> Plan:
        made = _planned(plan.deployment, plan.asked, plan.budget.longest, sequences)
        return replace(made, lowered=sequences)

    def room(number: int) -> int:
        sequences = least + number - 1
        return (of(sequences).startable() or sequences) - sequences

    number = largest(room, 1 + room(1))
    return of(least + (number or 1) - 1)


def _planned(deployment: Deployment, asked: Asked, longest: int, sequences: int | None = None) -> Plan:
    """Return the plan of so many *sequences* at once, in place of the engine's default."""
    budgets = stage_budgets(deployment, asked, longest=longest, sequences=sequences)
    first = budgets[0]
    each = loaded(deployment, first.replica_weights_bytes, alone=first.sources.weights is None)
    of_stages = zip(budgets, each.weights, strict=True)
    left = tuple(budget.left_bytes(size, budget.middle_bytes) for budget, size in of_stages)
    return Plan(
        asked=asked,
        budgets=budgets,
        deployment=deployment,
        loaded=each,
        left=left,
        pools=bounded(deployment.arrangement, left),
    )

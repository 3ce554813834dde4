"""How many sequences fit, and every answer that follows from it."""

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Unpack

from kvplan.arguments import checked
from kvplan.engines import EXACT, Line, StartUp, find_engine
from kvplan.errors import NoRoomError
from kvplan.loads import uniform
from kvplan.planner import words
from kvplan.planner.budget import Asked, Budget
from kvplan.planner.deployment import KEPT, Deployment, deploy
from kvplan.planner.drafts import uncounted_draft
from kvplan.planner.facts import (
    Assumed,
    Hint,
    LabelRead,
    LeftOut,
    Limit,
    Lowered,
    Origin,
    Sources,
    Uncounted,
    Warned,
    WeightsOpen,
)
from kvplan.planner.limits import limit_of
from kvplan.planner.loaded import loaded_on_all
from kvplan.planner.options import FitOptions, PlanOptions, part
from kvplan.planner.plan import Plan, make_plan
from kvplan.planner.results import Advice, Experts, KeptBack, Memory, Spread, StageMemory, figure
from kvplan.planner.several_gpus import as_spread
from kvplan.planner.size import Model, Size, Work, as_spec, choice_of, warnings_of
from kvplan.planner.started import kept_back, of_start_up
from kvplan.planner.work import as_batch, as_context, require_room_for
from kvplan.records import record
from kvplan.shown import Shown
from kvplan.specs import ModelSpec
from kvplan.specs.releases import with_weights_in

if TYPE_CHECKING:
    from kvplan.serving import Served

_NO_ADVICE = Advice(smallest_tp=None, smallest_gpus=None, hints=())


@record(slots=False, eq=False)
class Fit(Size, Shown):
    """
    How many sequences fit, and the inverse answers: a report of one plan.

    Sizes are per GPU, as in Size. `named` is the model as it was asked for, and `dtype` the one asked for;
    without `advised` there are no hints and no fewest GPUs. The plan may be that of a command that is
    `served`: its own words are then in `command`, and what no plan counts of it is in `warnings`.
    """

    deployment: Deployment = field(init=False)
    plan: Plan
    named: Model
    dtype: str | None = None
    advised: bool = True
    served: "Served | None" = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "deployment", self.plan.deployment)

    def __repr__(self) -> str:
        return f"<Fit {self.model} on {self.gpu}: {self.max_batch} sequences of {self.context} tokens>"

    @figure
    def warnings(self) -> tuple[Warned, ...]:
        """What to know before the figures are relied on."""
        return (
            *warnings_of(self.deployment, self.context),
            *warnings_of_plan(self.plan),
            *_of_command(self.served, sees=self.deployment.options.sees),
            *of_start_up(self.plan, self._start_up, self.max_batch),
        )

    @figure
    def gpu(self) -> str:
        """The card's name, or the memory that was given."""
        return self.plan.gpu

    @figure
    def fits(self) -> bool:
        """Whether `batch` sequences of `context` tokens stand at once."""
        return self.plan.fits(self.work.load)

    @figure
    def max_batch(self) -> int | None:
        """The sequences of `context` tokens that all replicas hold together; None if memory sets no limit."""
        return self.plan.max_batch(self.context)

    @figure
    def max_batch_range(self) -> tuple[int, int] | None:
        """What the least and the most memory of `kv_range` hold; None as there."""
        return self.plan.max_batch_range(self.context)

    @figure
    def kv_range(self) -> tuple[int, int] | None:
        """
        The least and the most memory for the cache on the tightest card.

        None where activations and overhead are no estimate.
        """
        return self.plan.kv_range(self.work.load)

    @figure
    def analytic_max_batch(self) -> int | None:
        """`max_batch` by the formula alone, in the memory that the engine leaves."""
        return self.plan.analytic().max_batch(self.context)

    @figure
    def max_context(self) -> int | None:
        """The longest context for `batch` sequences; None if memory sets no limit."""
        return self.plan.max_context(self.batch)

    @figure
    def model_context(self) -> int | None:
        """The context that the model was made for; None where its spec does not tell."""
        return self.deployment.spec.max_context

    @figure
    def prompt(self) -> int | None:
        """The tokens with which each sequence was said to come; None where that is not known."""
        return self.deployment.choice.prompt

    @figure
    def kv_tokens(self) -> int | None:
        """The tokens of cache that the engine prints when it starts; None where it prints none or refuses."""
        return self._start_up.kv_tokens if self._start_up else None

    @figure
    def num_blocks(self) -> int | None:
        """The blocks that the engine prints, or makes; None as in `kv_tokens`."""
        return self._start_up.num_blocks if self._start_up else None

    @figure
    def block_size(self) -> int | None:
        """The tokens in a block; None as in `kv_tokens`."""
        return self._start_up.block_size if self._start_up else None

    @figure
    def max_concurrency(self) -> float | None:
        """How many sequences of `context` tokens the engine prints; None as in `kv_tokens`."""
        return self._start_up.max_concurrency if self._start_up else None

    @figure
    def memory(self) -> Memory:
        """The tightest card with `batch` sequences on it."""
        return self.plan.memory(self.work.load)

    @figure
    def kept_back(self) -> KeptBack | None:
        """What has to fit beside the engine's share; None where the engine has none, or it is not known."""
        return kept_back(self.plan, self._start_up, self.max_batch)

    @figure
    def stages(self) -> tuple[StageMemory, ...]:
        """A GPU of each pipeline stage with `batch` sequences on it."""
        return self.plan.stages(self.work.load)

    @figure
    def weights_bytes_all_gpus(self) -> int:
        """The weights on all GPUs together: what is whole on several counts on each."""
        return loaded_on_all(self.deployment, self.plan.budget.replica_weights_bytes)

    @figure
    def experts(self) -> Experts | None:
        """How routed experts are spread; None where the spec counts none."""
        return _experts(self.deployment)

    @figure
    def filled(self) -> Memory:
        """The tightest card with `max_batch` sequences on it."""
        return self.plan.memory(uniform(self.context, self.max_batch) if self.max_batch else ())

    @figure
    def waterfall(self) -> tuple[Line, ...]:
        """The lines from the formula's bytes to `memory.kv_used_bytes`."""
        return self.plan.waterfall(self.work.load)

    @figure
    def smallest_tp(self) -> int | None:
        """The least tensor-parallel degree that holds `batch` sequences; None if none that is legal does."""
        return self._advice.smallest_tp

    @figure
    def smallest_gpus(self) -> Spread | None:
        """
        The fewest GPUs that hold `batch` sequences; None if nothing searched does.

        A node of 8 GPUs is filled by tensor parallelism before there are more pipeline stages.
        """
        return self._advice.smallest_gpus

    @figure
    def limit(self) -> Limit:
        """What stops one sequence more."""
        return limit_of(self.plan, self.context, self.max_batch)

    @figure
    def hints(self) -> tuple[Hint, ...]:
        """Single changes that hold more sequences of `context` tokens."""
        return self._advice.hints

    @figure
    def sources(self) -> Sources:
        """Where the figures of `memory` come from."""
        return self.budget.sources

    @figure
    def command(self) -> str | None:
        """The command that starts the engine with this plan; None where none does."""
        if not self.fits or self.deployment.engine is EXACT:  # The formula alone has no command.
            return None
        from kvplan.planner.command import serving_command  # noqa: PLC0415 - as it is for engines alone

        told = self.served.told if self.served is not None else ()
        command = serving_command(self.plan, self.work, self.named, self.dtype, told)
        if command is None or self.served is None:
            return command
        from kvplan.serving import with_own_words  # noqa: PLC0415 - one who serves has read it

        return with_own_words(command, self.served)

    def _said(self) -> dict[str, Any]:
        return super()._said() | {
            "limit": words.limit(self.limit),
            "hints": tuple(
                {"change": words.change(each), "max_batch": each.max_batch, "max_context": each.max_context}
                for each in self.hints
            ),
            "sources": words.sources(self.budget),
        }

    @property
    def budget(self) -> Budget:
        """The budget of the tightest card, of which `memory` tells."""
        return self.plan.tightest(self.work.load)

    @cached_property
    def _start_up(self) -> StartUp | None:
        return self.plan.start_up(self.context)

    @cached_property
    def _advice(self) -> Advice:
        return self.plan.advice(self.context, self.batch) if self.advised else _NO_ADVICE


def _experts(deployment: Deployment) -> Experts | None:
    parts = deployment.spec.parts
    count = parts.experts if parts else 0
    if not count:
        return None
    shares = deployment.shares
    return Experts(
        count=count,
        on_gpu=shares.on_rank(count),
        cut_over=shares.expert,
        dealt_over=shares.experts,
    )


@checked
def fit(model: Model, *, advice: bool = True, **options: Unpack[FitOptions]) -> Fit:
    """
    Return how many sequences of *context* tokens fit, and the inverse answers for *batch* of them.

    Give a *gpu* (a catalogue name, or a size such as `80GB`), a known *kv_memory* per GPU, or both: the
    card then decides the engine's defaults alone. Sizes are ints of bytes or text with a unit; *weights*
    are those of one replica, before tp and pp. *dtype* is the one in which the model runs, unless its
    engine chooses.
    *max_num_seqs* bounds the sequences of one replica; from *block_size* to *settings* all are options that
    an *engine* other than `exact` may have, *settings* those that only it has, by its own names. *ignore*
    names fields of a config that kvplan does not know and that are answered without. Without *advice* the
    answer has no hints and no fewest GPUs.
    Raises a KvplanError for what it does not understand; a plan that does not fit is an answer.
    """
    spec = as_spec(model, options.get("ignore", ()))
    context, batch = as_context(options.get("context"), spec), as_batch(options.get("batch", 1))
    require_room_for(options.get("prompt"), context)
    made = plan_of(spec, options, longest=context)
    if (refusal := made.refusal(context)) and made.start_up(context):
        raise NoRoomError(refusal)
    work = Work(context=context, batch=batch)
    return Fit(plan=made, work=work, named=model, dtype=options.get("dtype"), advised=advice)


@checked
def plan(model: Model, **options: Unpack[PlanOptions]) -> Plan:
    """
    Return a model on its cards, to ask again and again: each answer takes microseconds.

    The options are those of `fit` but the work, which each question names. *context* is needed of a spec
    without a max_context alone: a table of rotations for so many tokens is part of the overhead.
    Raises a KvplanError for what it does not understand.
    """
    spec = as_spec(model, options.get("ignore", ()))
    return plan_of(spec, options, longest=as_context(options.get("context"), spec))


def plan_of(spec: ModelSpec, options: Mapping[str, Any], *, longest: int) -> Plan:
    """Return the plan of a spec by the options of `fit` that are no work."""
    options, spread = as_spread(options)
    asked = Asked(**part(options, Asked))
    choice = choice_of(spec, options, asked.cards() or asked.card())
    plain_ends = find_engine(choice.engine).plain_ends
    deployment = deploy(with_weights_in(spec, asked.weight_dtype, plain_ends=plain_ends), choice)
    return make_plan(_noted(deployment, spread) if spread else deployment, asked, longest=longest)


@lru_cache(maxsize=KEPT)
def _noted(deployment: Deployment, spread: str) -> Deployment:
    """Return a deployment that says how its GPUs were read; kept as deployments are."""
    return replace(deployment, notes=(Assumed(text=spread), *deployment.notes))


def warnings_of_plan(plan: Plan) -> Iterator[Warned]:
    """Yield what to know of a plan's memory, whatever is asked of it."""
    spec, budget, draft = plan.deployment.spec, plan.budget, plan.deployment.draft
    labels = {each.gpu: each for each in plan.budgets if each.sources.gpu_bytes is Origin.LABEL}
    if spec.uncounted and budget.counts_weights:
        yield Uncounted(parts=spec.uncounted)
    if budget.sources.weights is Origin.BOUND and spec.weight_least_bytes and spec.weight_bytes:
        yield WeightsOpen(least_bytes=spec.weight_least_bytes, most_bytes=spec.weight_bytes)
    if draft is not None and draft.spec.weights() is None and budget.counts_weights:
        yield Assumed(text=uncounted_draft(draft.spec))
    yield from (LabelRead(gpu=each.gpu, total_bytes=each.gpu_bytes) for each in labels.values())
    if plan.lowered is not None:
        yield _lowered(plan, plan.lowered)


def _of_command(served: "Served | None", *, sees: bool) -> Iterator[Warned]:
    """Yield what was taken of the command that asked for a plan, and what was left out of it."""
    if served:
        yield from (Assumed(text=text) for text in served.notes)
        left_out = (*served.unmodelled, *(served.of_tower if sees else ()))
        yield from (LeftOut(text=text) for text in left_out)


def _lowered(plan: Plan, sequences: int) -> Lowered:
    """Return what a plan was lowered to, and what would start in the least memory of its range."""
    needs = plan.budget.needs
    least = None if needs.low_bytes == needs.high_bytes else plan.startable(needs.high_bytes)
    return Lowered(engine=plan.deployment.engine.name, sequences=sequences, least=least)

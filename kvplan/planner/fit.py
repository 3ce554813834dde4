"""How many sequences fit, and every answer that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from kvplan.arguments import checked
from kvplan.engines import EXACT, StartUp
from kvplan.errors import NoRoomError, OptionsError
from kvplan.loads import Load, uniform
from kvplan.planner.budget import Asked, as_bytes
from kvplan.planner.deployment import Choice, deploy
from kvplan.planner.options import FitOptions, PlanOptions, part
from kvplan.planner.plan import Plan, make_plan
from kvplan.planner.repository import served_model
from kvplan.planner.results import Advice, Fit
from kvplan.planner.size import Model, as_spec, size_fields
from kvplan.planner.work import as_batch, as_context
from kvplan.specs import ModelSpec
from kvplan.units import format_gib


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
    answer has no hints and no fewest GPUs, and comes many times faster.
    Raises a KvplanError for what it does not understand; a plan that does not fit is an answer.
    """
    spec = as_spec(model, options.get("ignore", ()))
    context, batch = as_context(options.get("context"), spec), as_batch(options.get("batch", 1))
    work = _Work(model=model, dtype=options.get("dtype"), context=context, batch=batch)
    return _answer(plan_of(spec, options, longest=context), work, advice=advice)


@checked
def plan(model: Model, **options: Unpack[PlanOptions]) -> Plan:
    """
    Return a model on cards of one kind, to ask again and again: each answer takes microseconds.

    The options are those of `fit` but the work, which each question names. *context* is needed of a spec
    without a max_context alone: a table of rotations for so many tokens is part of the overhead.
    Raises a KvplanError for what it does not understand.
    """
    spec = as_spec(model, options.get("ignore", ()))
    return plan_of(spec, options, longest=as_context(options.get("context"), spec))


def plan_of(spec: ModelSpec, options: Mapping[str, Any], *, longest: int) -> Plan:
    """Return the plan of a spec by the options of `fit` that are no work."""
    asked = Asked(**part(options, Asked))
    choice = Choice(**part(options, Choice), card=asked.card())
    return make_plan(deploy(spec, choice), asked, longest=longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What was asked of a plan: `batch` sequences of `context` tokens, of a model as it was named."""

    model: Model
    dtype: str | None
    context: int
    batch: int

    @property
    def load(self) -> Load:
        """The sequences over all replicas."""
        return uniform(self.context, self.batch)


_NO_ADVICE = Advice(smallest_tp=None, smallest_gpus=None, hints=())


def _answer(plan: Plan, work: _Work, *, advice: bool) -> Fit:
    deployment = plan.deployment
    shared = size_fields(deployment, work.context, work.batch)
    max_batch, start_up = plan.max_batch(work.context), plan.start_up(work.context)
    if start_up and (refusal := plan.refusal(work.context)):
        raise NoRoomError(refusal)
    if deployment.spec.uncounted and plan.budget.counts_weights:
        shared["warnings"] += (
            f"the weights are without {'; '.join(deployment.spec.uncounted)}: give --weights",
        )
    if plan.budget.estimated:
        shared["warnings"] += (
            f"the driver's figure for {plan.budget.gpu} is not known: its label is read as decimal bytes",
        )
    ways_out = plan.advice(work.context, work.batch) if advice else _NO_ADVICE
    fits = plan.fits(work.load)
    return Fit(
        **shared,
        gpu=plan.budget.gpu,
        fits=fits,
        max_batch=max_batch,
        max_batch_range=plan.max_batch_range(work.context),
        kv_range=plan.kv_range(work.load),
        analytic_max_batch=plan.analytic().max_batch(work.context),
        max_context=plan.max_context(work.batch),
        model_context=deployment.spec.max_context,
        kv_tokens=start_up.kv_tokens if start_up else None,
        num_blocks=start_up.num_blocks if start_up else None,
        block_size=start_up.block_size if start_up else None,
        max_concurrency=start_up.max_concurrency if start_up else None,
        memory=plan.memory(work.load),
        filled=plan.memory(uniform(work.context, max_batch) if max_batch else ()),
        waterfall=plan.waterfall(work.load),
        smallest_tp=ways_out.smallest_tp,
        smallest_gpus=ways_out.smallest_gpus,
        limit=_limit(plan, work.context, max_batch),
        hints=ways_out.hints,
        sources=dict(plan.budget.sources),
        command=_command(plan, work, start_up) if fits else None,
    )


def _command(plan: Plan, work: _Work, start_up: StartUp | None) -> str | None:
    """
    Return the shell command that serves this plan; None for engines without one, or an option for it.

    It is a comment where kvplan does not know which repository or file has the planned weights.
    """
    if plan.deployment.engine is EXACT:
        return None
    # The formula alone has no command.
    from kvplan.serving import has_option, takes_gguf, write_command  # noqa: PLC0415

    engine = plan.deployment.choice.engine
    served = served_model(work.model, plan.deployment.spec, plan.asked, gguf=takes_gguf(engine))
    said = _said(plan, work, start_up) | {"dtype": work.dtype if has_option(engine, "dtype") else None}
    try:
        given = {name: answer for name, answer in said.items() if answer is not None}
        command = write_command(engine, served.name, given)
    except OptionsError:
        return None
    return command if command is None or served.missing is None else f"# {served.missing}: {command}"


def _said(plan: Plan, work: _Work, start_up: StartUp | None) -> dict[str, Any]:
    """Return the options of a plan; None where the engine's own choice is planned."""
    choice, asked = plan.deployment.choice, plan.asked
    needed = start_up.max_num_seqs if start_up else None
    return {
        "tp": choice.tp if choice.tp > 1 else None,
        "pp": choice.pp if choice.pp > 1 else None,
        "dp": choice.dp if choice.dp > 1 else None,
        "pp_layers": choice.pp_layers,
        "context": work.context,
        "batch": work.batch,
        "kv_dtype": None if choice.kv_dtype == "auto" else choice.kv_dtype,
        "utilization": None if asked.utilization is None else str(asked.utilization),
        "kv_memory": None if asked.kv_memory is None else as_bytes(asked.kv_memory),
        **choice.shared(),
        "max_num_seqs": needed if choice.max_num_seqs is None else choice.max_num_seqs,
        "dcp": choice.dcp if choice.dcp > 1 else None,
        "settings": dict(choice.settings),
    }


def _limit(plan: Plan, context: int, max_batch: int | None) -> str:
    """Return in words what stops one sequence more."""
    memory = plan.without_cache(context)
    weights, left = memory.weights_bytes, memory.free_bytes
    if weights + left < 0:
        needed, there = _apart(memory.activation_bytes + memory.overhead_bytes, memory.budget_bytes)
        return f"activation and overhead need {needed} per GPU, and the budget is {there}"
    if left < 0:
        needed, there = _apart(weights, weights + left)
        return f"the weights need {needed} per GPU, and the budget has {there} for them"
    if max_batch is None:
        return "nothing: these sequences take no cache memory"
    most = plan.most_sequences(context)
    if most and max_batch == most * plan.deployment.dp:
        return f"the number of sequences: {most:,} in each replica"
    if plan.is_bounded():
        return "the size of the pool that was asked for"
    more = plan.memory(uniform(context, max_batch + plan.deployment.dp))
    free = plan.memory(uniform(context, max_batch) if max_batch else ()).free_bytes
    needed, there = _apart(free - more.free_bytes, free)
    which = f"sequence {max_batch + 1}" if max_batch else "one sequence"
    return f"the KV cache: {which} needs {needed} per GPU, and {there} is free"


def _apart(needed: int, there: int) -> tuple[str, str]:
    """Return two sizes in GiB, or in bytes where two decimals would print them alike."""
    texts = format_gib(needed), format_gib(max(0, there))
    return texts if texts[0] != texts[1] else (f"{needed:,} B", f"{max(0, there):,} B")

"""How many sequences fit, and every answer that follows from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from kvplan.arguments import checked
from kvplan.engines import EXACT, StartUp
from kvplan.errors import NoRoomError, OptionsError
from kvplan.planner.budget import Asked, as_bytes
from kvplan.planner.budget import Size as Bytes
from kvplan.planner.deployment import Choice, deploy
from kvplan.planner.plan import Plan, make_plan
from kvplan.planner.repository import served_model
from kvplan.planner.results import Fit
from kvplan.planner.size import Model, as_batch, as_spec, as_tokens, size_fields
from kvplan.planner.ways_out import hints, smallest_spread, smallest_tp
from kvplan.units import format_gib


@checked
def fit(  # noqa: PLR0913 - the options of one command
    model: Model,
    *,
    gpu: Bytes | None = None,
    kv_memory: Bytes | None = None,
    context: int | str | None = None,
    batch: int = 1,
    tp: int = 1,
    pp: int = 1,
    dp: int = 1,
    dtype: str | None = None,
    kv_dtype: str | None = None,
    engine: str = "exact",
    utilization: str | float | None = None,
    weights: Bytes | None = None,
    weight_dtype: str | None = None,
    activation: Bytes | None = None,
    overhead: Bytes | None = None,
    pp_layers: tuple[int, ...] | None = None,
    encoder_tokens: int | None = None,
    block_size: int | None = None,
    max_num_batched_tokens: int | None = None,
    max_num_seqs: int | None = None,
    prefix_caching: bool | None = None,
    dcp: int = 1,
    settings: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> Fit:
    """
    Return how many sequences of *context* tokens fit, and the inverse answers for *batch* of them.

    Give a *gpu* (a catalogue name, or a size such as `80GB`), a known *kv_memory* per GPU, or both: the
    card then decides the engine's defaults alone. Sizes are ints of bytes or text with a unit; *weights*
    are those of one replica, before tp and pp. *dtype* is the one in which the model runs, unless its
    engine chooses.
    *max_num_seqs* bounds the sequences of one replica; the other last ones are options of an *engine*
    other than `exact`, *settings* those that only this engine has, by its own names. *ignore* names fields
    of a config that kvplan does not know and that are answered without.
    Raises a KvplanError for what it does not understand; a plan that does not fit is an answer.
    """
    spec = as_spec(model, ignore)
    asked = Asked(
        gpu=gpu,
        kv_memory=kv_memory,
        utilization=utilization,
        weights=weights,
        weight_dtype=weight_dtype,
        activation=activation,
        overhead=overhead,
    )
    choice = Choice(
        engine=engine,
        dtype=dtype,
        kv_dtype=kv_dtype,
        tp=tp,
        pp=pp,
        dp=dp,
        pp_layers=pp_layers,
        encoder_tokens=encoder_tokens,
        block_size=block_size,
        max_num_batched_tokens=max_num_batched_tokens,
        max_num_seqs=max_num_seqs,
        prefix_caching=prefix_caching,
        dcp=dcp,
        settings=settings or {},
        card=asked.card(),
    )
    tokens, sequences = as_tokens(context, spec), as_batch(batch)
    plan = make_plan(deploy(spec, choice), asked, context=tokens, batch=sequences)
    return _answer(plan, model, dtype)


def _answer(plan: Plan, model: Model, dtype: str | None) -> Fit:
    deployment = plan.deployment
    shared = size_fields(deployment, plan.context, plan.batch)
    max_batch, start_up = plan.max_batch(), plan.start_up()
    if start_up and start_up.refusal:
        raise NoRoomError(start_up.refusal)
    if deployment.spec.uncounted and plan.budget.counts_weights:
        shared["warnings"] += (
            f"the weights are without {'; '.join(deployment.spec.uncounted)}: give --weights",
        )
    if plan.budget.estimated:
        shared["warnings"] += (
            f"the driver's figure for {plan.budget.gpu} is not known: its label is read as decimal bytes",
        )
    return Fit(
        **shared,
        gpu=plan.budget.gpu,
        fits=plan.holds(),
        max_batch=max_batch,
        max_batch_range=plan.max_batch_range(),
        kv_range=plan.kv_range(),
        analytic_max_batch=plan.analytic().max_batch(),
        max_context=plan.max_context(),
        model_context=deployment.spec.max_context,
        kv_tokens=start_up.kv_tokens if start_up else None,
        num_blocks=start_up.num_blocks if start_up else None,
        block_size=start_up.block_size if start_up else None,
        max_concurrency=start_up.max_concurrency if start_up else None,
        memory=plan.memory(plan.batch),
        filled=plan.memory(max_batch or 0),
        waterfall=plan.waterfall(),
        smallest_tp=smallest_tp(plan),
        smallest_gpus=smallest_spread(plan),
        limit=_limit(plan, max_batch),
        hints=hints(plan),
        sources=plan.budget.sources,
        command=_command(plan, model, start_up, dtype) if plan.holds() else None,
    )


def _command(plan: Plan, model: Model, start_up: StartUp | None, dtype: str | None) -> str | None:
    """
    Return the shell command that serves this plan; None for engines without one, or an option for it.

    It is a comment where kvplan does not know which repository or file has the planned weights.
    """
    if plan.deployment.engine is EXACT:
        return None
    # The formula alone has no command.
    from kvplan.serving import has_option, takes_gguf, write_command  # noqa: PLC0415

    engine = plan.deployment.choice.engine
    served = served_model(model, plan.deployment.spec, plan.asked, gguf=takes_gguf(engine))
    said = _said(plan, start_up) | {"dtype": dtype if has_option(engine, "dtype") else None}
    try:
        given = {name: answer for name, answer in said.items() if answer is not None}
        command = write_command(engine, served.name, given)
    except OptionsError:
        return None
    return command if command is None or served.missing is None else f"# {served.missing}: {command}"


def _said(plan: Plan, start_up: StartUp | None) -> dict[str, Any]:
    """Return the options of a plan; None where the engine's own choice is planned."""
    choice, asked = plan.deployment.choice, plan.asked
    needed = start_up.max_num_seqs if start_up else None
    return {
        "tp": choice.tp if choice.tp > 1 else None,
        "pp": choice.pp if choice.pp > 1 else None,
        "dp": choice.dp if choice.dp > 1 else None,
        "pp_layers": choice.pp_layers,
        "context": plan.context,
        "batch": plan.batch,
        "kv_dtype": choice.kv_dtype,
        "utilization": None if asked.utilization is None else str(asked.utilization),
        "kv_memory": None if asked.kv_memory is None else as_bytes(asked.kv_memory),
        "block_size": choice.block_size,
        "max_num_batched_tokens": choice.max_num_batched_tokens,
        "max_num_seqs": needed if choice.max_num_seqs is None else choice.max_num_seqs,
        "prefix_caching": choice.prefix_caching,
        "dcp": choice.dcp if choice.dcp > 1 else None,
        "settings": dict(choice.settings),
    }


def _limit(plan: Plan, max_batch: int | None) -> str:
    """Return in words what stops one sequence more."""
    memory = plan.empty()
    weights, left = memory.weights_bytes, memory.free_bytes
    if weights + left < 0:
        needed, there = _apart(memory.activation_bytes + memory.overhead_bytes, memory.budget_bytes)
        return f"activation and overhead need {needed} per GPU, and the budget is {there}"
    if left < 0:
        needed, there = _apart(weights, weights + left)
        return f"the weights need {needed} per GPU, and the budget has {there} for them"
    if max_batch is None:
        return "nothing: these sequences take no cache memory"
    most = plan.most_sequences(plan.context)
    if most and max_batch == most * plan.deployment.dp:
        return f"the number of sequences: {most:,} in each replica"
    if plan.is_bounded():
        return "the size of the pool that was asked for"
    more = plan.memory(max_batch + plan.deployment.dp)
    free = plan.memory(max_batch).free_bytes
    needed, there = _apart(free - more.free_bytes, free)
    which = f"sequence {max_batch + 1}" if max_batch else "one sequence"
    return f"the KV cache: {which} needs {needed} per GPU, and {there} is free"


def _apart(needed: int, there: int) -> tuple[str, str]:
    """Return two sizes in GiB, or in bytes where two decimals would print them alike."""
    texts = format_gib(needed), format_gib(max(0, there))
    return texts if texts[0] != texts[1] else (f"{needed:,} B", f"{max(0, there):,} B")

"""The words for the facts of an answer, in JSON and in the report alike."""

from itertools import groupby
from typing import assert_never

from kvplan.planner.budget import Budget
from kvplan.planner.facts import (
    Assumed,
    BeyondContext,
    Crowded,
    DeclaredKv,
    Hint,
    Ignored,
    LabelRead,
    LeftOut,
    Limit,
    Lowered,
    Origin,
    PassedOn,
    ReadAs,
    Replicated,
    Resource,
    RunsFewer,
    RunsIn,
    Sources,
    Uncounted,
    Warned,
    WeightsOpen,
)
from kvplan.planner.plan import Plan
from kvplan.units import format_gib, gib_apart


def limit(fact: Limit) -> str:
    """Return what stops one sequence more."""
    needed, there = gib_apart(fact.needed_bytes or 0, fact.free_bytes or 0)
    match fact.resource:
        case Resource.NOTHING:
            return "nothing: these sequences take no cache memory"
        case Resource.SEQUENCES:
            return f"the number of sequences: {fact.sequences:,} in each replica"
        case Resource.POOL:
            return "the size of the pool that was asked for"
        case Resource.CACHE:
            which = "one sequence" if fact.sequences == 1 else f"sequence {fact.sequences:,}"
            return f"the KV cache: {which} needs {needed} per GPU, and {there} is free"
        case Resource.WEIGHTS:
            return f"the weights need {needed} per GPU, and the budget has {there} for them"
        case Resource.OVERHEAD:
            return f"activation and overhead need {needed} per GPU, and the budget is {there}"


def where(plan: Plan) -> str:
    """Return on how many of which cards, or in which memory, a plan stands: `on one NVIDIA L4`."""
    choice, budget, gpus = plan.deployment.choice, plan.budget, plan.deployment.gpus
    if budget.sources.card is None:
        return f"in {budget.gpu}" + (f" on each of {gpus} GPUs" if gpus > 1 else "")
    cards = choice.cards or (budget.sources.card,) * gpus
    kinds = [(label, len(list(each))) for label, each in groupby(card.label for card in cards)]
    counts = [
        f"{'one' if count == 1 and len(kinds) == 1 else f'{count} x'} {label}" for label, count in kinds
    ]
    return f"on {' and '.join(counts)}"


def change(hint: Hint) -> str:
    """Return an option with its new value, as the command line has it."""
    return f"--{hint.option.replace('_', '-')} {hint.value}"


def sources(budget: Budget) -> dict[str, str]:
    """Return where each figure of a card's memory comes from."""
    found = budget.sources
    if found.card is None:
        return {"gpu_bytes": "given", "gpu_figure": "given"}
    return {
        "gpu": found.card.label,
        "gpu_bytes": found.card.source or "given",
        "gpu_figure": found.card.figure,
        "weights": _weights(found),
        "utilization": _utilization(budget),
        "overhead": _overhead(budget),
    }


def _weights(found: Sources) -> str:
    if found.weights is Origin.PARAMETERS:
        ends = "" if found.ends_dtype is None else f", embedding and head in {found.ends_dtype}"
        return f"{found.parameters:,} parameters in {found.weight_dtype}{ends}"
    if found.weights is Origin.BOUND:
        return "at most, by the config"
    if found.weights is Origin.RELEASE and found.parameters is not None:
        return f"{found.parameters:,} parameters, each as the release stores it"
    return "the published checkpoint's size" if found.weights is Origin.RELEASE else "given"


def _utilization(budget: Budget) -> str:
    numerator, denominator = budget.utilization
    of = " of what is left" if budget.share_of == "rest" else ""
    default = ", the default" if budget.sources.utilization is Origin.DEFAULT else ""
    return f"{numerator / denominator:g}{of}{default}"


def _overhead(budget: Budget) -> str:
    if budget.sources.overhead is Origin.GIVEN:
        return "given"
    without = "; without a max_context, rotations are for the asked context"
    return f"estimate {budget.needs.evidence}" + (without if budget.sources.stands_in else "")


def warning(fact: Warned) -> str:  # noqa: C901, PLR0911, PLR0912 - a sentence for each
    """Return what to know before an answer is relied on."""
    match fact:
        case BeyondContext():
            beyond = f"{fact.context:,} tokens are more than the {fact.max_context:,}"
            return f"{beyond} that {fact.model} was made for"
        case ReadAs():
            return f"{fact.release} is answered as {fact.model}{fact.how}"
        case RunsIn():
            return _runs_in(fact)
        case DeclaredKv(taken=True):
            said = f"{fact.engine} keeps the KV cache in {fact.dtype}, as the checkpoint declares"
            return f"{said}, unless --kv-dtype says otherwise"
        case DeclaredKv():
            return f"the checkpoint declares a KV cache in {fact.dtype}, of which {fact.engine} takes no heed"
        case Assumed():
            return fact.text
        case Lowered():
            return _lowered(fact)
        case RunsFewer():
            return f"{fact.engine} runs {fact.sequences:,} of them at once, unless --max-num-seqs says more"
        case Crowded():
            return _crowded(fact)
        case LeftOut():
            return f"left out of the plan: {fact.text}"
        case Ignored():
            return f"the answer is without {', '.join(fact.fields)}, which could change the memory"
        case Replicated(units=1):
            return f"tp={fact.tp} stores each {fact.unit} {fact.copies} times: there is only 1 to share out"
        case Replicated():
            return f"tp={fact.tp} stores each of the {fact.units} {fact.unit} {fact.copies} times"
        case PassedOn():
            return (
                f"cp={fact.cp} stores weights and states on each rank, and in a prefill of {fact.context:,} "
                f"tokens each passes {format_gib(fact.size_bytes)} on, round the ring"
            )
        case Uncounted():
            return f"the weights are without {'; '.join(fact.parts)}: give --weights"
        case WeightsOpen():
            return (
                f"the config leaves the size of the weights open, {format_gib(fact.least_bytes)} to "
                f"{format_gib(fact.most_bytes)}: the larger is planned, unless --weights gives it"
            )
        case LabelRead():
            return (
                f"no driver's figure for {fact.gpu} is known: its label means {format_gib(fact.total_bytes)}"
            )
        case _:
            assert_never(fact)


def _lowered(fact: Lowered) -> str:
    least = "" if fact.least is None else f", and {fact.least:,} with the least memory of the range"
    return (
        f"{fact.engine} would not start with its own default of sequences at once: the plan is that of "
        f"--max-num-seqs {fact.sequences}, the most with which it starts{least}"
    )


def _runs_in(fact: RunsIn) -> str:
    otherwise = "unless --dtype says otherwise"
    if fact.engine is None:
        return f"the model's files name no dtype: it runs in {fact.dtype}, as asked"
    if fact.released is None:
        return f"the model's files name no dtype: {fact.engine} runs it in {fact.dtype} {otherwise}"
    return f"{fact.engine} runs this {fact.released} model in {fact.dtype} {otherwise}"


def _crowded(fact: Crowded) -> str:
    kept, taken = format_gib(fact.kept_bytes), f"table of requests takes {format_gib(fact.table_bytes)}"
    if fact.table_bytes >= fact.kept_bytes:
        return (
            f"{fact.engine}'s {taken}, and it keeps back {kept} in all: it does not start, unless "
            "--max-num-seqs says fewer, or the context is shorter"
        )
    needed, most = fact.table_bytes + fact.needed_bytes, fact.table_bytes + fact.most_bytes
    if most > fact.kept_bytes:
        ends = "runs" if needed > fact.kept_bytes else "may run"
        less = f"--utilization is {fact.share} or less, or " if fact.share else ""
        return (
            f"{fact.engine} keeps back {kept}, and needs {format_gib(needed)} of it, or up to "
            f"{format_gib(most)}, for graphs, a chunk of prefill, drawing tokens and a table of requests: it "
            f"{ends} out of memory, unless {less}--max-num-batched-tokens are fewer"
        )
    return (
        f"{fact.engine}'s {taken} of the {kept} that it keeps back for activations and graphs: "
        "--max-num-seqs makes it smaller"
    )

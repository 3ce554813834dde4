"""The memory that a card leaves for the cache, and what may have left another than planned."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from kvplan.errors import KvplanError
from kvplan.planner import budget
from kvplan.planner.plan import Plan, make_plan
from kvplan.reconcile.dialect import Disclaimed
from kvplan.reconcile.dialects import DIALECTS
from kvplan.reconcile.log import StartUpLog
from kvplan.reconcile.printed import Printed
from kvplan.reconcile.results import Explanation
from kvplan.reconcile.rows import WEIGHTS_PERCENT, Row
from kvplan.reconcile.setup import Overrides, Setup
from kvplan.records import record
from kvplan.units import GIB, format_gib

_FORMATS = ("bf16", "fp8", "int8", "nvfp4", "mxfp4", "int4", "fp32")
_SEQUENCES = (32, 64, 128, 256, 512, 1024)
_MOST_BESIDE_BYTES = 21 * GIB
"""The largest part that was published: 20.88 GiB of CUDA graphs, local-inference-lab/vllm#501."""
_TOKENS = (2048, 4096, 8192, 16384, 32768)


@record
class MemoryPlan:
    """
    What each stage's GPU has for the cache, by a plan of one sequence.

    `weights` are bytes on a GPU of each stage. What is neither weights nor cache is the plan's estimate and
    from `more_low` to `more_high` bytes beyond it.
    """

    plan: Plan
    weights: tuple[int, ...]
    more_low: int = 0
    more_high: int = 0

    def row(self, printed: Printed, rank: int | None = None) -> Row:
        """Return the printed memory beside the planned one: of the tightest stage, or of *rank*."""
        needs = self.plan.budget.needs
        low, high = self._left(needs.high_bytes + self.more_high), self._left(needs.low_bytes + self.more_low)
        at = low.index(min(low)) if rank is None else rank
        least, most = (Fraction(max(0, left[at])) for left in (low, high))
        nearest = min(max(printed.value, least), most)
        return Row(figure="KV memory", printed=printed, low=least, high=most, nearest=nearest, percent=0)

    def _left(self, other_bytes: int) -> list[int]:
        return [self.plan.budget.left_bytes(weights, other_bytes) for weights in self.weights]


@record
class _Cause:
    text: str
    option: str = ""
    row: Row


def memory_plan(log: StartUpLog, setup: Setup, asked: Overrides) -> tuple[Printed, MemoryPlan] | None:
    """Return the printed memory and the planned one; None without either, or on a plugin's hardware."""
    name = DIALECTS[log.engine].memory
    printed = None if isinstance(name, Disclaimed) else log.least(name)
    total = log.least("GPU memory")
    gpu = asked.gpu or (None if total is None else int(total.value))
    if log.foreign is not None and log.foreign.plugin:
        return None
    if printed is None or gpu is None or setup.spec.weights(asked.weight_dtype) is None:
        return None
    share = asked.utilization or log.options.utilization
    memory = budget.Asked(gpu=gpu, utilization=share, weight_dtype=asked.weight_dtype)
    return setup.reading(printed), _planned(setup, memory)


def memory_causes(
    log: StartUpLog, setup: Setup, asked: Overrides, explanations: Sequence[Explanation]
) -> tuple[tuple[Explanation, ...], int]:
    """
    Return what brings the printed memory into the planned range, and how many plans were tried.

    *explanations* of the other figures are tried first, then what the log itself prints; what has a
    number of its own to fit is last. Nothing that the log says is put in doubt.
    """
    found = memory_plan(log, setup, asked)
    if found is None or found[1].row(found[0]).inside:
        return (), 0
    printed, before = found
    causes = [
        *_explained(log, asked, explanations),
        *_printed_causes(log, printed, before),
        *_other_options(log, setup, printed, before),
        *_other_weights(log, printed, before),
        *_other_stages(printed, before),
        *_free_causes(printed, before),
    ]
    return tuple(_told(setup, cause) for cause in causes if cause.row.inside), len(causes)


def _told(setup: Setup, cause: _Cause) -> Explanation:
    options = (cause.option,) if cause.option else ()
    return Explanation(assumptions=(cause.text,), options=options, rows=(cause.row,), setup=setup)


def _explained(log: StartUpLog, asked: Overrides, explanations: Sequence[Explanation]) -> Iterator[_Cause]:
    """Yield what explains the pool, which may explain its memory, too."""
    for each in explanations:
        if each.complete and (found := memory_plan(log, each.setup, asked)) is not None:
            text, option = " and ".join(each.assumptions), " ".join(each.options)
            yield _Cause(text=text, option=option, row=found[1].row(found[0]))


def _planned(setup: Setup, memory: budget.Asked) -> MemoryPlan:
    plan = make_plan(setup.deployed(), memory, longest=setup.context)
    return MemoryPlan(plan=plan, weights=plan.weights)


def _printed_causes(log: StartUpLog, printed: Printed, before: MemoryPlan) -> Iterator[_Cause]:
    """Yield what the log prints of the card's other memory, each figure alone and all together."""
    parts = [*_weights(log, before), *_activation(log, before), *_graphs(log)]
    for name, weights, low, high in parts:
        yield _with(printed, before, (name,), weights, (low, high))
    if len(parts) > 1:
        weights = next((each for _, each, _, _ in parts if each is not None), None)
        beside = sum(low for _, _, low, _ in parts), sum(high for _, _, _, high in parts)
        yield _with(printed, before, [name for name, *_ in parts], weights, beside)


_Part = tuple[str, tuple[int, ...] | None, int, int]
"""What a log prints, in words, the weights of each stage in it, and the bytes beyond the planned rest."""


def _with(
    printed: Printed,
    before: MemoryPlan,
    names: Sequence[str],
    weights: tuple[int, ...] | None,
    more: tuple[int, int],
) -> _Cause:
    planned = replace(before, weights=weights or before.weights, more_low=more[0], more_high=more[1])
    return _Cause(text=f"as the log says: {', '.join(names)}", row=planned.row(printed))


def _weights(log: StartUpLog, before: MemoryPlan) -> Iterator[_Part]:
    """Yield printed weights where they are not the planned ones: in another format, or with a draft's."""
    for printed in _most(log, "weights"):
        planned = max(before.weights)
        if abs(printed.value - planned) * 100 > planned * WEIGHTS_PERCENT:
            scaled = tuple(int(each * printed.value / planned) for each in before.weights)
            yield f"weights of {printed}, planned {format_gib(planned)}", scaled, 0, 0


def _activation(log: StartUpLog, before: MemoryPlan) -> Iterator[_Part]:
    """Yield a printed activation peak: workspaces of experts and images are in it."""
    for printed in _most(log, "activation"):
        planned = before.plan.budget.needs.activation_bytes
        more = int(printed.value) - planned
        name = f"activations and workspaces of experts of {printed}, planned {format_gib(planned)}"
        yield name, None, more, more


def _graphs(log: StartUpLog) -> Iterator[_Part]:
    for printed in _most(log, "CUDA graphs"):
        yield f"CUDA graphs of {printed}", None, 0, int(printed.value)


def _most(log: StartUpLog, name: str) -> list[Printed]:
    """Return the largest of what several workers printed, if any did."""
    found = [each.printed for each in log.figures if each.name == name]
    return sorted(found, key=lambda each: each.value)[-1:]


def _other_options(log: StartUpLog, setup: Setup, printed: Printed, before: MemoryPlan) -> Iterator[_Cause]:
    """Yield options that decide the memory, of which the log says nothing, or something else."""
    logged = log.options.utilization
    if logged is None or logged != before.plan.asked.utilization:
        yield from _utilization(logged, printed, before)
    tried: list[tuple[str, str, int]] = []
    if log.options.max_num_seqs is None:
        tried += [("max_num_seqs", f"at most {each} sequences at once", each) for each in _SEQUENCES]
    if log.options.max_num_batched_tokens is None:
        tried += [("max_num_batched_tokens", f"{each:,} tokens at once", each) for each in _TOKENS]
    for keyword, text, number in tried:
        try:
            changed = _planned(setup.chosen(**{keyword: number}), before.plan.asked)
        except KvplanError:
            continue
        option = f"--max-num-batched-tokens {number}" if keyword == "max_num_batched_tokens" else ""
        yield _Cause(text=text, option=option, row=changed.row(printed))


def _utilization(logged: str | None, printed: Printed, before: MemoryPlan) -> Iterator[_Cause]:
    """Yield the share of the card that the log names; else those hundredths of it that leave the memory."""
    numerator, denominator = before.plan.budget.utilization
    planned = f"not {numerator / denominator:g}"
    shares = range(1, 101) if logged is None else [round(float(logged) * 100)]
    rows = {share: _shared(before, share).row(printed) for share in shares}
    inside = [share for share, row in rows.items() if row.inside]
    if not inside:
        return
    least, middle, most = inside[0], inside[len(inside) // 2], inside[-1]
    span = f"{least / 100:g}" if least == most else f"{least / 100:g} to {most / 100:g}"
    yield _Cause(
        text=f"a utilization of {span}, {planned}", option=f"--utilization {middle / 100:g}", row=rows[middle]
    )


def _shared(before: MemoryPlan, share: int) -> MemoryPlan:
    """Return the plan with *share* hundredths of the card."""
    return replace(before, plan=_asked_with(before.plan, utilization=f"{share / 100:g}"))


def _asked_with(plan: Plan, **changes: object) -> Plan:
    """Return a plan with something else said of the memory."""
    asked: budget.Asked = replace(plan.asked, **changes)  # type: ignore[arg-type]
    return make_plan(plan.deployment, asked, longest=plan.budget.longest)


def _other_weights(log: StartUpLog, printed: Printed, before: MemoryPlan) -> Iterator[_Cause]:
    """Yield other formats of the weights; where the log prints their size there is nothing to try."""
    asked, spec = before.plan.asked, before.plan.deployment.spec
    if _most(log, "weights"):
        return
    for name in _FORMATS:
        if name == asked.weight_dtype or spec.weights(name) is None:
            continue
        plan = _asked_with(before.plan, weight_dtype=name)
        row = MemoryPlan(plan=plan, weights=plan.weights).row(printed)
        yield _Cause(text=f"weights stored in {name}", option=f"--weight-dtype {name}", row=row)


def _other_stages(printed: Printed, before: MemoryPlan) -> Iterator[_Cause]:
    """Yield the stages of a pipeline that have more memory than the tightest one."""
    for rank in range(len(before.weights) if len(before.weights) > 1 else 0):
        text = f"the memory is that of a rank of stage {rank + 1} of {len(before.weights)}"
        yield _Cause(text=text, row=before.row(printed, rank))


def _free_causes(printed: Printed, before: MemoryPlan) -> Iterator[_Cause]:
    """Yield what no plan knows the size of, with the size that it would have."""
    planned = before.row(printed)
    least, most = planned.low - printed.value, planned.high - printed.value
    fitted = replace(planned, low=printed.value, high=printed.value, nearest=printed.value)
    if least > 0:
        span = f"{format_gib(int(least))} to {format_gib(int(most))}"
        yield _Cause(text=f"another process on the card with {span}", row=fitted)
        if least <= _MOST_BESIDE_BYTES:
            text = f"workspaces of experts or images, or CUDA graphs, {span} above the plan"
            yield _Cause(text=text, row=fitted)
    elif -most <= before.plan.budget.needs.low_bytes:
        text = "no CUDA graphs (--enforce-eager), or fewer sequences at once"
        span = f"{format_gib(int(-most))} to {format_gib(int(-least))}"
        yield _Cause(text=f"{text}: {span} less kept beside the cache", row=fitted)

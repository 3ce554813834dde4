"""The tables of engines.md: what engines take, and how near kvplan comes to what they printed."""

from collections.abc import Sequence
from statistics import median

import cog

from kvplan.engines import engine_names, find_engine
from kvplan.engines.sglang.images import is_guessed
from kvplan.engines.vllm.versions import find_rules
from tests.field.accuracy import accuracy, whole_plans
from tests.field.field_records import exceptions, shares
from tests.field.fresh import apart, fresh, fresh_sglang, pools, rows
from tests.field.newer import newer
from tests.field.printed import Printed
from tests.field.sglang_starts import started
from tests.rehearsed import sglang_rows
from tests.rehearsed.rows import read_rows


def engine_settings() -> None:
    """Write every engine's own settings."""
    cog.outl("| engine | `--set` | takes | |\n|---|---|---|---|")
    for name in engine_names():
        engine = find_engine(name)
        for setting in engine.settings:
            takes = ", ".join(f"`{choice}`" for choice in setting.choices) or setting.kind
            cog.outl(f"| `{name}` | `{setting.name}` | {takes} | {setting.help} |")


def start_up_shares() -> None:
    """Write how many published start-ups each engine's rules reproduce."""
    cog.outl("| engine | start-ups | figures to hold against | reproduced |\n|---|---|---|---|")
    for share in shares():
        cog.outl(f"| {share.engine} | {share.records} | {share.scorable} | {share.reproduced} |")


def start_up_exceptions() -> None:
    """Write every start-up that is not reproduced, and why."""
    for exempt in exceptions():
        cog.outl(f"- [{exempt.id}]({exempt.source}): {' '.join(exempt.reason.split())}.")


def whole_plan_accuracy() -> None:
    """Write how far whole plans are from the KV memory that was printed, and the worst of them."""
    found = accuracy()
    cog.outl(
        f"{found.count} start-ups of vLLM, {found.different} of them different, printed their KV memory.\n"
        "kvplan was told the model, the card, the spread and the utilization, and nothing of the log.\n"
        f"The median plan is off by {found.median_error:.2%}, the worst by {found.largest_error:.0%}, and "
        f"{found.inside} of the {found.count} printed figures lie in the range that kvplan prints.\n"
        "The law of the activations is vLLM's code; the constants beside it were read off these same "
        "start-ups, most of them vLLM 0.19 on H100.\nThe ten that are farthest off:\n"
    )
    cog.outl("| start-up | printed | planned | range | error |\n|---|---|---|---|---|")
    for plan in sorted(whole_plans(), key=lambda each: -abs(each.error))[:10]:
        cog.outl(_row(plan, plan.split.id))


_NEAR = 0.05


def newer_plan_accuracy() -> None:
    """Write how far plans of newer releases are from start-ups to which nothing was fitted."""
    plans = newer()
    cog.outl(
        f"{len(plans)} start-ups of vLLM 0.20 to 0.31 whose options are known; weights were given as they "
        "were printed.\n"
        "A log that does not tell whether torch.compile had a cache of the model is planned as a first "
        f"start.\n{_score(plans)}\n"
    )
    _table(plans)


def fresh_start_ups() -> None:
    """Write the score on start-ups that were written down before kvplan was asked for them."""
    plans, sized = fresh(), sum("tokens" in row for row in rows())
    cog.outl(f"{len(plans)} start-ups of vLLM 0.19 to 0.29 tell their options.\n{_score(plans)}\n")
    _table(plans)
    whole = [each for each in fresh_sglang() if each.open is None]
    cog.outl(
        f"\nOf {sized} of them the log has the pool's tokens, and all are exact in the printed memory; so "
        f"are the pools and buffers of {_exact('vllm')} further start-ups of vLLM, {_exact('llama.cpp')} of "
        f"llama.cpp and {_exact('tensorrt-llm')} of TensorRT-LLM.\n"
        f"Of SGLang, {len(whole)} whole plans are within {max(abs(each.error) for each in whole):.1%} and in "
        "their range.\n"
        f"{len(apart())} more start-ups lack a flag, a release or a figure, each with what is missing in "
        "tests/field/fresh_apart.yaml."
    )


def _exact(engine: str) -> int:
    return sum(each.engine == engine and each.expected for each in pools())


def _score(plans: Sequence[Printed]) -> str:
    errors = [abs(plan.error) for plan in plans]
    near, inside = sum(error <= _NEAR for error in errors), sum(plan.inside for plan in plans)
    return (
        f"The median plan is off by {median(errors):.1%}, {near} of them are within {_NEAR:.0%}, and "
        f"{inside} printed figures lie in the range."
    )


def _table(plans: Sequence[Printed]) -> None:
    cog.outl("| start-up | printed | planned | range | error |\n|---|---|---|---|---|")
    for plan in sorted(plans, key=lambda each: -abs(each.error)):
        cog.outl(_row(plan, plan.id))


def rehearsed_rows() -> None:
    """Write how many start-ups were rehearsed of each release."""
    rows = read_rows()
    models, graphs = len({row.model for row in rows}), sum(not row.eager for row in rows)
    cog.outl(
        f"{len(rows)} start-ups of {models} models, {graphs} of them with torch.compile and CUDA graphs, are "
        "replayed by the tests:\n"
    )
    cog.outl("| vLLM | eager | with graphs |\n|---|---|---|")
    for release in sorted({row.vllm for row in rows}, key=lambda name: find_rules(name).version):
        found = [row.eager for row in rows if row.vllm == release]
        cog.outl(f"| {release} | {sum(found)} | {len(found) - sum(found)} |")


def sglang_starts() -> None:
    """Write how far plans of SGLang are from what it printed, and which log does not tell enough."""
    whole = [each for each in started() if each.open is None]
    errors = [abs(each.error) for each in whole]
    cog.outl(
        f"{len(whole)} start-ups tell their share, or that it is SGLang's own.\n"
        f"The median plan is off by {median(errors):.1%}, the worst by {max(errors):.1%}, and "
        f"{sum(each.inside for each in whole)} printed figures lie in the range:\n"
    )
    cog.outl("| start-up | printed | planned | range | error |\n|---|---|---|---|---|")
    for each in sorted(whole, key=lambda one: -abs(one.error)):
        cog.outl(_row(each, each.id))
    for each in started():
        if each.open is not None:
            off = f"{each.tokens_error:.1%}"
            cog.outl(f"\nOf {each.id}, {each.open}; its memory becomes its tokens within {off}.")


def rehearsed_sglang() -> None:
    """Write how many start-ups of SGLang were rehearsed, and how far plans of their weights are off."""
    rows = sglang_rows.read_rows()
    weighed = [row for row in rows if row.has_weights]
    missing = [1 - row.planned_weights() / row.weights_bytes for row in weighed]
    models, cards = len({row.model for row in rows}), len({row.gpu for row in rows})
    guessed = sum(is_guessed(row.deployment().options) for row in rows)
    but = f", but for {guessed} whose tower the spec does not tell" if guessed else ""
    cog.outl(
        f"{len(rows)} start-ups of SGLang 0.5.23, {models} models on {cards} cards and up to "
        f"{max(row.tp for row in rows)} ranks, are replayed by the tests.\n"
        "All pools of tokens, windows, states and requests are exact, and so is the share of the card"
        f"{but}; of the weights {median(missing):.2%} are missing in the median."
    )
    captured = [row for row in rows if row.graphs_bytes is not None]
    off, models = [_off(row) for row in captured], len({row.model for row in captured})
    cog.outl(
        f"{len(captured)} of them, {models} models, went on to CUDA graphs and the forward pass of a chunk: "
        f"torch took {-min(off):.0%} less to {max(off):.0%} more than is planned for them."
    )


def _off(row: sglang_rows.Row) -> float:
    """Return by which part torch took more for graphs and a chunk than is planned."""
    needed = row.plan().budget.needs.aside
    if needed is None or row.graphs_bytes is None:
        raise ValueError(f"{row.name} has no graphs")
    planned = needed.graphs_bytes - needed.driver_bytes + needed.activation_bytes
    return (row.graphs_bytes + row.chunk_bytes) / planned - 1


def _row(plan: Printed, name: str) -> str:
    gib = [f"{size / 2**30:.2f}" for size in (plan.printed_bytes, plan.planned_bytes)]
    span = f"{plan.low_bytes / 2**30:.1f} to {plan.high_bytes / 2**30:.1f}"
    where = span if plan.inside else f"{span}, outside"
    return f"| {name} | {gib[0]} GiB | {gib[1]} GiB | {where} | {plan.error:+.1%} |"

"""The tables of engines.md: what engines take, and how near kvplan comes to what they printed."""

import cog

from kvplan.engines import engine_names, find_engine
from tests.field.accuracy import Planned, accuracy, whole_plans
from tests.field.field_records import exceptions, shares


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
        cog.outl(_row(plan))


def _row(plan: Planned) -> str:
    gib = [f"{size / 2**30:.2f}" for size in (plan.printed_bytes, plan.planned_bytes)]
    span = f"{plan.low_bytes / 2**30:.1f} to {plan.high_bytes / 2**30:.1f}"
    where = span if plan.inside else f"{span}, outside"
    return f"| {plan.split.id} | {gib[0]} GiB | {gib[1]} GiB | {where} | {plan.error:+.1%} |"

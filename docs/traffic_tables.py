"""The tables of traffic.md: traces that are recognised, those of kvplan, and what became of two of them."""

from dataclasses import replace
from typing import cast

import cog

from kvplan.traffic.formats import FORMATS
from kvplan.traffic.held import Held
from kvplan.traffic.holding import Packed, crowd_of
from kvplan.traffic.observed import Observed
from kvplan.traffic.presets import preset, preset_names
from tests.traffic.scheduled import scheduled


def recognised() -> None:
    """Write the columns of each trace that is recognised."""
    cog.outl("| trace | prompt, output | arrivals | blocks |\n|---|---|---|---|")
    for each in FORMATS:
        time = f"`{each.time}`" if each.time else "-"
        hashes = f"`{each.hashes}`, of {each.hash_block} tokens" if each.hashes else "-"
        columns = ", ".join(f"`{column}`" for column in each.written.split(","))
        cog.outl(f"| {each.name} | {columns} | {time} | {hashes} |")


def presets() -> None:
    """Write the public traces with the figures that were counted in them."""
    cog.outl("| name | requests | tokens of | mean | p50 | p99 | most | licence |")
    cog.outl("|---|---|---|---|---|---|---|---|")
    for name in preset_names():
        trace = preset(name)
        for of in ("prompt", "output"):
            figures = " | ".join(f"{value:,.0f}" for value in trace.observed[of].values())
            head = f"[`{name}`]({trace.source}) | {trace.requests:,}" if of == "prompt" else " | "
            cog.outl(f"| {head} | {of} | {figures} | {trace.licence if of == 'prompt' else ''} |")


def worked_off() -> None:
    """Write what vLLM's scheduler made of the traces, beside kvplan's numbers."""
    cog.outl("| model, KV memory | trace | never | at 1 % | vLLM at 1 % | short | preempted | drawn apart |")
    cog.outl("|---|---|---|---|---|---|---|---|")
    for each in (found for found in scheduled() if found.case.requests is None):
        case, answer = each.case, each.answer()
        at = each.counts[answer.likely or 0]
        short, preempted = at["short"] / at["moments"], at["preempted"] / (answer.requests.requests or 1)
        figures = f"{answer.never} | {answer.likely} | {each.at_risk():.1f} | {short:.2%} | {preempted:.2%}"
        cog.outl(f"| {case.model}, {case.kv_memory} | `{case.traffic}` | {figures} | {_apart(answer)} |")


def _apart(answer: Held) -> int | None:
    """Return how many would run if the trace's requests came in no order."""
    traffic = replace(cast("Observed", answer.requests), arrivals=None)
    crowd = crowd_of(answer.plan, traffic)
    return Packed(crowd=crowd, pools=answer.plan.pools).numbers(answer.risk).likely

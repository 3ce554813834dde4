"""The tables of traffic.md: the traces that are recognised, and those that come with kvplan."""

import cog

from kvplan.traffic.formats import FORMATS
from kvplan.traffic.presets import preset, preset_names


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

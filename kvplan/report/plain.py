"""What stands for a picture where none is drawn, and beside one that is: its numbers as lines and tables."""

from kvplan.report.document import Cell, Chart, Column, Grid, Heading, Line, Span, Table, Waterfall, line
from kvplan.units import short_count


def heading_line(heading: Heading) -> Line:
    """Return a title as a paragraph."""
    return line(heading.text, heading.tone)


def waterfall_grid(waterfall: Waterfall) -> Grid:
    """Return the steps as rows, and their sum below them."""
    rows: list[tuple[Cell, ...]] = [
        (step.name, f"{step.size_bytes:,} B", Span(step.note, "quiet")) for step in waterfall.steps
    ]
    total = sum(step.size_bytes for step in waterfall.steps)
    rows.append((Span(waterfall.total, "strong"), Span(f"{total:,} B", "strong"), ""))
    return Grid(tuple(rows), ("whole", "number"), indented=True)


def chart_table(chart: Chart) -> Table:
    """Return a row for each x that is a round number of tokens or the last, and a column for each line."""
    lines = [dict(series.points) for series in chart.series]
    every = sorted({x for points in lines for x in points})
    ends = {mark.x for mark in chart.marks} | {max(points) for points in lines if points}
    columns = (Column(chart.x, numbers=True), *(Column(each.name, numbers=True) for each in chart.series))
    return Table(
        columns,
        tuple(
            (short_count(x), *(f"{points[x]:,}" if x in points else "" for points in lines))
            for x in every
            if x & (x - 1) == 0 or x in ends
        ),
    )

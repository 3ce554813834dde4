"""A table of numbers at every width: none is broken or cut."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table as RichTable

from kvplan.report.console import Text, text_of
from kvplan.report.document import Table

_INDENT = _GAP = 2
_FOLDED = 12
"""Text is folded to no less."""


class NotedRows:
    """Rows of names and numbers, each beside its note, or above it where a word of one would break."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        """Take how each column before the notes is set: `whole`, or `number`, which stands to the right."""
        self.columns = columns
        self.heads = [tuple(row[: len(columns)]) for row in rows]
        self.notes = [Text(" ").join(row[len(columns) :]) for row in rows]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw all rows beside their notes, or all above them."""
        words = (word for note in self.notes for word in str(note).split())
        beside = sum(self._widths()) + max(map(cell_len, words), default=0)
        yield self._beside() if beside <= options.max_width else self._above()

    def _widths(self) -> list[int]:
        return [
            max(cell_len(str(cell)) for cell in column) + _GAP for column in zip(*self.heads, strict=True)
        ]

    def _beside(self) -> RichTable:
        table = RichTable.grid(padding=(0, _GAP, 0, 0))
        for kind in self.columns:
            table.add_column(no_wrap=True, justify="right" if kind == "number" else "left")
        for head, note in zip(self.heads, self.notes, strict=True):
            table.add_row(*head, note)
        return table

    def _above(self) -> RenderableType:
        drawn: list[RenderableType] = []
        for head, note in zip(self.heads, self.notes, strict=True):
            row = RichTable.grid(padding=(0, _GAP, 0, 0))
            for kind, width in zip(self.columns, self._widths(), strict=True):
                row.add_column(
                    no_wrap=True, justify="right" if kind == "number" else "left", min_width=width - _GAP
                )
            row.add_row(*head)
            drawn += [row, *([Padding(note, (0, 0, 0, _INDENT))] if str(note) else [])]
        return Group(*drawn)


class NumberTable:
    """A table whose rows are written apart where the numbers of one would not fit beside another."""

    def __init__(self, table: Table) -> None:
        self.columns, self.names = table.columns, table.names
        self.rows = [tuple(map(text_of, row)) for row in table.rows]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table, or its rows apart where its numbers do not fit."""
        fits = self._narrowest() <= options.max_width
        yield self._table() if fits else Group(*map(self._apart, self.rows))

    def _narrowest(self) -> int:
        """Return the width below which a number or a name would break, or text become a column of letters."""
        gaps = _GAP * (len(self.columns) - 1)
        return gaps + sum(map(self._least, range(len(self.columns))))

    def _least(self, at: int) -> int:
        cells = [self.columns[at].title, *(str(row[at]) for row in self.rows)]
        if self._is_whole(at):
            return max(map(cell_len, cells))
        return min(_FOLDED, max(cell_len(word) for cell in cells for word in (cell.split() or [""])))

    def _is_whole(self, at: int) -> bool:
        """Tell whether the cells of a column are in one piece."""
        return at < self.names or self.columns[at].numbers

    def _table(self) -> RichTable:
        table = RichTable(box=None, pad_edge=False, header_style="bold")
        for at, column in enumerate(self.columns):
            table.add_column(
                column.title,
                justify="right" if column.numbers else "left",
                no_wrap=self._is_whole(at),
                overflow="fold",
            )
        for row in self.rows:
            table.add_row(*row)
        return table

    def _apart(self, row: Sequence[Text]) -> RenderableType:
        """Return one row: its name, and below it each value beside the title of its column."""
        name = Text("  ").join(row[: self.names])
        values = RichTable.grid(padding=(0, 2, 0, 0), pad_edge=False)
        values.add_column()
        cells = list(zip(self.columns, row, strict=True))[self.names :]
        numbers = [cell_len(str(cell)) for column, cell in cells if column.numbers]
        values.add_column(overflow="fold", min_width=max(numbers, default=None))
        for column, cell in cells:
            if str(cell):
                values.add_row(column.title, cell)
        return Group(name, Padding(values, (0, 0, 0, _INDENT)))

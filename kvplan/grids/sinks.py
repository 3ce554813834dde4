"""The files that chunks are written to: lines of text, or Arrow's batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from kvplan.extras import needed
from kvplan.grids.arrow import batch_of, pyarrow, schema_of
from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import Column
from kvplan.grids.texts import csv_head, csv_lines, json_lines
from kvplan.records import record


class Sink(Protocol):
    """Where chunks are written, one after the other."""

    def write(self, chunk: Chunk) -> None: ...

    def close(self) -> None: ...


@record(kw_only=False)
class _Lines:
    file: BinaryIO
    columns: tuple[Column, ...]
    lines: Callable[[Chunk, tuple[Column, ...]], Iterator[str]]

    def write(self, chunk: Chunk) -> None:
        for text in self.lines(chunk, self.columns):
            self.file.write(text.encode("utf-8"))

    def close(self) -> None:
        """Do nothing: the file is closed by who opened it."""


@dataclass(slots=True)
class Batches:
    """
    Arrow's record batches in a file, gathered until they are worth a row group or a batch of it.

    Each of these has a kilobyte or more of its own, and a grid of many plans has as many small chunks.
    """

    writer: Any
    gathered: list[Any] = field(default_factory=list)
    rows: int = 0

    def put(self, batch: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        """Take a batch, and write what is there if it is enough."""
        self.gathered.append(batch)
        self.rows += batch.num_rows
        if self.rows >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Write the rest, and the end of the file."""
        try:
            self._flush()
        finally:
            self.writer.close()

    def _flush(self) -> None:
        if self.gathered:
            # What is written is let go even if the disk is full: the end of the file is written, too.
            there, self.gathered, self.rows = self.gathered, [], 0
            self.writer.write_table(pyarrow().Table.from_batches(there).combine_chunks())


_ROWS = 2**17
"""Rows that are written at once."""


@record(kw_only=False)
class _Arrow:
    batches: Batches
    columns: tuple[Column, ...]

    def write(self, chunk: Chunk) -> None:
        self.batches.put(batch_of(chunk, self.columns))

    def close(self) -> None:
        self.batches.close()


def batches_to(file: BinaryIO, columns: tuple[Column, ...], ending: str) -> Batches:
    """Return where record batches go in a file of Parquet, or of Arrow's file format."""
    schema = schema_of(columns)
    if ending == ".arrow":
        return Batches(needed("pyarrow.ipc", "Arrow", "sweep").new_file(file, schema))
    parquet = needed("pyarrow.parquet", "Parquet", "sweep")
    return Batches(parquet.ParquetWriter(file, schema, compression="zstd"))


def sink_of(file: BinaryIO, columns: tuple[Column, ...], ending: str, *, head: bool) -> Sink:
    """Return where chunks go in a file; without *head* it is a part of one that has the titles already."""
    if ending == ".csv":
        file.write(csv_head(columns).encode("utf-8") if head else b"")
        return _Lines(file, columns, csv_lines)
    if ending == ".jsonl":
        return _Lines(file, columns, json_lines)
    return _Arrow(batches_to(file, columns, ending), columns)


def fill(sink: Sink, chunks: Iterable[Chunk]) -> None:
    """Write all chunks, and the end of the file."""
    try:
        for chunk in chunks:
            sink.write(chunk)
    finally:
        sink.close()


def batches_of(paths: Iterable[Path], ending: str) -> Iterator[Any]:
    """Yield the record batches of files that such a writer wrote."""
    for path in paths:
        if ending == ".parquet":
            yield from needed("pyarrow.parquet", "Parquet", "sweep").ParquetFile(path).iter_batches(2**18)
        else:
            with path.open("rb") as file:
                reader = needed("pyarrow.ipc", "Arrow", "sweep").open_file(file)
                yield from map(reader.get_batch, range(reader.num_record_batches))

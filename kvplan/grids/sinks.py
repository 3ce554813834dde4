"""The files that chunks are written to: lines of text, or Arrow's batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from kvplan.extras import needed
from kvplan.grids.arrow import batch_of, schema_of
from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import Column
from kvplan.grids.texts import csv_head, csv_lines, json_lines


class Sink(Protocol):
    """Where chunks are written, one after the other."""

    def write(self, chunk: Chunk) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Lines:
    file: BinaryIO
    columns: tuple[Column, ...]
    lines: Callable[[Chunk, tuple[Column, ...]], Iterator[str]]

    def write(self, chunk: Chunk) -> None:
        for text in self.lines(chunk, self.columns):
            self.file.write(text.encode("utf-8"))

    def close(self) -> None:
        """Do nothing: the file is closed by who opened it."""


@dataclass(frozen=True, slots=True)
class _Batches:
    writer: Any
    columns: tuple[Column, ...]

    def write(self, chunk: Chunk) -> None:
        self.writer.write_batch(batch_of(chunk, self.columns))

    def close(self) -> None:
        self.writer.close()


def batch_writer(file: BinaryIO, columns: tuple[Column, ...], ending: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return pyarrow's writer of Parquet, or of Arrow's file format."""
    schema = schema_of(columns)
    if ending == ".arrow":
        return needed("pyarrow.ipc", "Arrow", "sweep").new_file(file, schema)
    return needed("pyarrow.parquet", "Parquet", "sweep").ParquetWriter(file, schema, compression="zstd")


def sink_of(file: BinaryIO, columns: tuple[Column, ...], ending: str, *, head: bool) -> Sink:
    """Return where chunks go in a file; without *head* it is a part of one that has the titles already."""
    if ending == ".csv":
        file.write(csv_head(columns).encode("utf-8") if head else b"")
        return _Lines(file, columns, csv_lines)
    if ending == ".jsonl":
        return _Lines(file, columns, json_lines)
    return _Batches(batch_writer(file, columns, ending), columns)


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

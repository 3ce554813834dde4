"""Chunks as Arrow's record batches, through pyarrow."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from kvplan.extras import needed
from kvplan.grids.chunks import Chunk
from kvplan.grids.columns import Column, Kind
from kvplan.inert import inert


def pyarrow() -> Any:  # noqa: ANN401 - a module without types
    """Return pyarrow; raise MissingError if it is not installed."""
    return needed("pyarrow", "Arrow and Parquet", "sweep")


def schema_of(columns: Iterable[Column]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the schema of columns: int64, double, bool and utf8."""
    pa = pyarrow()
    types: dict[Kind, Any] = {
        "text": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "flag": pa.bool_(),
    }
    return pa.schema([(each.name, types[each.kind]) for each in columns])


def batch_of(chunk: Chunk, columns: Iterable[Column]) -> Any:  # noqa: ANN401 - as above
    """Return the points of a chunk as a record batch."""
    pa, columns = pyarrow(), tuple(columns)
    arrays = [
        _texts(pa, chunk, each) if each.kind == "text" else _numbers(pa, chunk, each) for each in columns
    ]
    return pa.record_batch(arrays, schema=schema_of(columns))


def reader_of(chunks: Iterable[Chunk], columns: tuple[Column, ...]) -> Any:  # noqa: ANN401 - as above
    """Return a reader that makes each batch when it is asked for."""
    return pyarrow().RecordBatchReader.from_batches(
        schema_of(columns), (batch_of(chunk, columns) for chunk in chunks)
    )


def _numbers(pa: Any, chunk: Chunk, column: Column) -> Any:  # noqa: ANN401 - as above
    values, missing = chunk.number(column)
    return pa.array(values, mask=missing)


def _texts(pa: Any, chunk: Chunk, column: Column) -> Any:  # noqa: ANN401 - as above
    places, words = chunk.text(column)
    kept = pa.array(places.astype(np.int32), mask=places < 0)
    return pa.DictionaryArray.from_arrays(kept, pa.array([inert(each) for each in words], pa.string())).cast(
        pa.string()
    )

"""Answers in files: parts that are there whole or not at all, joined at the end; what is done is kept."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvplan.errors import KvplanError, OptionsError
from kvplan.files import UNFINISHED, exists, is_folder, require_writable, write_whole, written_whole
from kvplan.frozen import FrozenDict
from kvplan.grids.arrow import pyarrow
from kvplan.grids.columns import Column
from kvplan.grids.frontier import Frontier
from kvplan.grids.grid import Grid
from kvplan.grids.points import Answering
from kvplan.grids.results import Sweep
from kvplan.grids.shards import carry_out
from kvplan.grids.sinks import batches_of, batches_to, fill, sink_of
from kvplan.grids.texts import csv_head
from kvplan.records import record

PART = 2**20
"""Points of one part: so many are lost, at the most, for each worker that ends."""

_CHUNKS = 8
"""Chunks of one part, at the most: where one takes long, as with traffic, parts are small."""

REPORTS = (".html", ".json")
ENDINGS = (".csv", ".jsonl", ".parquet", ".arrow", ".md", *REPORTS)
_MANIFEST = "_grid.json"
_COPIED = 2**20


def save(
    sweep: Sweep,
    path: str | Path,
    *,
    ending: str | None = None,
    resume: bool = False,
    table: Mapping[str, Any] = FrozenDict(),
) -> None:
    """Write a sweep as Sweep.save says; *ending* stands in for the path's own."""
    target = Path(path)
    ending = ending or _ending(path)
    if ending in (".parquet", ".arrow", ""):
        pyarrow()
    if ending == "":
        _save_parts(sweep, target, ".parquet", resume=resume)
        return
    require_writable(target)
    if ending == ".md":
        write_whole(sweep.to_markdown(**table), target)
    elif ending in REPORTS:
        sweep.report(target, **table)
    elif len(sweep) <= _points_of_part(sweep.grid):
        _save_at_once(sweep, target, ending)
    else:
        parts = _beside(target)
        _save_parts(sweep, parts, ending, resume=resume)
        _join(sweep, parts, target, ending)
        shutil.rmtree(parts)


def _points_of_part(grid: Grid) -> int:
    return min(PART, _CHUNKS * grid.chunk)


def _ending(path: str | Path) -> str:
    """Return the ending by which a file is written, nothing for a folder; raise OptionsError for others."""
    ending = Path(path).suffix.lower()
    if str(path).endswith("/") or is_folder(Path(path)) or ending == "":
        return ""
    if ending not in ENDINGS:
        raise OptionsError(
            f"{path} ends in {ending}: a grid is written as {', '.join(ENDINGS)}, or to a folder"
        )
    return ending


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}.parts")


def _save_at_once(sweep: Sweep, target: Path, ending: str) -> None:
    with written_whole(target) as file:
        fill(sink_of(file, sweep.columns, ending, head=True), sweep.chunks())


def _save_parts(sweep: Sweep, folder: Path, ending: str, *, resume: bool) -> None:
    """Write each part of a sweep that a folder does not have yet."""
    count = max(1, -(-len(sweep) // _points_of_part(sweep.grid)))
    _claim(folder, sweep.grid, count, resume=resume)
    written = Written(
        grid=sweep.grid,
        columns=sweep.columns,
        frontier=sweep.frontier,
        folder=folder,
        ending=ending,
        count=count,
    )
    left = [number for number in range(count) if not exists(written.path(number))]
    done = count - len(left)

    def tell(_number: int) -> None:
        nonlocal done
        done += 1
        if sweep.progress:
            sweep.progress(len(sweep) * done // count, len(sweep))

    if sweep.workers is None:
        for number in left:
            written.write(number)
            tell(number)
    else:
        carry_out(sweep.workers, written.write, left, tell)
    # Workers that were killed have left what they were writing.
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)


def _claim(folder: Path, grid: Grid, count: int, *, resume: bool) -> None:
    """Make a folder of parts, or find that it holds parts of this grid to go on with; raise otherwise."""
    mine = {"grid": grid.fingerprint, "points": len(grid), "parts": count}
    if not exists(folder):
        try:
            folder.mkdir()
        except OSError as error:
            raise KvplanError(f"cannot write {folder}: {error.strerror}") from None
        write_whole(json.dumps(mine), folder / _MANIFEST)
        return
    manifest = folder / _MANIFEST
    if not is_folder(folder) or (not exists(manifest) and any(folder.iterdir())):
        raise KvplanError(f"cannot write {folder}: it is there, and holds no parts of a grid")
    if not exists(manifest):
        write_whole(json.dumps(mine), manifest)
        return
    there = _read(manifest)
    if there != mine:
        raise KvplanError(
            f"{folder} holds parts of another grid, or of another release: remove it, or name another"
        )
    if not resume:
        raise KvplanError(f"{folder} holds parts of this grid: go on with --resume, or remove it")


def _read(manifest: Path) -> object:
    try:
        return json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KvplanError(f"cannot read {manifest}: {error}") from None


@record
class Written:
    """The parts of a grid in a folder: what a worker is sent, on this machine or on another."""

    grid: Grid
    columns: tuple[Column, ...]
    frontier: Frontier | None
    folder: Path
    ending: str
    count: int

    def path(self, number: int) -> Path:
        """Return where a part goes."""
        return self.folder / f"part-{number:06d}{self.ending}"

    def write(self, number: int) -> int:
        """Write a part, whole or not at all, whoever else may write it; return its number."""
        answering = Answering(self.grid)
        chunks = map(answering.answer, self.grid.pieces(self.grid.shard(number, self.count)))
        with written_whole(self.path(number)) as file:
            sink = sink_of(file, self.columns, self.ending, head=False)
            fill(sink, map(self.frontier.mark, chunks) if self.frontier else chunks)
        return number


def _join(sweep: Sweep, parts: Path, target: Path, ending: str) -> None:
    """Write one file of all parts, in order."""
    paths = sorted(parts.glob(f"part-*{ending}"))
    with written_whole(target) as file:
        if ending in (".csv", ".jsonl"):
            file.write(csv_head(sweep.columns).encode("utf-8") if ending == ".csv" else b"")
            for path in paths:
                with path.open("rb") as part:
                    shutil.copyfileobj(part, file, _COPIED)
            return
        joined = batches_to(file, sweep.columns, ending)
        try:
            for batch in batches_of(paths, ending):
                joined.put(batch)
        finally:
            joined.close()

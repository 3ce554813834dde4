"""
Safetensors files: what their headers say of the weights, without reading the weights.

The format: 8 bytes, the length N of the header, little endian; N bytes of JSON, for each tensor its
dtype, shape and place; then the tensors, one after another without a gap. Source: the format's
description and validation, huggingface/safetensors 0.7, README.md and safetensors/src/tensor.rs.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from kvplan.errors import ImportedError
from kvplan.importers.files import check_name, find_inside, open_plain, read_plain, unreadable
from kvplan.importers.stored import StoredTensor, StoredWeights
from kvplan.importers.strict_json import Json, parse_json, shown
from kvplan.records import record

LENGTH_BYTES = 8
# The format allows 100 MB; a header of 16 MiB already describes some 100,000 tensors in one file.
MAX_HEADER_BYTES = 2**24
MAX_INDEX_BYTES = 2**25
MAX_DIMENSIONS = 16
INDEX_NAMES = ("model.safetensors.index.json", "consolidated.safetensors.index.json")
SINGLE_NAMES = ("model.safetensors", "consolidated.safetensors")

_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors", re.ASCII)


@record
class Index:
    """A `model.safetensors.index.json`: the shards, which tensor lies in which, and the total."""

    name: str
    total_bytes: int | None
    shard_of: Mapping[str, str]

    @property
    def shards(self) -> list[str]:
        """The names of the files that hold the tensors, sorted."""
        return sorted(set(self.shard_of.values()))


def read_folder(folder: Path) -> StoredWeights | None:
    """
    Return the weights of a model folder, from the headers of its safetensors files.

    If an index is there without any of its shards, its total stands alone. None if the folder has
    no safetensors at all. Raises ImportedError for files that are broken, missing or unexpected.
    """
    for name in INDEX_NAMES:
        path = find_inside(folder, name)
        if path:
            return _read_shards(folder, read_index(read_plain(path, MAX_INDEX_BYTES), str(path)))
    for name in SINGLE_NAMES:
        path = find_inside(folder, name)
        if path:
            return stored({name: read_header(path)})
    return _read_without_index(folder)


def read_file(path: Path) -> StoredWeights:
    """Return the weights of one safetensors file; raise ImportedError if it is not a whole one."""
    if match := _SHARD.fullmatch(path.name):
        raise ImportedError(
            f"{path} is part {int(match['number'])} of {int(match['count'])}; give the folder of all parts"
        )
    return stored({path.name: read_header(path)})


def read_index(data: bytes, name: str) -> Index:
    """Return the index in the bytes of a JSON file that errors call *name*; raise ImportedError."""
    fields = parse_json(data, name)
    shard_of = fields.get("weight_map")
    if not isinstance(shard_of, dict) or not shard_of:
        raise ImportedError(f"{name}: weight_map: found {shown(shard_of)}; expected the file of each tensor")
    for tensor, shard in shard_of.items():
        if not isinstance(shard, str):
            raise ImportedError(f"{name}: weight_map: {tensor}: found {shown(shard)}; expected a file's name")
    shards: dict[str, str] = {tensor: str(shard) for tensor, shard in shard_of.items()}
    for shard in sorted(set(shards.values())):
        check_name(shard, f"{name}: weight_map")
    return Index(name=name, total_bytes=_total(fields.get("metadata"), name), shard_of=shards)


def read_header(path: Path) -> tuple[StoredTensor, ...]:
    """Return the tensors of one local file, whose size must be what its header says."""
    file, size = open_plain(path)
    try:
        with file:
            length = header_length(file.read(LENGTH_BYTES), str(path), size)
            header = file.read(length)
    except OSError as error:
        raise unreadable(path, error) from None
    return parse_header(header, str(path), size - LENGTH_BYTES - length)


def header_length(start: bytes, name: str, file_bytes: int | None) -> int:
    """Return the header's length in bytes, which the first 8 bytes of a file give."""
    if len(start) < LENGTH_BYTES:
        raise ImportedError(f"{name} is cut short: {len(start)} bytes are no safetensors file")
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise ImportedError(
            f"{name}: the first 8 bytes claim a header of {length} bytes, more than {MAX_HEADER_BYTES}; "
            "this is no safetensors file"
        )
    if file_bytes is not None and LENGTH_BYTES + length > file_bytes:
        raise ImportedError(
            f"{name} is cut short: the header takes {LENGTH_BYTES + length} bytes, the file has {file_bytes}"
        )
    return length


def parse_header(header: bytes, name: str, data_bytes: int | None) -> tuple[StoredTensor, ...]:
    """
    Return the tensors that a header lists, in the order in which they lie in the file.

    *data_bytes* is what follows the header in the file, None if that is not known. Raises
    ImportedError for an unknown dtype, and for tensors that overlap, leave gaps or end elsewhere.
    """
    if header[:1] != b"{":
        raise ImportedError(f"{name}: the header is not JSON; this is no safetensors file")
    entries = parse_json(header, name)
    entries.pop("__metadata__", None)
    placed = sorted((*_place(entry, tensor, name), tensor) for tensor, entry in entries.items())
    end = 0
    tensors = []
    for begin, stop, dtype, elements, tensor in placed:
        if begin != end:
            raise ImportedError(
                f"{name}: {tensor} begins at byte {begin}, but what lies before ends at {end}"
            )
        end = stop
        tensors.append(StoredTensor(name=tensor, dtype=dtype, elements=elements, size_bytes=stop - begin))
    if data_bytes is not None and end != data_bytes:
        fault = "is cut short" if data_bytes < end else "is too long"
        raise ImportedError(
            f"{name} {fault}: its tensors take {end} bytes, the file has {data_bytes} for them"
        )
    return tuple(tensors)


def stored(files: Mapping[str, tuple[StoredTensor, ...]], index: Index | None = None) -> StoredWeights:
    """Return the weights of all *files*, each of which has these tensors; hold them against *index*."""
    file_of: dict[str, str] = {}
    for file, tensors in files.items():
        for tensor in tensors:
            if tensor.name in file_of:
                raise ImportedError(
                    f"the tensor {tensor.name} is both in {file_of[tensor.name]} and in {file}"
                )
            file_of[tensor.name] = file
    for name, shard in index.shard_of.items() if index else ():
        if file_of.get(name) != shard:
            raise ImportedError(
                f"{index.name if index else ''}: {name} is not in {shard}; get the model again"
            )
    every = tuple(tensor for tensors in files.values() for tensor in tensors)
    if not every:
        raise ImportedError(f"{', '.join(files)} holds no tensors")
    count = f"{len(files)} safetensors files" if len(files) > 1 else next(iter(files))
    total_bytes = sum(tensor.size_bytes for tensor in every)
    return StoredWeights(total_bytes=total_bytes, tensors=every, origin=f"the header of {count}")


def total_alone(index: Index) -> StoredWeights:
    """Return the weights of which only the index is at hand; raise ImportedError if it has no total."""
    if index.total_bytes is None:
        raise ImportedError(f"{index.name} has no metadata.total_size, and its shards are not here")
    origin = f"total_size of {Path(index.name).name}"
    return StoredWeights(total_bytes=index.total_bytes, tensors=(), origin=origin)


def _read_shards(folder: Path, index: Index) -> StoredWeights:
    paths = {shard: find_inside(folder, shard) for shard in index.shards}
    if not any(paths.values()):
        return total_alone(index)
    _refuse_missing(folder, [shard for shard, path in paths.items() if not path], len(paths))
    return stored({shard: read_header(path) for shard, path in paths.items() if path}, index)


def _read_without_index(folder: Path) -> StoredWeights | None:
    """Return the weights of a folder of numbered shards that has no index."""
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    shards = [match for name in names if (match := _SHARD.fullmatch(name))]
    if not names:
        return None
    if not shards:
        raise ImportedError(f"{folder}: {_some(names)} is not model.safetensors; which weights are meant?")
    sets = sorted({(match["stem"], int(match["count"])) for match in shards})
    if len(sets) > 1:
        raise ImportedError(f"{folder} has the shards of {_some([stem for stem, _ in sets])}; keep one set")
    stem, count = sets[0]
    present = {int(match["number"]) for match in shards}
    missing = [
        f"{stem}-{number:05}-of-{count:05}.safetensors"
        for number in range(1, count + 1)
        if number not in present
    ]
    _refuse_missing(folder, missing, count)
    return _read_all(folder, [match[0] for match in shards])


def _read_all(folder: Path, names: list[str]) -> StoredWeights:
    paths = {name: find_inside(folder, name) for name in names}
    return stored({name: read_header(path) for name, path in paths.items() if path})


def _refuse_missing(folder: Path, missing: list[str], count: int) -> None:
    if missing:
        raise ImportedError(
            f"{folder}: {len(missing)} of {count} safetensors files are missing: {_some(missing)}; "
            "finish the download, or keep the index without any of them"
        )


def _some(names: list[str]) -> str:
    shown_names = ", ".join(names[:3])
    return f"{shown_names} and {len(names) - 3} more" if len(names) > 3 else shown_names  # noqa: PLR2004


def _total(metadata: Json, name: str) -> int | None:
    """Return metadata.total_size; writers that add up halves of bytes give a float."""
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if total is None:
        return None
    if isinstance(total, bool) or not isinstance(total, int | float) or not 0 < total < 10**15:
        raise ImportedError(f"{name}: metadata.total_size: found {shown(total)}; expected a number of bytes")
    if total != int(total):
        raise ImportedError(f"{name}: metadata.total_size: found {total}; expected whole bytes")
    return int(total)


def _place(entry: Json, tensor: str, name: str) -> tuple[int, int, str, int]:
    """Return where a tensor begins and ends, its dtype and its number of elements."""
    where = f"{name}: {tensor[:80]}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ImportedError(f"{where}: expected dtype, shape and data_offsets")
    dtype = entry["dtype"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise ImportedError(f"{where}: unknown dtype {shown(dtype)}; known are {', '.join(_BITS)}")
    shape = _wholes(entry["shape"], f"{where}: shape", most=MAX_DIMENSIONS)
    offsets = _wholes(entry["data_offsets"], f"{where}: data_offsets", most=2)
    elements = math.prod(shape)
    begin, end = offsets if len(offsets) == 2 else (0, -1)  # noqa: PLR2004 - a pair
    if elements * _BITS[dtype] != 8 * (end - begin):
        raise ImportedError(f"{where}: {elements} elements of {dtype} do not fill the bytes {_pair(offsets)}")
    return begin, end, dtype, elements


def _pair(offsets: list[int]) -> str:
    return " to ".join(map(str, offsets[:2]))


def _wholes(value: Json, where: str, *, most: int) -> list[int]:
    if not isinstance(value, list) or len(value) > most:
        raise ImportedError(f"{where}: found {shown(value)}; expected at most {most} whole numbers")
    for each in value:
        if type(each) is not int or each < 0:
            raise ImportedError(f"{where}: found {shown(each)}; expected whole numbers")
    return [int(each) for each in value if isinstance(each, int)]

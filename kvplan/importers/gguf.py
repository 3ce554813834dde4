"""
GGUF files: their metadata and the sizes of their tensors, without reading the tensors.

Read here, not through the `gguf` package (0.19.0): that needs numpy, loops for as long as a file's
counts tell it to, and takes 34 s for the vocabulary of Gemma 4, each text of which becomes arrays.
Source of the format: ggml's docs/gguf.md, and gguf.cpp of llama.cpp 0c1e57098, whose checks these are.
"""

import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from kvplan.errors import ImportedError
from kvplan.ggml_types import GGML_TYPES
from kvplan.importers.files import find_inside, open_plain, unreadable
from kvplan.importers.stored import StoredTensor, StoredWeights
from kvplan.records import record

Value = str | int | float | bool | list[str | int | float | bool]

MAX_METADATA_BYTES = 2**26
MAX_ENTRIES = 2**16
# The largest vocabularies with their merges have some 700,000 texts.
MAX_TEXTS = 2_000_000
MAX_KEPT = 2**12
_CHUNK_BYTES = 2**20

# The types of values, docs/gguf.md: what struct calls them, by their number.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_MAX_DIMENSIONS = 4
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.ASCII)


@record
class Gguf:
    """
    A model in GGUF: the metadata of its first file, and the weights of all its files.

    `lengths` gives the length of each list that is too long to matter, such as the tokens.
    """

    path: Path
    values: Mapping[str, Value]
    lengths: Mapping[str, int]
    weights: StoredWeights


def read_gguf(path: Path) -> Gguf:
    """
    Return the model in a GGUF file, with all its parts if it is split.

    Raises ImportedError for a file that is not GGUF 2 or 3, is cut short or contradicts itself, and
    for a part that is missing.
    """
    paths = _parts(path)
    first = _read_one(paths[0])
    tensors = [tensor for part in paths[1:] for tensor in _read_one(part).tensors]
    tensors = [*first.tensors, *tensors]
    names = {tensor.name for tensor in tensors}
    if len(names) != len(tensors):
        raise ImportedError(f"{path}: a tensor stands in two parts of the split")
    expected = first.values.get("split.tensors.count", len(tensors))
    if expected != len(tensors):
        raise ImportedError(f"{path}: the parts hold {len(tensors)} tensors, the first speaks of {expected}")
    if not tensors:
        raise ImportedError(f"{path} holds no tensors; give the whole model, not its vocabulary")
    weights = StoredWeights(
        total_bytes=sum(tensor.size_bytes for tensor in tensors),
        tensors=tuple(tensors),
        origin=f"the tensors of {len(paths)} GGUF files"
        if len(paths) > 1
        else "the tensors of the GGUF file",
    )
    return Gguf(path=path, values=first.values, lengths=first.lengths, weights=weights)


def find_gguf(folder: Path) -> Path | None:
    """Return the GGUF file in a folder, the first part if it is split; None if there is none."""
    names = sorted(path.name for path in folder.glob("*.gguf"))
    stems = {match["stem"] if (match := _SPLIT.fullmatch(name)) else name for name in names}
    if len(stems) > 1:
        raise ImportedError(
            f"{folder} has {len(stems)} GGUF models: {', '.join(sorted(stems)[:4])}; give one file"
        )
    return find_inside(folder, names[0]) if names else None


def _parts(path: Path) -> list[Path]:
    """Return the files of a split model, from the first to the last; *path* alone if it is whole."""
    match = _SPLIT.fullmatch(path.name)
    if match is None:
        return [path]
    count = int(match["count"])
    if not 1 <= count <= MAX_ENTRIES // 16:
        raise ImportedError(f"{path} claims to be one of {count} parts")
    names = [f"{match['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    found = [find_inside(path.parent, name) for name in names]
    missing = [name for name, part in zip(names, found, strict=True) if part is None]
    if missing:
        raise ImportedError(f"{path}: {len(missing)} of {count} parts are missing: {', '.join(missing[:3])}")
    return [part for part in found if part]


@record
class _File:
    values: Mapping[str, Value]
    lengths: Mapping[str, int]
    tensors: list[StoredTensor]


def _read_one(path: Path) -> _File:
    file, size = open_plain(path)
    with file:
        try:
            return _Reader(path, file, size).read()
        except OSError as error:
            raise unreadable(path, error) from None


class _Reader:
    """Reads the metadata from the front of one file, never more of it than the file can hold."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path = path
        self.size = size
        self._file = file
        self._data = bytearray()
        self._at = 0
        self._texts = 0
        self.values: dict[str, Value] = {}
        self.lengths: dict[str, int] = {}

    def read(self) -> _File:
        self._magic()
        tensors = self._count("tensors")
        for _ in range(self._count("values")):
            self._entry()
        return _File(values=self.values, lengths=self.lengths, tensors=self._tensors(tensors))

    def _magic(self) -> None:
        if self.size < 24 or self._take(4) != b"GGUF":  # noqa: PLR2004 - what every file begins with
            raise self._error("the file does not begin as GGUF does")
        version = self._number("I")
        if version & 0xFFFF == 0:
            raise self._error("the file is big-endian GGUF; convert it on a little-endian machine")
        if version not in (2, 3):
            raise self._error(f"the file is GGUF version {version}; kvplan reads versions 2 and 3")

    def _count(self, noun: str) -> int:
        count = self._number("Q")
        if count > MAX_ENTRIES:
            raise self._error(f"the file claims {count} {noun}, more than {MAX_ENTRIES}")
        return count

    def _entry(self) -> None:
        key = self._text("a key")
        if key in self.values or key in self.lengths:
            raise self._error(f"the key {key!r} stands twice")
        kind = self._number("I")
        if kind == _ARRAY:
            self._list(key)
        else:
            self.values[key] = self._value(kind, key)

    def _value(self, kind: int, key: str) -> str | int | float | bool:
        if kind == _TEXT:
            return self._text(key)
        if kind not in _SCALARS:
            raise self._error(f"{key} has the unknown type {kind}")
        return self._unpack(_SCALARS[kind])

    def _list(self, key: str) -> None:
        """Keep a short list; step over a long one, of which only the length matters."""
        kind, count = self._number("I"), self._number("Q")
        self.lengths[key] = count
        if kind == _TEXT:
            self._skip_texts(key, count)
            return
        if kind not in _SCALARS:
            raise self._error(f"{key} is a list of the unknown type {kind}")
        code = _SCALARS[kind]
        width = struct.calcsize(f"<{code}")
        if count > MAX_KEPT:
            self._need(count * width, key)
            self._at += count * width
            return
        self.values[key] = list(struct.unpack(f"<{count}{code}", self._take(count * width, key)))
        del self.lengths[key]

    def _skip_texts(self, key: str, count: int) -> None:
        self._texts += count
        if self._texts > MAX_TEXTS:
            raise self._error(f"{key} claims {count} texts; no vocabulary has so many")
        length_at = struct.Struct("<Q").unpack_from
        at = self._at
        for _ in range(count):
            if at + 8 > len(self._data):
                self._at = at
                self._need(8, key)
            at += 8 + length_at(self._data, at)[0]
        self._at = at
        self._need(0, key)

    def _tensors(self, count: int) -> list[StoredTensor]:
        placed = [self._tensor() for _ in range(count)]
        alignment = self.values.get("general.alignment", 32)
        if type(alignment) is not int or not 0 < alignment <= _CHUNK_BYTES or alignment & (alignment - 1):
            raise self._error(f"general.alignment is {alignment!r}; expected a power of two")
        end = 0
        for tensor, offset in placed:
            if offset != end:
                raise self._error(f"{tensor.name} begins at byte {offset} of the data, not at {end}")
            end = _padded(offset + tensor.size_bytes, alignment)
        last_byte = offset + tensor.size_bytes if placed else 0
        start = _padded(self._at, alignment)
        if placed and start + last_byte > self.size:
            raise self._error(f"the file is cut short: it has {self.size} bytes of {start + last_byte}")
        return [tensor for tensor, _ in placed]

    def _tensor(self) -> tuple[StoredTensor, int]:
        name = self._text("a tensor's name")
        dimensions = self._number("I")
        if dimensions > _MAX_DIMENSIONS:
            raise self._error(f"{name} has {dimensions} dimensions, more than {_MAX_DIMENSIONS}")
        shape = struct.unpack(f"<{dimensions}Q", self._take(8 * dimensions, name))
        kind, offset = self._number("I"), self._number("Q")
        if kind not in GGML_TYPES:
            raise self._error(
                f"{name} has the unknown type {kind}; kvplan knows ggml's types up to {max(GGML_TYPES)}"
            )
        dtype = GGML_TYPES[kind]
        row, elements = (shape[0] if shape else 1), math.prod(shape)
        if row % dtype.block:
            raise self._error(f"{name} has rows of {row}, which blocks of {dtype.block} do not divide")
        size_bytes = elements // dtype.block * dtype.block_bytes
        tensor = StoredTensor(name=name, dtype=dtype.name, elements=elements, size_bytes=size_bytes)
        return tensor, offset

    def _text(self, what: str) -> str:
        data = self._take(self._number("Q"), what)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self._error(f"{what[:80]!r} is not UTF-8 text") from None

    def _number(self, code: str) -> int:
        return int(self._unpack(code))

    def _unpack(self, code: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(f"<{code}", self._take(struct.calcsize(f"<{code}")))[0]
        return value

    def _take(self, count: int, what: str = "the metadata") -> bytes:
        self._need(count, what)
        self._at += count
        return bytes(self._data[self._at - count : self._at])

    def _need(self, count: int, what: str) -> None:
        """Read on until *count* bytes lie ahead; raise if the file or the limit has not so many."""
        end = self._at + count
        if end <= len(self._data):
            return
        if end > self.size:
            raise self._error(
                f"the file is cut short: {what[:80]} ends at byte {end}, the file at {self.size}"
            )
        if end > MAX_METADATA_BYTES:
            raise self._error(f"{what[:80]} ends beyond {MAX_METADATA_BYTES // 2**20} MiB of metadata")
        self._data += self._file.read(max(end - len(self._data), _CHUNK_BYTES))
        if end > len(self._data):
            raise self._error(f"the file ended at byte {len(self._data)} while it was read")

    def _error(self, problem: str) -> ImportedError:
        return ImportedError(f"{self.path}: {problem}")


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment

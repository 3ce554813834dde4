"""Small files of models for the tests, and bad ones, written byte by byte from the formats' descriptions."""

import json
import struct
from collections.abc import Mapping, Sequence

GGUF_TYPES = {"u32": 4, "i32": 5, "f32": 6, "bool": 7, "str": 8, "u16": 2, "u64": 10}
_CODES = {"u32": "I", "i32": "i", "f32": "f", "bool": "?", "u16": "H", "u64": "Q"}


def safetensors_header(tensors: Mapping[str, tuple[str, Sequence[int], int]], **more: object) -> bytes:
    """Return the length and the JSON of a header; each tensor is its dtype, shape and bytes."""
    entries: dict[str, object] = dict(more)
    end = 0
    for name, (dtype, shape, size) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


def safetensors(tensors: Mapping[str, tuple[str, Sequence[int], int]]) -> bytes:
    """Return a whole safetensors file, its tensors zero."""
    header = safetensors_header(tensors, __metadata__={"format": "pt"})
    return header + b"\0" * sum(size for *_, size in tensors.values())


def gguf_text(text: str) -> bytes:
    """Return a text as GGUF stores it."""
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_value(kind: str, value: object) -> bytes:
    """Return a value with its type before it; `[u32]` is a list of u32."""
    if kind.startswith("["):
        inner = kind[1:-1]
        assert isinstance(value, Sequence)
        items = b"".join(gguf_value(inner, each)[4:] for each in value)
        return struct.pack("<IIQ", 9, GGUF_TYPES[inner], len(value)) + items
    if kind == "str":
        return struct.pack("<I", 8) + gguf_text(str(value))
    return struct.pack("<I", GGUF_TYPES[kind]) + struct.pack(f"<{_CODES[kind]}", value)


def gguf(
    values: Mapping[str, tuple[str, object]],
    tensors: Mapping[str, tuple[int, Sequence[int], int]],
    *,
    version: int = 3,
) -> bytes:
    """Return a GGUF file; each tensor is its ggml type's number, its shape and its bytes."""
    data = b"".join(b"\0" * (-(-size // 32) * 32) for *_, size in tensors.values())
    return gguf_header(values, tensors, version=version) + data


def gguf_header(
    values: Mapping[str, tuple[str, object]],
    tensors: Mapping[str, tuple[int, Sequence[int], int]],
    *,
    version: int = 3,
) -> bytes:
    """Return the front of a GGUF file, up to where the data of its tensors begin."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    for key, (kind, value) in values.items():
        head += gguf_text(key) + gguf_value(kind, value)
    end = 0
    for name, (kind_number, shape, size) in tensors.items():
        head += gguf_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind_number, end)
        end += -(-size // 32) * 32
    return head + b"\0" * (-len(head) % 32)

"""Safetensors: exact bytes from headers and indexes, and every broken file refused in one or two lines."""

import json
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.errors import ImportedError
from kvplan.importers.safetensors import parse_header, read_file, read_folder, read_index
from tests.importers.model_files import safetensors, safetensors_header
from tests.steps import at_most

TWO = {"a": ("BF16", [4, 8], 64), "b": ("F32", [3], 12)}


def write(folder: Path, **files: bytes | str) -> Path:
    for name, data in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def sharded(folder: Path, *, total: object = 76, files: Mapping[str, str] | None = None) -> Path:
    """Write an index and the shards that hold a and b, or an index of other *files*."""
    shard_of = files or {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = {"metadata": {"total_size": total}, "weight_map": shard_of}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name, tensor in TWO.items():
        (folder / shard_of[name]).write_bytes(safetensors({name: tensor}))
    return folder


def refusal(folder: Path) -> str:
    """Return the one or two lines of the error, which must come early."""
    with pytest.raises(ImportedError) as error, at_most(calls=2000):
        read_folder(folder)
    text = str(error.value)
    assert len(text.splitlines()) <= 2
    assert len(text) < 400 + 2 * len(str(folder))
    return text


def test_one_file_by_dtype(tmp_path: Path) -> None:
    write(tmp_path, model__safetensors=safetensors(TWO))
    weights = read_folder(tmp_path)
    assert weights is not None
    assert weights.total_bytes == 76
    assert weights.bytes_by_dtype() == {"BF16": 64, "F32": 12}
    assert [tensor.elements for tensor in weights.tensors] == [32, 3]
    assert weights.origin == "the header of model.safetensors"
    assert read_file(tmp_path / "model.safetensors") == weights


def test_shards_by_dtype(tmp_path: Path) -> None:
    weights = read_folder(sharded(tmp_path))
    assert weights is not None
    assert (weights.total_bytes, weights.bytes_by_dtype()) == (76, {"BF16": 64, "F32": 12})
    assert weights.origin == "the header of 2 safetensors files"


def test_headers_win_over_the_total_of_the_index(tmp_path: Path) -> None:
    """Writers have put wrong totals into indexes; what the files hold is what an engine loads."""
    weights = read_folder(sharded(tmp_path, total=1))
    assert weights is not None
    assert weights.total_bytes == 76


@pytest.mark.parametrize("total", [16060522496, 16060522496.0])
def test_an_index_alone_gives_the_total(tmp_path: Path, total: object) -> None:
    """16060522496 is the total_size of Llama 3.1 8B; some writers add up in floats."""
    sharded(tmp_path, total=total)
    for shard in tmp_path.glob("*.safetensors"):
        shard.unlink()
    weights = read_folder(tmp_path)
    assert weights is not None
    assert (weights.total_bytes, weights.bytes_by_dtype()) == (16060522496, {})
    assert weights.origin == "total_size of model.safetensors.index.json"


def test_a_folder_without_weights_has_none(tmp_path: Path) -> None:
    assert read_folder(tmp_path) is None


def test_shards_without_an_index(tmp_path: Path) -> None:
    sharded(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    weights = read_folder(tmp_path)
    assert weights is not None
    assert weights.total_bytes == 76


def test_the_second_copy_of_mistral_is_not_counted(tmp_path: Path) -> None:
    write(sharded(tmp_path), consolidated__safetensors=safetensors(TWO))
    weights = read_folder(tmp_path)
    assert weights is not None
    assert weights.total_bytes == 76


@pytest.mark.parametrize(
    ("dtype", "size"),
    [("F4", 16), ("F6_E2M3", 24), ("F8_E4M3", 32), ("F8_E8M0", 32), ("U8", 32), ("F16", 64), ("I64", 256)],
)
def test_every_width(dtype: str, size: int) -> None:
    header = safetensors_header({"a": (dtype, [4, 8], size)})[8:]
    assert parse_header(header, "f", size)[0].size_bytes == size


def test_a_scalar_and_an_empty_tensor() -> None:
    header = safetensors_header({"empty": ("F32", [0, 4], 0), "scalar": ("F32", [], 4)})[8:]
    assert [tensor.elements for tensor in parse_header(header, "f", 4)] == [0, 1]


def test_a_header_may_be_padded_with_spaces() -> None:
    header = safetensors_header({"a": ("U8", [2], 2)})[8:]
    assert len(parse_header(header + b" " * 7, "f", 2)) == 1


def test_missing_shards_are_listed(tmp_path: Path) -> None:
    (sharded(tmp_path) / "model-00002-of-00002.safetensors").unlink()
    assert "1 of 2 safetensors files are missing: model-00002-of-00002.safetensors" in refusal(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    assert "1 of 2 safetensors files are missing: model-00002-of-00002.safetensors" in refusal(tmp_path)


def test_a_shard_without_the_tensor_that_the_index_names(tmp_path: Path) -> None:
    (sharded(tmp_path) / "model-00002-of-00002.safetensors").write_bytes(safetensors({"c": ("F32", [3], 12)}))
    assert "b is not in model-00002-of-00002.safetensors" in refusal(tmp_path)


def test_a_tensor_in_two_shards(tmp_path: Path) -> None:
    (sharded(tmp_path) / "model-00002-of-00002.safetensors").write_bytes(safetensors(TWO))
    assert "the tensor a is both in" in refusal(tmp_path)


def test_one_part_alone_is_not_the_model(tmp_path: Path) -> None:
    with pytest.raises(ImportedError, match="part 1 of 2; give the folder"):
        read_file(sharded(tmp_path) / "model-00001-of-00002.safetensors")


def test_other_safetensors_are_not_guessed_at(tmp_path: Path) -> None:
    write(tmp_path, adapter_model__safetensors=safetensors(TWO))
    assert "adapter_model.safetensors is not model.safetensors" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is cut short"),
        (b"\x10\0\0", "is cut short"),
        (struct.pack("<Q", 100 * 10**9) + b"{", "claim a header of 100000000000 bytes"),
        (struct.pack("<Q", 2**64 - 1), "claim a header of"),
        (struct.pack("<Q", 1000) + b"{}", "is cut short: the header takes 1008 bytes, the file has 10"),
        (struct.pack("<Q", 2) + b"[]", "the header is not JSON"),
        (struct.pack("<Q", 4) + b"{{{{", "not JSON"),
        (struct.pack("<Q", 2) + b"{\xff", "not UTF-8"),
        (struct.pack("<Q", 2) + b"{}", "holds no tensors"),
        (safetensors(TWO)[:-1], "is cut short: its tensors take 76 bytes, the file has 75"),
        (safetensors(TWO) + b"\0", "is too long: its tensors take 76 bytes, the file has 77"),
        (safetensors({"a": ("F12", [4], 6)}), 'unknown dtype "F12"'),
        (safetensors({"a": ("F32", [4], 12)}), "4 elements of F32 do not fill the bytes 0 to 12"),
        (safetensors({"a": ("F4", [3], 1)}), "3 elements of F4 do not fill"),
        (safetensors({"a": ("U8", [-1], 1)}), "found -1; expected whole numbers"),
        (safetensors({"a": ("U8", [1] * 17, 1)}), "expected at most 16 whole numbers"),
        (safetensors({"a": ("U8", [10**31], 1)}), "found a number of 32 digits"),
    ],
)
def test_broken_files(tmp_path: Path, data: bytes, problem: str) -> None:
    write(tmp_path, model__safetensors=data)
    assert problem in refusal(tmp_path)


def header_of(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode() + b"\0" * 8


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[6],"data_offsets":[2,8]}}',
            "b begins at byte 2, but what lies before ends at 4",
        ),
        ('{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}', "a begins at byte 4"),
        ('{"a":{"dtype":"U8","shape":[8],"data_offsets":[8,0]}}', "do not fill the bytes 8 to 0"),
        ('{"a":{"dtype":"U8","shape":[8],"data_offsets":[0]}}', "do not fill the bytes 0"),
        ('{"a":{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]}}', "found 8.0; expected whole numbers"),
        ('{"a":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}}', "found true; expected whole numbers"),
        ('{"a":{"dtype":"U8","shape":8,"data_offsets":[0,8]}}', "found 8; expected at most"),
        (
            '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":1}}',
            "expected dtype, shape and data_offsets",
        ),
        ('{"a":1}', "expected dtype, shape and data_offsets"),
        ('{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":1}', "the field 'a' stands twice"),
        ('{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,8]}}', "not a number"),
        ('{"a":{"dtype":"U8","shape":[1e400],"data_offsets":[0,8]}}', "infinite"),
        ('{"a":' * 200 + "1" + "}" * 200, "more than 40 levels"),
        ('{"a":' + "[" * 100_000, "more than 40 levels"),
    ],
)
def test_hostile_headers(tmp_path: Path, text: str, problem: str) -> None:
    write(tmp_path, model__safetensors=header_of(text))
    assert problem in refusal(tmp_path)


def test_the_largest_header_is_read_in_a_second(tmp_path: Path) -> None:
    """A file of 100,000 tensors, more than any published one, just fits the limit of 16 MiB."""
    names = {
        f"model.layers.{n:05}.mlp.experts.{n:05}.gate_proj.weight": ("U8", [2, 4], 8) for n in range(100_000)
    }
    header = safetensors_header(names)
    write(tmp_path, model__safetensors=header + b"\0" * 800_000)
    weights = read_folder(tmp_path)
    assert weights is not None
    assert weights.total_bytes == 800_000


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ('{"weight_map": {"a": "../secret.safetensors"}}', "is not the plain name of a file"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "is not the plain name of a file"),
        ('{"weight_map": {"a": "C:\\\\x"}}', "is not the plain name of a file"),
        ('{"weight_map": {"a": "..", "b": "x"}}', "is not the plain name of a file"),
        ('{"weight_map": {"a": "x\\u0000y"}}', "is not the plain name of a file"),
        ('{"weight_map": {}}', "weight_map: found an object; expected the file of each tensor"),
        ('{"weight_map": {"a": 1}}', "weight_map: a: found 1"),
        ('{"metadata": {"total_size": 5}}', "weight_map: found null"),
        ("[]", "expected an object"),
        ('{"weight_map": {"a": "x"}}', "has no metadata.total_size"),
        ('{"weight_map": {"a": "x"}, "metadata": {"total_size": "5"}}', "expected a number of bytes"),
        ('{"weight_map": {"a": "x"}, "metadata": {"total_size": true}}', "expected a number of bytes"),
        ('{"weight_map": {"a": "x"}, "metadata": {"total_size": -5}}', "expected a number of bytes"),
        ('{"weight_map": {"a": "x"}, "metadata": {"total_size": 5.5}}', "expected whole bytes"),
        ('{"weight_map": {"a": "x"}, "metadata": {"total_size": NaN}}', "infinite or not a number"),
    ],
)
def test_hostile_indexes(tmp_path: Path, index: str, problem: str) -> None:
    write(tmp_path, model__safetensors__index__json=index)
    assert problem in refusal(tmp_path)


def test_an_index_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "model.safetensors.index.json").open("wb") as file:
        file.truncate(5 * 10**9)
    assert "is larger than 32 MiB" in refusal(tmp_path)


def test_a_folder_and_a_pipe_in_place_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.mkdir()
    assert "is a folder" in refusal(tmp_path)
    path.rmdir()
    os.mkfifo(path)
    assert "is not a plain file" in refusal(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    write(tmp_path, model__safetensors=safetensors(TWO))
    (tmp_path / "model.safetensors").chmod(0)
    assert "cannot read" in refusal(tmp_path)


def test_links_stay_inside_the_folder(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    write(outside, secret__safetensors=safetensors(TWO))
    (folder / "model.safetensors").symlink_to(outside / "secret.safetensors")
    assert "leads out of the folder" in refusal(folder)
    (folder / "model.safetensors").unlink()
    write(folder, real=safetensors(TWO))
    (folder / "model.safetensors").symlink_to("real")
    weights = read_folder(folder)
    assert weights is not None
    assert weights.total_bytes == 76


def test_a_link_in_a_circle_and_one_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to("model.safetensors")
    assert "cannot read" in refusal(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors").symlink_to("nothing")
    assert "cannot read" in refusal(tmp_path)


def test_a_snapshot_of_a_hugging_face_cache_may_link_to_its_blobs(tmp_path: Path) -> None:
    model = tmp_path / "models--org--name"
    snapshot, blobs = model / "snapshots" / ("0" * 40), model / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "abc").write_bytes(safetensors(TWO))
    (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
    weights = read_folder(snapshot)
    assert weights is not None
    assert weights.total_bytes == 76
    (snapshot / "model.safetensors").unlink()
    (tmp_path / "other").write_bytes(safetensors(TWO))
    (snapshot / "model.safetensors").symlink_to("../../../other")
    assert "leads out of the folder" in refusal(snapshot)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_or_an_error(data: bytes) -> None:
    with suppress(ImportedError):
        parse_header(data, "f", None)


@given(st.data())
def test_one_changed_byte_never_changes_the_size_in_silence(data: st.DataObject) -> None:
    """A header with one byte changed is refused, or still speaks of the same 76 bytes."""
    header = bytearray(safetensors_header(TWO)[8:])
    at = data.draw(st.integers(0, len(header) - 1))
    header[at] = data.draw(st.integers(0, 255))
    try:
        tensors = parse_header(bytes(header), "f", 76)
    except ImportedError:
        return
    assert sum(tensor.size_bytes for tensor in tensors) == 76


def test_an_index_counts_each_shard_once() -> None:
    index = read_index(b'{"weight_map": {"a": "x", "b": "y", "c": "x"}, "metadata": {"total_size": 3}}', "i")
    assert index.shards == ["x", "y"]
    assert index.total_bytes == 3

"""Files that are not what they should be end in one or two lines."""

import os
import sys
from pathlib import Path

import pytest

from kvplan.errors import ImportedError
from kvplan.importers.config import import_config
from kvplan.importers.strict_json import parse_json, read_json
from tests.steps import at_most

BAD = {
    "truncated": (b'{"model_type": "llama"', "not JSON"),
    "empty": (b"", "not JSON"),
    "binary": (b"\x89PNG\r\n\x1a\n\xff", "not UTF-8"),
    "list": (b"[1, 2]", "found a list; expected an object"),
    "number": (b"3", "found a lone value; expected an object"),
    "null": (b"null", "found a lone value; expected an object"),
    "twice": (b'{"a": 1, "a": 1}', "'a' stands twice"),
    "nan": (b'{"head_dim": NaN}', "head_dim: found a number that is infinite or not a number"),
    "infinity": (b'{"text_config": {"a": [1, -Infinity]}}', "a: found a number that is infinite"),
    "1e400": (b'{"hidden_size": 1e400}', "hidden_size: found a number that is infinite"),
    "digits": (b'{"hidden_size": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
    "deep": (b'{"a":' * 50 + b"1" + b"}" * 50, "more than 40 levels"),
    "very deep": (b"[" * 500_000, "more than 40 levels|not JSON"),
    "huge": (b'{"a": "' + b"x" * 2**20 + b'"}', "larger than 1 MiB"),
    "comment": (b'{"a": 1 /* heads */}', "not JSON"),
}


@pytest.mark.parametrize(("data", "problem"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_in_a_line(data: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with pytest.raises(ImportedError, match=problem) as caught, at_most(calls=2000):
        import_config(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    os.mkfifo(path)
    with pytest.raises(ImportedError, match="not a plain file"):
        import_config(path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/zero")
def test_a_device_is_refused() -> None:
    with pytest.raises(ImportedError, match="not a plain file"):
        read_json(Path("/dev/zero"))


def test_a_folder_without_a_config_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImportedError, match=r"holds no config\.json"):
        import_config(tmp_path)
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ImportedError, match="is a folder"):
        import_config(tmp_path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImportedError, match=r"cannot read .*none\.json: No such file"):
        import_config(tmp_path / "none.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(ImportedError, match="Permission denied"):
        import_config(path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text("{}", encoding="utf-8")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").symlink_to(outside)
    with pytest.raises(ImportedError, match="leads out of the folder"):
        import_config(folder)


def test_a_link_to_itself_ends(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.symlink_to(path)
    with pytest.raises(ImportedError, match="cannot read"):
        import_config(path)


def test_infinity_is_read_where_published_files_have_it() -> None:
    """Nemotron-H gives time_step_limit as [0.0, Infinity]."""
    assert parse_json(b'{"time_step_limit": [0.0, Infinity]}', "x")["time_step_limit"] == [0.0, float("inf")]


def test_a_byte_order_mark_is_read_over() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', "x") == {"a": 1}

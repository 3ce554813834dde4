"""What a file holds after it was written, and what is never replaced."""

import os
from pathlib import Path

import pytest

from kvplan.errors import KvplanError
from kvplan.files import write_whole


def test_a_regular_file_is_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for text in ("one", "two"):
        write_whole(text, path)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_link_points_to_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("before")
    link.symlink_to(target)
    write_whole("after", link)
    assert link.is_symlink()
    assert target.read_text() == "after"


def test_pipes_folders_and_devices_are_left_alone(tmp_path: Path) -> None:
    pipe, folder, device = tmp_path / "pipe", tmp_path / "folder", Path(os.devnull)
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder, device):
        with pytest.raises(KvplanError, match="it is no regular file"):
            write_whole("text", path)
    assert pipe.is_fifo()
    assert device.is_char_device()
    assert not list(folder.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KvplanError, match=r"cannot write .*: No such file or directory"):
        write_whole("text", tmp_path / "none" / "file")

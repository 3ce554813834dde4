"""What a file holds after it was written, and what is never replaced."""

import os
import threading
from pathlib import Path

import pytest

from kvplan.errors import KvplanError
from kvplan.files import exists, is_folder, read_up_to, require_writable, write_whole


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
        with pytest.raises(KvplanError, match="it is no regular file"):
            require_writable(path)
    assert pipe.is_fifo()
    assert device.is_char_device()
    assert not list(folder.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KvplanError, match=r"cannot write .*: No such file or directory"):
        write_whole("text", tmp_path / "none" / "file")
    with pytest.raises(KvplanError, match=r"cannot write .*: .*none is not a folder"):
        require_writable(tmp_path / "none" / "file")


def test_what_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("kept")
    link.symlink_to("file")
    for path in (file, link, tmp_path / "new"):
        require_writable(path)
    assert file.read_text() == "kept"
    assert sorted(tmp_path.iterdir()) == [file, link]


@pytest.mark.parametrize("name", ["x" * 5000, "\0"])
def test_a_name_that_no_file_can_have_is_an_error(name: str) -> None:
    with pytest.raises(KvplanError, match="cannot write"):
        require_writable(Path(name))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pipes be silent for a moment alone."""
    monkeypatch.setattr("kvplan.files.IDLE_SECONDS", 0.05)


def write_pipe(path: Path, *texts: bytes) -> int:
    """Return a descriptor that holds a pipe open into which *texts* were written."""
    descriptor = os.open(path, os.O_RDWR)
    for text in texts:
        os.write(descriptor, text)
    return descriptor


@pytest.mark.usefixtures("impatient")
def test_a_pipe_without_a_writer_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with pytest.raises(KvplanError, match=r"pipe: nothing was written into this pipe for 0\.05 seconds"):
        read_up_to(pipe, 100)


@pytest.mark.usefixtures("impatient")
def test_a_writer_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    descriptor = write_pipe(pipe, b"a line\n")
    with pytest.raises(KvplanError, match="nothing was written into this pipe"):
        read_up_to(pipe, 100)
    os.close(descriptor)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """As `kvplan reconcile <(docker logs server)` gives it."""
    os.mkfifo(pipe := tmp_path / "pipe")
    writer = threading.Thread(target=pipe.write_bytes, args=(b"x" * 10**6,))
    writer.start()
    assert read_up_to(pipe, 10**7) == b"x" * 10**6
    writer.join()


def test_a_pipe_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    descriptor = write_pipe(pipe, b"a line\n")
    monkeypatch.setattr("kvplan.files.MOST_SECONDS", -1)
    with pytest.raises(KvplanError, match="did not end within -1 seconds"):
        read_up_to(pipe, 100)
    os.close(descriptor)


def test_endless_and_empty_devices_end() -> None:
    assert read_up_to(Path("/dev/zero"), 3 * 2**20) == bytes(3 * 2**20)
    assert read_up_to(Path(os.devnull), 100) == b""


def test_a_path_that_nothing_can_have_is_not_there() -> None:
    for path in (Path("a" * 5000), Path("a\0b"), Path("/" + "a/" * 5000)):
        assert not exists(path)
        assert not is_folder(path)

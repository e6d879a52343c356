"""Files that we write: no links, no FIFOs, no directory of everyone."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from portmapper.support.safe_open import UnsafeFile, is_ours, open_regular, opener_of_regular, read_limited

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses Unix modes and links")

WRITE = os.O_RDWR | os.O_CREAT


def link(path: Path) -> None:
    """Make a link to a file."""
    target = path.with_name("target")
    target.write_text("keep")
    path.symlink_to(target)


def dangling_link(path: Path) -> None:
    """Make a link to nothing; opening must not create its target."""
    path.symlink_to(path.with_name("target"))


def fifo(path: Path) -> None:
    """Make a FIFO. Windows has none, and imports this file, too."""
    os.mkfifo(path)


def listening_socket(path: Path) -> None:
    """Make a socket; its path may be longer than a socket's may be."""
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


@pytest.mark.parametrize("make", [link, dangling_link, fifo, listening_socket, Path.mkdir])
@pytest.mark.parametrize("flags", [WRITE, os.O_WRONLY | os.O_APPEND | os.O_CREAT])
def test_only_a_regular_file_is_opened(tmp_path: Path, make: Callable[[Path], None], flags: int) -> None:
    """Opening a FIFO does not wait for its other end."""
    path = tmp_path / "file"
    make(path)
    before = {entry.name for entry in tmp_path.iterdir()}
    with pytest.raises(OSError, match=r"link|regular|directory"):
        open_regular(path, flags, 0o600)
    assert {entry.name for entry in tmp_path.iterdir()} == before


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o703])
def test_a_directory_that_every_user_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Also with a sticky bit: another user may be first to create the file."""
    directory = tmp_path / "shared"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(UnsafeFile, match="every user can write"):
        open_regular(directory / "file", WRITE, 0o600)
    assert not list(directory.iterdir())


def test_a_link_to_the_directory_is_followed(tmp_path: Path) -> None:
    """`/var/run` is a link to `/run` on most systems."""
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    file = open_regular(tmp_path / "link" / "file", WRITE, 0o600)
    assert is_ours(file)
    os.close(file)
    assert (tmp_path / "run" / "file").is_file()


def test_a_missing_directory_is_an_ordinary_error(tmp_path: Path) -> None:
    """The caller reports it."""
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none" / "file", WRITE, 0o600)


@pytest.mark.parametrize("make", [fifo, listening_socket, Path.mkdir])
def test_a_file_to_read_is_a_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Reading a FIFO does not wait for its other end."""
    path = tmp_path / "file"
    make(path)
    with pytest.raises(OSError, match=r"regular|directory|[Nn]o such device"):
        read_limited(path, 100)


def read_regular(path: Path) -> bytes:
    """Read a regular file."""
    with open(path, "rb", opener=opener_of_regular) as file:
        return file.read()


@pytest.mark.parametrize("make", [fifo, listening_socket, Path.mkdir])
def test_only_a_regular_file_is_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    """Nothing waits for the other end of a pipe."""
    make(tmp_path / "other")
    with pytest.raises(OSError, match="other"):
        read_regular(tmp_path / "other")
    link(tmp_path / "link")
    assert read_regular(tmp_path / "link") == b"keep"


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    """Through links, as secrets are mounted; a device such as /dev/null is an empty file."""
    link(tmp_path / "link")
    assert read_limited(tmp_path / "link", 3) == b"kee"
    assert read_limited(Path("/dev/null"), 3) == b""


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="counts open files as Unix shows them")
@pytest.mark.parametrize("read", [lambda path: read_limited(path, 100), read_regular])
def test_a_directory_that_is_refused_is_closed(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """A daemon reads its files again and again."""
    before = os.listdir("/dev/fd")
    with pytest.raises(OSError, match=r"directory|regular"):
        read(tmp_path)
    assert len(os.listdir("/dev/fd")) <= len(before)

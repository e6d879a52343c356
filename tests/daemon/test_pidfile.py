"""The pid file: one holder, for as long as it lives."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from portmapper.api.errors import AlreadyRunning, StoreError
from portmapper.daemon.pidfile import PidFile, PidFiles

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def test_it_holds_the_pid_and_a_newline(tmp_path: Path) -> None:
    """In a directory that is made for it."""
    file = PidFile(tmp_path / "state" / "portmapper.pid")
    file.write()
    assert file.path.read_bytes() == b"%d\n" % os.getpid()
    file.remove()
    assert not file.path.exists()


def test_a_second_holder_is_told_who_has_it(tmp_path: Path) -> None:
    """With the pid, and the file stays as it is."""
    first = PidFile(tmp_path / "pid")
    first.write()
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} holds"):
        PidFile(tmp_path / "pid")
    assert first.path.read_text() == f"{os.getpid()}\n"
    first.remove()


def test_the_lock_without_a_pid_in_it_is_held_too(tmp_path: Path) -> None:
    """Between locking and writing."""
    first = PidFile(tmp_path / "pid")
    with pytest.raises(AlreadyRunning, match="another process"):
        PidFile(tmp_path / "pid")
    first.release()


def test_a_file_left_behind_by_a_crash_is_locked_again(tmp_path: Path) -> None:
    """A longer pid in it does not shine through."""
    (tmp_path / "pid").write_text("99999999999\n")
    file = PidFile(tmp_path / "pid")
    file.write()
    assert file.path.read_text() == f"{os.getpid()}\n"
    file.remove()


def test_the_lock_survives_its_maker_in_a_fork(tmp_path: Path) -> None:
    """The daemon holds on to what the launching process locked, until it ends."""
    file = PidFile(tmp_path / "pid")
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.close(tell)
        os.read(told, 1)
        os._exit(0)
    os.close(told)
    file.release()
    try:
        with pytest.raises(AlreadyRunning):
            PidFile(tmp_path / "pid")
    finally:
        os.close(tell)
        os.waitpid(child, 0)
    PidFile(tmp_path / "pid").remove()


def test_a_holder_that_is_gone_before_the_lock_leaves_no_second_file(tmp_path: Path) -> None:
    """Whoever opened the file before it was removed must not hold a lock that nobody else sees."""
    first = PidFile(tmp_path / "pid")
    waiting = os.open(tmp_path / "pid", os.O_RDWR)
    first.remove()
    os.close(waiting)
    second = PidFile(tmp_path / "pid")
    with pytest.raises(AlreadyRunning):
        PidFile(tmp_path / "pid")
    second.remove()


def test_a_file_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    """It names the file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="pid file"):
        PidFile(tmp_path / "file" / "pid")


def test_a_named_file_and_the_state_directorys_own_are_both_held(tmp_path: Path) -> None:
    """So that two instances with files of their own do not share one store; both go with the holder."""
    named, own = tmp_path / "my.pid", tmp_path / "state" / "portmapper.pid"
    held = PidFiles(named, own, must_write=True)
    held.write()
    assert named.read_text() == own.read_text() == f"{os.getpid()}\n"
    with pytest.raises(AlreadyRunning, match=str(own)):
        PidFiles(tmp_path / "other.pid", own, must_write=True)
    assert not (tmp_path / "other.pid").exists()
    held.remove()
    assert not named.exists()
    assert not own.exists()


def test_a_file_under_two_names_is_held_once(tmp_path: Path) -> None:
    """A symlink on the way is no other instance."""
    (tmp_path / "run").symlink_to(tmp_path, target_is_directory=True)
    PidFiles(tmp_path / "run" / "pid", tmp_path / "pid", must_write=True).remove()


def test_a_state_directory_that_cannot_be_written_needs_no_lock(tmp_path: Path) -> None:
    """Nobody keeps leases there; the named file is held all the same."""
    (tmp_path / "file").write_text("")
    held = PidFiles(tmp_path / "pid", tmp_path / "file" / "portmapper.pid", must_write=True)
    with pytest.raises(AlreadyRunning):
        PidFile(tmp_path / "pid")
    held.remove()


def test_a_pid_that_cannot_be_written_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk, where the file itself could be made."""
    held = PidFile(tmp_path / "pid")

    def full(file: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("portmapper.daemon.pidfile.os.write", full)
    with pytest.raises(StoreError, match="No space left"):
        held.write()
    held.remove()

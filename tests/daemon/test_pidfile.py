"""The pid file: one instance holds it while it runs."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

from portmapper.api.errors import AlreadyRunning, StoreError
from portmapper.daemon.pidfile import PidFile, PidFiles, holder_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def test_the_file_contains_the_pid_and_a_newline(tmp_path: Path) -> None:
    """Its directory is created if necessary."""
    file = PidFile(tmp_path / "state" / "portmapper.pid")
    file.write()
    assert file.path.read_bytes() == b"%d\n" % os.getpid()
    file.remove()
    assert not file.path.exists()


def test_a_second_instance_gets_the_pid_of_the_holder(tmp_path: Path) -> None:
    """The file does not change."""
    first = PidFile(tmp_path / "pid")
    first.write()
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} holds"):
        PidFile(tmp_path / "pid")
    assert first.path.read_text() == f"{os.getpid()}\n"
    first.remove()


@pytest.mark.parametrize("left", [None, "1\n"])
def test_a_holder_that_has_not_written_its_pid_is_another_process(tmp_path: Path, left: str | None) -> None:
    """A pid that a crash left in the file does not name the new holder."""
    if left is not None:
        (tmp_path / "pid").write_text(left)
    held = PidFile(tmp_path / "pid")
    with pytest.raises(AlreadyRunning, match="another process holds"):
        PidFile(tmp_path / "pid")
    held.remove()


def test_a_file_that_a_crash_left_is_locked_again(tmp_path: Path) -> None:
    """A longer old pid is overwritten completely."""
    (tmp_path / "pid").write_text("99999999999\n")
    file = PidFile(tmp_path / "pid")
    file.write()
    assert file.path.read_text() == f"{os.getpid()}\n"
    file.remove()


def test_a_forked_process_keeps_the_lock(tmp_path: Path) -> None:
    """The launching process locks the file, and the daemon holds the lock until it ends."""
    file = PidFile(tmp_path / "pid")
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    file.release()
    try:
        with pytest.raises(AlreadyRunning):
            PidFile(tmp_path / "pid")
    finally:
        os.close(writer)
        os.waitpid(child, 0)
    PidFile(tmp_path / "pid").remove()


def test_removing_twice_does_not_remove_the_file_of_the_next_holder(tmp_path: Path) -> None:
    """After the first removal, another instance may hold the file."""
    first = PidFile(tmp_path / "pid")
    first.remove()
    second = PidFile(tmp_path / "pid")
    second.write()
    first.remove()
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    second.remove()
    assert not (tmp_path / "pid").exists()


def test_a_removed_file_that_is_still_open_elsewhere_is_not_locked(tmp_path: Path) -> None:
    """A lock on a removed file would keep no other instance out."""
    first = PidFile(tmp_path / "pid")
    waiting = os.open(tmp_path / "pid", os.O_RDWR)
    first.remove()
    os.close(waiting)
    second = PidFile(tmp_path / "pid")
    with pytest.raises(AlreadyRunning):
        PidFile(tmp_path / "pid")
    second.remove()


def test_a_file_that_is_removed_between_opening_and_locking_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The previous holder may remove it at that moment."""
    path = tmp_path / "pid"
    removed: list[bool] = []

    def lock(file: int) -> None:
        if not removed:
            path.unlink()
            removed.append(True)

    monkeypatch.setattr("portmapper.daemon.pidfile._lock", lock)
    held = PidFile(path)
    held.write()
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()


def test_a_file_that_cannot_be_created_is_one_clear_error(tmp_path: Path) -> None:
    """It names the file."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot create the pid file"):
        PidFile(tmp_path / "file" / "pid")


def test_a_pid_that_cannot_be_written_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk, an empty file can still be created."""
    held = PidFile(tmp_path / "pid")

    def full(file: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("portmapper.daemon.pidfile.os.write", full)
    with pytest.raises(StoreError, match="No space left"):
        held.write()
    held.remove()


def test_a_file_system_that_cannot_lock_is_not_another_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as NFS without its lock service: the start must not end with "already running"."""

    def no_locks(file: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("portmapper.daemon.pidfile._lock", no_locks)
    with pytest.raises(StoreError, match=r"cannot use the pid file .*No locks available"):
        PidFile(tmp_path / "pid")
    assert holder_of(tmp_path / "pid") is None


@pytest.mark.parametrize("call", ["read", "ftruncate", "fstat"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EPERM])
def test_a_system_error_at_the_pid_file_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """It closes the descriptor."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    before = len(os.listdir("/dev/fd"))
    monkeypatch.setattr(f"portmapper.daemon.pidfile.os.{call}", fail)
    with pytest.raises(StoreError, match=rf"pid file .*{os.strerror(code)}"):
        PidFile(tmp_path / "pid")
    monkeypatch.undo()
    assert len(os.listdir("/dev/fd")) == before


def test_a_file_that_is_removed_again_and_again_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start does not spin."""
    path = tmp_path / "pid"
    monkeypatch.setattr("portmapper.daemon.pidfile._lock", lambda file: path.unlink())
    with pytest.raises(StoreError, match="removed again and again"):
        PidFile(path)


def test_the_holder_is_described_without_changing_the_file(tmp_path: Path) -> None:
    """None if there is no file, or if it is not locked."""
    path = tmp_path / "pid"
    assert holder_of(path) is None
    held = PidFile(path)
    assert holder_of(path) == f"another process holds {path}"
    held.write()
    assert holder_of(path) == f"process {os.getpid()} holds {path}"
    held.release()
    assert holder_of(path) is None
    assert path.read_text() == f"{os.getpid()}\n"


def test_the_named_file_and_the_state_directorys_file_are_both_locked(tmp_path: Path) -> None:
    """Two instances with different pid files must not share one store."""
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


def test_one_file_under_two_names_is_locked_once(tmp_path: Path) -> None:
    """A path through a symlink leads to the same file."""
    (tmp_path / "run").symlink_to(tmp_path, target_is_directory=True)
    PidFiles(tmp_path / "run" / "pid", tmp_path / "pid", must_write=True).remove()


@pytest.mark.parametrize("must_write", [True, False])
def test_an_unusable_state_directory_needs_no_pid_file(tmp_path: Path, must_write: bool) -> None:
    """No instance can keep leases there; the named file is locked nevertheless."""
    (tmp_path / "file").write_text("")
    held = PidFiles(tmp_path / "pid", tmp_path / "file" / "portmapper.pid", must_write=must_write)
    with pytest.raises(AlreadyRunning):
        PidFile(tmp_path / "pid")
    held.remove()


@pytest.mark.parametrize("content", ["notes\n", "12 34\n", "-1\n", "1" * 100, "8080;TCP\n", "\0"])
def test_a_file_with_another_content_is_neither_emptied_nor_removed(tmp_path: Path, content: str) -> None:
    """A mistyped `--pid-file` must not cost a file."""
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(StoreError, match="something other than a pid"):
        PidFile(path)
    assert path.read_text() == content


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Its target stays as it is, even if it holds a pid."""
    (tmp_path / "target").write_text("1\n")
    (tmp_path / "pid").symlink_to("target")
    with pytest.raises(StoreError, match="links are not followed"):
        PidFile(tmp_path / "pid")
    assert (tmp_path / "target").read_text() == "1\n"


def test_a_file_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold another program's pid."""
    (tmp_path / "pid").write_text("1\n")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StoreError, match="another user"):
        PidFile(tmp_path / "pid")


def test_a_fifo_does_not_block_the_start(tmp_path: Path) -> None:
    """It is an error instead."""
    os.mkfifo(tmp_path / "pid")
    with pytest.raises(StoreError, match="not a regular file"):
        PidFile(tmp_path / "pid")


def test_a_pid_file_in_a_directory_of_everyone_is_refused(tmp_path: Path) -> None:
    """Another user could create or replace it."""
    tmp_path.chmod(0o1777)
    with pytest.raises(StoreError, match="every user can write"):
        PidFile(tmp_path / "pid")


def test_a_file_that_was_moved_to_our_path_is_not_removed(tmp_path: Path) -> None:
    """Only the file that we locked is removed."""
    held = PidFile(tmp_path / "pid")
    (tmp_path / "other").write_text("notes")
    (tmp_path / "other").rename(tmp_path / "pid")
    held.remove()
    assert (tmp_path / "pid").read_text() == "notes"


def test_a_removed_file_is_restored_with_its_lock(tmp_path: Path) -> None:
    """Also after the whole state directory was removed; a file that is still there stays as it is."""
    named, own = tmp_path / "run" / "pid", tmp_path / "state" / "portmapper.pid"
    files = PidFiles(named, own, must_write=False)
    files.write()
    before = named.stat().st_ino
    shutil.rmtree(own.parent)
    files.restore()
    assert own.read_text() == f"{os.getpid()}\n"
    assert named.stat().st_ino == before
    with pytest.raises(AlreadyRunning):
        PidFile(own)
    files.remove()
    assert not own.exists()
    assert not named.exists()


def test_a_removed_file_that_another_instance_locked_is_not_taken(tmp_path: Path) -> None:
    """It is reported; the other instance keeps its file."""
    files = PidFiles(tmp_path / "pid", tmp_path / "pid", must_write=False)
    (tmp_path / "pid").unlink()
    other = PidFile(tmp_path / "other")
    other.write()
    (tmp_path / "other").rename(tmp_path / "pid")
    files.restore()
    assert os.path.samestat((tmp_path / "pid").stat(), os.stat(other._file or 0))
    files.remove()
    assert (tmp_path / "pid").exists()
    other.release()

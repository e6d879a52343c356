"""The pid file: one instance locks it while it runs."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from pathlib import Path

from portmapper.api.errors import AlreadyRunning, StoreError
from portmapper.store.sqlite import cannot_write
from portmapper.support.busy_files import remove
from portmapper.support.safe_open import is_ours, open_regular

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


MAX_OPENINGS = 100
"""Attempts to lock a file that other processes remove meanwhile."""

LONGEST_PID = 64
"""Bytes read from a file to find out whether it holds a pid."""

MAX_DIGITS = 20
"""Most digits of a pid, which a file may hold besides white space."""

LOCKED_BYTE = 2**20
"""Position of the byte that is locked on Windows."""

_log = logging.getLogger(__name__)


class PidFile:
    """An exclusively locked file with our decimal pid and a newline.

    The lock belongs to the open file. It survives a fork and ends when the last process closes the file, so
    a file that a crash left behind can be locked again.

    Only a file of our own user that is empty or holds a pid is used: a mistyped option empties no other file.
    """

    def __init__(self, path: Path) -> None:
        """Lock the file.

        Raises:
            AlreadyRunning: another instance holds the lock.
            StoreError: the file cannot be created or locked, or is not a pid file of ours.
        """
        self.path = path
        self._file: int | None = next(filter(None, (_locked(path) for _ in range(MAX_OPENINGS))), None)
        if self._file is None:
            raise StoreError(f"cannot use the pid file {path}: it is removed again and again")

    def write(self) -> None:
        """Write the pid of the calling process; a forked child has another pid than its parent.

        Raises:
            StoreError: the disk is full.
        """
        assert self._file is not None, "the lock is held"
        line = f"{os.getpid()}\n".encode()
        try:
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, line)
            os.ftruncate(self._file, len(line))
        except OSError as error:
            raise StoreError(f"cannot write the pid file {self.path}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove the file and release the lock; further calls do nothing."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                # Another file may have been moved to our path while we ran.
                is_ours = _is_at(self._file, self.path)
                if sys.platform == "win32":  # an open file cannot be removed
                    self.release()
                if is_ours:
                    remove(self.path)
            self.release()

    @property
    def was_removed(self) -> bool:
        """Whether nothing is at the path. If another process put its own file there, leave it alone."""
        return self._file is not None and not os.path.lexists(self.path)

    def release(self) -> None:
        """Close our descriptor; the file remains, and a forked process keeps the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class PidFiles:
    """The pid file that the user names, and the pid file of the state directory.

    Two daemons with different pid files must not share one lease store: each would close the mappings of
    the other.
    """

    def __init__(self, named: Path, own: Path, *, must_write: bool) -> None:
        """Lock both files, or one if they are the same.

        Args:
            named: the pid file that the user names.
            own: the pid file of the state directory.
            must_write: raise an error if the state directory is full or read-only. Otherwise continue without
                its pid file: no other process could write there either.

        Raises:
            AlreadyRunning: another instance holds one of them; neither is locked then.
            StoreError: a file cannot be created.
        """
        self._must_write = must_write
        self._files = [PidFile(named)] if os.path.realpath(named) != os.path.realpath(own) else []
        self._own: PidFile | None = None
        try:
            self._own = PidFile(own)
            self._files.append(self._own)
        except AlreadyRunning:
            self.remove()
            raise
        except StoreError as error:
            if not self._files:
                self._continue_without_own(error)

    @property
    def paths(self) -> list[Path]:
        """The locked files."""
        return [file.path for file in self._files]

    def write(self) -> None:
        """Write the pid of the calling process into each file.

        Raises:
            StoreError: a file cannot be written.
        """
        for file in self._files:
            try:
                file.write()
            except StoreError as error:
                if file is not self._own:
                    raise
                self._continue_without_own(error)

    def restore(self) -> None:
        """Create each file again that was removed, with our pid.

        Raises:
            AlreadyRunning: another instance was faster.
            StoreError: a file cannot be created.
        """
        for place, file in enumerate(self._files):
            if not file.was_removed:
                continue
            restored = PidFile(file.path)
            restored.write()
            file.release()
            self._files[place] = restored
            self._own = restored if file is self._own else self._own
            _log.warning("the pid file %s was removed; created it again", file.path)

    def remove(self) -> None:
        """Remove each file and release its lock."""
        for file in self._files:
            file.remove()

    def release(self) -> None:
        """Close our descriptors; a forked process keeps the locks."""
        for file in self._files:
            file.release()

    def _continue_without_own(self, error: StoreError) -> None:
        cause = error.__cause__
        if self._must_write or not isinstance(cause, OSError) or not cannot_write(cause):
            raise error
        _log.warning("%s; continuing without it", error)


def _locked(path: Path) -> int | None:
    """Return the file, open, locked and empty.

    Return None if the previous holder removed it after we opened it: no other process would see our lock.
    """
    file, is_usable = _open(path), False
    try:
        _check_is_pid_file(file, path)
        _lock_or_raise(file, path)
        is_usable = _is_at(file, path)
        if is_usable:
            os.ftruncate(file, 0)
    except OSError as error:
        is_usable = False
        raise StoreError(f"cannot use the pid file {path}: {error.strerror}") from error
    finally:
        if not is_usable:
            os.close(file)
    return file if is_usable else None


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        return open_regular(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"cannot create the pid file {path}: {error.strerror}") from error


def _check_is_pid_file(file: int, path: Path) -> None:
    """Raise `StoreError` if the file is not ours; its content stays as it is."""
    content = os.read(file, LONGEST_PID).strip()
    if not is_ours(file):
        reason = "it belongs to another user"
    elif content and not (content.isdigit() and len(content) <= MAX_DIGITS):
        reason = "it contains something other than a pid"
    else:
        return
    raise StoreError(f"cannot use {path} as the pid file: {reason}. Name another file with --pid-file")


def _lock_or_raise(file: int, path: Path) -> None:
    try:
        _lock(file)
    except OSError as error:
        if not _is_held(error):
            raise
        raise AlreadyRunning(f"already running: {_holder(file, path)}") from error


def _is_at(file: int, path: Path) -> bool:
    try:
        return sys.platform == "win32" or os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _content(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, LONGEST_PID).strip()


def _lock(file: int) -> None:
    if sys.platform == "win32":
        # No other process can read a locked byte, so lock one far behind the pid.
        os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def holder_of(path: Path) -> str | None:
    """Describe the process that holds a pid file, without changing the file; None if it is not locked."""
    try:
        file = open_regular(path, os.O_RDWR, 0)
    except OSError:
        return None
    try:
        _lock(file)
    except OSError as error:
        return _holder(file, path) if _is_held(error) else None
    finally:
        os.close(file)
    return None


def _holder(file: int, path: Path) -> str:
    pid = _content(file)
    return f"process {pid.decode()} holds {path}" if pid.isdigit() else f"another process holds {path}"


def _is_held(error: OSError) -> bool:
    """Return whether another process holds the lock; otherwise, the file system cannot lock, as some NFS."""
    return sys.platform == "win32" or error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)

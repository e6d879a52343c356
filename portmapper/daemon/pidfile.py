"""The pid file: one instance holds it, locked, for as long as it lives."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path

from portmapper.api.errors import AlreadyRunning, StoreError
from portmapper.store.sqlite import cannot_write

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


_log = logging.getLogger(__name__)


class PidFile:
    """An exclusively locked file with our decimal pid and a newline.

    The lock belongs to the open file, so it survives a fork and ends with the last process that
    has it open; a file that a crash left behind is simply locked again.
    """

    def __init__(self, path: Path) -> None:
        """Lock the file.

        Raises:
            AlreadyRunning: another instance holds it.
            StoreError: it cannot be created.
        """
        self.path = path
        while True:
            self._file: int | None = _open(path)
            self._lock_or_tell(self._file)
            if _is_at(self._file, path):
                break
            # Its last holder removed it between our opening and locking it: nobody else would see our lock.
            os.close(self._file)
        os.ftruncate(self._file, 0)

    def write(self) -> None:
        """Write the pid of the process that calls; a fork has another than its parent.

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
        """Remove the file and give up the lock, for the process that ends with it; once is enough."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
            self.release()

    def release(self) -> None:
        """Close our end of it; the file stays, and so does the lock of a process forked from us."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock_or_tell(self, file: int) -> None:
        try:
            _lock(file)
        except OSError as error:
            holder = os.pread(file, 32, 0) if hasattr(os, "pread") else b""
            os.close(file)
            pid = holder.strip()
            who = f"process {pid.decode()}" if pid.isdigit() else "another process"
            raise AlreadyRunning(f"already running: {who} holds {self.path}") from error


class PidFiles:
    """The pid file that the user names, and the state directory's own.

    Two daemons with pid files of their own must not share one lease store: each would close what
    the other opened.
    """

    def __init__(self, named: Path, own: Path, *, must_write: bool) -> None:
        """Lock both, or the one if they are the same.

        Args:
            named: the one that the user names.
            own: the state directory's. Where another is named, the store will tell what is wrong there.
            must_write: a disk that is full or read-only is an error, too. Else there is no own one: nobody
                could write there.

        Raises:
            AlreadyRunning: another instance holds one of them; neither is locked then.
            StoreError: one cannot be created.
        """
        self._must_write = must_write
        self._files = [PidFile(named)] if named.resolve() != own.resolve() else []
        self._own: PidFile | None = None
        try:
            self._own = PidFile(own)
            self._files.append(self._own)
        except AlreadyRunning:
            self.remove()
            raise
        except StoreError as error:
            if not self._files:
                self._go_without(error)

    def write(self) -> None:
        """Write the pid of the process that calls into each.

        Raises:
            StoreError: one cannot be written.
        """
        for file in self._files:
            try:
                file.write()
            except StoreError as error:
                if file is not self._own:
                    raise
                self._go_without(error)

    def remove(self) -> None:
        """Remove each and give up its lock."""
        for file in self._files:
            file.remove()

    def release(self) -> None:
        """Close our end of each; a process forked from us keeps the locks."""
        for file in self._files:
            file.release()

    def _go_without(self, error: StoreError) -> None:
        cause = error.__cause__
        if self._must_write or not isinstance(cause, OSError) or not cannot_write(cause):
            raise error
        _log.warning("%s; going on without", error)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(f"cannot create the pid file {path}: {error.strerror}") from error


def _is_at(file: int, path: Path) -> bool:
    try:
        return sys.platform == "win32" or os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def _lock(file: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def holder_of(path: Path) -> str | None:
    """Tell who holds a pid file, without touching it; None when nobody does."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        _lock(file)
    except OSError:
        pid = os.pread(file, 32, 0).strip() if hasattr(os, "pread") else b""
        return f"process {pid.decode()} holds {path}" if pid.isdigit() else f"another process holds {path}"
    finally:
        os.close(file)
    return None

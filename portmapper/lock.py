"""The pid file: one instance holds it, locked, for as long as it lives."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from portmapper.errors import AlreadyRunning, StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


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
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(f"cannot create the pid file {path}: {error.strerror}") from error
        try:
            _lock(self._file)
        except OSError as error:
            holder = (
                os.pread(self._file, 32, 0).decode("ascii", "replace").strip() if hasattr(os, "pread") else ""
            )
            os.close(self._file)
            who = f"process {holder}" if holder else "another process"
            raise AlreadyRunning(f"already running: {who} holds {path}") from error

    def write(self) -> None:
        """Write the pid of the process that calls; a fork has another than its parent."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def remove(self) -> None:
        """Remove the file and give up the lock; for the process that wrote it, at a clean exit."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.release()

    def release(self) -> None:
        """Close our end of it; the file stays."""
        with contextlib.suppress(OSError):
            os.close(self._file)


def _lock(file: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

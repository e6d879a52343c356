"""A SQLite file that survives a crash at any write."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

UNWRITABLE = frozenset({errno.ENOSPC, errno.EROFS, errno.EDQUOT})
UNWRITABLE_SQLITE = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
)

IN_MEMORY = Path("/dev/shm")

HEADER = 100
"""Bytes at the start of every SQLite file, which are never all zero."""


def open_database(path: Path | None, schema: str, version: int) -> sqlite3.Connection:
    """Open a file, or make it, and bring it up to date; None is a database in memory.

    Raises:
        ValueError: it is of a newer version.
        sqlite3.Error: it is no database, or cannot be written.
        OSError: it cannot be made.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        _make(path)
    database = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=2)
    try:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found > version:
            raise ValueError("it was written by a newer version of portmapper")
        if found == 0:
            # Nothing to roll back to in a new file: without a journal of its first page it is there after
            # one wait for the disk, and not after four.
            database.execute("PRAGMA journal_mode = MEMORY")
        # A write-ahead log makes a commit one append without waiting for the disk; a power cut can
        # cost the last commits but never the file.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        if found < version:
            database.executescript(schema + f"PRAGMA user_version = {version};")
    except BaseException:
        database.close()
        raise
    return database


def cannot_write(error: Exception) -> bool:
    """Tell whether the disk is full or read-only; not who may not write there, which is a mistake."""
    if isinstance(error, OSError):
        return error.errno in UNWRITABLE
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in UNWRITABLE_SQLITE


@contextlib.contextmanager
def open_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that cannot be written: a copy, in memory where that is a disk.

    SQLite reads a log only where it may write beside it. Without the log, where there is no room for a copy
    either, the last commits are missing.

    Raises:
        sqlite3.Error, OSError: there is none, or it cannot be read.
    """
    import shutil  # at most once in the life of a disk
    import tempfile

    memory = IN_MEMORY if IN_MEMORY.is_dir() else None
    with contextlib.ExitStack() as leaving:
        try:
            place = leaving.enter_context(tempfile.TemporaryDirectory(dir=memory))
            for file in (path, path.with_name(f"{path.name}-wal")):
                if file.exists():
                    shutil.copyfile(file, Path(place, file.name))
            where = f"{Path(place, path.name).as_uri()}?mode=rw"
        except OSError:
            where = f"{path.absolute().as_uri()}?immutable=1"
        database = sqlite3.connect(where, uri=True, isolation_level=None)
        leaving.callback(database.close)
        yield database


def _make(path: Path) -> None:
    """Make the file where there is none, or one that a power cut left without its first write."""
    # Who knows a lease's token can close its port; SQLite gives its other files the same mode.
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.read(file, HEADER).count(0) == HEADER:
            os.ftruncate(file, 0)
    finally:
        os.close(file)


def file_at(path: Path | None) -> tuple[int, int] | None:
    """Tell one file from another of that name."""
    if path is None or sys.platform == "win32":  # no file that is open can be removed there
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

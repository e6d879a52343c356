"""A SQLite file that survives a crash at any write."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

CONFIGURATION_ERRORS = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
)
"""System errors that only the user can fix. All others may pass, such as a full disk."""

UNWRITABLE_SQLITE = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
    }
)

LOCK_LIMIT = 2.0
"""Seconds to wait at start for another process that has locked the file."""

LOCK_LIMIT_RUNNING = 0.2
"""Seconds to wait later, because the event loop waits too."""

IN_MEMORY = Path("/dev/shm")

HEADER = 100
"""Length of the header of an SQLite file in bytes; they are never all zero."""


@attrs.frozen(eq=False, repr=False)
class Schema:
    """The tables of a database.

    Attributes:
        version: number of the version, stored in the file.
        tables: creates every table that is missing.
        upgrades: what an upgrade to a version changes in tables that exist.
    """

    version: int
    tables: str
    upgrades: Mapping[int, str] = attrs.field(factory=dict)

    def script(self, found: int) -> str:
        """Return the statements that bring a file of version `found` here, in one transaction; 0 is empty."""
        steps = [text for number, text in sorted(self.upgrades.items()) if 0 < found < number]
        return "\n".join(
            ["BEGIN IMMEDIATE;", *steps, self.tables, f"PRAGMA user_version = {self.version};", "COMMIT;"]
        )


class NotAFile(sqlite3.DatabaseError):
    """The path of a database holds a directory, a FIFO or a device."""


def open_database(path: Path | None, schema: Schema, lock_limit: float = LOCK_LIMIT) -> sqlite3.Connection:
    """Open a database file, create it if needed, and upgrade its schema; None opens one in memory.

    Raises:
        NotAFile: the path holds something other than a file.
        ValueError: a newer version wrote the file.
        sqlite3.Error: the file is not a database, or cannot be written.
        OSError: the file cannot be created.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        _check_are_files(path)
        _create(path)
    database = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=lock_limit)
    database.text_factory = _text
    try:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found > schema.version:
            raise ValueError("it was written by a newer version of portmapper")
        if found == 0:
            # A new file has nothing to lose and nothing to roll back to, so creating it need not wait for
            # the disk. A power cut may leave it without its first page; `_create` begins it again.
            database.execute("PRAGMA synchronous = OFF")
            database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("PRAGMA journal_mode = WAL")
        if found < schema.version:
            database.executescript(schema.script(found))
        # With a write-ahead log, a commit is one append that does not wait for the disk. A power cut can
        # lose the last commits, but never the file.
        database.execute("PRAGMA synchronous = NORMAL")
        wait_for_locks(database, min(lock_limit, LOCK_LIMIT_RUNNING))
    except BaseException:
        database.close()
        raise
    return database


def wait_for_locks(database: sqlite3.Connection, limit: float) -> None:
    """Wait at most `limit` seconds for a lock of another process from now on."""
    database.execute(f"PRAGMA busy_timeout = {limit * 1000:.0f}")


def cannot_write(error: Exception) -> bool:
    """Return whether the file may be written later; missing permissions are a configuration error instead."""
    if isinstance(error, OSError):
        return error.errno not in CONFIGURATION_ERRORS
    if isinstance(error, MemoryError):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in UNWRITABLE_SQLITE


@contextlib.contextmanager
def open_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of a file that cannot be written, in shared memory if the system has it.

    SQLite reads a write-ahead log only if it may write next to it. If there is no room for a copy either, the
    file is read without its log, so the last commits are missing.

    Raises:
        sqlite3.Error, OSError: the file does not exist or cannot be read.
    """
    import shutil  # rarely needed, so not imported at startup
    import tempfile

    memory = IN_MEMORY if IN_MEMORY.is_dir() else None
    with contextlib.ExitStack() as cleanup:
        try:
            directory = cleanup.enter_context(tempfile.TemporaryDirectory(dir=memory))
            for file in (path, path.with_name(f"{path.name}-wal")):
                if file.exists():
                    shutil.copyfile(file, Path(directory, file.name))
            uri = f"{Path(directory, path.name).as_uri()}?mode=rw"
        except OSError:
            uri = f"{path.absolute().as_uri()}?immutable=1"
        database = sqlite3.connect(uri, uri=True, isolation_level=None)
        database.text_factory = _text
        cleanup.callback(database.close)
        yield database


def _check_are_files(path: Path) -> None:
    """Raise `NotAFile` unless the database and its log are files or missing: opening a FIFO would wait."""
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-journal")):
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise NotAFile(f"{file.name} is not a file")


def _text(raw: bytes) -> str:
    """Decode a text. With an invalid byte, SQLite's own decoding would end the whole query."""
    return raw.decode("utf-8", "replace")


def _create(path: Path) -> None:
    """Create the file, also in place of a file that a power cut left without its first write."""
    # Anyone who knows a lease's token can close its port. SQLite gives its other files the same mode.
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600)
    try:
        if os.read(file, HEADER).count(0) == HEADER:
            os.ftruncate(file, 0)
    finally:
        os.close(file)


def file_at(path: Path | None) -> tuple[int, int] | None:
    """Return the identity of the file at a path, to detect that it was replaced."""
    if path is None or sys.platform == "win32":  # Windows does not remove open files
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino

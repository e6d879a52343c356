"""A damaged store: recognized, set aside, and replaced by an empty one."""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from portmapper.store.sqlite import NotAFile
from portmapper.support.wall_clock import wall_now

T = TypeVar("T")

STORE_FAILURES = (sqlite3.Error, OSError, ValueError, OverflowError, MemoryError)
"""What opening, reading or writing a store may raise."""

_UNREADABLE = (ValueError, TypeError, ArithmeticError, LookupError, MemoryError, OSError)
"""What an invalid value may raise; on Windows, a time that is too late raises an OSError."""

_DAMAGED = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_MISMATCH,
    }
)
_OTHER_SCHEMA = r"no such (table|column)|has no column|has \d+ columns? but|may not be modified|is a view"
"""SQLite's messages for a database of another program, with tables of the same names."""

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})

_log = logging.getLogger(__name__)


def is_damaged(error: Exception) -> bool:
    """Return whether the file is not a store of ours, as opposed to unavailable at the moment."""
    if isinstance(error, NotAFile):
        return True
    if not isinstance(error, sqlite3.Error):
        return False
    return _code(error) in _DAMAGED or bool(re.search(_OTHER_SCHEMA, str(error)))


def is_locked(error: Exception) -> bool:
    """Return whether another process has locked the file."""
    return isinstance(error, sqlite3.Error) and _code(error) in _LOCKED


def open_or_replace(
    path: Path | None, connect: Callable[[], sqlite3.Connection], load: Callable[[sqlite3.Connection], None]
) -> tuple[sqlite3.Connection, str]:
    """Open and load a store; set a damaged file aside and open an empty one.

    Returns:
        The open store, and a report of the damage, empty if there was none.

    Raises:
        sqlite3.Error, OSError, ValueError, MemoryError: the store cannot be opened.
    """
    try:
        return _loaded(connect, load), ""
    except STORE_FAILURES as error:
        if path is None or not is_damaged(error):
            raise
        report = set_aside(path, error)
    return _loaded(connect, load), report


def set_aside(path: Path, error: Exception) -> str:
    """Rename a damaged store, log the damage, and return the report.

    Raises:
        OSError: the file cannot be renamed.
    """
    suffix = _free_suffix(path)
    path.rename(f"{path}{suffix}")
    # The log without its file would be replayed into the new store. The index of the log is of no use.
    with contextlib.suppress(FileNotFoundError):
        path.with_name(f"{path.name}-wal").rename(f"{path}-wal{suffix}")
    with contextlib.suppress(OSError):
        path.with_name(f"{path.name}-shm").unlink()
    report = f"the lease store is damaged ({error}); it is now {path.name}{suffix}, and a new one replaces it"
    _log.error("%s", report)
    return report


def readable(rows: Iterable[Any], parse: Callable[[Any], T], table: str) -> Iterator[T]:
    """Parse each row; a row that contains an invalid value is skipped and logged."""
    for row in rows:
        try:
            yield parse(row)
        except _UNREADABLE as error:
            _log.warning("skipped a damaged row of table %s in the lease store: %s", table, error)


def _loaded(
    connect: Callable[[], sqlite3.Connection], load: Callable[[sqlite3.Connection], None]
) -> sqlite3.Connection:
    database = connect()
    try:
        load(database)
    except BaseException:
        database.close()
        raise
    return database


def _free_suffix(path: Path) -> str:
    suffix = f".damaged-{wall_now():%Y-%m-%dT%H%M%SZ}"
    number = 1
    while Path(f"{path}{suffix}").exists():
        number += 1
        suffix = f"{suffix.partition('~')[0]}~{number}"
    return suffix


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

"""SQLite files: how they are created, upgraded, replaced, and read without being written."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
from platforms import posix_only

from portmapper.store.leases import Store
from portmapper.store.sqlite import HEADER, Schema, cannot_write, file_at, open_database, open_to_read

TABLES = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER);"


def numbers(database: sqlite3.Connection) -> list[int]:
    """Return the content of the table."""
    return [number for (number,) in database.execute("SELECT number FROM numbers ORDER BY number")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a database in a directory that does not exist yet."""
    return tmp_path / "state" / "numbers.sqlite3"


def write(path: Path, number: int, version: int = 1) -> None:
    """Open the database and add a number."""
    with contextlib.closing(open_database(path, Schema(version, TABLES))) as database:
        database.execute("INSERT INTO numbers VALUES (?)", (number,))


def test_a_database_is_created_with_its_directory(path: Path) -> None:
    """Opening it again keeps its content."""
    write(path, 1)
    write(path, 2)
    with contextlib.closing(open_database(path, Schema(1, TABLES))) as database:
        assert numbers(database) == [1, 2]


@posix_only("checks Unix modes of files")
def test_only_its_owner_may_read_the_store(tmp_path: Path) -> None:
    """The tokens in it close ports."""
    with contextlib.closing(Store(tmp_path / "leases.sqlite3")) as store:
        store.adhoc = ("{}",)
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_file_without_its_first_write_is_created_again(path: Path) -> None:
    """A power cut may leave an empty header."""
    path.parent.mkdir()
    path.write_bytes(bytes(HEADER))
    write(path, 1)
    with contextlib.closing(open_database(path, Schema(1, TABLES))) as database:
        assert numbers(database) == [1]


@pytest.mark.parametrize("left", [b"", bytes(4096)], ids=["empty", "zeros"])
def test_a_new_file_that_a_power_cut_left_without_pages_is_created_again(
    path: Path, tmp_path: Path, left: bytes
) -> None:
    """Creating it does not wait for the disk, so its log may have been written and the file not."""
    after = tmp_path / "after" / path.name
    after.parent.mkdir()
    with contextlib.closing(open_database(path, Schema(1, TABLES))) as database:
        database.execute("INSERT INTO numbers VALUES (1)")
        for suffix in ("-wal", "-shm"):
            shutil.copy(f"{path}{suffix}", f"{after}{suffix}")
    after.write_bytes(left)
    write(after, 2)
    with contextlib.closing(open_database(after, Schema(1, TABLES))) as database:
        assert numbers(database) == [2]


def test_a_newer_version_is_rejected(path: Path) -> None:
    """An older one is upgraded."""
    write(path, 1, version=1)
    write(path, 2, version=2)
    with pytest.raises(ValueError, match="newer version"):
        open_database(path, Schema(1, TABLES))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EROFS, "read-only"), True),
        (PermissionError(errno.EACCES, "denied"), False),
        (ValueError("newer version"), False),
    ],
)
def test_a_full_or_read_only_disk_is_recognized(error: Exception, expected: bool) -> None:
    """Missing permissions are a configuration error."""
    assert cannot_write(error) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [(sqlite3.SQLITE_FULL, True), (sqlite3.SQLITE_IOERR | 3 << 8, True), (sqlite3.SQLITE_CORRUPT, False)],
)
def test_a_disk_error_of_sqlite_is_recognized(code: int, expected: bool) -> None:
    """Also by its extended code."""
    error = sqlite3.OperationalError("failed")
    error.sqlite_errorcode = code
    assert cannot_write(error) is expected


def test_a_copy_has_what_is_only_in_the_log(path: Path) -> None:
    """The original is not changed."""
    write(path, 1)
    with contextlib.closing(open_database(path, Schema(1, TABLES))) as database:
        database.execute("INSERT INTO numbers VALUES (2)")
        before = path.read_bytes()
        with open_to_read(path) as copy:
            assert numbers(copy) == [1, 2]
        assert path.read_bytes() == before


def test_a_missing_file_cannot_be_read(path: Path) -> None:
    """The caller handles this like any other error of SQLite."""
    with pytest.raises((sqlite3.Error, OSError)), open_to_read(path) as database:
        numbers(database)


@posix_only("Windows does not replace open files")
def test_a_replaced_file_is_another_one(path: Path) -> None:
    """A removed file, and a database in memory, have no identity."""
    write(path, 1)
    first = file_at(path)
    assert first == file_at(path)
    path.rename(path.with_name("old.sqlite3"))
    assert file_at(path) is None
    write(path, 1)
    assert file_at(path) not in (None, first)
    assert file_at(None) is None

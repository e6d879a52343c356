"""A damaged, locked or foreign file never stops the program, and costs as little as possible."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from portmapper.api.errors import StoreError
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Lease, Protocol
from portmapper.store.leases import FILE_NAME, Store
from portmapper.store.stored_lease import StoredLease

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def lease(number: int) -> StoredLease:
    """Return a lease of one external port."""
    address = ip_address("192.168.88.10")
    token = number.to_bytes(12, "big")
    granted = Lease(Protocol.TCP, address, number, number, None, 60, False, "pcp", "pcp:192.168.88.1", token)
    return StoredLease(granted, number, NOW)


def ports(store: Store) -> set[int]:
    """Return the external ports of all leases."""
    return {stored.lease.external_port for stored in store.leases}


def ports_in(path: Path) -> set[int]:
    """Return the external ports of all leases in a file."""
    with closing(Store(path)) as store:
        return ports(store)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The store's file, with two leases, an event, a port and a request."""
    file = tmp_path / FILE_NAME
    store = Store(file)
    store.put(lease(1))
    store.put(lease(2))
    store.record(Event(NOW, EventKind.OPENED))
    store.remember_port((Protocol.TCP, "", 80), 8080)
    store.adhoc = ('{"port": 80}',)
    store.close()
    return file


def set_aside(path: Path) -> list[Path]:
    """Return the files that were set aside."""
    return sorted(path.parent.glob(f"{FILE_NAME}.damaged-*"))


def garbage(path: Path) -> None:
    """Replace the content."""
    path.write_bytes(b"not a database" * 100)


def zeros_after_header(path: Path) -> None:
    """Keep only the first bytes."""
    path.write_bytes(b"SQLite format 3\0" + bytes(2000))


def broken_pages(path: Path) -> None:
    """Overwrite everything after the header."""
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


def cut(path: Path) -> None:
    """Cut the file in the middle of its pages."""
    path.write_bytes(path.read_bytes()[:4096])


def another_program(path: Path) -> None:
    """Put a database there that has a table of the same name."""
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE ports (name TEXT)")
        database.execute("INSERT INTO ports VALUES ('a')")
        database.execute("CREATE TABLE adhoc (name TEXT)")
        database.commit()


def directory(path: Path) -> None:
    """Put a directory there, with a file in it."""
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def fifo(path: Path) -> None:
    """Put a FIFO there, which would wait for its other end."""
    path.unlink()
    os.mkfifo(path)


DAMAGES = [garbage, zeros_after_header, broken_pages, cut, another_program, directory, fifo]


@pytest.mark.skipif(sys.platform == "win32", reason="has no FIFOs")
@pytest.mark.parametrize("must_write", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_set_aside_and_reported_once(
    path: Path, damage: Callable[[Path], None], must_write: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The new store keeps what is put there."""
    damage(path)
    store = Store(path, must_write=must_write)
    store.put(lease(3))
    assert store.error is None
    store.close()
    (aside,) = set_aside(path)
    assert aside.name in store.damage
    assert [store.damage] == caplog.messages
    reopened = Store(path)
    assert ports(reopened) == {3}
    assert reopened.damage == ""
    reopened.close()


def test_the_log_of_a_damaged_store_is_set_aside_too(path: Path) -> None:
    """It would be replayed into the new store."""
    directory(path)
    path.with_name(f"{FILE_NAME}-wal").write_bytes(b"log")
    Store(path).close()
    (aside,) = path.parent.glob(f"{FILE_NAME}-wal.damaged-*")
    assert aside.read_bytes() == b"log"


def test_two_damaged_stores_in_one_second_are_both_kept(path: Path) -> None:
    """The second gets another name."""
    for _ in range(3):
        garbage(path)
        Store(path).close()
    assert len(set_aside(path)) == 3


def test_a_store_of_a_newer_version_is_not_damaged(path: Path) -> None:
    """It stays where it is."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer version"):
        Store(path)
    assert not set_aside(path)


@pytest.mark.parametrize(
    "change",
    [
        "internal_address = 'x'",
        "internal_address = 5",
        "protocol = 'SCTP'",
        "external_port = 70000",
        "external_port = -1",
        "wanted_port = 'many'",
        "internal_port = 1.5",
        "lifetime = 9223372036854775807",
        "lifetime = x'00'",
        "granted_at = 1e300",
        "granted_at = -1e300",
        "granted_at = 9e999",
        "granted_at = 'now'",
        "granted_at = 253402300799",
        "token = 1000000000000",
        "token = 'text'",
        "gateway = x'ff'",
        "external_address = '999.1.1.1'",
    ],
)
def test_an_invalid_value_costs_one_row(path: Path, change: str, caplog: pytest.LogCaptureFixture) -> None:
    """The other rows are read."""
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE leases SET {change} WHERE external_port = 1")
        database.commit()
    store = Store(path)
    assert ports(store) == {2}
    assert all(stored.expires_at for stored in store.leases)
    assert "skipped a damaged row" in caplog.text
    store.close()
    assert not set_aside(path)


def test_text_that_is_not_utf_8_costs_no_row(path: Path) -> None:
    """The invalid bytes are replaced."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE leases SET comment = CAST(x'62ff' AS TEXT) WHERE external_port = 1")
        database.commit()
    store = Store(path)
    assert ports(store) == {1, 2}
    store.close()


@pytest.mark.parametrize("table", ["ports", "adhoc"])
def test_an_invalid_row_of_another_table_costs_no_lease(path: Path, table: str) -> None:
    """Remembered ports and requests are less important."""
    with closing(sqlite3.connect(path)) as database:
        change = "external_port = 'x'" if table == "ports" else "record = '[1'"
        database.execute(f"UPDATE {table} SET {change}")
        database.commit()
    store = Store(path)
    assert ports(store) == {1, 2}
    assert not (store.ports if table == "ports" else store.adhoc)
    store.close()


def test_an_event_with_an_invalid_date_is_skipped(path: Path) -> None:
    """`history` shows the others."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO journal SELECT 1e300, event, '', 0, '', 0, '', '', '' FROM journal")
        database.commit()
    store = Store(path)
    assert len(store.history(10)) == 1
    store.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock the store as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
        database.execute("INSERT INTO adhoc VALUES ('{}')")
        yield
        database.execute("ROLLBACK")


@pytest.mark.parametrize("must_write", [True, False])
def test_a_locked_store_is_kept_in_memory_until_it_is_free(
    path: Path, must_write: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not damaged, and is reported once."""
    monkeypatch.setattr("portmapper.store.leases.open_database.__defaults__", (0.01,))
    with locked(path):
        store = Store(path, must_write=must_write)
        assert ports(store) == {1, 2}
        store.put(lease(3))
        store.remove(lease(1).lease.token)
        assert "locked" in str(store.error)
    assert len(caplog.messages) == 1
    store.catch_up()
    assert store.error is None
    store.close()
    assert ports_in(path) == {2, 3}
    assert not set_aside(path)


def test_a_store_that_is_locked_while_we_run_is_written_later(path: Path) -> None:
    """One write waits for the lock, and the next ones do not."""
    store = Store(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.put(lease(3))
        assert "locked" in str(store.error)
        assert tuple(store._database.execute("PRAGMA busy_timeout").fetchone()) == (0,)
        store.put(lease(4))
        other.execute("ROLLBACK")
    store.catch_up()
    assert store.error is None
    store.close()
    assert ports_in(path) == {1, 2, 3, 4}


def test_the_message_about_a_directory_of_another_user_names_the_option(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs with another user."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("portmapper.store.leases.open_database", denied)
    with pytest.raises(StoreError, match="--state-dir"):
        Store(path, must_write=False)

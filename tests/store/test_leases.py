"""The lease store: a crash loses nothing, and a failing disk closes no port."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from platforms import posix_only

from portmapper.api.errors import StoreError
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Lease, Protocol
from portmapper.store.leases import Store
from portmapper.store.sqlite import open_database
from portmapper.store.stored_lease import StoredLease

NOW = datetime(2026, 1, 1, tzinfo=UTC)

NewStore = Callable[[], Store]


def stored(number: int = 1, **changes: Any) -> StoredLease:
    """Return a lease with a distinct value in every field."""
    lease = Lease(
        protocol=Protocol.UDP,
        internal_address=ipaddress.ip_address("192.168.88.10"),
        internal_port=8080,
        external_port=number,
        external_address=ipaddress.ip_address("203.0.113.7"),
        lifetime=3600,
        permanent=False,
        backend="pcp",
        gateway="pcp:192.168.88.1",
        token=number.to_bytes(12, "big"),
        private="pinhole 7",
    )
    return StoredLease(attrs.evolve(lease, **changes), 80, NOW, True, "ports.csv", "web")


def disk_full() -> sqlite3.Error:
    """Return the error that SQLite raises on a full disk."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


class FullDisk:
    """A database whose disk is full after some more statements."""

    def __init__(self, database: sqlite3.Connection, after: int = 0) -> None:
        self.database = database
        self.left = after
        self.failed = False

    def __enter__(self) -> Any:
        return self.database.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self.database.__exit__(*error)

    def execute(self, *arguments: Any) -> Any:
        """Execute a statement, or fail."""
        self.left -= 1
        if self.left < 0:
            self.failed = True
            raise sqlite3.OperationalError("database or disk is full")
        return self.database.execute(*arguments)

    def close(self) -> None:
        """Close the real database."""
        self.database.close()


def test_a_lease_survives_with_every_field(file_store: NewStore) -> None:
    """Also a lease that was never confirmed, is permanent, was disturbed, or is for an IPv6 address."""
    leases = [
        stored(1),
        attrs.evolve(
            stored(2, external_address=None, permanent=True, lifetime=0), confirmed=False, origin="shop/web"
        ),
        stored(3, internal_address=ipaddress.ip_address("fd00::5"), protocol=Protocol.TCP),
        stored(4, remote=ipaddress.ip_network("198.51.100.0/24")),
        attrs.evolve(stored(5), disturbed=True),
    ]
    store = file_store()
    for lease in leases:
        store.put(lease)
    store.close()
    assert sorted(file_store().leases, key=lambda s: s.lease.external_port) == leases


def test_the_test_above_sets_every_field() -> None:
    """A new field of a lease must be stored too."""
    assert {field.name for field in attrs.fields(StoredLease)} == {
        *("lease", "wanted_port", "granted_at", "confirmed", "source", "comment", "origin", "disturbed")
    }
    assert len(attrs.fields(Lease)) == 12


@given(
    private=st.text(),
    comment=st.text(),
    source=st.text(),
    token=st.binary(min_size=1),
    port=st.integers(1, 65535),
)
def test_any_text_is_restored(private: str, comment: str, source: str, token: bytes, port: int) -> None:
    """Whatever a gateway or a list contains."""
    store = Store(None)
    one = attrs.evolve(stored(port, private=private, token=token), comment=comment, source=source)
    store.put(one)
    assert list(store.leases) == [one]
    store.close()


def test_a_lone_surrogate_is_stored(file_store: NewStore) -> None:
    """JSON can express it, so a comment or a location may contain it."""
    store = file_store()
    store.put(attrs.evolve(stored(private="\ud800"), comment="a\udfff", source="\ud83d"))
    store.record(Event(NOW, EventKind.FAILED, detail="\ud800"))
    assert store.error is None
    store.close()
    (read,) = file_store().leases
    assert read.comment == "a?"


def test_a_later_grant_replaces_the_earlier_one(file_store: NewStore) -> None:
    """If both have the same token."""
    store = file_store()
    store.put(stored(1))
    later = attrs.evolve(stored(1), granted_at=NOW + timedelta(hours=1))
    store.put(later)
    assert list(file_store().leases) == [later]
    store.remove(later.lease.token)
    assert list(file_store().leases) == []


def test_a_lease_expires_by_the_wall_clock() -> None:
    """At the end of its lifetime; a permanent lease never expires."""
    assert not stored().expired(NOW + timedelta(seconds=3599))
    assert stored().expired(NOW + timedelta(seconds=3600))
    assert not stored(permanent=True, lifetime=0).expired(NOW + timedelta(days=9999))


def test_a_request_without_an_answer_expires_after_a_day() -> None:
    """The gateway may have granted a longer lifetime than requested."""
    unseen = attrs.evolve(stored(), confirmed=False)
    assert not unseen.expired(NOW + timedelta(hours=23))
    assert unseen.expired(NOW + timedelta(hours=24))


def test_a_file_of_a_newer_version_is_rejected(file_store: NewStore, tmp_path: Path) -> None:
    """Nothing in it is changed."""
    file_store().close()
    with contextlib.closing(sqlite3.connect(tmp_path / "leases.sqlite3")) as database, database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="newer version"):
        file_store()


def test_a_full_disk_keeps_leases_in_memory(file_store: NewStore, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, and the file catches up when it can be written again."""
    store: Any = file_store()
    database = store._database
    store._database = FullDisk(database)
    store.put(stored(1))
    store.put(stored(2))
    store.remove(stored(1).lease.token)
    assert "full" in store.error
    assert [s.lease.external_port for s in store.leases] == [2]
    assert list(file_store().leases) == []
    store._database = database
    store.put(stored(3))
    assert store.error is None
    assert {s.lease.external_port for s in file_store().leases} == {2, 3}
    assert sum("cannot write" in message for message in caplog.messages) == 1


@pytest.mark.parametrize(
    "error", [disk_full(), OSError(errno.ENOSPC, "full"), OSError(errno.EROFS, "read-only")]
)
def test_a_store_on_a_disk_that_cannot_be_written_is_kept_in_memory(
    file_store: NewStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """With the content of the file, which catches up later; with `must_write`, it is an error."""
    file_store().put(stored(1))
    disk_is_full = [True]

    def open_unless_full(path: Path | None, *details: Any) -> sqlite3.Connection:
        if path is not None and disk_is_full:
            raise error
        return open_database(path, *details)

    monkeypatch.setattr("portmapper.store.leases.open_database", open_unless_full)
    path = tmp_path / "leases.sqlite3"
    with pytest.raises(StoreError):
        Store(path)
    store = Store(path, must_write=False)
    assert [s.lease.external_port for s in store.leases] == [1]
    store.remove(stored(1).lease.token)
    store.put(stored(2))
    assert "cannot write" in str(store.error)
    disk_is_full.clear()
    store.put(stored(3))
    assert store.error is None
    store.close()
    assert {s.lease.external_port for s in file_store().leases} == {2, 3}


def test_a_full_disk_loses_only_events(file_store: NewStore) -> None:
    """An event that cannot be written is no reason to stop."""
    store: Any = file_store()
    database, store._database = store._database, FullDisk(store._database)
    store.record(Event(NOW, EventKind.OPENED))
    assert store.error is not None
    store._database = database
    store.record(Event(NOW, EventKind.OPENED))
    assert store.error is None


@pytest.mark.parametrize("what", ["lease", "event"])
def test_a_file_catches_up_without_anything_new_to_write(file_store: NewStore, what: str) -> None:
    """`on_write_failure` is called for each failed attempt, so that its owner can try again."""
    store: Any = file_store()
    failures: list[str] = []
    store.on_write_failure = lambda: failures.append(store.error)
    database, store._database = store._database, FullDisk(store._database)
    if what == "lease":
        store.put(stored(1))
    else:
        store.record(Event(NOW, EventKind.OPENED))
    store.catch_up()
    assert len(failures) == 2
    store._database = database
    store.catch_up()
    assert store.error is None
    assert len(list(file_store().leases)) == (what == "lease")


def test_a_damaged_journal_is_logged_once_and_affects_no_lease(
    file_store: NewStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The leases are still written, and `history` reports what is wrong."""
    store = file_store()
    with contextlib.closing(sqlite3.connect(tmp_path / "leases.sqlite3")) as database, database:
        database.execute("DROP TABLE journal")
    database.close()
    for number in (1, 2, 3):
        store.put(stored(number))
        store.record(Event(NOW, EventKind.OPENED))
    assert len(list(file_store().leases)) == 3
    assert "no such table" in (store.error or "")
    assert len(caplog.messages) == 1
    with pytest.raises(StoreError, match="cannot read the journal"):
        store.history(10)


@pytest.mark.parametrize("replacement", [None, b"", b"not a database" * 100])
@posix_only("Windows does not remove open files")
def test_a_store_that_was_removed_or_replaced_is_recreated(
    file_store: NewStore, tmp_path: Path, replacement: bytes | None
) -> None:
    """With all its leases and its directory; a file that is no store is set aside."""
    directory = tmp_path / "state"
    store = Store(directory / "leases.sqlite3")
    store.put(stored(1))
    shutil.rmtree(directory)
    if replacement is not None:
        directory.mkdir()
        (directory / "leases.sqlite3").write_bytes(replacement)
    store.put(stored(2))
    if replacement:
        assert "not a database" in (store.error or "")
        store.catch_up()
    assert store.error is None
    reopened = Store(directory / "leases.sqlite3")
    assert {s.lease.external_port for s in reopened.leases} == {1, 2}
    reopened.close()
    store.close()


def test_a_failed_transaction_is_rolled_back(file_store: NewStore) -> None:
    """Whichever statement fails, the next write repeats them all."""
    for after in range(4):
        store: Any = file_store()
        database = store._database
        store._behind = {stored(1).lease.token}
        store._leases = {s.lease.token: s for s in (stored(1), stored(2), stored(3))}
        store._database = FullDisk(database, after)
        store.put(stored(2))
        assert not database.in_transaction
        store._database = database
        store.put(stored(3))
        assert {s.lease.external_port for s in file_store().leases} == {1, 2, 3}
        for number in (1, 2, 3):
            store.remove(stored(number).lease.token)


def test_a_process_that_dies_at_any_write_leaves_a_good_file(file_store: NewStore, tmp_path: Path) -> None:
    """Each copy of the files between two statements opens and has everything written before."""
    store: Any = file_store()
    known: set[int] = set()
    copies: list[tuple[Path, set[int]]] = []

    class Watching(FullDisk):
        def execute(self, *arguments: Any) -> Any:
            result = self.database.execute(*arguments)
            copy = tmp_path / f"copy{len(copies)}"
            copy.mkdir()
            for file in tmp_path.glob("leases.sqlite3*"):
                shutil.copy(file, copy)
            copies.append((copy, set(known)))
            return result

    store._database = Watching(store._database)
    for number in range(1, 6):
        store.put(stored(number))
        known.add(number)
        store.record(Event(NOW, EventKind.OPENED))
    for copy, before in copies:
        after_crash = Store(copy / "leases.sqlite3")
        assert before <= {s.lease.external_port for s in after_crash.leases} <= before | {len(before) + 1}
        after_crash.close()


def test_events_are_kept_in_their_order(file_store: NewStore, tmp_path: Path) -> None:
    """With the fields of their mappings."""
    store = file_store()
    store.record(Event(NOW, EventKind.OPENED, protocol=Protocol.TCP, external_port=80, backend="pcp"))
    store.record(Event(NOW, EventKind.CLOSED, detail="why"))
    store.close()
    database = sqlite3.connect(tmp_path / "leases.sqlite3")
    rows = database.execute("SELECT event, protocol, external_port, detail FROM journal ORDER BY rowid")
    assert list(rows) == [("opened", "TCP", 80, ""), ("closed", None, None, "why")]
    database.close()

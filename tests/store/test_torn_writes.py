"""A power cut in the middle of a write, at each frame of the log and each page of the file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from portmapper.api.model import Lease, Protocol
from portmapper.store.leases import FILE_NAME, Store
from portmapper.store.stored_lease import StoredLease

PAGE = 4096
LOG_HEADER, FRAME = 32, 24 + PAGE
LEASES = 5

Known = tuple[tuple[int, bool], ...]


def stored(number: int, confirmed: bool) -> StoredLease:
    """Return one of several leases."""
    token = number.to_bytes(12, "big")
    host = ip_address("192.168.1.2")
    lease = Lease(Protocol.TCP, host, 80, 80 + number, None, 600, False, "pcp", "pcp:192.168.1.1", token)
    return StoredLease(lease, 80 + number, datetime(2026, 1, 1, tzinfo=UTC), confirmed)


def known(store: Store) -> Known:
    """Return the number of each lease in the store, and whether it was granted."""
    return tuple(sorted((s.lease.external_port - 80, s.confirmed) for s in store.leases))


def write_some(store: Store, first: int = 1) -> Iterator[Known]:
    """Request, grant and release leases, and yield the state after each write."""
    for number in range(first, first + LEASES):
        for confirmed in (False, True):
            store.put(stored(number, confirmed))
            yield known(store)
    store.remove(stored(first, True).lease.token)
    yield known(store)


class Disk:
    """A directory in the state that a power cut leaves."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / FILE_NAME
        self.log = self.file.with_name(f"{FILE_NAME}-wal")

    @property
    def content(self) -> tuple[bytes, bytes]:
        """The content of the store and of its write-ahead log."""
        return self.file.read_bytes(), self.log.read_bytes() if self.log.exists() else b""

    def state_after_start(self, file: bytes, log: bytes) -> Known:
        """Return what the next start reads; the store must open and be intact."""
        self.file.with_name(f"{FILE_NAME}-shm").unlink(missing_ok=True)
        self.file.write_bytes(file)
        self.log.write_bytes(log)
        store = Store(self.file)
        found = known(store)
        assert store.error is None
        store.close()
        with contextlib.closing(sqlite3.connect(self.file)) as database, database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
        return found


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """The directory after the power cut."""
    (tmp_path / "after").mkdir()
    return Disk(tmp_path / "after")


def cuts(log: bytes) -> Iterator[int]:
    """Yield where a log may end: in its header, and before, in and after each frame."""
    yield from (0, LOG_HEADER // 2)
    for start in range(LOG_HEADER, len(log), FRAME):
        yield from (start, start + 12, start + FRAME // 2)
    yield len(log)


def test_a_cut_in_the_log_loses_the_last_writes_and_nothing_else(disk: Disk, tmp_path: Path) -> None:
    """At each frame, also if the file has already grown but its end was not written."""
    store = Store(tmp_path / FILE_NAME)
    states = [(), *write_some(store)]
    file, log = Disk(tmp_path).content
    store.close()
    assert len(log) > 20 * FRAME
    seen = []
    for cut in cuts(log):
        seen.append(disk.state_after_start(file, log[:cut]))
        assert disk.state_after_start(file, log[:cut] + bytes(len(log) - cut)) == seen[-1]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(states))


def test_a_cut_during_a_checkpoint_loses_nothing(disk: Disk, tmp_path: Path) -> None:
    """Any number of pages may be new, and one of them half written; the log still exists."""
    store = Store(tmp_path / FILE_NAME)
    *_, last = write_some(store)
    before, log = Disk(tmp_path).content
    store.close()
    after, _ = Disk(tmp_path).content
    for cut in range(0, len(after) + 1, PAGE // 2):
        assert disk.state_after_start(after[:cut] + before[cut:], log) == last
    assert disk.state_after_start(after, b"") == last


def test_a_cut_while_the_log_restarts_loses_at_most_the_last_write(disk: Disk, tmp_path: Path) -> None:
    """After a checkpoint, the log is overwritten from its start, frame by frame."""
    path = tmp_path / FILE_NAME
    store = Store(path)
    *_, last = write_some(store)
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        assert other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0
    other.close()
    file, old = Disk(tmp_path).content
    states = [last, *write_some(store, LEASES + 1)]
    _, new = Disk(tmp_path).content
    store.close()
    assert new[:LOG_HEADER] != old[:LOG_HEADER]
    for cut in cuts(new):
        assert disk.state_after_start(file, new[:cut] + old[cut:]) in states


@pytest.mark.parametrize("cut", range(0, PAGE + 1, 512))
def test_a_cut_in_the_first_page_ever_written_leaves_a_store_that_opens(
    disk: Disk, tmp_path: Path, cut: int
) -> None:
    """In steps of one sector; the store was still empty."""
    store = Store(tmp_path / FILE_NAME)
    page, log = Disk(tmp_path).content
    store.close()
    assert len(page) == PAGE
    assert disk.state_after_start(page[:cut], b"") == ()
    assert disk.state_after_start(page[:cut] + bytes(PAGE - cut), b"") == ()
    assert disk.state_after_start(page, log[: cut * len(log) // PAGE]) == ()

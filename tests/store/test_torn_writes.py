"""The power goes off in the middle of a write: each one is cut, byte by byte where it matters."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from portmapper.api.model import Lease, Protocol
from portmapper.store.leases import FILE_NAME, Store, StoredLease

PAGE = 4096
LOG_HEADER, FRAME = 32, 24 + PAGE
LEASES = 5

Known = tuple[tuple[int, bool], ...]


def stored(number: int, confirmed: bool) -> StoredLease:
    """Return one lease of several."""
    token = number.to_bytes(12, "big")
    host = ip_address("192.168.1.2")
    lease = Lease(Protocol.TCP, host, 80, 80 + number, None, 600, False, "pcp", "pcp:192.168.1.1", token)
    return StoredLease(lease, 80 + number, datetime(2026, 1, 1, tzinfo=UTC), confirmed)


def known(store: Store) -> Known:
    """Return what a store knows: lease and whether it was granted."""
    return tuple(sorted((s.lease.external_port - 80, s.confirmed) for s in store.leases))


def write_some(store: Store, first: int = 1) -> Iterator[Known]:
    """Ask, grant and release, and yield the state after each write."""
    for number in range(first, first + LEASES):
        for confirmed in (False, True):
            store.put(stored(number, confirmed))
            yield known(store)
    store.remove(stored(first, True).lease.token)
    yield known(store)


class Disk:
    """A directory that is put into the state that a power cut leaves."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / FILE_NAME
        self.log = self.file.with_name(f"{FILE_NAME}-wal")

    @property
    def content(self) -> tuple[bytes, bytes]:
        """Store and write-ahead log as they are now."""
        return self.file.read_bytes(), self.log.read_bytes() if self.log.exists() else b""

    def starts_with(self, file: bytes, log: bytes) -> Known:
        """Return what the next start knows; its store has to open and to be whole."""
        self.file.with_name(f"{FILE_NAME}-shm").unlink(missing_ok=True)
        self.file.write_bytes(file)
        self.log.write_bytes(log)
        store = Store(self.file)
        found = known(store)
        assert store.error is None
        store.close()
        with sqlite3.connect(self.file) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
        return found


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Where the power goes off."""
    (tmp_path / "after").mkdir()
    return Disk(tmp_path / "after")


def cuts(log: bytes) -> Iterator[int]:
    """Yield where a log may end: before, in and after each of its frames, and in its own header."""
    yield from (0, LOG_HEADER // 2)
    for start in range(LOG_HEADER, len(log), FRAME):
        yield from (start, start + 12, start + FRAME // 2)
    yield len(log)


def test_a_cut_in_the_log_loses_the_last_writes_and_nothing_else(disk: Disk, tmp_path: Path) -> None:
    """At each frame, and where the file had grown already but its end was not written."""
    store = Store(tmp_path / FILE_NAME)
    states = [(), *write_some(store)]
    file, log = Disk(tmp_path).content
    store.close()
    assert len(log) > 20 * FRAME
    seen = []
    for cut in cuts(log):
        seen.append(disk.starts_with(file, log[:cut]))
        assert disk.starts_with(file, log[:cut] + bytes(len(log) - cut)) == seen[-1]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(states))


def test_a_cut_while_the_log_is_brought_home_loses_nothing(disk: Disk, tmp_path: Path) -> None:
    """Any number of the store's pages may be the new ones, one of them by half; the log is still there."""
    store = Store(tmp_path / FILE_NAME)
    *_, last = write_some(store)
    before, log = Disk(tmp_path).content
    store.close()
    after, _ = Disk(tmp_path).content
    for cut in range(0, len(after) + 1, PAGE // 2):
        assert disk.starts_with(after[:cut] + before[cut:], log) == last
    assert disk.starts_with(after, b"") == last


def test_a_cut_while_the_log_begins_anew_loses_the_last_write_at_most(disk: Disk, tmp_path: Path) -> None:
    """What was brought home is overwritten from the start, frame by frame."""
    path = tmp_path / FILE_NAME
    store = Store(path)
    *_, last = write_some(store)
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0
    other.close()
    file, old = Disk(tmp_path).content
    states = [last, *write_some(store, LEASES + 1)]
    _, new = Disk(tmp_path).content
    store.close()
    assert new[:LOG_HEADER] != old[:LOG_HEADER]
    for cut in cuts(new):
        assert disk.starts_with(file, new[:cut] + old[cut:]) in states


@pytest.mark.parametrize("cut", range(0, PAGE + 1, 512))
def test_a_cut_in_the_first_page_ever_written_leaves_a_store_that_opens(
    disk: Disk, tmp_path: Path, cut: int
) -> None:
    """By sectors; nothing was in it yet."""
    store = Store(tmp_path / FILE_NAME)
    page, log = Disk(tmp_path).content
    store.close()
    assert len(page) == PAGE
    assert disk.starts_with(page[:cut], b"") == ()
    assert disk.starts_with(page[:cut] + bytes(PAGE - cut), b"") == ()
    assert disk.starts_with(page, log[: cut * len(log) // PAGE]) == ()

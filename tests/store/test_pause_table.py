"""The table of paused rows."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portmapper.api.model import Protocol
from portmapper.store import pause_table
from portmapper.store.leases import FILE_NAME, Store

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEB, ANY = (Protocol.TCP, 8080, "", 0), (Protocol.UDP, 0, "10.0.0.2", 6881)


def test_pauses_survive_a_restart(tmp_path: Path) -> None:
    """Those that ended do not."""
    store = Store(tmp_path / FILE_NAME)
    store.pauses.add([WEB, ANY], NOW)
    store.catch_up()
    store.close()
    store = Store(tmp_path / FILE_NAME)
    assert store.pauses.known == {WEB: NOW, ANY: NOW}
    store.pauses.remove([WEB])
    store.close()
    store = Store(tmp_path / FILE_NAME)
    assert store.pauses.known == {ANY: NOW}
    store.close()


def test_a_second_pause_keeps_the_time_of_the_first() -> None:
    """`status` shows since when a row is paused."""
    store = Store(None)
    store.pauses.add([WEB], NOW)
    store.pauses.add([WEB], NOW + timedelta(hours=1))
    assert store.pauses.known == {WEB: NOW}
    store.close()


def test_the_number_of_pauses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten."""
    monkeypatch.setattr(pause_table, "PAUSES_REMEMBERED", 2)
    store = Store(None)
    store.pauses.add([(Protocol.TCP, port, "", 0) for port in (1, 2, 3)], NOW)
    assert [key[1] for key in store.pauses.known] == [2, 3]
    store.close()


@pytest.mark.parametrize(
    "row", [("SCTP", 80, "", 0, 0.0), ("TCP", "x", "", 0, 0.0), ("TCP", 80, "", 0, 1e300)]
)
def test_a_damaged_row_is_skipped(tmp_path: Path, row: tuple[object, ...]) -> None:
    """The other pauses stay."""
    store = Store(tmp_path / FILE_NAME)
    store.pauses.add([WEB], NOW)
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database, database:
        database.execute("INSERT INTO paused VALUES (?, ?, ?, ?, ?)", row)
    database.close()
    store = Store(tmp_path / FILE_NAME)
    assert store.pauses.known == {WEB: NOW}
    store.close()


def test_a_store_of_an_earlier_version_is_upgraded(tmp_path: Path) -> None:
    """Version 4 had no such table."""
    store = Store(tmp_path / FILE_NAME)
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as database, database:
        database.execute("DROP TABLE paused")
        for column in ("origin", "disturbed"):
            database.execute(f"ALTER TABLE leases DROP COLUMN {column}")
        database.execute("PRAGMA user_version = 4")
    database.close()
    store = Store(tmp_path / FILE_NAME)
    store.pauses.add([WEB], NOW)
    store.catch_up()
    assert store.error is None
    store.close()

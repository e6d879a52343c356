"""The journal's table in the store, bounded by age and by number of events."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from portmapper.api.events import Event
from portmapper.store.damage import readable
from portmapper.support.text import address_text, storable

KEEP_SECONDS = 400 * 86400
"""A year and a month, so that a yearly audit still finds last year's events."""

KEEP_EVENTS = 50_000
"""About 10 MB, so that a gateway that fails at every interval does not fill the disk of a small machine."""

CLOCK_JUMP = 10 * 366 * 86400
"""Seconds without an event after which the clock is wrong rather than the daemon idle."""

FORGET_EVERY = 500
"""Events between two deletions of old events; the first event of a run triggers one too."""

_NO_END = 2**63 - 1

_INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LATEST = "(SELECT at FROM journal ORDER BY rowid DESC LIMIT 1)"
_TOO_OLD = f"DELETE FROM journal WHERE at < ? AND {_LATEST} > ?"
_TOO_MANY = "DELETE FROM journal WHERE rowid <= (SELECT max(rowid) FROM journal) - ?"


class JournalTable:
    """Adds events and deletes old ones; every method may raise a `sqlite3.Error`."""

    def __init__(self) -> None:
        self._until_deletion = 0
        self._last: int | None = None

    def add(self, database: sqlite3.Connection, events: Iterable[Event]) -> None:
        """Add events, and delete old events from time to time."""
        for event in events:
            self._add(database, event)

    def _add(self, database: sqlite3.Connection, event: Event) -> None:
        row = (
            event.at.timestamp(),
            event.kind.value,
            event.protocol and event.protocol.value,
            event.external_port,
            event.internal_address and address_text(event.internal_address),
            event.internal_port,
            event.backend,
            event.gateway,
            storable(event.detail),
        )
        if self._until_deletion == 0:
            self._delete_old(database, event.at.timestamp())
            self._until_deletion = FORGET_EVERY
        self._until_deletion -= 1
        self._last = database.execute(_INSERT, row).lastrowid

    def _delete_old(self, database: sqlite3.Connection, now: float) -> None:
        """Delete old events; not by age if the clock was probably set ahead since the latest event."""
        database.execute(_TOO_OLD, (now - KEEP_SECONDS, now - CLOCK_JUMP))
        database.execute(_TOO_MANY, (KEEP_EVENTS - 1,))

    def last_id(self, database: sqlite3.Connection) -> int:
        """Return the id of the latest event; 0 without one."""
        if self._last is None:
            ((self._last,),) = database.execute("SELECT coalesce(max(rowid), 0) FROM journal")
        return self._last or 0


def latest(
    database: sqlite3.Connection, limit: int, before: int | None = None, after: int = 0
) -> list[dict[str, Any]]:
    """Return the latest events in the format of `history`, the oldest first.

    Args:
        database: the store's database.
        limit: the number of events.
        before: only events with a smaller id.
        after: only events with a greater id.
    """
    where = "WHERE rowid > ? AND rowid < ?"
    bounds = (after, _NO_END if before is None else before, limit)
    rows = database.execute(f"SELECT rowid AS id, * FROM journal {where} ORDER BY rowid DESC LIMIT ?", bounds)
    names = [column[0] for column in rows.description]
    return list(readable(reversed(list(rows)), lambda row: _document(names, row), "journal"))


def _document(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(names, row, strict=True))
    return {**found, "at": datetime.fromtimestamp(found["at"], UTC).isoformat()}

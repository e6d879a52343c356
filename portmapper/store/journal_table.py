"""The journal's table in the store: events are added, read, and forgotten by age and number."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

from portmapper.api.events import Event
from portmapper.support.text import storable

KEEP_SECONDS = 400 * 86400
"""A year and a month: whoever looks back at last year's audit still finds it."""

KEEP_EVENTS = 50_000
"""About 10 MB; a gateway that fails at every interval fills no small machine's disk."""

FORGET_EVERY = 500
"""Events between two looks for what is to be forgotten; the first event of a run is followed by one."""

_INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TOO_OLD = "DELETE FROM journal WHERE at < ?"
_TOO_MANY = "DELETE FROM journal WHERE rowid <= (SELECT max(rowid) FROM journal) - ?"


class JournalTable:
    """Adds events, and counts when to forget; every method may raise a `sqlite3.Error`."""

    def __init__(self) -> None:
        self._until_forgetting = 0

    def add(self, database: sqlite3.Connection, event: Event) -> None:
        """Write one event down, and now and then forget the oldest."""
        row = (
            event.at.timestamp(),
            event.kind.value,
            event.protocol and event.protocol.value,
            event.external_port,
            event.internal_address and str(event.internal_address),
            event.internal_port,
            event.backend,
            event.gateway,
            storable(event.detail),
        )
        database.execute(_INSERT, row)
        if self._until_forgetting == 0:
            database.execute(_TOO_OLD, (event.at.timestamp() - KEEP_SECONDS,))
            database.execute(_TOO_MANY, (KEEP_EVENTS,))
            self._until_forgetting = FORGET_EVERY
        self._until_forgetting -= 1


def latest(database: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """Return the latest events as the contract's `history` has them, the oldest first."""
    rows = database.execute("SELECT * FROM journal ORDER BY rowid DESC LIMIT ?", (limit,))
    names = [column[0] for column in rows.description]
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [{**row, "at": datetime.fromtimestamp(row["at"], UTC).isoformat()} for row in reversed(found)]

"""The rows that the user paused, in the store's table of pauses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from portmapper.api.model import Protocol
from portmapper.store.damage import readable

PAUSES_REMEMBERED = 70_000
"""Pauses that are remembered, more than all lists may have rows; the oldest are forgotten."""

PauseKey = tuple[Protocol, int, str, int]
"""Protocol and requested external port; with port any, also the address and the internal port of the row."""


class PauseTable:
    """The paused rows. A pause ends only when the user resumes the row.

    Attributes:
        changed: the file lacks something.
    """

    def __init__(self) -> None:
        self.changed = False
        self.known: dict[PauseKey, datetime] = {}

    def add(self, keys: Iterable[PauseKey], now: datetime) -> None:
        """Pause rows; a row that is paused stays paused since the earlier time."""
        for key in keys:
            self.known.setdefault(key, now)
        while len(self.known) > PAUSES_REMEMBERED:
            del self.known[next(iter(self.known))]
        self.changed = True

    def remove(self, keys: Iterable[PauseKey]) -> None:
        """End pauses."""
        for key in keys:
            self.known.pop(key, None)
        self.changed = True

    def read(self, database: sqlite3.Connection) -> None:
        """Read the table. A row that cannot be read is skipped."""
        rows = database.execute("SELECT protocol, port, address, internal_port, at FROM paused ORDER BY at")
        self.known.update(readable(rows, _pause, "paused"))

    def write(self, database: sqlite3.Connection) -> None:
        """Replace the table within the caller's transaction, if it changed."""
        if self.changed:
            rows = [(*key, at.timestamp()) for key, at in self.known.items()]
            database.execute("DELETE FROM paused")
            database.executemany("INSERT INTO paused VALUES (?, ?, ?, ?, ?)", rows)


def _pause(row: Any) -> tuple[PauseKey, datetime]:
    protocol, port, address, internal_port, at = row
    if not (type(port) is int and type(address) is str and type(internal_port) is int):
        raise ValueError("it is not a port")
    return (Protocol(protocol), port, address, internal_port), datetime.fromtimestamp(at, UTC)

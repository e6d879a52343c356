"""The ad-hoc mappings, in the store's table of them."""

from __future__ import annotations

import sqlite3
from typing import Any

from portmapper.store.damage import readable


class AdhocTable:
    """The mappings that the user opened by a command, one JSON record each.

    Attributes:
        records: all of them.
        changed: the file lacks something.
    """

    def __init__(self) -> None:
        self.records: tuple[str, ...] = ()
        self.changed = False

    def replace(self, records: tuple[str, ...]) -> None:
        """Put other records in place of all."""
        self.records = records
        self.changed = True

    def read(self, database: sqlite3.Connection) -> None:
        """Read the table. A row that cannot be read is skipped."""
        self.records = tuple(readable(database.execute("SELECT record FROM adhoc"), _record, "adhoc"))

    def write(self, database: sqlite3.Connection) -> None:
        """Replace the table within the caller's transaction, if it changed."""
        if self.changed:
            database.execute("DELETE FROM adhoc")
            database.executemany("INSERT INTO adhoc VALUES (?)", [(text,) for text in self.records])


def _record(row: Any) -> str:
    import json  # few stores have such a row

    text = row[0]
    if not isinstance(text, str) or not isinstance(json.loads(text), dict):
        raise ValueError("it is not a JSON object")
    return text

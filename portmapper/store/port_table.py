"""The last external port of each mapping that accepts any port, in the store's table of ports."""

from __future__ import annotations

import sqlite3

from portmapper.store.lease_rows import port_rows
from portmapper.store.stored_lease import AnyPort

PORTS_REMEMBERED = 1000
"""Number of mappings that accept any external port and whose last port is remembered, the latest first."""

_FORGET_PORT = "DELETE FROM ports WHERE (protocol, address, internal_port) = (?, ?, ?)"


class PortTable:
    """The remembered ports. Only those that changed are written, because there may be many.

    Attributes:
        known: the last external port of each mapping, the oldest first.
    """

    def __init__(self) -> None:
        self.known: dict[AnyPort, int] = {}
        self._behind: set[AnyPort] = set()

    @property
    def changed(self) -> bool:
        """The file lacks something."""
        return bool(self._behind)

    @changed.setter
    def changed(self, changed: bool) -> None:
        self._behind = set(self.known) if changed else set()

    def remember(self, mapping: AnyPort, external_port: int) -> None:
        """Remember which external port was granted, so that it can be requested again."""
        if self.known.get(mapping) == external_port:
            return
        self.known[mapping] = external_port
        if len(self.known) > PORTS_REMEMBERED:
            oldest = next(iter(self.known))
            del self.known[oldest]
            self._behind.add(oldest)
        self._behind.add(mapping)

    def read(self, database: sqlite3.Connection) -> None:
        """Read the table. A row that cannot be read is skipped."""
        self.known = dict(port_rows(database))

    def write(self, database: sqlite3.Connection) -> None:
        """Write what the file lacks within the caller's transaction."""
        for mapping in self._behind:
            database.execute(_FORGET_PORT, mapping)
            if mapping in self.known:
                database.execute("INSERT INTO ports VALUES (?, ?, ?, ?)", (*mapping, self.known[mapping]))

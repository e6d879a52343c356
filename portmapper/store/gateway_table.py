"""Where gateways answered last, in the store's table of gateways. One-time commands start from it."""

from __future__ import annotations

import ipaddress
import sqlite3

from portmapper.api.model import IPAddress

GATEWAYS_REMEMBERED = 128
"""Protocols of gateways that are remembered; the oldest are forgotten."""

LONGEST = 2048
"""Characters of a location that is remembered."""


class GatewayTable:
    """The gateways known from this run and from earlier ones.

    Attributes:
        changed: the file lacks something; it is written together with the next lease.
    """

    def __init__(self) -> None:
        self.changed = False
        self._known: dict[tuple[IPAddress, str], str] = {}

    def location(self, address: IPAddress, backend: str) -> str | None:
        """Return the description's URL; empty if the backend found nothing there, None if unknown."""
        return self._known.get((address, backend))

    def put(self, address: IPAddress, backend: str, location: str) -> None:
        """Remember where a gateway answered, or with an empty location that it did not."""
        key = (address, backend)
        if self._known.get(key) == location or len(location) > LONGEST:
            return
        self._known.pop(key, None)
        self._known[key] = location
        while len(self._known) > GATEWAYS_REMEMBERED:
            del self._known[next(iter(self._known))]
        self.changed = True

    def read(self, database: sqlite3.Connection) -> None:
        """Read the table. A row that cannot be read is skipped."""
        for text, backend, location in database.execute("SELECT address, backend, location FROM gateways"):
            try:
                self._known[ipaddress.ip_address(text), str(backend)] = str(location)
            except ValueError:
                continue

    def write(self, database: sqlite3.Connection) -> None:
        """Replace the table within the caller's transaction, if it changed."""
        if self.changed:
            rows = [(str(address), name, where) for (address, name), where in self._known.items()]
            database.execute("DELETE FROM gateways")
            database.executemany("INSERT INTO gateways VALUES (?, ?, ?)", rows)

"""Where gateways answered last and what they refused, in the store's tables of gateways."""

from __future__ import annotations

import contextlib
import ipaddress
import sqlite3
from collections.abc import Iterable

from portmapper.api.learning import MAX_LEARNED
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
        self._learned: dict[tuple[IPAddress, str], str] = {}

    def location(self, address: IPAddress, backend: str) -> str | None:
        """Return the description's URL; empty if the backend found nothing there, None if unknown."""
        return self._known.get((address, backend))

    def put(self, address: IPAddress, backend: str, location: str) -> None:
        """Remember where a gateway answered, or with an empty location that it did not."""
        self._put(self._known, (address, backend), location, LONGEST)

    def learned(self, address: IPAddress, backend: str) -> str:
        """Return what a gateway has learned about its device, as its backend wrote it; empty if nothing."""
        return self._learned.get((address, backend), "")

    def put_learned(self, address: IPAddress, backend: str, text: str) -> None:
        """Remember what a gateway has learned about its device."""
        self._put(self._learned, (address, backend), text, MAX_LEARNED)

    def _put(
        self, table: dict[tuple[IPAddress, str], str], key: tuple[IPAddress, str], text: str, longest: int
    ) -> None:
        if table.get(key) == text or len(text) > longest:
            return
        table.pop(key, None)
        table[key] = text
        while len(table) > GATEWAYS_REMEMBERED:
            del table[next(iter(table))]
        self.changed = True

    def read(self, database: sqlite3.Connection) -> None:
        """Read the table. A row that cannot be read is skipped."""
        _read_into(self._known, database.execute("SELECT address, backend, location FROM gateways"))
        _read_into(self._learned, database.execute("SELECT address, backend, text FROM learned"))

    def write(self, database: sqlite3.Connection) -> None:
        """Replace the table within the caller's transaction, if it changed."""
        if self.changed:
            database.execute("DELETE FROM gateways")
            database.executemany("INSERT INTO gateways VALUES (?, ?, ?)", _rows(self._known))
            database.execute("DELETE FROM learned")
            database.executemany("INSERT INTO learned VALUES (?, ?, ?)", _rows(self._learned))


def _read_into(table: dict[tuple[IPAddress, str], str], rows: Iterable[tuple[object, ...]]) -> None:
    for address, backend, text in rows:
        with contextlib.suppress(ValueError):
            table[ipaddress.ip_address(str(address)), str(backend)] = str(text)


def _rows(table: dict[tuple[IPAddress, str], str]) -> list[tuple[str, str, str]]:
    return [(str(address), name, text) for (address, name), text in table.items()]

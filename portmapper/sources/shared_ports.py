"""Warns of rows that want one external port for different hosts: a gateway can open it for one of them."""

from __future__ import annotations

from collections.abc import Iterable

from portmapper.api.model import IPAddress, Mapping
from portmapper.api.reading import Rejected
from portmapper.api.source import Row

MAX_SHOWN = 20
"""Maximum number of such rows of one list that are reported."""


class SharedPorts:
    """The external ports of one document, with the first row that wants each.

    Rows for a network are left out: another gateway may serve it.
    """

    def __init__(self) -> None:
        """Know no row yet."""
        self._first: dict[tuple[object, ...], Mapping] = {}
        self.warnings: list[Rejected] = []

    def note(self, row: Row, mappings: Iterable[Mapping]) -> None:
        """Add a warning if an earlier row wants a port of this row for another host."""
        shared = next(filter(None, map(self._shared, mappings)), None)
        if shared and len(self.warnings) < MAX_SHOWN:
            mine, first = shared
            port = f"{mine.port}/{mine.protocol.lower()}"
            reason = f"{port} is also in {first.where}, for another host: a gateway can open it for one host"
            self.warnings.append(Rejected(row.where, reason, row.line))

    def _shared(self, mapping: Mapping) -> tuple[Mapping, Mapping] | None:
        named = mapping.address is None or isinstance(mapping.address, IPAddress)
        if not named or not mapping.port or mapping.family == "ipv6":
            return None
        key = (mapping.port, mapping.protocol, mapping.gateway)
        first = self._first.setdefault(key, mapping)
        return (mapping, first) if first.address != mapping.address else None

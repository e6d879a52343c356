"""The gateway's mapping table: entries by external port and by target, and their expiry."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

import attrs

from portmapper.api import Protocol

Key = tuple[Protocol, int]
Target = tuple[Protocol, str, int]


@attrs.frozen
class Entry:
    """An entry of the table.

    Attributes:
        protocol: TCP or UDP.
        external_port: the open port.
        internal_address: the host to map to.
        internal_port: the port to map to.
        mechanism: protocol that created the entry: `pcp`, `natpmp` or `upnp`.
        expires_at: expiry by the table's clock, None for a permanent entry.
        description: comment of the client.
        enabled: False for a disabled UPnP entry.
        nonce: PCP nonce, empty for other protocols.
        remote: the only hosts that may connect, None for every host.
    """

    protocol: Protocol
    external_port: int
    internal_address: str
    internal_port: int
    mechanism: str
    expires_at: float | None = None
    description: str = ""
    enabled: bool = True
    nonce: bytes = b""
    remote: IPv4Network | None = None

    @property
    def key(self) -> Key:
        """Key of the entry; it is unique in the table."""
        return (self.protocol, self.external_port)

    @property
    def target(self) -> Target:
        """Protocol, address and port to map to."""
        return (self.protocol, self.internal_address, self.internal_port)

    def __str__(self) -> str:
        """Return the entry for a log line."""
        lifetime = " permanent" if self.expires_at is None else ""
        return (
            f"{self.protocol} {self.external_port} -> {self.internal_address}:{self.internal_port}"
            f" ({self.mechanism}){lifetime}"
        )


class Table:
    """The entries, in the order of their creation."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Create an empty table; `clock` returns monotonic seconds."""
        self.clock = clock
        self._entries: dict[Key, Entry] = {}
        self._by_target: dict[Target, dict[Key, None]] = {}
        self._expiries: list[tuple[float, Key]] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, protocol: Protocol, external_port: int) -> Entry | None:
        """Return the entry with this external port."""
        return self._entries.get((protocol, external_port))

    def find_by_target(self, protocol: Protocol, address: str, port: int) -> list[Entry]:
        """Return the entries that lead to this internal port."""
        return [self._entries[key] for key in self._by_target.get((protocol, address, port), ())]

    def put(self, entry: Entry) -> None:
        """Add an entry, or replace the one with the same key."""
        if old := self._entries.get(entry.key):
            self._forget_target(old)
        self._entries[entry.key] = entry
        self._by_target.setdefault(entry.target, {})[entry.key] = None
        if entry.expires_at is not None:
            heapq.heappush(self._expiries, (entry.expires_at, entry.key))

    def remove(self, entry: Entry) -> None:
        """Remove an entry; a missing entry is not an error."""
        if (old := self._entries.pop(entry.key, None)) is not None:
            self._forget_target(old)

    def expires_at(self, lifetime: float) -> float | None:
        """Return the expiry for a lifetime in seconds; 0 means permanent."""
        return self.clock() + lifetime if lifetime else None

    def remaining(self, entry: Entry) -> int:
        """Return an entry's remaining seconds, rounded up; 0 for a permanent entry."""
        if entry.expires_at is None:
            return 0
        return max(math.ceil(entry.expires_at - self.clock()), 1)

    def due(self) -> list[Entry]:
        """Return the expired entries; they stay in the table until removed."""
        found = []
        while self._expiries and self._expiries[0][0] <= self.clock():
            at, key = heapq.heappop(self._expiries)
            if self._is_current(at, key):
                found.append(self._entries[key])
        return found

    def next_expiry(self) -> float | None:
        """Return the next expiry, or None if no entry expires."""
        while self._expiries and not self._is_current(*self._expiries[0]):
            heapq.heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else None

    def _is_current(self, at: float, key: Key) -> bool:
        """Return whether an expiry is current; a renewal leaves outdated ones in the heap."""
        return key in self._entries and self._entries[key].expires_at == at

    def _forget_target(self, entry: Entry) -> None:
        keys = self._by_target[entry.target]
        del keys[entry.key]
        if not keys:
            del self._by_target[entry.target]

"""The gateway's mapping table: entries, their lifetimes, and two ways to find them. No input or output."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator

import attrs

from portmapper.api import Protocol

Key = tuple[Protocol, int]
Inside = tuple[Protocol, str, int]


@attrs.frozen
class Entry:
    """One row of the table.

    Attributes:
        protocol: TCP or UDP.
        external_port: the open port.
        internal_address: who gets the packets.
        internal_port: on which port.
        mechanism: protocol that made it: `pcp`, `natpmp` or `upnp`.
        expires_at: by the table's clock, None for a permanent one.
        description: comment of the client that made it.
        enabled: UPnP entries can be switched off while they stand.
        nonce: PCP's, empty otherwise.
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

    @property
    def key(self) -> Key:
        """What there can be only one entry of."""
        return (self.protocol, self.external_port)

    @property
    def inside(self) -> Inside:
        """Where the packets go."""
        return (self.protocol, self.internal_address, self.internal_port)

    def __str__(self) -> str:
        """Show it as a log line does."""
        lifetime = " for ever" if self.expires_at is None else ""
        return (
            f"{self.protocol} {self.external_port} -> {self.internal_address}:{self.internal_port}"
            f" ({self.mechanism}){lifetime}"
        )


class Table:
    """The entries, in the order in which they were made."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Make an empty table; `clock` returns seconds and never goes back."""
        self.clock = clock
        self._entries: dict[Key, Entry] = {}
        self._inside: dict[Inside, dict[Key, None]] = {}
        self._expiries: list[tuple[float, Key]] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, protocol: Protocol, external_port: int) -> Entry | None:
        """Return the entry that holds that port."""
        return self._entries.get((protocol, external_port))

    def toward(self, protocol: Protocol, address: str, port: int) -> list[Entry]:
        """Return the entries that lead to that internal port."""
        return [self._entries[key] for key in self._inside.get((protocol, address, port), ())]

    def put(self, entry: Entry) -> None:
        """Add an entry, or replace the one with its key in its place."""
        if old := self._entries.get(entry.key):
            self._forget_inside(old)
        self._entries[entry.key] = entry
        self._inside.setdefault(entry.inside, {})[entry.key] = None
        if entry.expires_at is not None:
            heapq.heappush(self._expiries, (entry.expires_at, entry.key))

    def remove(self, entry: Entry) -> None:
        """Take an entry out; one that is not there is no error."""
        if (old := self._entries.pop(entry.key, None)) is not None:
            self._forget_inside(old)

    def expires_at(self, lifetime: float) -> float | None:
        """Turn a lifetime in seconds into a time of the clock; 0 is for ever."""
        return self.clock() + lifetime if lifetime else None

    def remaining(self, entry: Entry) -> int:
        """Return the seconds an entry has left, rounded up; 0 for a permanent one."""
        if entry.expires_at is None:
            return 0
        return max(math.ceil(entry.expires_at - self.clock()), 1)

    def due(self) -> list[Entry]:
        """Return the entries whose time is over; they stay until removed."""
        found = []
        while self._expiries and self._expiries[0][0] <= self.clock():
            at, key = heapq.heappop(self._expiries)
            if self._is_current(at, key):
                found.append(self._entries[key])
        return found

    def next_expiry(self) -> float | None:
        """Return when the next entry's time is over, None when no entry's ever is."""
        while self._expiries and not self._is_current(*self._expiries[0]):
            heapq.heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else None

    def _is_current(self, at: float, key: Key) -> bool:
        """Tell whether an expiry still counts: a renewed entry leaves its old ones behind."""
        return key in self._entries and self._entries[key].expires_at == at

    def _forget_inside(self, entry: Entry) -> None:
        keys = self._inside[entry.inside]
        del keys[entry.key]
        if not keys:
            del self._inside[entry.inside]

"""The gate of rows that are open only while a program of this host listens on their internal port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from portmapper.api.model import Family, IPAddress, Lease, Mapping, MappingState, Protocol
from portmapper.network.host import Network
from portmapper.sources.gates import PASS, Verdict
from portmapper.support.clock import Clock
from portmapper.support.threads import in_thread

if TYPE_CHECKING:
    from portmapper.network.listeners import Listener

READ_INTERVAL = 2.0
"""Seconds between two reads of the kernel's tables, while at least one row needs them."""

GRACE = 10.0
"""Seconds without a listener before the port is closed: a program that restarts keeps its port."""

Endpoint = tuple[Protocol, Family, IPAddress | None, int]


def _read_listeners() -> Sequence[Listener] | None:
    from portmapper.network.listeners import read_listeners  # few lists have such a row

    return read_listeners()


class HasMappings(Interface):
    """Knows all rows: the gatekeeper."""

    @property
    def mappings(self) -> Iterable[Mapping]:
        """All rows, held back or not."""


class ListeningGate:
    """Knows which of the endpoints of rows have a listener, and when they had one last."""

    def __init__(
        self,
        clock: Clock,
        network: Callable[[], Network],
        read: Callable[[], Sequence[Listener] | None] = _read_listeners,
        *,
        on_loopback: bool = False,
    ) -> None:
        """Know nothing yet; nothing is read until a row needs it.

        Args:
            clock: for the grace time.
            network: this host's addresses.
            read: returns the sockets of all programs.
            on_loopback: the gateway runs on this host, as the simulator does, and forwards to loopback.
        """
        self._clock = clock
        self._network = network
        self._read = read
        self._on_loopback = on_loopback
        self._last_seen: dict[Endpoint, float | None] = {}
        self._listeners: Sequence[Listener] | None = ()
        self._read_at: datetime | None = None
        self._known: tuple[datetime | None, Network | None] = (None, None)
        self._needed = asyncio.Event()
        self._held: frozenset[tuple[Protocol, int]] = frozenset()

    def remember(self, leases: Iterable[Lease]) -> None:
        """Give what earlier runs left open the grace time, because its program may start after this one."""
        self._held = frozenset((lease.protocol, lease.internal_port) for lease in leases)

    def __call__(self, mapping: Mapping, now: datetime) -> Verdict:
        """Decide about one mapping."""
        if not mapping.when_listening:
            return PASS
        address = mapping.address
        if isinstance(address, IPv4Network | IPv6Network):
            address = None
        if address is not None and not self._is_ours(address, now):
            return _waits(f'{address} is another host; when = "listening" needs a program of this host')
        endpoint = (mapping.protocol, mapping.family, address, mapping.internal_port)
        if endpoint not in self._last_seen:
            self._add(endpoint, now)
        if self._last_seen[endpoint] is not None:
            return PASS
        if self._listeners is None:
            return _waits("this system does not tell which programs listen")
        return _waits(f"waits for a program to listen on {mapping.internal_port}/{mapping.protocol.lower()}")

    async def run(self, rows: HasMappings, changed: Callable[[], None]) -> None:
        """Read the tables again and again while a row needs them; call `changed` if a verdict changed."""
        while True:
            await self._needed.wait()
            await asyncio.sleep(READ_INTERVAL)
            if not any(mapping.when_listening for mapping in rows.mappings):
                self._last_seen.clear()
                self._needed.clear()
                continue
            self._held = frozenset()
            self._listeners = await in_thread(self._read)
            if self._look():
                changed()

    def _is_ours(self, address: IPAddress, now: datetime) -> bool:
        if self._known[0] != now:  # once for all rows of a decision
            self._known = (now, self._network())
        network = self._known[1]
        return network is not None and network.is_ours(address)

    def _add(self, endpoint: Endpoint, now: datetime) -> None:
        if self._read_at != now:  # once for all rows of a decision
            self._listeners, self._read_at = self._read(), now
        was_open = (endpoint[0], endpoint[3]) in self._held
        is_seen = was_open or self._has_listener(endpoint)
        self._last_seen[endpoint] = self._clock.monotonic() if is_seen else None
        self._needed.set()

    def _look(self) -> bool:
        """Update what was seen; return whether a port has to be opened or closed."""
        now, changed = self._clock.monotonic(), False
        for endpoint, seen in self._last_seen.items():
            if self._has_listener(endpoint):
                changed = changed or seen is None
                self._last_seen[endpoint] = now
            elif seen is not None and now - seen >= GRACE:
                self._last_seen[endpoint] = None
                changed = True
        return changed

    def _has_listener(self, endpoint: Endpoint) -> bool:
        protocol, family, address, port = endpoint
        return any(
            listener.endpoint == (protocol, port) and self._receives(listener, family, address)
            for listener in self._listeners or ()
        )

    def _receives(self, listener: Listener, family: Family, address: IPAddress | None) -> bool:
        """Return whether a socket receives what the gateway forwards; one on loopback seldom does."""
        if address is not None:
            return listener.receives(address)
        if listener.address.is_unspecified:
            return listener.address.version in (6, family.version)
        is_reachable = self._on_loopback or not listener.address.is_loopback
        return listener.address.version == family.version and is_reachable


def _waits(reason: str) -> Verdict:
    return Verdict(MappingState.WAITING, reason)

"""The made-up event of a test, with addresses that belong to no host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from portmapper.api import Event, EventKind, Family, Protocol
from portmapper.support.wall_clock import wall_now


def sample_event(kinds: Iterable[EventKind]) -> Event:
    """Return an event of the first of these kinds, of port 8080/tcp."""
    return Event(
        at=wall_now(),
        kind=next(kind for kind in EventKind if kind in set(kinds)),
        detail="a test of this hook",
        protocol=Protocol.TCP,
        family=Family.IPV4,
        internal_address=ipaddress.ip_address("192.0.2.10"),
        internal_port=8080,
        wanted_external_port=8080,
        external_address=ipaddress.ip_address("203.0.113.7"),
        external_port=8080,
        backend="test",
        gateway="192.0.2.1",
        comment="test",
    )

"""State that the servers of one gateway share."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

import attrs

from portmapper_simulator import gateway_points, udp_points
from portmapper_simulator.nat import Nat
from portmapper_simulator.settings import Settings
from portmapper_simulator.table import Entry

MAX_REQUESTS = 1000

UDP_MECHANISMS = frozenset({"pcp", "natpmp"})


@attrs.frozen
class LoggedRequest:
    """A received request, kept for tests.

    Attributes:
        protocol: `pcp`, `natpmp`, `ssdp`, `http` or `soap`.
        action: such as `MAP`, `M-SEARCH`, `GET` or `AddPortMapping`.
        sender: the client's address.
        details: the fields of the request.
    """

    protocol: str
    action: str
    sender: str
    details: Mapping[str, object]


class State:
    """The gateway's mappings, clock, external address, quirks and enabled protocols."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.quirks = set(settings.quirks)
        self.active = set(settings.protocols)
        self.muted: set[str] = set()
        self.nat = Nat(settings, self.sees, self._forward)
        self.requests: deque[LoggedRequest] = deque(maxlen=MAX_REQUESTS)
        self.boot = 1
        self._loop = asyncio.get_running_loop()
        self._up_since = self._loop.time() - settings.uptime
        self._external_address = settings.external_address

    @property
    def uptime(self) -> int:
        """Seconds since the last restart."""
        return int(self._loop.time() - self._up_since)

    @property
    def epoch(self) -> int:
        """The epoch in replies of PCP and NAT-PMP."""
        return udp_points.EPOCH.apply(self.quirks, self.uptime)

    @property
    def external_address(self) -> str:
        """The external address reported to clients."""
        return gateway_points.EXTERNAL_ADDRESS.apply(self.quirks, self._external_address)

    @external_address.setter
    def external_address(self, address: str) -> None:
        self._external_address = address

    def restart(self) -> None:
        """Close every mapping, and reset the uptime."""
        self.nat.clear()
        self.boot += 1
        self._up_since = self._loop.time()

    @property
    def enabled_protocols(self) -> frozenset[str]:
        """The enabled protocols."""
        return gateway_points.PROTOCOLS.apply(self.quirks, frozenset(self.active))

    def is_answering(self, protocol: str) -> bool:
        """Return whether a protocol is enabled and not muted."""
        return protocol in self.enabled_protocols and protocol not in self.muted

    def _forward(self, forwarding: gateway_points.Forwarding) -> gateway_points.Forwarding:
        return gateway_points.FORWARD.apply(self.quirks, forwarding)

    def sees(self, mechanism: str, entry: Entry) -> bool:
        """Return whether a protocol can see an entry; some routers have separate tables."""
        same_side = (mechanism in UDP_MECHANISMS) == (entry.mechanism in UDP_MECHANISMS)
        return same_side or gateway_points.TABLES.apply(self.quirks, True)

    def log_request(self, protocol: str, action: str, sender: str, /, **details: object) -> None:
        """Record a request."""
        self.requests.append(LoggedRequest(protocol, action, sender, details))

"""What the servers of one gateway share."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

import attrs

from portmapper_simulator import points
from portmapper_simulator.nat import Nat
from portmapper_simulator.settings import Settings
from portmapper_simulator.table import Entry

MAX_REQUESTS = 1000

UDP_MECHANISMS = frozenset({"pcp", "natpmp"})


@attrs.frozen
class Asked:
    """One request that came in, for whoever wants to know afterwards.

    Attributes:
        protocol: `pcp`, `natpmp`, `ssdp`, `http` or `soap`.
        action: such as `MAP`, `M-SEARCH`, `GET` or `AddPortMapping`.
        sender: address it came from.
        details: what it said.
    """

    protocol: str
    action: str
    sender: str
    details: Mapping[str, object]


class State:
    """The gateway's mappings, clock and outside address, and which quirks and protocols are on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.quirks = set(settings.quirks)
        self.active = set(settings.protocols)
        self.muted: set[str] = set()
        self.nat = Nat(settings, self.sees)
        self.requests: deque[Asked] = deque(maxlen=MAX_REQUESTS)
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
        """What PCP and NAT-PMP tell of it."""
        return points.EPOCH.through(self.quirks, self.uptime)

    @property
    def external_address(self) -> str:
        """The outside address that clients are told."""
        return points.EXTERNAL_ADDRESS.through(self.quirks, self._external_address)

    @external_address.setter
    def external_address(self, address: str) -> None:
        self._external_address = address

    def restart(self) -> None:
        """Lose every mapping, and begin to count anew."""
        self.nat.clear()
        self.boot += 1
        self._up_since = self._loop.time()

    @property
    def spoken(self) -> frozenset[str]:
        """The protocols that are on."""
        return points.PROTOCOLS.through(self.quirks, frozenset(self.active))

    def speaks(self, protocol: str) -> bool:
        """Tell whether a protocol is on and not struck dumb."""
        return protocol in self.spoken and protocol not in self.muted

    def sees(self, mechanism: str, entry: Entry) -> bool:
        """Tell whether that protocol may know of an entry; some routers keep two tables."""
        same_side = (mechanism in UDP_MECHANISMS) == (entry.mechanism in UDP_MECHANISMS)
        return same_side or points.TABLES.through(self.quirks, True)

    def note(self, protocol: str, action: str, sender: str, /, **details: object) -> None:
        """Remember a request."""
        self.requests.append(Asked(protocol, action, sender, details))

"""Points where quirks change what the gateway does over every protocol."""

from __future__ import annotations

import attrs

from portmapper_simulator.quirk_points import QuirkPoint


@attrs.frozen
class Forwarding:
    """Where the traffic of an open port goes.

    Attributes:
        external_port: the open port.
        internal_port: the port on the internal host.
    """

    external_port: int
    internal_port: int


FORWARD = QuirkPoint[Forwarding]()

EXTERNAL_ADDRESS = QuirkPoint[str]()
"""External address reported by every protocol."""

TABLES = QuirkPoint[bool]()
"""Whether UPnP sees the entries of PCP and NAT-PMP, and the reverse."""

PROTOCOLS = QuirkPoint[frozenset[str]]()
"""Enabled protocols, of `pcp`, `natpmp` and `upnp`."""

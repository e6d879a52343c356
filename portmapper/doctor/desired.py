"""The ports to check: those of a list, or those of a running daemon."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from portmapper.api.backend import Target
from portmapper.api.model import HELD_BACK, Family, IPAddress, MappingState, Protocol
from portmapper.api.model import Mapping as DesiredMapping
from portmapper.network.host import Network
from portmapper.network.placement import places
from portmapper.store.stored_lease import StoredLease


@attrs.frozen
class DesiredPort:
    """One port to check.

    Attributes:
        protocol: TCP or UDP.
        port: external port; 0 for any.
        internal_address: the host that listens.
        internal_port: the port that it listens on.
        is_open: we hold a lease for it, so no test mapping may replace it.
    """

    protocol: Protocol
    port: int
    internal_address: IPAddress
    internal_port: int
    is_open: bool = False

    @property
    def family(self) -> Family:
        """The address family of the internal address."""
        return Family.of(self.internal_address)

    def __str__(self) -> str:
        return f"{self.port or self.internal_port}/{self.protocol.lower()}"


def desired_from_list(
    mappings: Iterable[DesiredMapping],
    network: Network,
    chosen: Sequence[Target] | None,
    leases: Iterable[StoredLease],
) -> list[DesiredPort]:
    """Return the ports of a list; a port with a confirmed lease of ours counts as open."""
    held = {
        (s.lease.protocol, s.lease.internal_address, s.lease.internal_port) for s in leases if s.confirmed
    }
    ports = []
    for mapping in mappings:
        for place in places(mapping, network, chosen)[:1]:
            key = (mapping.protocol, place.internal_address, mapping.internal_port)
            ports.append(
                DesiredPort(
                    mapping.protocol,
                    mapping.port,
                    place.internal_address,
                    mapping.internal_port,
                    is_open=key in held,
                )
            )
    return ports


def desired_from_daemon(document: Mapping[str, Any]) -> list[DesiredPort]:
    """Return the ports of a daemon's status document, except held back ones and those without address."""
    return [
        DesiredPort(
            Protocol(mapping["protocol"]),
            int(mapping["wanted_external_port"]),
            ipaddress.ip_address(mapping["internal_address"]),
            int(mapping["internal_port"]),
            is_open=mapping["state"] == MappingState.ACTIVE,
        )
        for mapping in document["mappings"]
        if mapping["internal_address"] and mapping["state"] not in HELD_BACK
    ]

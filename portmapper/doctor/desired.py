"""The ports that are examined: what a list wants, or what a running daemon keeps."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from portmapper.api.backend import Target
from portmapper.api.model import Family, IPAddress, MappingState, Protocol
from portmapper.api.model import Mapping as WantedMapping
from portmapper.network.host import Network
from portmapper.network.placement import places
from portmapper.store.leases import StoredLease


@attrs.frozen
class Desired:
    """One port.

    Attributes:
        protocol: TCP or UDP.
        port: external port; 0 for any.
        internal_address: who listens.
        internal_port: on which port.
        is_open: it is held for us already, so that no test mapping may touch it.
    """

    protocol: Protocol
    port: int
    internal_address: IPAddress
    internal_port: int
    is_open: bool = False

    @property
    def family(self) -> Family:
        """The family of its internal address."""
        return Family.of(self.internal_address)

    def __str__(self) -> str:
        return f"{self.protocol} {self.port or self.internal_port}"


def desired_of_list(
    mappings: Iterable[WantedMapping],
    network: Network,
    chosen: Sequence[Target] | None,
    leases: Iterable[StoredLease],
) -> list[Desired]:
    """Return the ports of a list; those with a lease of ours count as open."""
    held = {
        (s.lease.protocol, s.lease.internal_address, s.lease.internal_port) for s in leases if s.confirmed
    }
    ports = []
    for mapping in mappings:
        for place in places(mapping, network, chosen)[:1]:
            key = (mapping.protocol, place.internal_address, mapping.internal_port)
            ports.append(
                Desired(
                    mapping.protocol,
                    mapping.port,
                    place.internal_address,
                    mapping.internal_port,
                    is_open=key in held,
                )
            )
    return ports


def desired_of_daemon(document: Mapping[str, Any]) -> list[Desired]:
    """Return the ports of a daemon's status document; one that it found no place for is left out."""
    return [
        Desired(
            Protocol(mapping["protocol"]),
            int(mapping["wanted_external_port"]),
            ipaddress.ip_address(mapping["internal_address"]),
            int(mapping["internal_port"]),
            is_open=mapping["state"] == MappingState.ACTIVE,
        )
        for mapping in document["mappings"]
        if mapping["internal_address"]
    ]

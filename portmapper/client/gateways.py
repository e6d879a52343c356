"""What a program can ask about gateways: which ones answer, and the external address."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from portmapper.actions.discover import discover_gateways
from portmapper.actions.external_address import external_ipv4, own_ipv6
from portmapper.api.backend import Backend, Target
from portmapper.api.errors import NetworkFailure
from portmapper.api.external import ExternalKind, external_kind
from portmapper.api.model import Family, IPAddress
from portmapper.network.gateway_option import reachable_targets
from portmapper.network.host import read_network
from portmapper.network.placement import search_targets


@attrs.frozen(repr=False)
class FoundGateway:
    """One protocol of a gateway that answered.

    Attributes:
        address: the gateway's address.
        backend: `pcp`, `natpmp`, `upnp` or the name of a plugin's backend.
        protocol: name and version, such as `PCP 2`.
        local_address: this host's address on the way to the gateway.
        external_address: what the gateway reports; None if it reports none (PCP does so with a lease only).
        external_kind: `public`, `private` or `cgnat` (another NAT is in front), or `none`.
        model: the device's name, empty if it gives none; untrusted text.
        location: URL of the device's description, None if the protocol has none.
        latency: seconds until the first answer.
    """

    address: IPAddress
    backend: str
    protocol: str
    local_address: IPAddress
    external_address: IPAddress | None
    external_kind: ExternalKind
    model: str
    location: str | None
    latency: float

    def __repr__(self) -> str:
        """Return `<FoundGateway PCP 2 on 192.168.88.1>`, with the external address if it is known."""
        external = f": {self.external_address} ({self.external_kind})" if self.external_address else ""
        return f"<{type(self).__name__} {self.protocol} on {self.address}{external}>"


async def found_gateways(backends: Sequence[Backend], chosen: Sequence[str]) -> list[FoundGateway]:
    """Search, and return what answered, best first."""
    result = await discover_gateways(backends, _targets(chosen))
    return [
        FoundGateway(
            gateway.address,
            gateway.backend,
            gateway.protocol,
            gateway.local_address,
            external,
            external_kind(external),
            gateway.model,
            gateway.location,
            gateway.latency,
        )
        for gateway, external in result.gateways
    ]


async def external_address(backends: Sequence[Backend], chosen: Sequence[str], family: Family) -> IPAddress:
    """Return the gateway's external IPv4 address, or this host's own IPv6 address.

    Raises:
        NoGateway: no gateway answers, or this host has no IPv6 connection.
        NetworkFailure: the gateway has no external address.
    """
    if family is Family.IPV6:
        return own_ipv6(read_network())
    address = await external_ipv4(backends, _targets(chosen))
    if address is None:
        raise NetworkFailure("the gateway reports no external address; is it connected to the internet?")
    return address


def _targets(chosen: Sequence[str]) -> Sequence[Target]:
    network = read_network()
    named = reachable_targets(chosen, network)
    return search_targets(network) if named is None else named

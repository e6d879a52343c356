"""The address that the internet sees: of the gateway for IPv4, of this host for IPv6."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from portmapper.actions.discover import distinct, probing, reported_address
from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.errors import BackendError, NoGateway
from portmapper.api.model import ConflictPolicy, IPAddress, MapRequest, Protocol
from portmapper.gateways.calls import request_lease, try_release
from portmapper.network.host import Network

LIFETIME = 120
"""Seconds that the mapping lasts if its release is lost; many gateways grant no less."""

DISCARD_PORT = 9
"""RFC 6887 section 11.6 suggests the discard service for a mapping that only tells the external address."""

COMMENT = "portmapper address"
TOKEN_LENGTH = 12


async def external_ipv4(backends: Sequence[Backend], targets: Sequence[Target]) -> IPAddress | None:
    """Return the external address of the best gateway that knows it; None if none does.

    PCP tells the address only with a lease. If no other protocol answers, open a mapping and release it.

    Raises:
        NoGateway: no gateway answers.
    """
    async with probing(backends, targets) as probes:
        gateways = [gateway for gateway in distinct(probes) if gateway.local_address.version == 4]
        if not gateways:
            raise NoGateway("no gateway answered; run 'portmapper doctor' to find out why")
        for ask in (reported_address, _granted_address):
            for gateway in gateways:
                if (address := await ask(gateway)) and address.version == 4:
                    return address
        return None


def own_ipv6(network: Network) -> IPAddress:
    """Return this host's stable IPv6 address on the interface that leads to the internet.

    Raises:
        NoGateway: no interface with an IPv6 default route has such an address.
    """
    for interface in network.by_preference(6):
        for address in interface.stable_ipv6:
            if network.default_gateway(interface.name, 6) is not None:
                return address
    raise NoGateway("this host has no IPv6 connection to the internet")


async def _granted_address(gateway: Gateway) -> IPAddress | None:
    if not gateway.address_by_grant:
        return None
    request = MapRequest(
        protocol=Protocol.UDP,
        internal_address=gateway.local_address,
        internal_port=DISCARD_PORT,
        external_port=DISCARD_PORT,
        lifetime=LIFETIME,
        comment=COMMENT,
        token=secrets.token_bytes(TOKEN_LENGTH),
    )
    try:
        lease = await request_lease(gateway, request, ConflictPolicy.FAIL, _make_no_room)
    except BackendError:
        return None
    await try_release(gateway, lease)
    return lease.external_address


async def _make_no_room(_: object) -> bool:
    return False

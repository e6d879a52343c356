"""Construction of a gateway from a description URL. Imports async-upnp-client: see `lazy_import`."""

from __future__ import annotations

import aiohttp

from portmapper_upnp.connection import Description, WanConnection, describe
from portmapper_upnp.connection_details import WanLink
from portmapper_upnp.device import Identity, IgdDevice
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.igd import IgdGateway
from portmapper_upnp.requester import BoundedRequester, open_session
from portmapper_upnp.scpd import FIREWALL_CONTROL, WAN_CONNECTION, WAN_LINK
from portmapper_upnp.select_connection import by_preference
from portmapper_upnp.ssdp_packet import read_device_name

__all__ = ["connect", "open_session"]


async def connect(session: aiohttp.ClientSession, endpoint: Endpoint) -> IgdDevice:
    """Read the description and return a gateway for its WAN connection, or for its firewall over IPv6.

    Raises:
        BackendError: the device is no internet gateway, or its description cannot be read.
    """
    requester = BoundedRequester(session, endpoint.local_address)
    if endpoint.local_address.version == 6:
        from portmapper_upnp.firewall import FirewallControl
        from portmapper_upnp.pinholes import PinholeGateway

        described = await describe(requester, endpoint.location, FIREWALL_CONTROL)
        return PinholeGateway(FirewallControl(described.services[0]), endpoint, _identity(described, v2=True))
    described, connections = await _connections(requester, endpoint.location)

    async def read_again() -> list[WanConnection]:
        return (await _connections(requester, endpoint.location))[1]

    async def link() -> WanLink:
        return WanLink((await describe(requester, endpoint.location, WAN_LINK)).services[0])

    identity = _identity(described, v2=connections[0].is_v2)
    return IgdGateway(connections, endpoint, identity, read_again, link)


async def _connections(requester: BoundedRequester, location: str) -> tuple[Description, list[WanConnection]]:
    """Read the description; return it with its WAN connections, best first."""
    described = await describe(requester, location, WAN_CONNECTION)
    connections = [WanConnection(service, lambda: requester.patience) for service in described.services]
    return described, await by_preference(connections)


def _identity(described: Description, *, v2: bool) -> Identity:
    v2 = v2 or described.device_type.lower().endswith("internetgatewaydevice:2")
    name = read_device_name(described.udn)
    return Identity(2 if v2 else 1, described.model, name, described.server, described.page)

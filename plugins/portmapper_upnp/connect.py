"""Makes a gateway of a description URL. Importing this imports async-upnp-client: see `loading`."""

from __future__ import annotations

import aiohttp

from portmapper_upnp.answer import read_device_name, read_packet
from portmapper_upnp.connection import Described, WanConnection, describe
from portmapper_upnp.device import Identity, IgdDevice
from portmapper_upnp.igd import IgdGateway
from portmapper_upnp.location_check import Place
from portmapper_upnp.requester import BoundedRequester, open_session
from portmapper_upnp.scpd import FIREWALL_CONTROL, WAN_CONNECTION
from portmapper_upnp.service import choose

__all__ = ["connect", "open_session", "read_packet"]


async def connect(session: aiohttp.ClientSession, place: Place) -> IgdDevice:
    """Read the description there and choose its WAN connection, or over IPv6 its firewall.

    Raises:
        BackendError: it is no internet gateway, or cannot be read.
    """
    requester = BoundedRequester(session, place.local_address)
    if place.local_address.version == 6:
        from portmapper_upnp.firewall import FirewallControl
        from portmapper_upnp.pinholes import PinholeGateway

        described = await describe(requester, place.location, FIREWALL_CONTROL)
        return PinholeGateway(FirewallControl(described.services[0]), place, _identity(described, v2=True))
    described = await describe(requester, place.location, WAN_CONNECTION)
    connection = await choose([WanConnection(service) for service in described.services])
    return IgdGateway(connection, place, _identity(described, v2=connection.is_v2))


def _identity(described: Described, *, v2: bool) -> Identity:
    v2 = v2 or described.device_type.lower().endswith("internetgatewaydevice:2")
    return Identity(2 if v2 else 1, described.model, read_device_name(described.udn), described.server)

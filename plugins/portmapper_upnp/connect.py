"""Makes a gateway of a description URL. Importing this imports async-upnp-client: see `loading`."""

from __future__ import annotations

import aiohttp

from portmapper.errors import Unsupported
from portmapper_upnp.answer import read_device_name, read_packet
from portmapper_upnp.connection import Described, describe
from portmapper_upnp.device import Identity, IgdDevice
from portmapper_upnp.igd import IgdGateway
from portmapper_upnp.pinholes import PinholeGateway
from portmapper_upnp.place import Place
from portmapper_upnp.requester import BoundedRequester, open_session
from portmapper_upnp.service import choose

__all__ = ["connect", "open_session", "read_packet"]


async def connect(session: aiohttp.ClientSession, place: Place) -> IgdDevice:
    """Read the description there and choose its WAN connection, or over IPv6 its firewall.

    Raises:
        BackendError: it is no internet gateway, or cannot be read.
    """
    described = await describe(BoundedRequester(session, place.local_address), place.location)
    if place.local_address.version == 6:
        if not described.firewalls:
            raise Unsupported("the gateway describes no control of its IPv6 firewall")
        return PinholeGateway(described.firewalls[0], place, _identity(described, v2=True))
    if not described.connections:
        raise Unsupported("the device describes no WAN connection service")
    connection = await choose(described.connections)
    return IgdGateway(connection, place, _identity(described, v2=connection.is_v2))


def _identity(described: Described, *, v2: bool) -> Identity:
    v2 = v2 or described.device_type.lower().endswith("internetgatewaydevice:2")
    return Identity(2 if v2 else 1, described.model, read_device_name(described.udn), described.server)

"""Makes a gateway of a description URL. Importing this imports async-upnp-client: see `loading`."""

from __future__ import annotations

import aiohttp

from portmapper_upnp.announcements import Announcements
from portmapper_upnp.answer import read_device_name, read_packet
from portmapper_upnp.connection import describe
from portmapper_upnp.igd import IgdGateway
from portmapper_upnp.place import Place
from portmapper_upnp.requester import BoundedRequester, open_session
from portmapper_upnp.service import choose

__all__ = ["connect", "open_session", "read_packet"]


async def connect(session: aiohttp.ClientSession, place: Place) -> IgdGateway:
    """Read the description there and choose its WAN connection.

    Raises:
        BackendError: it is no internet gateway, or cannot be read.
    """
    described = await describe(BoundedRequester(session), place.location)
    connection = await choose(described.connections)
    v2 = connection.is_v2 or described.device_type.lower().endswith("internetgatewaydevice:2")
    return IgdGateway(
        connection,
        address=place.address,
        local_address=place.local_address,
        location=place.location,
        version=2 if v2 else 1,
        model=described.model,
        latency=place.latency,
        announcements=Announcements(place, read_device_name(described.udn)),
    )

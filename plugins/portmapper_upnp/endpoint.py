"""The place where a gateway was found."""

from __future__ import annotations

from portmapper.api import IPAddress
from portmapper.support.values import frozen
from portmapper_upnp.multicast import SSDP_PORT


@frozen
class Endpoint:
    """The place where a gateway was found.

    Attributes:
        location: URL of its description.
        address: address of the gateway.
        local_address: our address on that side.
        latency: seconds until it answered.
        boot_id: BOOTID of its answer, empty if there was none.
        ssdp_port: port of its announcements.
        interface: name of our interface on that side, empty if unknown.
        searched: the gateway sent the location itself. A location that the user typed may be spelled
            differently from the announced one.
    """

    location: str
    address: IPAddress
    local_address: IPAddress
    latency: float = 0.0
    boot_id: str = ""
    ssdp_port: int = SSDP_PORT
    interface: str = ""
    searched: bool = True

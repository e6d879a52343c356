"""Where a gateway was found."""

from __future__ import annotations

import attrs

from portmapper.api import IPAddress
from portmapper_upnp.multicast import SSDP_PORT


@attrs.frozen
class Place:
    """Where a gateway was found.

    Attributes:
        location: URL of its description.
        address: of the gateway.
        local_address: ours towards it.
        latency: seconds until it answered.
        boot_id: BOOTID of its answer, empty when it had none.
        ssdp_port: where it announces itself.
        interface: name of ours on that side, empty when unknown.
        searched: it gave the location itself; one that the user typed may be spelt otherwise.
    """

    location: str
    address: IPAddress
    local_address: IPAddress
    latency: float = 0.0
    boot_id: str = ""
    ssdp_port: int = SSDP_PORT
    interface: str = ""
    searched: bool = True

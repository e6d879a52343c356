"""What a search asks for, and the packet that asks. Standard library only."""

from __future__ import annotations

DEVICE_TARGETS = tuple(f"urn:schemas-upnp-org:device:InternetGatewayDevice:{version}" for version in (1, 2))
"""Searched for first. A v2 device must answer for v1 too, but not every one does."""

OTHER_TARGETS = (
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
    "upnp:rootdevice",
)
"""For devices that answer only for a service, or only as root devices."""

LAST_TARGETS = (
    "urn:schemas-upnp-org:device:WANDevice:1",
    "urn:schemas-upnp-org:device:WANConnectionDevice:1",
    "urn:schemas-upnp-org:device:LANDevice:1",
    "urn:schemas-upnp-org:service:Layer3Forwarding:1",
    "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1",
    "ssdp:all",
)
"""For devices that answer to nothing else. Every device of the network answers to the last one, so it is sent
to the default gateway, and to others only if nothing has answered (D14)."""

FIREWALL_TARGET = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"

MX = 1
"""Seconds that a device may wait before it answers, so that not all answer at once."""


def search_packet(target: str, host: str) -> bytes:
    """Build an M-SEARCH, with a blank after each colon because some parsers require it."""
    lines = (
        "M-SEARCH * HTTP/1.1",
        f"HOST: {host}",
        'MAN: "ssdp:discover"',
        f"MX: {MX}",
        f"ST: {target}",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")

"""Announcements of a gateway that was not found over UPnP."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper.api.backend import Target
from portmapper_upnp.arrivals import Arrivals, listen

GATEWAY = ipaddress.ip_address("192.168.88.1")
TARGET = Target(ipaddress.ip_address("192.168.88.10"), "eth0", GATEWAY)
ALIVE = (
    b"NOTIFY * HTTP/1.1\r\nHOST:239.255.255.250:1900\r\nNTS: ssdp:alive\r\n"
    b"NT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
)


@pytest.mark.parametrize(
    ("packet", "sender", "heard"),
    [
        (ALIVE, "192.168.88.1", True),
        (ALIVE.lower(), "192.168.88.1", True),
        (ALIVE, "192.168.88.7", False),
        (ALIVE.replace(b"alive", b"byebye"), "192.168.88.1", False),
        (ALIVE.replace(b"InternetGatewayDevice", b"MediaServer"), "192.168.88.1", False),
        (ALIVE.replace(b"NOTIFY", b"M-SEARCH"), "192.168.88.1", False),
        (b"", "192.168.88.1", False),
    ],
)
def test_only_a_gateway_device_of_the_default_gateway_is_an_arrival(packet, sender, heard):
    """Anything else on the group is ignored."""
    calls = []
    Arrivals(TARGET, lambda *_: calls.append(1)).datagram_received(packet, (sender, 1900))
    assert bool(calls) is heard


async def test_nothing_is_heard_without_a_default_gateway():
    """The call returns at once."""
    await listen(Target(TARGET.local_address), 1900, lambda *_: None)

"""The events that a gateway's NOTIFY messages mean."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from portmapper.api.backend import GatewayEvent
from portmapper_upnp.announcements import SHORTEST_GAP, Announcements
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.ssdp_packet import read_packet

GATEWAY = ipaddress.ip_address("127.0.0.1")
IGD = "urn:schemas-upnp-org:device:InternetGatewayDevice:2"
LOCATION = "http://127.0.0.1:5000/desc.xml"


def notify(kind="alive", target=IGD, boot="BOOTID.UPNP.ORG: 7\r\n", location=LOCATION, usn="uuid:A"):
    """Build an announcement."""
    return (
        f"NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nNTS: ssdp:{kind}\r\nNT: {target}\r\n"
        f"{boot}Location: {location}\r\nUSN: {usn}::{target}\r\n\r\n"
    ).encode()


@pytest.fixture
async def events_of():
    """Return the events of a sequence of packets; by default the gateway sends them."""
    listening = []

    async def read(*packets, sender="127.0.0.1", boot="7", device=""):
        events = []
        listener = Announcements(Endpoint(LOCATION, GATEWAY, GATEWAY, boot_id=boot, ssdp_port=0), device)
        listening.append(listener)
        await listener.listen(events.append)
        for packet in packets:
            listener.datagram_received(packet, (sender, 40000))
        return events

    yield read
    for listener in listening:
        listener.close()


async def test_the_same_bootid_is_no_event(events_of):
    """A gateway repeats its announcements."""
    assert await events_of(notify(), notify(), notify()) == []


async def test_another_bootid_is_one_restart(events_of):
    """Each restart is announced for every device and service."""
    again = notify(boot="BOOTID.UPNP.ORG: 8\r\n")
    assert await events_of(
        again, again, notify(target="urn:x:WANIPConnection:1", boot="BOOTID.UPNP.ORG: 8\r\n")
    ) == [GatewayEvent.RESTARTED]


async def test_the_first_bootid_is_no_restart(events_of):
    """The answer to the search had none."""
    assert await events_of(notify(), boot="") == []


async def test_goodbye_and_return_without_bootid_is_a_restart(events_of):
    """Devices before UDA 1.1 have no BOOTID."""
    assert await events_of(notify("byebye", boot=""), notify(boot=""), boot="") == [
        GatewayEvent.GONE,
        GatewayEvent.RESTARTED,
    ]


async def test_m14_another_location_starts_a_new_search(events_of):
    """The description moved."""
    assert await events_of(notify(location="http://127.0.0.1:6000/desc.xml")) == [GatewayEvent.GONE]


async def test_another_device_of_the_same_router_is_ignored(events_of):
    """A FRITZ!Box is an IGD 1 and an IGD 2, at two locations."""
    other = notify(location="http://127.0.0.1:6000/igd2.xml", usn="uuid:B")
    assert await events_of(other, notify("byebye", usn="uuid:B"), device="uuid:a") == []
    assert await events_of(notify("byebye"), device="uuid:a") == [GatewayEvent.GONE]


async def test_a_gateway_that_starts_under_another_name_has_restarted(events_of):
    """Some generate a new unique name; it counts also if the description moved to another port."""
    service = notify(target="urn:x:service:WANIPConnection:1", usn="uuid:B")
    assert await events_of(service, notify(usn="uuid:B"), notify(usn="uuid:B"), device="uuid:a") == [
        GatewayEvent.RESTARTED
    ]
    moved = notify(location="http://127.0.0.1:6000/desc.xml", usn="uuid:B")
    assert await events_of(moved, device="uuid:a") == [GatewayEvent.GONE]


async def test_a_delayed_goodbye_is_dropped_when_the_gateway_is_back(events_of):
    """miniupnpd says goodbye when it stops and again when it starts, and is available afterwards."""
    goodbye = notify("byebye", boot="")
    events = await events_of(goodbye, goodbye, notify(boot=""), boot="")
    await asyncio.sleep(SHORTEST_GAP + 0.5)
    assert events == [GatewayEvent.GONE, GatewayEvent.RESTARTED]


async def test_a_typed_url_may_be_spelled_differently():
    """The first announcement shows the gateway's spelling; only a later change is an event."""
    listener = Announcements(Endpoint("http://router.lan:5000/", GATEWAY, GATEWAY, searched=False), "")
    packets = [
        read_packet(notify(location=location), ("127.0.0.1", 1900)) for location in (LOCATION, LOCATION + "2")
    ]
    assert [listener.event(packet) for packet in packets] == [None, GatewayEvent.GONE]


async def test_third_parties_and_other_devices_are_ignored(events_of):
    """Another host's packet, a media server on the router, garbage, an answer, an M-SEARCH."""
    restart = notify(boot="BOOTID.UPNP.ORG: 9\r\n")
    assert await events_of(restart, sender="127.0.0.9") == []
    assert await events_of(notify("byebye", target="urn:x:device:MediaServer:1"), b"\xff" * 50, b"") == []
    assert await events_of(restart.replace(b"NOTIFY *", b"M-SEARCH *"), restart + b"x" * 4000) == []


async def test_a_flood_of_forged_restarts_is_one_event(events_of):
    """All are within the shortest gap."""
    flood = [notify(boot=f"BOOTID.UPNP.ORG: {number}\r\n") for number in range(1000)]
    assert await events_of(*flood) == [GatewayEvent.RESTARTED]


async def test_nothing_is_reported_after_close():
    """A packet that was already received is dropped."""
    events = []
    listener = Announcements(Endpoint(LOCATION, GATEWAY, GATEWAY, boot_id="7", ssdp_port=0), "")
    await listener.listen(events.append)
    listener.close()
    listener.datagram_received(notify("byebye"), ("127.0.0.1", 1900))
    assert events == []


async def test_a_failed_socket_is_no_error():
    """The address is not ours; polling remains."""
    listener = Announcements(Endpoint(LOCATION, GATEWAY, ipaddress.ip_address("192.0.2.1")), "")
    await listener.listen(lambda _event: None)
    listener.close()

"""What a gateway's NOTIFY messages mean."""

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
    """Write an announcement."""
    return (
        f"NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nNTS: ssdp:{kind}\r\nNT: {target}\r\n"
        f"{boot}Location: {location}\r\nUSN: {usn}::{target}\r\n\r\n"
    ).encode()


@pytest.fixture
async def heard():
    """Return the events that a sequence of packets causes; they come from the gateway by default."""
    listening = []

    async def hear(*packets, sender="127.0.0.1", boot="7", device=""):
        events = []
        listener = Announcements(Endpoint(LOCATION, GATEWAY, GATEWAY, boot_id=boot, ssdp_port=0), device)
        listening.append(listener)
        await listener.listen(events.append)
        for packet in packets:
            listener.datagram_received(packet, (sender, 40000))
        return events

    yield hear
    for listener in listening:
        listener.close()


async def test_the_same_bootid_is_nothing_new(heard):
    """A gateway announces itself every so often."""
    assert await heard(notify(), notify(), notify()) == []


async def test_another_bootid_is_a_restart_told_once(heard):
    """Each restart is announced for every device and service."""
    again = notify(boot="BOOTID.UPNP.ORG: 8\r\n")
    assert await heard(
        again, again, notify(target="urn:x:WANIPConnection:1", boot="BOOTID.UPNP.ORG: 8\r\n")
    ) == [GatewayEvent.RESTARTED]


async def test_the_first_bootid_heard_is_not_a_restart(heard):
    """When the search's answer had none."""
    assert await heard(notify(), boot="") == []


async def test_goodbye_and_return_without_bootid_is_a_restart(heard):
    """Devices before UDA 1.1 have no BOOTID."""
    assert await heard(notify("byebye", boot=""), notify(boot=""), boot="") == [
        GatewayEvent.GONE,
        GatewayEvent.RESTARTED,
    ]


async def test_m14_another_location_means_look_again(heard):
    """The description moved."""
    assert await heard(notify(location="http://127.0.0.1:6000/desc.xml")) == [GatewayEvent.GONE]


async def test_another_device_of_the_same_router_is_not_this_one(heard):
    """A FRITZ!Box is an IGD 1 and an IGD 2, at two locations."""
    other = notify(location="http://127.0.0.1:6000/igd2.xml", usn="uuid:B")
    assert await heard(other, notify("byebye", usn="uuid:B"), device="uuid:a") == []
    assert await heard(notify("byebye"), device="uuid:a") == [GatewayEvent.GONE]


async def test_a_gateway_that_starts_under_another_name_has_restarted(heard):
    """Some make up their unique name anew; on another port too, where the description moved with it."""
    service = notify(target="urn:x:service:WANIPConnection:1", usn="uuid:B")
    assert await heard(service, notify(usn="uuid:B"), notify(usn="uuid:B"), device="uuid:a") == [
        GatewayEvent.RESTARTED
    ]
    moved = notify(location="http://127.0.0.1:6000/desc.xml", usn="uuid:B")
    assert await heard(moved, device="uuid:a") == [GatewayEvent.GONE]


async def test_a_goodbye_that_waits_is_forgotten_when_the_gateway_is_back(heard):
    """miniupnpd says goodbye when it ends and once more when it begins, and is there after that."""
    goodbye = notify("byebye", boot="")
    events = await heard(goodbye, goodbye, notify(boot=""), boot="")
    await asyncio.sleep(SHORTEST_GAP + 0.5)
    assert events == [GatewayEvent.GONE, GatewayEvent.RESTARTED]


async def test_a_typed_url_may_be_spelt_otherwise_than_announced():
    """The first announcement says how the gateway spells it; only a change from that is one."""
    listener = Announcements(Endpoint("http://router.lan:5000/", GATEWAY, GATEWAY, searched=False), "")
    packets = [
        read_packet(notify(location=location), ("127.0.0.1", 1900)) for location in (LOCATION, LOCATION + "2")
    ]
    assert [listener.event(packet) for packet in packets] == [None, GatewayEvent.GONE]


async def test_strangers_and_other_devices_are_not_listened_to(heard):
    """Another host's packet, a media server on the router, rubbish, an answer, an M-SEARCH."""
    restart = notify(boot="BOOTID.UPNP.ORG: 9\r\n")
    assert await heard(restart, sender="127.0.0.9") == []
    assert await heard(notify("byebye", target="urn:x:device:MediaServer:1"), b"\xff" * 50, b"") == []
    assert await heard(restart.replace(b"NOTIFY *", b"M-SEARCH *"), restart + b"x" * 4000) == []


async def test_a_flood_of_forged_restarts_is_one_event(heard):
    """Within the shortest gap."""
    flood = [notify(boot=f"BOOTID.UPNP.ORG: {number}\r\n") for number in range(1000)]
    assert await heard(*flood) == [GatewayEvent.RESTARTED]


async def test_nothing_is_told_after_close():
    """A packet that was on its way meets nobody."""
    events = []
    listener = Announcements(Endpoint(LOCATION, GATEWAY, GATEWAY, boot_id="7", ssdp_port=0), "")
    await listener.listen(events.append)
    listener.close()
    listener.datagram_received(notify("byebye"), ("127.0.0.1", 1900))
    assert events == []


async def test_where_listening_is_impossible_polling_has_to_do():
    """An address that is not ours is no error."""
    listener = Announcements(Endpoint(LOCATION, GATEWAY, ipaddress.ip_address("192.0.2.1")), "")
    await listener.listen(lambda _event: None)
    listener.close()

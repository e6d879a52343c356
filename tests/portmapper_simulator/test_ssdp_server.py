"""SSDP searches and announcements with raw packets."""

from __future__ import annotations

import socket
from typing import Any

import pytest

GROUP = "239.255.255.250"
IGD_1 = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
IGD_2 = "urn:schemas-upnp-org:device:InternetGatewayDevice:2"


def search(target: str = IGD_1) -> bytes:
    """Return an M-SEARCH."""
    lines = ("M-SEARCH * HTTP/1.1", f"HOST: {GROUP}:1900", 'MAN: "ssdp:discover"', "MX: 1", f"ST: {target}")
    return "\r\n".join((*lines, "", "")).encode()


def headers(data: bytes) -> dict[str, str]:
    """Return the headers, with names in upper case."""
    pairs = (line.partition(":") for line in data.decode().split("\r\n")[1:] if line)
    return {name.upper(): value.strip() for name, _, value in pairs}


def multicast_socket() -> socket.socket:
    """Return a socket that sends multicast over loopback."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
    opened.setblocking(False)
    opened.bind(("127.0.0.1", 0))
    return opened


def group_socket(group: str, port: int) -> socket.socket:
    """Return a socket that receives a multicast group on loopback."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setblocking(False)
    opened.bind((group, port))
    membership = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    return opened


@pytest.mark.parametrize("target", [IGD_1, IGD_2, "upnp:rootdevice"])
@pytest.mark.parametrize("where", ["127.0.0.1", GROUP])
async def test_a_search_is_answered(gateway: Any, udp_client: Any, target: str, where: str) -> None:
    """The answer contains the requested target and the URL of the description."""
    client = await udp_client(sock=multicast_socket())
    client.send(search(target), where, gateway.ssdp_port)
    found = headers(await client.next())
    assert found["ST"] == target
    assert found["LOCATION"] == gateway.location
    assert found["BOOTID.UPNP.ORG"] == "1"


async def test_ssdp_all_answers_with_every_target(gateway: Any, client: Any) -> None:
    """They are the root device, its UUID, four devices and two services."""
    client.send(search("ssdp:all"), "127.0.0.1", gateway.ssdp_port)
    targets = [headers(await client.next())["ST"] for _ in range(8)]
    assert IGD_2 in targets
    assert "urn:schemas-upnp-org:service:WANIPConnection:2" in targets
    assert await client.is_silent()


@pytest.mark.parametrize(
    "data",
    [
        search("urn:schemas-upnp-org:device:MediaServer:1"),
        search("urn:schemas-upnp-org:device:InternetGatewayDevice:3"),
        search().replace(b"ssdp:discover", b"other"),
        b"NOTIFY * HTTP/1.1\r\n\r\n",
        b"\xff\x00",
        b"",
    ],
)
async def test_other_searches_and_junk_are_not_answered(gateway: Any, client: Any, data: bytes) -> None:
    """This includes other devices and later versions."""
    client.send(data, "127.0.0.1", gateway.ssdp_port)
    assert await client.is_silent()


async def test_a_restart_sends_byebye_and_alive_with_a_new_boot_id(gateway: Any, udp_client: Any) -> None:
    """Every byebye comes before the first alive."""
    listener = await udp_client(sock=group_socket(GROUP, gateway.ssdp_port))
    await gateway.restart()
    heard = [headers(await listener.next()) for _ in range(16)]
    assert [h["NTS"] for h in heard] == ["ssdp:byebye"] * 8 + ["ssdp:alive"] * 8
    assert {h["BOOTID.UPNP.ORG"] for h in heard} == {"2"}
    assert heard[-1]["LOCATION"] == gateway.location


async def test_a_gateway_announces_itself_on_request(start: Any, udp_client: Any, free_port: Any) -> None:
    """`simulate` does this when it starts."""
    port = free_port()
    listener = await udp_client(sock=group_socket("224.0.0.1", port))
    gateway = await start(announce_port=port)
    gateway.announce()
    assert (await listener.next())[:4] == b"\x02\x80\x00\x00"
    assert (await listener.next())[:4] == b"\x00\x80\x00\x00"


async def test_udp_announcements_come_from_the_pcp_port(start: Any, udp_client: Any, free_port: Any) -> None:
    """After a restart, PCP sends ANNOUNCE and NAT-PMP the external address, with epoch 0."""
    port = free_port()
    listener = await udp_client(sock=group_socket("224.0.0.1", port))
    gateway = await start(announce_port=port)
    assert gateway.epoch >= 3600
    await gateway.restart()
    pcp, natpmp = await listener.next(), await listener.next()
    assert (pcp[:4], pcp[8:12]) == (b"\x02\x80\x00\x00", bytes(4))
    assert natpmp == b"\x00\x80\x00\x00" + bytes(4) + bytes([11, 22, 33, 44])
    gateway.change_external_address("22.33.44.55")
    while (await listener.next())[8:] != bytes([22, 33, 44, 55]):
        pass  # skip repetitions of the first announcement

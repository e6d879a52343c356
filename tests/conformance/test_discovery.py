"""D: what gateways do when they are searched for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portmapper.api.errors import Unsupported
from portmapper.api.model import MappingState
from portmapper_simulator.quirks import QUIRKS
from portmapper_upnp.ssdp_packet import read_packet

UPNP = frozenset({"upnp"})
PATIENT = 10.0
"""Seconds for the default gateway to answer in, on a loaded machine."""

MISLEADING = sorted(name for name in QUIRKS if name.startswith("D6"))


async def opens(house: Any, desired: Any) -> None:
    """Open one port over UPnP, with one gateway found."""
    entry = await house.open(desired())
    assert entry.state is MappingState.ACTIVE, entry.error
    assert entry.lease.backend == "upnp"
    assert house.ports() == {8080}
    assert len(house.scheduler.discovery.gateways) == 1


@pytest.mark.parametrize("quirk", ["D1-multicast-only", "D1-unicast-only"])
async def test_d1_a_gateway_that_answers_one_kind_of_search_is_found(
    house: Any, desired: Any, quirk: str
) -> None:
    """Both kinds are sent."""
    await opens(await house(quirk, backends=["upnp"]), desired)


async def test_d2_an_unrelated_device_that_answers_first_hides_nothing(house: Any, desired: Any) -> None:
    """The media server is looked at, and the gateway is found."""
    await opens(await house("D2", backends=["upnp"]), desired)


async def test_d3_an_answer_from_another_port_is_accepted(house: Any, desired: Any) -> None:
    """Only the address counts."""
    await opens(await house("D3", backends=["upnp"]), desired)


@pytest.mark.parametrize("version", [1, 2])
async def test_d4_odd_headers_and_targets_are_accepted(house: Any, desired: Any, version: int) -> None:
    """ST upnp:rootdevice, names in odd case, no blank after the colon."""
    await opens(await house("D4", backends=["upnp"], igd_version=version), desired)


async def test_d5_a_location_is_fetched_once(house: Any, desired: Any) -> None:
    """However often it is sent."""
    home = await house("D5", backends=["upnp"])
    await opens(home, desired)
    await asyncio.sleep(0.5)  # the second round of searches is answered five times, too
    fetched = [details["path"] for details in home.requested("GET")]
    assert fetched == ["/rootDesc.xml"]


@pytest.mark.parametrize("quirk", MISLEADING)
@pytest.mark.usefixtures("quick_search")
async def test_d6_a_misleading_location_is_never_connected_to(
    start_gateway: Any, discover: Any, quirk: str
) -> None:
    """Traps wait on this host's other addresses at the very port, and nobody comes."""
    gateway = await start_gateway(quirk, host="127.0.0.5", protocols=UPNP)
    visitors: list[Any] = []

    async def trap(reader: Any, writer: asyncio.StreamWriter) -> None:
        visitors.append(writer.get_extra_info("peername"))
        writer.close()

    traps = [await asyncio.start_server(trap, host, gateway.http_port) for host in ("127.0.0.1", "127.0.0.9")]
    found = await discover(gateway)
    for server in traps:
        server.close()
    assert found.gateways == []
    assert visitors == []
    assert [requested for requested in gateway.requests if requested.protocol == "http"] == []


@pytest.mark.usefixtures("quick_search")
async def test_d7_a_link_local_location_over_ipv4_is_not_its_senders(
    start_gateway: Any, discover: Any
) -> None:
    """An answer from an IPv4 address has no zone to give, and the host is another one."""
    gateway = await start_gateway("D7", protocols=UPNP)
    assert (await discover(gateway)).gateways == []


def test_d7_a_link_local_location_gets_the_zone_of_its_sender() -> None:
    """A device cannot know what we call the interface."""
    packet = b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://[fe80::1]:5000/desc.xml\r\n\r\n"
    answer = read_packet(packet, ("fe80::1", 1900, 0, 7))
    assert answer is not None
    assert answer.location == "http://[fe80::1%7]:5000/desc.xml"


@pytest.mark.usefixtures("quick_search")
async def test_d8_a_device_without_connection_is_unsupported_and_the_next_backend_opens(
    house: Any, desired: Any, discover: Any
) -> None:
    """Though UPnP is preferred here."""
    home = await house("D8", backends=["upnp", "natpmp"])
    entry = await home.open(desired())
    assert entry.lease.backend == "natpmp"
    assert isinstance((await discover(home.gateway)).failure, Unsupported)


async def test_d9_the_default_gateway_comes_before_an_access_point(
    start_gateway: Any, move_in: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The access point answers at once, the gateway not before the second search."""
    monkeypatch.setattr("portmapper_upnp.discovery.GRACE", PATIENT)
    gateway = await start_gateway("D10", protocols=UPNP)
    other = await start_gateway(host="127.0.0.3", ssdp_port=gateway.ssdp_port, protocols=UPNP)
    home = await move_in(gateway, ["upnp"], searched=True)
    entry = await home.open(desired())
    assert entry.state is MappingState.ACTIVE
    assert (len(gateway.table), len(other.table)) == (1, 0)


async def test_d10_a_gateway_that_sleeps_through_the_first_search_is_found(house: Any, desired: Any) -> None:
    """By one that the same search sends again."""
    await opens(await house("D10", backends=["upnp"]), desired)

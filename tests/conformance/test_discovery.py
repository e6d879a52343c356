"""Section D of the conformance list: how gateways answer searches."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import pytest

from portmapper.api.errors import Unsupported
from portmapper.api.model import MappingState
from portmapper_simulator.quirks import QUIRKS
from portmapper_upnp import search
from portmapper_upnp.ssdp_packet import read_packet

UPNP = frozenset({"upnp"})
LONG_GRACE = 10.0
"""Seconds for the default gateway to answer on a busy machine."""

MISLEADING = sorted(name for name in QUIRKS if name.startswith("D6"))


@pytest.mark.parametrize("quirk", ["D1-multicast-only", "D1-unicast-only"])
async def test_d1_a_gateway_that_answers_only_unicast_or_multicast_is_found(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """The backend sends both kinds of search."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens(desired())


async def test_d2_an_unrelated_device_that_answers_first_is_skipped(new_harness: Any, desired: Any) -> None:
    """The search continues after a media server."""
    harness = await new_harness("D2", backends=["upnp"])
    await harness.opens(desired())


async def test_d3_an_answer_from_another_port_is_accepted(new_harness: Any, desired: Any) -> None:
    """Only the address must match."""
    harness = await new_harness("D3", backends=["upnp"])
    await harness.opens(desired())


@pytest.mark.parametrize("version", [1, 2])
async def test_d4_odd_headers_and_targets_are_accepted(new_harness: Any, desired: Any, version: int) -> None:
    """ST upnp:rootdevice, names in unusual case, no space after the colon."""
    harness = await new_harness("D4", backends=["upnp"], igd_version=version)
    await harness.opens(desired())


async def test_d5_a_location_is_fetched_once(new_harness: Any, desired: Any) -> None:
    """The gateway sends it several times."""
    harness = await new_harness("D5", backends=["upnp"])
    await harness.opens(desired())
    await asyncio.sleep(0.5)  # the second round of searches is answered five times too
    fetched = [details["path"] for details in harness.requested("GET")]
    assert fetched == ["/rootDesc.xml"]


@pytest.mark.parametrize("quirk", MISLEADING)
@pytest.mark.usefixtures("quick_search")
async def test_d6_a_misleading_location_is_never_fetched(
    start_gateway: Any, discover: Any, quirk: str
) -> None:
    """Servers on other addresses of this host detect any connection."""
    gateway = await start_gateway(quirk, host="127.0.0.5", protocols=UPNP)
    connections: list[Any] = []

    async def trap(reader: Any, writer: asyncio.StreamWriter) -> None:
        connections.append(writer.get_extra_info("peername"))
        writer.close()

    traps = [await asyncio.start_server(trap, host, gateway.http_port) for host in ("127.0.0.1", "127.0.0.9")]
    found = await discover(gateway)
    for server in traps:
        server.close()
    assert found.gateways == []
    assert connections == []
    assert [request for request in gateway.requests if request.protocol == "http"] == []


@pytest.mark.usefixtures("quick_search")
async def test_d7_a_link_local_location_from_ipv4_is_rejected(start_gateway: Any, discover: Any) -> None:
    """An answer over IPv4 has no zone, and the host of the location is not the sender."""
    gateway = await start_gateway("D7", protocols=UPNP)
    assert (await discover(gateway)).gateways == []


def test_d7_a_link_local_location_gets_the_zone_of_its_sender() -> None:
    """A device cannot know this host's name of the interface."""
    packet = b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://[fe80::1]:5000/desc.xml\r\n\r\n"
    answer = read_packet(packet, ("fe80::1", 1900, 0, 7))
    assert answer is not None
    assert answer.location == "http://[fe80::1%7]:5000/desc.xml"


@pytest.mark.usefixtures("quick_search")
async def test_d8_a_device_without_a_connection_is_unsupported(
    new_harness: Any, desired: Any, discover: Any
) -> None:
    """The next backend opens the port, although UPnP is preferred."""
    harness = await new_harness("D8", backends=["upnp", "natpmp"])
    entry = await harness.open(desired())
    assert entry.lease.backend == "natpmp"
    assert isinstance((await discover(harness.gateway)).failure, Unsupported)


async def test_d9_the_default_gateway_is_preferred_to_an_access_point(
    start_gateway: Any, start_scheduler: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The access point answers at once, and the gateway only the second search."""
    monkeypatch.setattr("portmapper_upnp.discovery.GRACE", LONG_GRACE)
    gateway = await start_gateway("D10", protocols=UPNP)
    other = await start_gateway(host="127.0.0.3", ssdp_port=gateway.ssdp_port, protocols=UPNP)
    harness = await start_scheduler(gateway, ["upnp"], searched=True)
    entry = await harness.open(desired())
    assert entry.state is MappingState.ACTIVE
    assert (len(gateway.table), len(other.table)) == (1, 0)


async def test_d10_a_gateway_that_misses_the_first_search_is_found(new_harness: Any, desired: Any) -> None:
    """The search is sent again."""
    harness = await new_harness("D10", backends=["upnp"])
    await harness.opens(desired())


def test_d11_a_location_on_the_default_gateway_is_accepted_from_any_sender() -> None:
    """An OPNsense pair answers from the second address of the router."""
    gateway = ipaddress.ip_address("192.168.1.1")
    packet = b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://192.168.1.1:5000/d.xml\r\n\r\n"
    answer = read_packet(packet, ("192.168.1.2", 1900), gateway)
    assert answer is not None
    assert answer.location == "http://192.168.1.1:5000/d.xml"
    unknown = read_packet(packet, ("192.168.1.2", 1900))
    assert unknown is not None
    assert unknown.location is None


async def test_d12_an_ipv6_loopback_location_means_the_sender(new_harness: Any, desired: Any) -> None:
    """The description is fetched from the address that answered over IPv4."""
    harness = await new_harness("D12", backends=["upnp"])
    await harness.opens(desired())


async def test_d13_a_late_answer_is_found(start_gateway: Any, discover: Any) -> None:
    """A search without an answer lasts longer than one with an answer."""
    gateway = await start_gateway("D13", protocols=frozenset({"upnp"}))
    assert len((await discover(gateway)).gateways) == 1


@pytest.mark.parametrize("quirk", ["D14", "D14-connection", "D14-lan", "D14-service"])
async def test_d14_a_gateway_that_answers_only_one_unusual_target_is_found(
    start_gateway: Any, discover: Any, monkeypatch: pytest.MonkeyPatch, quirk: str
) -> None:
    """The last searches name `ssdp:all`, and devices and services inside the gateway."""
    monkeypatch.setattr(search, "SEND_TIMES", (0.0, 0.05))
    monkeypatch.setattr(search, "LAST_TARGETS_AFTER", 0.05)
    gateway = await start_gateway(quirk, protocols=frozenset({"upnp"}))
    assert len((await discover(gateway)).gateways) == 1


@pytest.mark.parametrize("quirk", ["D16", "D16-quoted", "D16-user"])
async def test_d16_a_badly_written_location_is_read(start_gateway: Any, discover: Any, quirk: str) -> None:
    """Without its scheme, in brackets, or with a user name."""
    gateway = await start_gateway(quirk, protocols=frozenset({"upnp"}))
    assert len((await discover(gateway, first=True)).gateways) == 1


async def test_d17_a_gateway_that_answers_no_search_is_found_by_its_announcement(
    new_harness: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It also opens the port for a single pass."""
    monkeypatch.setattr(search, "ANNOUNCED_TIME", 0.05)
    harness = await new_harness("D17", backends=["upnp"])
    await harness.opens(desired())


async def test_d18_an_answer_without_the_version_of_http_is_read(start_gateway: Any, discover: Any) -> None:
    """It begins with a blank line, and has no reason."""
    gateway = await start_gateway("D18", protocols=UPNP)
    assert len((await discover(gateway, first=True)).gateways) == 1


async def test_d19_the_descriptions_of_many_other_devices_are_not_fetched(
    start_gateway: Any, start_scheduler: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would delay that of the default gateway, which answers last."""
    monkeypatch.setattr("portmapper_upnp.discovery.GRACE", LONG_GRACE)
    gateway = await start_gateway("D10", protocols=UPNP)
    others = [
        await start_gateway(host=f"127.0.0.{number}", ssdp_port=gateway.ssdp_port, protocols=UPNP)
        for number in range(20, 40)
    ]
    harness = await start_scheduler(gateway, ["upnp"], searched=True)
    assert (await harness.open(desired())).state is MappingState.ACTIVE
    assert [request for other in others for request in other.requests if request.protocol == "http"] == []

"""Section D of the conformance list: how gateways answer searches."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portmapper.api.errors import Unsupported
from portmapper.api.model import MappingState
from portmapper_simulator.quirks import QUIRKS
from portmapper_upnp.ssdp_packet import read_packet

UPNP = frozenset({"upnp"})
LONG_GRACE = 10.0
"""Seconds for the default gateway to answer on a busy machine."""

MISLEADING = sorted(name for name in QUIRKS if name.startswith("D6"))


async def opens(harness: Any, desired: Any) -> None:
    """Open one port over UPnP, with one gateway found."""
    entry = await harness.open(desired())
    assert entry.state is MappingState.ACTIVE, entry.error
    assert entry.lease.backend == "upnp"
    assert harness.ports() == {8080}
    assert len(harness.scheduler.discovery.gateways) == 1


@pytest.mark.parametrize("quirk", ["D1-multicast-only", "D1-unicast-only"])
async def test_d1_a_gateway_that_answers_only_unicast_or_multicast_is_found(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """The backend sends both kinds of search."""
    await opens(await new_harness(quirk, backends=["upnp"]), desired)


async def test_d2_an_unrelated_device_that_answers_first_is_skipped(new_harness: Any, desired: Any) -> None:
    """The search continues after a media server."""
    await opens(await new_harness("D2", backends=["upnp"]), desired)


async def test_d3_an_answer_from_another_port_is_accepted(new_harness: Any, desired: Any) -> None:
    """Only the address must match."""
    await opens(await new_harness("D3", backends=["upnp"]), desired)


@pytest.mark.parametrize("version", [1, 2])
async def test_d4_odd_headers_and_targets_are_accepted(new_harness: Any, desired: Any, version: int) -> None:
    """ST upnp:rootdevice, names in unusual case, no space after the colon."""
    await opens(await new_harness("D4", backends=["upnp"], igd_version=version), desired)


async def test_d5_a_location_is_fetched_once(new_harness: Any, desired: Any) -> None:
    """The gateway sends it several times."""
    harness = await new_harness("D5", backends=["upnp"])
    await opens(harness, desired)
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
    await opens(await new_harness("D10", backends=["upnp"]), desired)

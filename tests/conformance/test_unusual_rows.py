"""Rows of the fourth round: descriptions elsewhere, and entries that are written in unusual ways."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.model import ConflictPolicy, MappingState, Protocol


async def opens(harness: Any, desired: Any, **more: Any) -> Any:
    """Open one port over UPnP and return its record."""
    entry = await harness.open(desired(**more))
    assert entry.state is MappingState.ACTIVE, entry.error
    assert harness.ports() == {8080}
    return entry


async def closes(harness: Any) -> None:
    """Release every mapping, and wait until the gateway has no port open."""
    await harness.set_desired()
    await harness.until(lambda: not harness.ports(), "closed")


@pytest.mark.parametrize("quirk", ["D15", "D15-port"])
async def test_d15_a_redirected_description_is_read(new_harness: Any, desired: Any, quirk: str) -> None:
    """To another path, and to another port of the same host."""
    await opens(await new_harness(quirk, backends=["upnp"]), desired)


async def test_d15_redirects_end(start_gateway: Any, discover: Any) -> None:
    """A description that redirects to itself is given up."""
    found = await discover(await start_gateway("D15-loop", protocols=frozenset({"upnp"})))
    assert "301" in str(found.failure)


async def test_h9_an_empty_control_url_is_that_of_the_description(new_harness: Any, desired: Any) -> None:
    """RFC 3986, section 5.2: an empty reference is the base."""
    await opens(await new_harness("H9-empty", backends=["upnp"]), desired)


@pytest.mark.parametrize("quirk", ["M29", "M29-listed"])
async def test_m29_an_entry_is_found_where_the_gateway_shows_it(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """Its remote host is `*`, or only the listing has it. It is opened once, verified, and closed."""
    harness = await new_harness(quirk, backends=["upnp"], options={"interval": 0.2})
    await opens(harness, desired)
    before = len(harness.requested("GetGenericPortMappingEntry"))
    await harness.until(
        lambda: len(harness.requested("GetGenericPortMappingEntry")) > before + 2, "verified again"
    )
    assert len(harness.requested("AddPortMapping")) == 1
    await closes(harness)


@pytest.mark.parametrize("quirk", ["M30", "M30-both"])
async def test_m30_an_entry_for_both_protocols_is_listed_as_two(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """The gateway shows TCP/UDP, or BOTH."""
    harness = await new_harness(quirk, backends=["upnp"])
    await opens(harness, desired)
    (gateway,) = harness.scheduler.discovery.gateways
    table = await gateway.list_mappings()
    assert [(row.protocol, row.external_port) for row in table] == [
        (Protocol.TCP, 8080),
        (Protocol.UDP, 8080),
    ]
    await closes(harness)


@pytest.mark.parametrize("quirk", ["D16", "D16-quoted"])
async def test_d16_a_badly_written_location_is_read(start_gateway: Any, discover: Any, quirk: str) -> None:
    """Without its scheme, or in brackets."""
    gateway = await start_gateway(quirk, protocols=frozenset({"upnp"}))
    assert len((await discover(gateway, first=True)).gateways) == 1


@pytest.mark.parametrize("quirk", ["H14", "H14-twice"])
async def test_h14_a_description_that_is_no_xml_is_read(new_harness: Any, desired: Any, quirk: str) -> None:
    """As far as its tags match."""
    await opens(await new_harness(quirk, backends=["upnp"]), desired)


async def test_m8_add_port_mapping_decides(new_harness: Any, desired: Any) -> None:
    """Some gateways refuse AddAnyPortMapping with a code that looks like their policy."""
    harness = await new_harness("M8-606", backends=["upnp"])
    await opens(harness, desired, conflict=ConflictPolicy.NEXT)


async def test_m31_a_description_that_is_taken_is_replaced(new_harness: Any, desired: Any) -> None:
    """The gateway reports that the port is taken. The next mappings get unique descriptions at once."""
    harness = await new_harness("M31", backends=["upnp"], igd_version=1)
    await harness.open(*(desired(port, comment="web") for port in (8080, 8081)))
    assert harness.ports() == {8080, 8081}
    before = len(harness.requested("AddPortMapping"))
    await harness.set_desired(*(desired(port, comment="web") for port in (8080, 8081, 8082)))
    assert harness.ports() == {8080, 8081, 8082}
    assert len(harness.requested("AddPortMapping")) == before + 1

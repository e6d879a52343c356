"""Rows of the conformance list about descriptions: where they are, their XML, and their control URLs."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.events import EventKind
from portmapper.api.model import MappingState

URLS = ["H6-port", "H6-urlbase", "H6-urlbase-no-slash", "H6-query"]


@pytest.mark.parametrize("quirk", ["D15", "D15-port"])
async def test_d15_a_redirected_description_is_read(new_harness: Any, desired: Any, quirk: str) -> None:
    """To another path, and to another port of the same host."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens(desired())


async def test_d15_redirects_end(start_gateway: Any, discover: Any) -> None:
    """A description that redirects to itself is given up."""
    found = await discover(await start_gateway("D15-loop", protocols=frozenset({"upnp"})))
    assert "301" in str(found.failure)


@pytest.mark.parametrize("quirk", URLS)
async def test_h6_every_form_of_control_url_is_resolved(new_harness: Any, desired: Any, quirk: str) -> None:
    """Absolute with another port, relative to a URLBase with or without a slash, or only a query."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens_and_closes(desired())


@pytest.mark.parametrize("quirk", ["H9", "H9-uuid"])
async def test_h9_an_odd_control_url_is_resolved(new_harness: Any, desired: Any, quirk: str) -> None:
    """As RFC 3986 specifies, then as miniupnpc does."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens(desired())


async def test_h9_an_empty_control_url_is_that_of_the_description(new_harness: Any, desired: Any) -> None:
    """RFC 3986, section 5.2: an empty reference is the base."""
    harness = await new_harness("H9-empty", backends=["upnp"])
    await harness.opens(desired())


@pytest.mark.parametrize("quirk", ["H13", "H13-slashes"])
async def test_h13_a_control_url_is_used_at_the_gateway(new_harness: Any, desired: Any, quirk: str) -> None:
    """Whatever host the URL names; two slashes are part of the path."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens(desired())


@pytest.mark.parametrize("quirk", ["H14", "H14-twice"])
async def test_h14_a_description_that_is_no_xml_is_read(new_harness: Any, desired: Any, quirk: str) -> None:
    """As far as its tags match."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens(desired())


async def test_m14_a_description_that_moved_is_found_again(new_harness: Any, desired: Any) -> None:
    """After an unannounced restart, every port is opened at the new location."""
    harness = await new_harness("M14", backends=["upnp"], options={"interval": 0.5})
    await harness.open(desired(), desired(8081))
    before = harness.gateway.location
    await harness.gateway.restart(announce=False)
    harness.gateway._igd.ssdp.change(harness.gateway._igd._advertisement())
    await harness.until(lambda: harness.ports() == {8080, 8081}, "restored")
    assert harness.gateway.location != before
    assert harness.scheduler.discovery.gateways[0].location == harness.gateway.location


async def test_m14_refused_connections_lead_to_a_new_search(new_harness: Any, desired: Any) -> None:
    """The gateway loses its table and returns without an announcement."""
    harness = await new_harness(backends=["upnp"], options={"interval": 0.3})
    entry = await harness.open(desired())
    await harness.gateway.stop_protocol("upnp")
    harness.gateway.state.restart()
    await harness.until(lambda: EventKind.GATEWAY_LOST in harness.kinds(), "given up")
    await harness.gateway.start_protocol("upnp")
    await harness.until(lambda: harness.ports() == {8080} and entry.state is MappingState.ACTIVE, "restored")


async def test_m23_a_moved_control_url_is_read_from_the_description(new_harness: Any, desired: Any) -> None:
    """The old one answers 404 after a restart."""
    harness = await new_harness("M23", backends=["upnp"], options={"interval": 0.5})
    await harness.opens(desired())
    await harness.gateway.restart(announce=False)
    await harness.until(lambda: harness.ports() == {8080}, "restored")

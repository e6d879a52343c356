"""Section H of the conformance list: HTTP and XML of gateways."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.errors import BackendError, NotAuthorized
from portmapper.api.model import MappingState
from portmapper.api.source import Row
from portmapper.sources.row_parser import mappings_of

LENIENT = ["H1", "H1-chunked", "H1-bare-lf", "H1-http10", "H1-octet-stream"]
HOSTILE = ["H4-huge", "H4-deep", "H4-entities", "H4-dtd", "H4-drip"]
URLS = ["H6-port", "H6-urlbase", "H6-urlbase-no-slash", "H6-query"]
MANY = 60


async def works(harness: Any, desired: Any) -> None:
    """Open, read the table, renew and release one port over UPnP."""
    entry = await harness.open(desired())
    assert entry.state is MappingState.ACTIVE, entry.error
    (gateway,) = harness.scheduler.discovery.gateways
    assert [row.external_port for row in await gateway.list_mappings()] == [8080]
    assert (await harness.renew(entry)).error is None
    await harness.scheduler.release_all()
    assert harness.ports() == set()


@pytest.mark.parametrize("quirk", LENIENT)
@pytest.mark.parametrize("version", [1, 2])
async def test_h1_lenient_http_is_accepted(new_harness: Any, desired: Any, quirk: str, version: int) -> None:
    """Chunked bodies, bare line feeds, HTTP/1.0, no Content-Length, a wrong content type."""
    await works(await new_harness(quirk, backends=["upnp"], igd_version=version), desired)


@pytest.mark.parametrize("quirk", ["H2", "H2-wrong"])
async def test_h2_namespaces_are_ignored(new_harness: Any, desired: Any, quirk: str) -> None:
    """They may be missing, unbound or wrong."""
    await works(await new_harness(quirk, backends=["upnp"]), desired)


@pytest.mark.parametrize("quirks", [("H3",), ("H3-no-description",), ("H3", "H3-no-description", "H2")])
async def test_h3_a_fault_is_recognized_with_any_http_status(
    new_harness: Any, desired: Any, quirks: tuple[str, ...]
) -> None:
    """Error 725 and a refusal are recognized by their codes."""
    harness = await new_harness(*quirks, "M1", backends=["upnp"], igd_version=1)
    entry = await harness.open(desired())
    assert entry.lease.permanent
    harness.gateway.state.quirks.add("M7-606")
    entry = await harness.open(desired(8081))
    (error,) = (error for _, error in entry.refusals)
    assert isinstance(error, NotAuthorized)
    assert error.code == 606


@pytest.mark.parametrize("quirk", HOSTILE)
async def test_h4_a_hostile_description_delays_no_other_backend(
    new_harness: Any, desired: Any, discover: Any, quick_search: None, quirk: str
) -> None:
    """It ends in a backend error within the limits; NAT-PMP opens the port before that."""
    harness = await new_harness(quirk, backends=["upnp", "natpmp"])
    entry = await harness.open(desired())
    assert entry.lease.backend == "natpmp"
    found = await discover(harness.gateway)
    assert found.gateways == []
    assert isinstance(found.failure, BackendError)


async def test_h4_a_gateway_that_becomes_slow_loses_no_mapping(
    new_harness: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal with a slow answer fails, and the lease stays valid."""
    harness = await new_harness(backends=["upnp"])
    entry = await harness.open(desired())
    monkeypatch.setattr("portmapper_upnp.requester.REQUEST_TIME", 0.5)
    harness.gateway.state.quirks.add("H4-drip")
    await harness.renew(entry)
    assert entry.state is MappingState.ACTIVE
    assert entry.error is not None
    assert harness.ports() == {8080}


@pytest.mark.parametrize("quirk", ["", "H5"])
async def test_h5_at_most_four_calls_are_in_progress(new_harness: Any, desired: Any, quirk: str) -> None:
    """This applies to gateways that keep connections and to those that close them."""
    harness = await new_harness(*filter(None, [quirk]), backends=["upnp"])
    await harness.open(*(desired(10_000 + number) for number in range(MANY)))
    assert len(harness.ports()) == MANY
    _, most = harness.gateway.connections
    assert most <= 4


async def test_h5_connections_are_reused(new_harness: Any, desired: Any) -> None:
    """Sequential calls use one connection, and 100 parallel calls at most four."""
    harness = await new_harness(backends=["upnp"])
    entry = await harness.open(desired())
    before, _ = harness.gateway.connections
    for _ in range(5):
        await harness.renew(entry)
    assert harness.gateway.connections[0] == before
    await harness.open(*(desired(10_000 + number) for number in range(MANY)))
    assert harness.gateway.connections[0] <= 4
    assert len([request for request in harness.gateway.requests if request.protocol == "soap"]) > 100


@pytest.mark.parametrize("quirk", URLS)
async def test_h6_every_form_of_control_url_is_resolved(new_harness: Any, desired: Any, quirk: str) -> None:
    """Absolute with another port, relative to a URLBase with or without a slash, or only a query."""
    await works(await new_harness(quirk, backends=["upnp"]), desired)


@pytest.mark.parametrize(("version", "quirks"), [(1, ()), (2, ()), (1, ("S3-ppp",))])
async def test_h7_requests_satisfy_a_strict_gateway(
    new_harness: Any, desired: Any, version: int, quirks: tuple[str, ...]
) -> None:
    """It checks the case and quotes of SOAPAction, the order of arguments, and the XML declaration."""
    harness = await new_harness("H7", *quirks, backends=["upnp"], igd_version=version)
    await works(harness, desired)
    assert {details["NewProtocol"] for details in harness.requested("AddPortMapping")} == {"TCP"}


async def test_h7_protocols_are_sent_in_upper_case(new_harness: Any) -> None:
    """A row may have them in lower case."""
    row = Row({"port": "8080", "protocol": "udp"}, "line 2", "line 2, column {}")
    harness = await new_harness("H7", backends=["upnp"])
    await harness.open(*mappings_of(row, "ports.csv"))
    assert harness.requested("AddPortMapping")[0]["NewProtocol"] == "UDP"

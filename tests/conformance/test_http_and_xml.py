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
MANY = 60


@pytest.mark.parametrize("quirk", LENIENT)
@pytest.mark.parametrize("version", [1, 2])
async def test_h1_lenient_http_is_accepted(new_harness: Any, desired: Any, quirk: str, version: int) -> None:
    """Chunked bodies, bare line feeds, HTTP/1.0, no Content-Length, a wrong content type."""
    harness = await new_harness(quirk, backends=["upnp"], igd_version=version)
    await harness.opens_and_closes(desired())


@pytest.mark.parametrize("quirk", ["H2", "H2-wrong"])
async def test_h2_namespaces_are_ignored(new_harness: Any, desired: Any, quirk: str) -> None:
    """They may be missing, unbound or wrong."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens_and_closes(desired())


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


@pytest.mark.parametrize(("version", "quirks"), [(1, ()), (2, ()), (1, ("S3-ppp",))])
async def test_h7_requests_satisfy_a_strict_gateway(
    new_harness: Any, desired: Any, version: int, quirks: tuple[str, ...]
) -> None:
    """It checks the case and quotes of SOAPAction, the order of arguments, and the XML declaration."""
    harness = await new_harness("H7", *quirks, backends=["upnp"], igd_version=version)
    await harness.opens_and_closes(desired())
    assert {details["NewProtocol"] for details in harness.requested("AddPortMapping")} == {"TCP"}


async def test_h7_protocols_are_sent_in_upper_case(new_harness: Any) -> None:
    """A row may have them in lower case."""
    row = Row({"port": "8080", "protocol": "udp"}, "line 2", "line 2, column {}")
    harness = await new_harness("H7", backends=["upnp"])
    await harness.open(*mappings_of(row, "ports.csv"))
    assert harness.requested("AddPortMapping")[0]["NewProtocol"] == "UDP"


@pytest.mark.parametrize("quirks", [("H8",), ("H8", "M1")])
async def test_h8_the_intact_part_of_an_answer_is_read(
    new_harness: Any, desired: Any, quirks: tuple[str, ...]
) -> None:
    """Answers, and faults up to their code."""
    harness = await new_harness(*quirks, backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired())
    assert str(entry.lease.external_address) == "11.22.33.44"
    assert entry.lease.permanent is ("M1" in quirks)


async def test_h10_requests_have_no_whitespace_between_elements(new_harness: Any, desired: Any) -> None:
    """Some routers close the connection otherwise."""
    harness = await new_harness("H10", backends=["upnp"])
    await harness.opens(desired())


async def test_h11_an_overloaded_gateway_gets_one_call_at_a_time(new_harness: Any, desired: Any) -> None:
    """Every port is opened, although a second connection is closed."""
    harness = await new_harness("H11", backends=["upnp"])
    await harness.open(*(desired(8080 + number) for number in range(6)))
    await harness.until(lambda: len(harness.ports()) == 6, "all open")


@pytest.mark.parametrize("quirk", ["H12", "H12-gzip", "H12-utf-16"])
async def test_h12_a_body_is_read_despite_what_its_headers_say(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """A wrong length, a compression that was not requested, a wrong encoding."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens(desired())


@pytest.mark.parametrize("quirk", ["H15", "H15-bare-cr"])
async def test_h15_headers_that_are_hardly_http_are_read(new_harness: Any, desired: Any, quirk: str) -> None:
    """No version, no length, other line ends."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens(desired())


async def test_h16_a_redirected_control_url_is_followed(new_harness: Any, desired: Any) -> None:
    """It leads to another path of the same host."""
    harness = await new_harness("H16", backends=["upnp"])
    await harness.opens_and_closes(desired())

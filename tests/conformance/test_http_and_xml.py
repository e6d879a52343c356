"""H: what gateways do to HTTP and XML."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.errors import BackendError, NotAuthorized
from portmapper.api.model import MappingState
from portmapper.api.source import Row
from portmapper.sources.row_parser import mappings_of

SLOPPY = ["H1", "H1-chunked", "H1-bare-lf", "H1-http10", "H1-octet-stream"]
HOSTILE = ["H4-huge", "H4-deep", "H4-entities", "H4-dtd", "H4-drip"]
URLS = ["H6-port", "H6-urlbase", "H6-urlbase-no-slash", "H6-query"]
MANY = 60


async def lives(house: Any, desired: Any) -> None:
    """Open, read the table, renew and release one port over UPnP."""
    entry = await house.open(desired())
    assert entry.state is MappingState.ACTIVE, entry.error
    (gateway,) = house.scheduler.discovery.gateways
    assert [row.external_port for row in await gateway.list_mappings()] == [8080]
    assert (await house.renew(entry)).error is None
    await house.scheduler.release_all()
    assert house.ports() == set()


@pytest.mark.parametrize("quirk", SLOPPY)
@pytest.mark.parametrize("version", [1, 2])
async def test_h1_sloppy_http_is_read(house: Any, desired: Any, quirk: str, version: int) -> None:
    """Chunked, bare line feeds, HTTP/1.0, no Content-Length, a wrong content type."""
    await lives(await house(quirk, backends=["upnp"], igd_version=version), desired)


@pytest.mark.parametrize("quirk", ["H2", "H2-wrong"])
async def test_h2_names_count_and_namespaces_do_not(house: Any, desired: Any, quirk: str) -> None:
    """Missing, unbound and invented ones."""
    await lives(await house(quirk, backends=["upnp"]), desired)


@pytest.mark.parametrize("quirks", [("H3",), ("H3-no-description",), ("H3", "H3-no-description", "H2")])
async def test_h3_a_fault_is_one_whatever_http_says(
    house: Any, desired: Any, quirks: tuple[str, ...]
) -> None:
    """725 is read as 725, and a refusal as a refusal."""
    home = await house(*quirks, "M1", backends=["upnp"], igd_version=1)
    entry = await home.open(desired())
    assert entry.lease.permanent
    home.gateway.state.quirks.add("M7-606")
    entry = await home.open(desired(8081))
    (error,) = (error for _, error in entry.refusals)
    assert isinstance(error, NotAuthorized)
    assert error.code == 606


@pytest.mark.parametrize("quirk", HOSTILE)
async def test_h4_a_hostile_description_holds_up_nobody(
    house: Any, desired: Any, discover: Any, quick_search: None, quirk: str
) -> None:
    """It ends in a typed error within the bounds, while NAT-PMP has long opened the port."""
    home = await house(quirk, backends=["upnp", "natpmp"])
    entry = await home.open(desired())
    assert entry.lease.backend == "natpmp"
    found = await discover(home.gateway)
    assert found.gateways == []
    assert isinstance(found.failure, BackendError)


async def test_h4_a_gateway_that_becomes_slow_loses_no_mapping(
    house: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal that drips is given up, and the lease stands."""
    monkeypatch.setattr("portmapper_upnp.requester.REQUEST_TIME", 0.5)
    home = await house(backends=["upnp"])
    entry = await home.open(desired())
    home.gateway.state.quirks.add("H4-drip")
    await home.renew(entry)
    assert entry.state is MappingState.ACTIVE
    assert entry.error is not None
    assert home.ports() == {8080}


@pytest.mark.parametrize("quirk", ["", "H5"])
async def test_h5_at_most_four_calls_are_under_way(house: Any, desired: Any, quirk: str) -> None:
    """Many mappings at once, on a gateway that keeps connections and on one that closes each."""
    home = await house(*filter(None, [quirk]), backends=["upnp"])
    await home.open(*(desired(10_000 + number) for number in range(MANY)))
    assert len(home.ports()) == MANY
    _, most = home.gateway.connections
    assert most <= 4


async def test_h5_connections_are_kept_where_the_gateway_keeps_them(house: Any, desired: Any) -> None:
    """Never more than four for a hundred and more calls; one for calls that come one after the other."""
    home = await house(backends=["upnp"])
    entry = await home.open(desired())
    before, _ = home.gateway.connections
    for _ in range(5):
        await home.renew(entry)
    assert home.gateway.connections[0] == before
    await home.open(*(desired(10_000 + number) for number in range(MANY)))
    assert home.gateway.connections[0] <= 4
    assert len([requested for requested in home.gateway.requests if requested.protocol == "soap"]) > 100


@pytest.mark.parametrize("quirk", URLS)
async def test_h6_a_control_url_is_resolved_however_it_is_written(
    house: Any, desired: Any, quirk: str
) -> None:
    """Absolute on another port, relative to a URLBase with or without a slash, only a query."""
    await lives(await house(quirk, backends=["upnp"]), desired)


@pytest.mark.parametrize(("version", "quirks"), [(1, ()), (2, ()), (1, ("S3-ppp",))])
async def test_h7_a_picky_gateway_is_asked_as_it_wants(
    house: Any, desired: Any, version: int, quirks: tuple[str, ...]
) -> None:
    """SOAPAction in that case and quoted, arguments in order, capitals, nothing before <?xml."""
    home = await house("H7", *quirks, backends=["upnp"], igd_version=version)
    await lives(home, desired)
    assert {details["NewProtocol"] for details in home.requested("AddPortMapping")} == {"TCP"}


async def test_h7_lower_case_rows_are_sent_in_capitals(house: Any) -> None:
    """What a source spells in lower case reaches the gateway in upper case."""
    row = Row({"port": "8080", "protocol": "udp"}, "line 2", "line 2, column {}")
    home = await house("H7", backends=["upnp"])
    await home.open(*mappings_of(row, "ports.csv"))
    assert home.requested("AddPortMapping")[0]["NewProtocol"] == "UDP"

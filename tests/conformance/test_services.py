"""Section S of the conformance list: services and external addresses of gateways."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from portmapper.api.model import MappingState
from portmapper.observability.status import status_document
from portmapper.support.clock import Clock

EXTERNAL_ADDRESS = "11.22.33.44"


def gateway_status(harness: Any) -> dict[str, Any]:
    """Return the only gateway of the status document."""
    document = status_document(harness.scheduler, [], datetime.now(UTC), Clock())
    (gateway,) = document["gateways"]
    return dict(gateway)


@pytest.mark.parametrize("version", [1, 2])
async def test_s1_the_connected_service_is_used(new_harness: Any, desired: Any, version: int) -> None:
    """The first service is down and has no address."""
    harness = await new_harness("S1", backends=["upnp"], igd_version=version)
    entry = await harness.open(desired())
    assert str(entry.lease.external_address) == EXTERNAL_ADDRESS
    controls = {details["path"] for details in harness.requested("POST")}
    last = harness.requested("POST")[-1]["path"]
    assert controls == {"/ctl/WANIPConn1", "/ctl/WANIPConn2"}
    assert last == "/ctl/WANIPConn2"


async def test_s2_the_service_with_a_public_address_is_used(new_harness: Any, desired: Any) -> None:
    """The first service is connected too, but has a private address."""
    harness = await new_harness("S2", backends=["upnp"])
    entry = await harness.open(desired())
    assert str(entry.lease.external_address) == EXTERNAL_ADDRESS


@pytest.mark.parametrize(
    ("quirks", "version", "kind"),
    [
        ((), 1, "WANIPConnection:1"),
        ((), 2, "WANIPConnection:2"),
        (("S3-ppp",), 1, "WANPPPConnection:1"),
        (("S3-ppp", "S1"), 1, "WANPPPConnection:1"),
    ],
)
async def test_s3_every_call_has_the_type_of_the_service(
    new_harness: Any, desired: Any, quirks: tuple[str, ...], version: int, kind: str
) -> None:
    """A gateway that requires the right type in the header (H7) accepts every call."""
    harness = await new_harness("H7", *quirks, backends=["upnp"], igd_version=version)
    entry = await harness.open(desired())
    assert entry.state is MappingState.ACTIVE, entry.error
    (gateway,) = harness.scheduler.discovery.gateways
    assert gateway.protocol == f"IGD {version}"
    await harness.scheduler.release_all()
    assert harness.ports() == set()


@pytest.mark.parametrize("quirks", [("S4",), ("S4", "S1"), ("S4", "S2")])
async def test_s4_a_service_without_a_status_is_tried(
    new_harness: Any, desired: Any, quirks: tuple[str, ...]
) -> None:
    """Of two services, the address decides."""
    harness = await new_harness(*quirks, backends=["upnp"])
    entry = await harness.open(desired())
    assert entry.state is MappingState.ACTIVE
    assert str(entry.lease.external_address) == EXTERNAL_ADDRESS


@pytest.mark.parametrize("quirk", ["S5", "S5-empty", "S5-loopback"])
async def test_s5_a_missing_external_address_is_reported(new_harness: Any, desired: Any, quirk: str) -> None:
    """0.0.0.0, an empty value and a loopback address all mean that the gateway is not connected."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired())
    assert entry.lease is None or entry.lease.external_address is None
    gateway = gateway_status(harness)
    assert (gateway["external_address"], gateway["external_kind"]) == (None, "none")
    assert "not connected" in gateway["detail"]


@pytest.mark.parametrize(
    ("quirk", "kind", "words"), [("S6", "private", "double NAT"), ("S6-cgnat", "cgnat", "CGNAT")]
)
@pytest.mark.parametrize("backend", ["upnp", "pcp", "natpmp"])
async def test_s6_another_nat_is_reported_and_the_port_mapped(
    new_harness: Any, desired: Any, quirk: str, kind: str, words: str, backend: str
) -> None:
    """This works over every protocol: the mapping is active on this gateway."""
    harness = await new_harness(quirk, backends=[backend])
    entry = await harness.open(desired())
    assert entry.state is MappingState.ACTIVE
    await harness.until(lambda: gateway_status(harness)["external_kind"] == kind, "reported")
    assert words in gateway_status(harness)["detail"]


async def test_s7_the_next_service_is_tried_after_501(new_harness: Any, desired: Any) -> None:
    """The service that worked is used from then on."""
    harness = await new_harness("S7", backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired())
    before = len(harness.requested("AddPortMapping"))
    await harness.renew(entry)
    assert len(harness.requested("AddPortMapping")) == before + 1


async def test_s8_an_ipv6_address_is_no_external_address(new_harness: Any, desired: Any) -> None:
    """A port that is mapped over IPv4 is not reachable there."""
    harness = await new_harness("S8", backends=["upnp"])
    entry = await harness.opens(desired())
    assert entry.lease.external_address is None


async def test_s9_silent_connections_do_not_hide_the_one_that_answers(
    new_harness: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them are silent than requests are sent at once."""
    monkeypatch.setattr("portmapper_upnp.connection.QUERY_TIME", 0.3)
    harness = await new_harness("S9", backends=["upnp"])
    await harness.opens(desired())


async def test_s10_a_service_that_shows_what_it_opens_is_preferred(new_harness: Any, desired: Any) -> None:
    """The first service confirms everything, also the deletion, and opens nothing."""
    harness = await new_harness("S10", backends=["upnp"], igd_version=1)
    await harness.opens(desired())

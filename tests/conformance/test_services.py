"""S: which of a gateway's services is used, and what its external address says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from portmapper.api.model import MappingState
from portmapper.observability.status import status_document
from portmapper.support.clock import Clock

OUTSIDE = "11.22.33.44"


def gateway_status(house: Any) -> dict[str, Any]:
    """Return what the status document says of the one gateway."""
    document = status_document(house.scheduler, [], datetime.now(UTC), Clock())
    (gateway,) = document["gateways"]
    return dict(gateway)


@pytest.mark.parametrize("version", [1, 2])
async def test_s1_the_connected_service_is_used(house: Any, desired: Any, version: int) -> None:
    """Not the first, which is down and has no address."""
    home = await house("S1", backends=["upnp"], igd_version=version)
    entry = await home.open(desired())
    assert str(entry.lease.external_address) == OUTSIDE
    controls = {details["path"] for details in home.requested("POST")}
    last = home.requested("POST")[-1]["path"]
    assert controls == {"/ctl/WANIPConn1", "/ctl/WANIPConn2"}
    assert last == "/ctl/WANIPConn2"


async def test_s2_the_service_with_a_public_address_is_used(house: Any, desired: Any) -> None:
    """Not the first, which is connected too, but to another NAT."""
    home = await house("S2", backends=["upnp"])
    entry = await home.open(desired())
    assert str(entry.lease.external_address) == OUTSIDE


@pytest.mark.parametrize(
    ("quirks", "version", "kind"),
    [
        ((), 1, "WANIPConnection:1"),
        ((), 2, "WANIPConnection:2"),
        (("S3-ppp",), 1, "WANPPPConnection:1"),
        (("S3-ppp", "S1"), 1, "WANPPPConnection:1"),
    ],
)
async def test_s3_every_call_names_the_type_that_was_found(
    house: Any, desired: Any, quirks: tuple[str, ...], version: int, kind: str
) -> None:
    """A gateway that demands the right one in the header (H7) takes every call."""
    home = await house("H7", *quirks, backends=["upnp"], igd_version=version)
    entry = await home.open(desired())
    assert entry.state is MappingState.ACTIVE, entry.error
    (gateway,) = home.scheduler.discovery.gateways
    assert gateway.protocol == f"IGD {version}"
    await home.scheduler.release_all()
    assert home.ports() == set()


@pytest.mark.parametrize("quirks", [("S4",), ("S4", "S1"), ("S4", "S2")])
async def test_s4_a_service_that_tells_no_status_is_tried(
    house: Any, desired: Any, quirks: tuple[str, ...]
) -> None:
    """Alone, and among two: the address decides then."""
    home = await house(*quirks, backends=["upnp"])
    entry = await home.open(desired())
    assert entry.state is MappingState.ACTIVE
    assert str(entry.lease.external_address) == OUTSIDE


@pytest.mark.parametrize("quirk", ["S5", "S5-empty", "S5-loopback"])
async def test_s5_no_external_address_is_said(house: Any, desired: Any, quirk: str) -> None:
    """0.0.0.0, nothing and loopback are all none; the status says that the gateway is not connected."""
    home = await house(quirk, backends=["upnp"])
    entry = await home.open(desired())
    assert entry.lease is None or entry.lease.external_address is None
    told = gateway_status(home)
    assert (told["external_address"], told["external_kind"]) == (None, "none")
    assert "not connected" in told["detail"]


@pytest.mark.parametrize(
    ("quirk", "kind", "words"), [("S6", "private", "double NAT"), ("S6-cgnat", "cgnat", "CGNAT")]
)
@pytest.mark.parametrize("backend", ["upnp", "pcp", "natpmp"])
async def test_s6_another_nat_is_reported_and_the_port_mapped(
    house: Any, desired: Any, quirk: str, kind: str, words: str, backend: str
) -> None:
    """Over every protocol: the mapping works as far as this gateway goes."""
    home = await house(quirk, backends=[backend])
    entry = await home.open(desired())
    assert entry.state is MappingState.ACTIVE
    await home.until(lambda: gateway_status(home)["external_kind"] == kind, "told")
    assert words in gateway_status(home)["detail"]

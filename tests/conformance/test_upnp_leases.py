"""Rows of section M of the conformance list about lifetimes and renewals over UPnP."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.errors import NetworkFailure
from portmapper.api.events import EventKind
from portmapper.api.model import MappingState
from portmapper_simulator.lease_quirks import DAY, SHORT_LEASE, WEEK


@pytest.mark.parametrize("quirk", ["M1", "M1-402"])
@pytest.mark.parametrize("version", [1, 2])
async def test_m1_permanent_leases_are_requested_after_a_refusal(
    new_harness: Any, desired: Any, quirk: str, version: int
) -> None:
    """After the refusal, all requests have lifetime 0, and the leases are released."""
    harness = await new_harness(quirk, backends=["upnp"], igd_version=version)
    entry = await harness.open(desired())
    assert (entry.lease.permanent, entry.lease.lifetime) == (True, 0)
    await harness.open(desired(), desired(8081))
    assert harness.added("NewLeaseDuration") == ["3600", "0", "0"]
    await harness.close_all()


async def test_m2_a_gateway_without_permanent_leases_gets_a_week(new_harness: Any, desired: Any) -> None:
    """The requested lifetime was as long as possible."""
    harness = await new_harness("M2", backends=["upnp"], igd_version=1)
    entry = await harness.open(desired(duration=0))
    assert (entry.lease.permanent, entry.lease.lifetime) == (False, WEEK)
    assert harness.added("NewLeaseDuration") == ["0", str(WEEK)]


async def test_m13_a_failed_renewal_keeps_the_lease(new_harness: Any, desired: Any) -> None:
    """Nothing is deleted, and the next attempt is before the lease ends."""
    harness = await new_harness("M13", backends=["upnp"])
    entry = await harness.open(desired())
    await harness.renew(entry)
    assert (entry.state, harness.ports()) == (MappingState.ACTIVE, {8080})
    assert "501" in entry.error
    assert harness.requested("DeletePortMapping") == []
    assert entry.due < entry.expires_at


async def test_m15_a_lease_that_is_not_held_becomes_permanent(new_harness: Any, desired: Any) -> None:
    """The first mapping of a gateway is verified at once."""
    harness = await new_harness("M15", backends=["upnp"])
    entry = await harness.open(desired())
    assert entry.lease.permanent
    assert harness.ports() == {8080}


async def test_m15_a_lease_that_is_lost_later_is_reported(new_harness: Any, desired: Any) -> None:
    """The next check publishes an event, and then the lease is requested with lifetime 0."""
    harness = await new_harness(backends=["upnp"], options={"interval": 0.3})
    entry = await harness.open(desired())
    harness.gateway.state.quirks.add("M15")
    harness.gateway.state.nat.clear()
    await harness.until(lambda: entry.lease is not None and entry.lease.permanent, "permanent")
    assert EventKind.LOST in harness.kinds()
    assert harness.ports() == {8080}


async def test_m15_a_gateway_that_stores_nothing_is_reported(new_harness: Any, desired: Any) -> None:
    """It stores neither finite nor permanent leases."""
    harness = await new_harness("M15-always", backends=["upnp"])
    entry = await harness.open(desired())
    assert isinstance(entry.refusal, NetworkFailure)
    assert "does not hold" in entry.error


@pytest.mark.parametrize(("lifetime", "granted"), [(0, DAY), (30 * DAY, DAY), (3600, 3600)])
async def test_m22_a_narrow_lease_limit_is_found(
    new_harness: Any, desired: Any, lifetime: int, granted: int
) -> None:
    """A week is tried, then a day, and the limit is remembered."""
    harness = await new_harness("M22", backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired(duration=lifetime))
    assert (entry.lease.permanent, entry.lease.lifetime) == (False, granted)
    before = len(harness.requested("AddPortMapping"))
    await harness.renew(entry)
    assert harness.added("NewLeaseDuration")[before:] == [str(granted)]


async def test_m24_the_lifetime_is_taken_from_the_entry(new_harness: Any, desired: Any) -> None:
    """The gateway grants less than was requested, and does not say so."""
    harness = await new_harness("M24", backends=["upnp"])
    entry = await harness.opens(desired())
    assert entry.lease.lifetime == SHORT_LEASE


@pytest.mark.parametrize("quirk", ["M27", "M27-732"])
async def test_m27_any_code_may_mean_that_only_permanent_leases_are_granted(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """Other programs request nothing else, so their authors never saw the code. It is remembered."""
    harness = await new_harness(quirk, backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired())
    assert entry.lease.permanent
    await harness.renew(entry)
    assert harness.requested("AddPortMapping")[-1]["NewLeaseDuration"] == "0"


@pytest.mark.parametrize(
    ("quirk", "lifetime", "granted"), [("M32", 3600, DAY), ("M32", 0, WEEK), ("M32-short", 3600, 600)]
)
async def test_m32_a_lease_that_the_gateway_grants_is_found(
    new_harness: Any, desired: Any, quirk: str, lifetime: int, granted: int
) -> None:
    """Longer than requested or very short; the limit is remembered."""
    harness = await new_harness(quirk, backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired(duration=lifetime))
    assert (entry.lease.permanent, entry.lease.lifetime) == (False, granted)
    before = len(harness.requested("AddPortMapping"))
    await harness.renew(entry)
    assert harness.added("NewLeaseDuration")[before:] == [str(granted)]

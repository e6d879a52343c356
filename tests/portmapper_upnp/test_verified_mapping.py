"""Grants that are compared with the gateway's entry."""

from __future__ import annotations

import time

import pytest

from portmapper.api.errors import NoResources


async def test_m25_a_later_grant_that_is_not_stored_is_no_resources(router, connected, request_for, build):
    """The table shows other entries, so it is full; the lease type stays."""
    gateway = await connected()
    await gateway.map(request_for())
    router.replies["AddPortMapping"] = build.http(build.ENVELOPE.format("<AddPortMappingResponse/>"))
    with pytest.raises(NoResources, match="full"):
        await gateway.map(request_for(internal_port=81, external_port=81))
    assert [call["NewLeaseDuration"] for call in router.named("AddPortMapping")] == ["3600", "3600"]


async def test_a_lease_that_ran_out_before_the_table_was_read_says_nothing_about_the_gateway(
    router, connected, request_for, monkeypatch
):
    """The host was suspended in between: the gateway neither is full nor needs permanent leases."""
    gateway = await connected()
    times = iter([100.0, 3700.0])
    monkeypatch.setattr(time, "clock_gettime", lambda _: next(times, 3700.0))
    router.more["GetSpecificPortMappingEntry"] = lambda _: 714
    lease = await gateway.map(request_for())
    assert lease.lifetime == 3600
    assert [call["NewLeaseDuration"] for call in router.named("AddPortMapping")] == ["3600"]


async def test_m24_a_shorter_lease_in_the_entry_is_used(router, connected, request_for):
    """It is the lifetime that the gateway counts."""
    gateway = await connected()
    router.more["GetSpecificPortMappingEntry"] = lambda arguments: (
        {**entry, "NewLeaseDuration": "120"} if (entry := router.table.get(("TCP", 80))) else 714
    )
    assert (await gateway.map(request_for())).lifetime == 120


async def test_m24_a_lease_too_short_to_renew_becomes_permanent(router, connected, request_for):
    """An entry that shows three seconds would end before its renewal."""
    gateway = await connected()

    def show(_arguments):
        entry = router.table.get(("TCP", 80))
        if entry is None:
            return 714
        return {**entry, "NewLeaseDuration": "0" if entry["NewLeaseDuration"] == "0" else "3"}

    router.more["GetSpecificPortMappingEntry"] = show
    assert (await gateway.map(request_for())).permanent


async def test_m17_an_entry_that_cannot_be_read_is_deleted_when_released(router, connected, request_for):
    """The gateway says that the port is free, and holds it."""
    gateway = await connected()
    router.faults["GetSpecificPortMappingEntry"] = 714
    router.faults["GetGenericPortMappingEntry"] = 713
    lease = await gateway.map(request_for())
    assert not lease.permanent
    await gateway.unmap(lease)
    assert not router.table

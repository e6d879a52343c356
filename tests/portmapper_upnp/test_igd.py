"""The gateway for IPv4: map, unmap, and verification of leases."""

from __future__ import annotations

import attrs
import pytest

from portmapper.api.errors import (
    NetworkFailure,
)

OTHER = "192.168.7.7"


async def test_map_creates_and_renews_with_one_verb(router, connected, request_for):
    """A second map of the same lease is an AddPortMapping again, and nothing is deleted."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    again = await gateway.map(request_for(held=lease))
    assert lease == again
    assert (lease.external_port, lease.lifetime, lease.permanent) == (80, 3600, False)
    assert str(lease.external_address) == "8.8.4.4"
    assert len(router.named("AddPortMapping")) == 2
    assert not router.named("DeletePortMapping")


@pytest.mark.parametrize("code", [714, 713])
async def test_m10_a_missing_entry_is_a_successful_delete(router, connected, request_for, code):
    """Any code for a missing entry means that unmap succeeded."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    router.faults["GetSpecificPortMappingEntry"] = 401
    router.faults["DeletePortMapping"] = code
    await gateway.unmap(lease)


async def test_unmap_leaves_another_hosts_entry_alone(router, connected, request_for):
    """A port that another host holds now is not closed."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    router.entry(80, OTHER)
    await gateway.unmap(lease)
    assert router.table["TCP", 80]["NewInternalClient"] == OTHER


async def test_a_lease_that_moves_to_another_port_leaves_nothing_at_the_old_one(
    router, connected, request_for
):
    """The new port is open before the old one is closed."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    moved = await gateway.map(request_for(held=lease, external_port=90))
    assert moved.external_port == 90
    assert list(router.table) == [("TCP", 90)]


async def test_m15_a_mapping_that_is_not_held_is_noticed_at_once(router, connected, request_for, build):
    """The first mapping is verified, and retried as a permanent one before it fails."""
    empty = build.http(build.ENVELOPE.format("<AddPortMappingResponse/>"))
    router.replies["AddPortMapping"] = empty
    with pytest.raises(NetworkFailure, match="does not hold it"):
        await (await connected()).map(request_for())
    assert [call["NewLeaseDuration"] for call in router.named("AddPortMapping")] == ["3600", "0"]


async def test_m15_holds_checks_client_port_and_enabled(router, connected, request_for):
    """A lease must be for our address and port, and enabled."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    assert await gateway.holds(lease)
    assert not await gateway.holds(attrs.evolve(lease, internal_port=81))
    router.entry(80, "127.0.0.1", NewEnabled="0")
    assert not await gateway.holds(lease)
    router.table.clear()
    assert not await gateway.holds(lease)

"""The gateway for IPv4: map, unmap, and verification of leases."""

from __future__ import annotations

import attrs
import pytest

from portmapper.api.errors import BackendError, GatewayTimeout, NetworkFailure
from portmapper.gateways.brief import LearnedBy
from portmapper.store.gateway_table import GatewayTable
from portmapper_upnp import close_mapping

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


@pytest.mark.parametrize(("code", "tried"), [(401, 2), (402, 2), (714, 2), (899, 2), (606, 1), (728, 1)])
async def test_s7_the_next_service_is_tried_unless_the_code_means_a_policy(
    router, connected, request_for, build, code, tried
):
    """The first service refuses everything with this code."""
    router.description = build.description(
        build.service("WANIPConnection:2", "/first"), build.service("WANIPConnection:1", "/second")
    )
    router.faults["AddAnyPortMapping"] = 401
    router.faults["AddPortMapping"] = lambda _: None if "POST /second" in router.heads[-1] else code
    gateway = await connected()
    if tried == 1:
        with pytest.raises(BackendError):
            await gateway.map(request_for())
    else:
        await gateway.map(request_for())
    posts = {head.split()[1] for head in router.heads if "#AddPortMapping" in head}
    assert len(posts) == tried


async def test_m28_a_slow_deletion_is_checked_and_repeated_with_more_time(
    router, connected, request_for, monkeypatch
):
    """The first answer is lost, and the entry is still there."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    delete, calls = close_mapping.WanConnection.delete, []

    async def lose_first(connection, *key):
        calls.append(key)
        if len(calls) == 1:
            raise GatewayTimeout("no answer")
        return await delete(connection, *key)

    monkeypatch.setattr(close_mapping.WanConnection, "delete", lose_first)
    await gateway.unmap(lease)
    assert len(calls) == 2
    assert not router.table


async def test_m28_an_error_for_an_entry_that_stays_is_an_error(router, connected, request_for):
    """The port must not be reported as closed."""
    gateway = await connected()
    lease = await gateway.map(request_for())
    router.faults["DeletePortMapping"] = 501
    with pytest.raises(BackendError):
        await gateway.unmap(lease)
    assert router.table


async def test_m1_a_refusal_is_known_in_the_next_run(router, connected, request_for):
    """The first request of the next run is the one that works; a contradiction is learned."""
    known = GatewayTable()
    router.faults["AddPortMapping"] = lambda call: 725 if call["NewLeaseDuration"] != "0" else None
    for requests in (["3600", "0"], ["0"]):
        router.calls.clear()
        gateway = await connected()
        gateway.start_from(LearnedBy(known, gateway))
        assert (await gateway.map(request_for())).permanent
        assert [call["NewLeaseDuration"] for call in router.named("AddPortMapping")] == requests
    router.faults["AddPortMapping"] = lambda call: 402 if call["NewLeaseDuration"] == "0" else None
    gateway = await connected()
    gateway.start_from(LearnedBy(known, gateway))
    assert not (await gateway.map(request_for())).permanent
    assert "permanent_only" not in known.learned(gateway.address, "upnp")

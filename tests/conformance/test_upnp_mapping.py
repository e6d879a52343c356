"""M: what gateways do to mappings over UPnP."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import attrs
import pytest

from portmapper.api.errors import Conflict, NetworkFailure, NoResources, NotAuthorized, Unsupported
from portmapper.api.events import EventKind
from portmapper.api.model import ConflictPolicy, MappingState, Protocol
from portmapper_simulator.table import Entry

OTHER_HOST = "127.0.0.9"
WEEK = 604_800
BOUND = 12
"""Requests to add that one attempt may cost."""


def occupy(harness: Any, port: int = 8080, host: str = OTHER_HOST) -> None:
    """Let another host hold a port, for ever."""
    harness.gateway.table.put(Entry(Protocol.TCP, port, host, port, "upnp", description="theirs"))


def lifetimes(harness: Any) -> list[str]:
    """Return the lifetimes asked for, in order."""
    return [details["NewLeaseDuration"] for details in harness.requested("AddPortMapping")]


def refusal(entry: Any) -> Any:
    """Return the one error of an entry that is not open."""
    assert entry.lease is None
    ((_, error),) = entry.refusals
    return error


@pytest.mark.parametrize("quirk", ["M1", "M1-402"])
@pytest.mark.parametrize("version", [1, 2])
async def test_m1_only_permanent_leases_are_asked_for_once_found_out(
    new_harness: Any, desired: Any, quirk: str, version: int
) -> None:
    """Lifetime 0 after the refusal, at once for the next, and released by us."""
    harness = await new_harness(quirk, backends=["upnp"], igd_version=version)
    entry = await harness.open(desired())
    assert (entry.lease.permanent, entry.lease.lifetime) == (True, 0)
    await harness.open(desired(), desired(8081))
    assert lifetimes(harness) == ["3600", "0", "0"]
    await harness.want()
    await harness.until(lambda: not harness.ports(), "released")


async def test_m2_a_gateway_without_permanent_leases_gets_a_week(new_harness: Any, desired: Any) -> None:
    """When as long as possible was wanted."""
    harness = await new_harness("M2", backends=["upnp"], igd_version=1)
    entry = await harness.open(desired(duration=0))
    assert (entry.lease.permanent, entry.lease.lifetime) == (False, WEEK)
    assert lifetimes(harness) == ["0", str(WEEK)]


async def test_m3_our_own_entry_is_replaced_after_718(new_harness: Any, desired: Any) -> None:
    """A gateway that says conflict to every renewal gets its entry anew."""
    harness = await new_harness("M3", backends=["upnp"])
    entry = await harness.open(desired())
    await harness.renew(entry)
    assert (entry.state, entry.error) == (MappingState.ACTIVE, None)
    assert harness.ports() == {8080}


@pytest.mark.parametrize(
    ("policy", "state", "port"),
    [
        (ConflictPolicy.OWN, MappingState.CONFLICT, None),
        (ConflictPolicy.FAIL, MappingState.CONFLICT, None),
        (ConflictPolicy.NEXT, MappingState.ACTIVE, 8081),
        (ConflictPolicy.TAKE, MappingState.ACTIVE, 8080),
    ],
)
async def test_m3_another_hosts_entry_is_a_matter_of_policy(
    new_harness: Any, desired: Any, policy: ConflictPolicy, state: MappingState, port: int | None
) -> None:
    """And is deleted under `take` alone."""
    harness = await new_harness(backends=["upnp"])
    occupy(harness)
    entry = await harness.open(desired(conflict=policy))
    assert entry.state is state
    assert (entry.lease.external_port if entry.lease else None) == port
    holder = harness.gateway.table.get(Protocol.TCP, 8080).internal_address
    assert (holder == OTHER_HOST) is (policy is not ConflictPolicy.TAKE)
    if port is None:
        assert str(refusal(entry).holder.internal_address) == OTHER_HOST


@pytest.mark.parametrize("quirk", ["M4", "M4-501"])
@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.NEXT])
async def test_m4_another_mechanism_is_a_conflict_after_bounded_tries(
    new_harness: Any, desired: Any, quirk: str, policy: ConflictPolicy
) -> None:
    """729 and 501 alike."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired(conflict=policy))
    assert entry.state is MappingState.CONFLICT
    assert isinstance(refusal(entry), Conflict)
    tries = harness.requested("AddPortMapping") + harness.requested("AddAnyPortMapping")
    assert 1 <= len(tries) <= BOUND


async def test_m4_tables_apart_are_another_mechanism(new_harness: Any, desired: Any) -> None:
    """What NAT-PMP holds UPnP cannot have, and nothing is deleted for it."""
    harness = await new_harness("tables-apart", backends=["upnp"])
    harness.gateway.table.put(Entry(Protocol.TCP, 8080, OTHER_HOST, 8080, "natpmp"))
    entry = await harness.open(desired())
    assert refusal(entry).code == 729
    assert harness.ports() == {8080}
    assert harness.requested("DeletePortMapping") == []


async def test_m5_the_same_port_is_taken_where_the_policy_lets_us(new_harness: Any, desired: Any) -> None:
    """`next` gets the internal port outside; `own` is refused with the reason."""
    harness = await new_harness("M5", backends=["upnp"])
    entry = await harness.open(desired(8080, 9090, conflict=ConflictPolicy.NEXT))
    assert entry.lease.external_port == 9090
    entry = await harness.open(desired(8081, 9091))
    assert isinstance(refusal(entry), Unsupported)
    assert refusal(entry).code == 724


async def test_m6_the_remote_host_is_always_empty(new_harness: Any, desired: Any) -> None:
    """In every action that has one; any other is refused with 726."""
    harness = await new_harness(backends=["upnp"], igd_version=1)
    entry = await harness.open(desired())
    await harness.renew(entry)
    await harness.scheduler.release_all()
    remote = [
        requested.details["NewRemoteHost"]
        for requested in harness.gateway.requests
        if "NewRemoteHost" in requested.details
    ]
    assert len(remote) >= 4
    assert set(remote) == {""}


@pytest.mark.parametrize(
    ("quirk", "kind"),
    [("M7-606", NotAuthorized), ("M7-727", Unsupported), ("M7-728", NoResources)],
)
@pytest.mark.usefixtures("quick_search")
async def test_m7_a_refusal_is_typed_and_not_asked_again_at_once(
    new_harness: Any, desired: Any, quirk: str, kind: type[Exception]
) -> None:
    """The gateway's number and words are there, and it is left in peace."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired())
    error = refusal(entry)
    assert isinstance(error, kind)
    assert (error.code, entry.state) == (int(quirk[-3:]), MappingState.REFUSED)
    assert quirk[-3:] in entry.error
    before = len(harness.requested("AddPortMapping"))
    await asyncio.sleep(1.2)
    assert len(harness.requested("AddPortMapping")) == before <= 2
    assert entry.due - asyncio.get_running_loop().time() > 20


async def test_m8_without_add_any_the_plain_action_is_used(new_harness: Any, desired: Any) -> None:
    """Also when the gateway claims to be a version 2; it is asked for the other one once."""
    harness = await new_harness("M8", backends=["upnp"])
    occupy(harness)
    entry = await harness.open(
        desired(conflict=ConflictPolicy.NEXT), desired(9000, conflict=ConflictPolicy.NEXT)
    )
    assert entry.lease.external_port == 8081
    assert 9000 in harness.ports()
    assert 1 <= len(harness.requested("AddAnyPortMapping")) <= 2


async def test_m9_another_assigned_port_is_reported_or_given_back(new_harness: Any, desired: Any) -> None:
    """`next` keeps and reports it; `own` never lets the gateway choose."""
    harness = await new_harness("M9", backends=["upnp"])
    entry = await harness.open(desired(conflict=ConflictPolicy.NEXT))
    assert (entry.lease.external_port, harness.ports()) == (9080, {9080})
    entry = await harness.open(desired())
    assert entry.lease.external_port == 8080
    await harness.until(lambda: harness.ports() == {8080}, "the other port closed")


async def test_m10_what_is_gone_already_is_released(new_harness: Any, desired: Any) -> None:
    """Its entry vanished before we delete it."""
    harness = await new_harness("M10", backends=["upnp"])
    entry = await harness.open(desired(), desired(8081))
    (gateway,) = harness.scheduler.discovery.gateways
    await gateway.unmap(entry.lease)  # 714 from the action itself
    await gateway.unmap(entry.lease)  # gone already
    await harness.want()
    await harness.until(lambda: not harness.ports(), "released")
    assert [event.kind for event in harness.events].count(EventKind.CLOSED) == 2


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("quirk", ["", "M11-714", "M11-402", "M11-501", "M11-endless", "show-dummy-rule"])
async def test_m11_a_listing_ends(new_harness: Any, desired: Any, quirk: str, version: int) -> None:
    """However the end is told, and when there is none."""
    harness = await new_harness(*filter(None, [quirk]), backends=["upnp"], igd_version=version)
    await harness.open(desired(), desired(8081))
    (gateway,) = harness.scheduler.discovery.gateways
    listed = await gateway.list_mappings()
    assert quirk == "M11-endless" or {row.external_port for row in listed} == {8080, 8081}
    assert len(harness.requested("GetGenericPortMappingEntry")) < 100


async def test_m11_a_table_that_is_not_shown_is_a_typed_error(new_harness: Any, desired: Any) -> None:
    """501 to every way of listing."""
    harness = await new_harness("M11-unreadable", backends=["upnp"])
    await harness.open(desired())
    (gateway,) = harness.scheduler.discovery.gateways
    assert list(await gateway.list_mappings()) == []


@pytest.mark.parametrize("quirk", ["M12", "M12-718"])
async def test_m12_secure_mode_says_who_may_ask(new_harness: Any, desired: Any, quirk: str) -> None:
    """Over 606 and 718 alike."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired(address=ipaddress.ip_address("127.0.0.7")))
    error = refusal(entry)
    assert isinstance(error, NotAuthorized)
    assert "127.0.0.7" in str(error)
    assert "itself" in str(error)
    assert entry.state is MappingState.REFUSED


async def test_m13_a_failed_renewal_keeps_the_lease(new_harness: Any, desired: Any) -> None:
    """Nothing is deleted for it, and the next attempt comes before the lease ends."""
    harness = await new_harness("M13", backends=["upnp"])
    entry = await harness.open(desired())
    await harness.renew(entry)
    assert (entry.state, harness.ports()) == (MappingState.ACTIVE, {8080})
    assert "501" in entry.error
    assert harness.requested("DeletePortMapping") == []
    assert entry.due < entry.expires_at


async def test_m14_a_description_that_moved_is_found_again(new_harness: Any, desired: Any) -> None:
    """After a restart that nobody announced, every port comes back at the new place."""
    harness = await new_harness("M14", backends=["upnp"], options={"interval": 0.5})
    await harness.open(desired(), desired(8081))
    before = harness.gateway.location
    await harness.gateway.restart(announce=False)
    harness.gateway._igd.ssdp.change(harness.gateway._igd._advertisement())
    await harness.until(lambda: harness.ports() == {8080, 8081}, "restored")
    assert harness.gateway.location != before
    assert harness.scheduler.discovery.gateways[0].location == harness.gateway.location


async def test_m14_refused_connections_lead_to_a_new_search(new_harness: Any, desired: Any) -> None:
    """The gateway is down with its table, and comes back without a word."""
    harness = await new_harness(backends=["upnp"], options={"interval": 0.3})
    entry = await harness.open(desired())
    await harness.gateway.stop_protocol("upnp")
    harness.gateway.state.restart()
    await harness.until(lambda: EventKind.GATEWAY_LOST in harness.kinds(), "given up")
    await harness.gateway.start_protocol("upnp")
    await harness.until(lambda: harness.ports() == {8080} and entry.state is MappingState.ACTIVE, "restored")


async def test_m15_a_lease_that_is_not_held_becomes_permanent(new_harness: Any, desired: Any) -> None:
    """Noticed at once for the first mapping of a gateway."""
    harness = await new_harness("M15", backends=["upnp"])
    entry = await harness.open(desired())
    assert entry.lease.permanent
    assert harness.ports() == {8080}


async def test_m15_a_lease_that_gets_lost_later_is_noticed_and_said(new_harness: Any, desired: Any) -> None:
    """The next look finds it gone, an event tells so, and lifetime 0 holds at last."""
    harness = await new_harness(backends=["upnp"], options={"interval": 0.3})
    entry = await harness.open(desired())
    harness.gateway.state.quirks.add("M15")
    harness.gateway.state.nat.clear()
    await harness.until(lambda: entry.lease is not None and entry.lease.permanent, "permanent")
    assert EventKind.LOST in harness.kinds()
    assert harness.ports() == {8080}


async def test_m15_a_gateway_that_holds_nothing_is_told_of(new_harness: Any, desired: Any) -> None:
    """Neither a finite nor a permanent lease."""
    harness = await new_harness("M15-always", backends=["upnp"])
    entry = await harness.open(desired())
    assert isinstance(refusal(entry), NetworkFailure)
    assert "does not hold" in entry.error


async def test_m16_an_entry_for_our_former_address_is_replaced(
    start_gateway: Any, start_scheduler: Any, desired: Any
) -> None:
    """DHCP gave us another address: one entry, for the new one, and nothing stale."""
    harness = await start_scheduler(await start_gateway(), ["upnp"], searched=True, local="127.0.0.8")
    entry = await harness.open(desired())
    assert str(entry.lease.internal_address) == "127.0.0.8"
    harness.network = attrs.evolve(
        harness.network,
        interfaces=(
            attrs.evolve(harness.network.interfaces[0], addresses=(ipaddress.ip_interface("127.0.0.1/8"),)),
        ),
    )
    await harness.scheduler.network_changed()
    await harness.until(lambda: str(entry.lease and entry.lease.internal_address) == "127.0.0.1", "moved")
    assert [row.internal_address for row in harness.gateway.table] == ["127.0.0.1"]

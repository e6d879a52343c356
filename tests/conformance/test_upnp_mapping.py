"""Section M of the conformance list: mappings over UPnP."""

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
MAX_REQUESTS = 12
"""Limit of add requests for one attempt."""


def occupy(harness: Any, port: int = 8080, host: str = OTHER_HOST) -> None:
    """Add a permanent mapping of another host."""
    harness.gateway.table.put(Entry(Protocol.TCP, port, host, port, "upnp", description="theirs"))


def lifetimes(harness: Any) -> list[str]:
    """Return the requested lifetimes in order."""
    return [details["NewLeaseDuration"] for details in harness.requested("AddPortMapping")]


def refusal(entry: Any) -> Any:
    """Return the only error of a mapping that is not open."""
    assert entry.lease is None
    ((_, error),) = entry.refusals
    return error


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
    assert lifetimes(harness) == ["3600", "0", "0"]
    await harness.set_desired()
    await harness.until(lambda: not harness.ports(), "released")


async def test_m2_a_gateway_without_permanent_leases_gets_a_week(new_harness: Any, desired: Any) -> None:
    """The requested lifetime was as long as possible."""
    harness = await new_harness("M2", backends=["upnp"], igd_version=1)
    entry = await harness.open(desired(duration=0))
    assert (entry.lease.permanent, entry.lease.lifetime) == (False, WEEK)
    assert lifetimes(harness) == ["0", str(WEEK)]


async def test_m3_our_own_entry_is_replaced_after_718(new_harness: Any, desired: Any) -> None:
    """If a gateway reports a conflict for every renewal, the entry is deleted and added again."""
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
async def test_m3_the_policy_decides_about_another_hosts_entry(
    new_harness: Any, desired: Any, policy: ConflictPolicy, state: MappingState, port: int | None
) -> None:
    """Only `take` replaces the entry."""
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
async def test_m4_another_mechanism_is_a_conflict_after_limited_retries(
    new_harness: Any, desired: Any, quirk: str, policy: ConflictPolicy
) -> None:
    """Both 729 and 501 mean this."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired(conflict=policy))
    assert entry.state is MappingState.CONFLICT
    assert isinstance(refusal(entry), Conflict)
    tries = harness.requested("AddPortMapping") + harness.requested("AddAnyPortMapping")
    assert 1 <= len(tries) <= MAX_REQUESTS


async def test_m4_separate_tables_are_another_mechanism(new_harness: Any, desired: Any) -> None:
    """UPnP cannot get a port that NAT-PMP holds, and nothing is deleted."""
    harness = await new_harness("tables-apart", backends=["upnp"])
    harness.gateway.table.put(Entry(Protocol.TCP, 8080, OTHER_HOST, 8080, "natpmp"))
    entry = await harness.open(desired())
    assert refusal(entry).code == 729
    assert harness.ports() == {8080}
    assert harness.requested("DeletePortMapping") == []


async def test_m5_the_same_port_is_used_if_the_policy_allows_it(new_harness: Any, desired: Any) -> None:
    """`next` gets the internal port as external port; `own` is refused with the reason."""
    harness = await new_harness("M5", backends=["upnp"])
    entry = await harness.open(desired(8080, 9090, conflict=ConflictPolicy.NEXT))
    assert entry.lease.external_port == 9090
    entry = await harness.open(desired(8081, 9091))
    assert isinstance(refusal(entry), Unsupported)
    assert refusal(entry).code == 724


async def test_m6_the_remote_host_is_always_empty(new_harness: Any, desired: Any) -> None:
    """This is true in every action; the gateway refuses any other value with 726."""
    harness = await new_harness(backends=["upnp"], igd_version=1)
    entry = await harness.open(desired())
    await harness.renew(entry)
    await harness.scheduler.release_all()
    remote = [
        request.details["NewRemoteHost"]
        for request in harness.gateway.requests
        if "NewRemoteHost" in request.details
    ]
    assert len(remote) >= 4
    assert set(remote) == {""}


@pytest.mark.parametrize(
    ("quirk", "kind"),
    [("M7-606", NotAuthorized), ("M7-727", Unsupported), ("M7-728", NoResources)],
)
@pytest.mark.usefixtures("quick_search")
async def test_m7_a_refused_request_is_not_repeated_at_once(
    new_harness: Any, desired: Any, quirk: str, kind: type[Exception]
) -> None:
    """The error has the gateway's code, and the next request follows later."""
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
    """The gateway claims version 2, so AddAnyPortMapping is tried first."""
    harness = await new_harness("M8", backends=["upnp"])
    occupy(harness)
    entry = await harness.open(
        desired(conflict=ConflictPolicy.NEXT), desired(9000, conflict=ConflictPolicy.NEXT)
    )
    assert entry.lease.external_port == 8081
    assert 9000 in harness.ports()
    assert 1 <= len(harness.requested("AddAnyPortMapping")) <= 2


async def test_m9_another_assigned_port_is_used_or_released(new_harness: Any, desired: Any) -> None:
    """`next` uses it, and `own` never lets the gateway choose."""
    harness = await new_harness("M9", backends=["upnp"])
    entry = await harness.open(desired(conflict=ConflictPolicy.NEXT))
    assert (entry.lease.external_port, harness.ports()) == (9080, {9080})
    entry = await harness.open(desired())
    assert entry.lease.external_port == 8080
    await harness.until(lambda: harness.ports() == {8080}, "the other port closed")


async def test_m10_releasing_a_missing_entry_succeeds(new_harness: Any, desired: Any) -> None:
    """The entry disappears before it is deleted."""
    harness = await new_harness("M10", backends=["upnp"])
    entry = await harness.open(desired(), desired(8081))
    (gateway,) = harness.scheduler.discovery.gateways
    await gateway.unmap(entry.lease)  # 714 from the action itself
    await gateway.unmap(entry.lease)  # the entry no longer exists
    await harness.set_desired()
    await harness.until(lambda: not harness.ports(), "released")
    assert [event.kind for event in harness.events].count(EventKind.CLOSED) == 2


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("quirk", ["", "M11-714", "M11-402", "M11-501", "M11-endless", "show-dummy-rule"])
async def test_m11_a_listing_ends(new_harness: Any, desired: Any, quirk: str, version: int) -> None:
    """The gateway may report the end in several ways, or never."""
    harness = await new_harness(*filter(None, [quirk]), backends=["upnp"], igd_version=version)
    await harness.open(desired(), desired(8081))
    (gateway,) = harness.scheduler.discovery.gateways
    listed = await gateway.list_mappings()
    assert quirk == "M11-endless" or {row.external_port for row in listed} == {8080, 8081}
    assert len(harness.requested("GetGenericPortMappingEntry")) < 100


async def test_m11_an_unreadable_table_is_empty(new_harness: Any, desired: Any) -> None:
    """The gateway answers 501 to every listing action."""
    harness = await new_harness("M11-unreadable", backends=["upnp"])
    await harness.open(desired())
    (gateway,) = harness.scheduler.discovery.gateways
    assert list(await gateway.list_mappings()) == []


@pytest.mark.parametrize("quirk", ["M12", "M12-718"])
async def test_m12_secure_mode_is_explained(new_harness: Any, desired: Any, quirk: str) -> None:
    """The gateway may report it as 606 or 718."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired(address=ipaddress.ip_address("127.0.0.7")))
    error = refusal(entry)
    assert isinstance(error, NotAuthorized)
    assert "127.0.0.7" in str(error)
    assert "itself" in str(error)
    assert entry.state is MappingState.REFUSED


async def test_m13_a_failed_renewal_keeps_the_lease(new_harness: Any, desired: Any) -> None:
    """Nothing is deleted, and the next attempt is before the lease ends."""
    harness = await new_harness("M13", backends=["upnp"])
    entry = await harness.open(desired())
    await harness.renew(entry)
    assert (entry.state, harness.ports()) == (MappingState.ACTIVE, {8080})
    assert "501" in entry.error
    assert harness.requested("DeletePortMapping") == []
    assert entry.due < entry.expires_at


async def test_m14_a_description_that_moved_is_found_again(new_harness: Any, desired: Any) -> None:
    """After an unannounced restart, every port is opened at the new location."""
    harness = await new_harness("M14", backends=["upnp"], options={"interval": 0.5})
    await harness.open(desired(), desired(8081))
    before = harness.gateway.location
    await harness.gateway.restart(announce=False)
    harness.gateway._igd.ssdp.change(harness.gateway._igd._advertisement())
    await harness.until(lambda: harness.ports() == {8080, 8081}, "restored")
    assert harness.gateway.location != before
    assert harness.scheduler.discovery.gateways[0].location == harness.gateway.location


async def test_m14_refused_connections_lead_to_a_new_search(new_harness: Any, desired: Any) -> None:
    """The gateway loses its table and returns without an announcement."""
    harness = await new_harness(backends=["upnp"], options={"interval": 0.3})
    entry = await harness.open(desired())
    await harness.gateway.stop_protocol("upnp")
    harness.gateway.state.restart()
    await harness.until(lambda: EventKind.GATEWAY_LOST in harness.kinds(), "given up")
    await harness.gateway.start_protocol("upnp")
    await harness.until(lambda: harness.ports() == {8080} and entry.state is MappingState.ACTIVE, "restored")


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
    assert isinstance(refusal(entry), NetworkFailure)
    assert "does not hold" in entry.error


async def test_m16_an_entry_for_our_former_address_is_replaced(
    start_gateway: Any, start_scheduler: Any, desired: Any
) -> None:
    """After a new address from DHCP, the only entry is for this address."""
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

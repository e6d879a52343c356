"""Leases over time: renewals, restarts, losses, edits of the list."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from portmapper.api.backend import GatewayEvent
from portmapper.api.errors import Conflict, NetworkFailure, NoResources, NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import ConflictPolicy, Mapping, MappingState, Protocol
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

STRANGER = ipaddress.ip_address("192.168.88.66")
LOCAL = ipaddress.ip_address("192.168.88.10")
WEB = (Protocol.TCP, 80)

Desired = Callable[..., Mapping]
NewWorld = Callable[..., Any]


@pytest.fixture
def calm(harness: Any) -> Any:
    """A world that looks around so seldom that only renewals are seen."""
    harness.options = Options(interval=10**6)
    return harness


async def test_a_lease_is_renewed_in_the_middle_of_its_life(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """In [1/2, 5/8], in place, with the same token, and without an event."""
    await calm.start(desired())
    await clock.advance(1799)
    assert len(device.requested()) == 1
    await clock.advance(452)
    first, second = device.requested()
    assert second.held is not None
    assert second.token == first.token
    assert calm.kinds() == [EventKind.OPENED]


async def test_renewals_of_what_was_opened_together_spread_over_an_eighth_of_its_life(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A thousand mappings: each eighth of that time has about as many; 125 would be even."""
    await calm.start(*(desired(10_000 + number) for number in range(1000)))
    await clock.advance(1799)
    assert len(device.calls) == 1000
    renewed = []
    for _ in range(8):
        device.calls.clear()
        await clock.advance(3600 / 8 / 8)
        renewed.append(len(device.calls))
    assert sum(renewed) >= 980
    assert all(60 <= count <= 200 for count in renewed)


async def test_a_lease_never_runs_out_while_the_gateway_answers(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Not even one of a few seconds."""
    device.longest = 10
    await calm.start(desired())
    for _ in range(120):
        await clock.advance(1)
        assert device.open_ports() == {WEB}
    assert len(device.requested()) <= 26


async def test_a_failed_renewal_keeps_the_lease(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """M13: it is active until it runs out, and nothing is deleted."""
    await calm.start(desired())
    device.refusals[80] = NoResources("full")
    await clock.advance(3590)
    assert calm.state(desired()) is MappingState.ACTIVE
    assert calm.scheduler.entries[desired().key].error is not None
    await clock.advance(20)
    assert calm.state(desired()) is MappingState.REFUSED
    assert calm.kinds() == [EventKind.OPENED, EventKind.FAILED, EventKind.LOST, EventKind.FAILED]
    assert device.requested("unmap") == []


async def test_renewals_that_fail_come_closer_but_never_in_a_burst(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """At 1/2, 3/4, 7/8 and so on of the lifetime, never less than 4 s apart."""
    await calm.start(desired())
    device.answers.extend([NetworkFailure("down")] * 100)
    await clock.advance(3590)
    assert 8 <= len(device.requested()) <= 13


async def test_a_renewal_is_not_tried_again_before_the_gateways_own_time(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P8 holds for renewals too."""
    await calm.start(desired())
    device.refusals[80] = NotAuthorized("no", retry_after=1300)
    await clock.advance(2260)
    requested = len(device.requested())
    assert requested == 2
    await clock.advance(700)
    assert len(device.requested()) == requested


async def test_a_failed_renewal_tries_the_other_gateways(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The new one stands before the old one is released."""
    other = FakeDevice(clock, address=ipaddress.ip_address("192.168.88.2"))
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", other))
    await harness.start(desired())
    device.refusals[80] = NoResources("full")
    await clock.advance(2300)
    assert harness.lease(desired()).backend == "upnp"
    assert other.open_ports() == {WEB}
    assert device.open_ports() == set()
    assert harness.kinds() == [EventKind.OPENED, EventKind.OPENED, EventKind.CLOSED]


async def test_a_port_that_another_host_took_meanwhile_is_lost(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is said, the other host keeps it, and it is ours again when that one leaves."""
    upnp.options = Options(interval=10**6)
    await upnp.start(desired())
    device.table.clear()
    device.occupy(*WEB, STRANGER)
    await clock.advance(2300)
    assert upnp.state(desired()) is MappingState.CONFLICT
    assert EventKind.LOST in upnp.kinds()
    assert device.table[WEB].internal_address == STRANGER
    device.table.clear()
    await clock.advance(1200)
    assert upnp.state(desired()) is MappingState.ACTIVE


async def test_a_restart_renews_everything_within_a_second(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """On every protocol of the device, whichever of them noticed."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    mappings = [desired(1000 + port, backend="upnp" if port % 2 else "pcp") for port in range(40)]
    await harness.start(*mappings)
    watcher = harness.scheduler.discovery.gateways[0]
    device.restart(announced=False)
    watcher._notify(GatewayEvent.RESTARTED)
    assert {harness.state(mapping) for mapping in mappings} == {MappingState.PENDING}
    await clock.advance(1)
    assert len(device.open_ports()) == 40
    assert {harness.state(mapping) for mapping in mappings} == {MappingState.ACTIVE}
    assert harness.kinds()[40:] == [EventKind.GATEWAY_RESTARTED]


async def test_a_gateway_that_is_down_after_a_restart_is_tried_until_it_is_up(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Seconds apart, not at the next point of the lease's life."""
    calm.options = Options(interval=60)
    await calm.start(desired())
    device.restart()
    device.silent = True
    await clock.advance(45)
    assert calm.state(desired()) is MappingState.PENDING
    device.silent = False
    await clock.advance(75)
    assert device.open_ports() == {WEB}


async def test_a_gateway_that_says_goodbye_is_looked_for(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """And everything on it is renewed."""
    await harness.start(desired())
    device.restart(announced=False)
    device.tell(GatewayEvent.GONE)
    await clock.advance(5)
    assert harness.backends[0].searches == 2
    assert device.open_ports() == {WEB}
    assert EventKind.GATEWAY_LOST in harness.kinds()


async def test_another_outside_address_is_told_for_every_mapping(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Once for the gateway, once for each mapping; leases stay."""
    await harness.start(desired(), desired(81))
    device.external = ipaddress.ip_address("203.0.113.99")
    device.tell(GatewayEvent.EXTERNAL_ADDRESS_CHANGED)
    await clock.advance(1)
    changed = [e for e in harness.events if e.kind is EventKind.EXTERNAL_ADDRESS_CHANGED]
    assert [e.external_port for e in changed] == [None, 80, 81]
    assert harness.lease(desired()).external_address == device.external
    assert len(device.requested()) == 2


async def test_another_outside_address_is_seen_at_the_next_look(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Though nobody announced it."""
    await harness.start(desired())
    device.external = ipaddress.ip_address("203.0.113.99")
    await clock.advance(60)
    assert EventKind.EXTERNAL_ADDRESS_CHANGED in harness.kinds()


async def test_a_list_that_says_the_same_sends_nothing(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """Only the difference is acted upon."""
    await harness.start(desired(), desired(81))
    await harness.want(desired(81), desired())
    assert len(device.calls) == 2


async def test_a_new_row_is_opened_and_a_removed_one_closed(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """The others are not touched."""
    await harness.start(desired(), desired(81))
    await harness.want(desired(81), desired(82))
    assert device.open_ports() == {(Protocol.TCP, 81), (Protocol.TCP, 82)}
    assert len(device.requested()) == 3
    assert list(harness.store.leases) == [s for s in harness.store.leases if s.wanted_port in (81, 82)]


@pytest.mark.parametrize("edit", [{"comment": "new"}, {"duration": 7200}])
async def test_an_edited_comment_or_duration_renews_in_place(
    harness: Any, device: FakeDevice, desired: Desired, edit: dict[str, Any]
) -> None:
    """Nothing is closed for it."""
    await harness.start(desired())
    await harness.want(desired(**edit))
    assert device.requested("unmap") == []
    assert device.requested()[-1].held is not None
    assert device.requested()[-1].comment == edit.get("comment", "")
    assert harness.lease(desired()).lifetime == edit.get("duration", 3600)


@pytest.mark.parametrize("kind", [FakeGateway, FakeListingGateway])
async def test_an_edited_internal_port_is_redirected(
    new_harness: NewWorld, device: FakeDevice, desired: Desired, kind: type[FakeGateway]
) -> None:
    """The outside port leads to the new one, and is not closed afterwards."""
    harness = new_harness(FakeBackend("any", device, kind=kind))
    device.names_holder = kind is FakeListingGateway
    await harness.start(desired(80, 8080))
    await harness.want(desired(80, 9090))
    assert device.table[WEB].internal_port == 9090
    assert len(list(harness.store.leases)) == 1


async def test_an_edited_external_port_stands_before_the_old_one_is_closed(
    upnp: Any, device: FakeDevice, desired: Desired
) -> None:
    """Never delete before re-adding."""
    await upnp.start(desired(80, 8080))
    await upnp.want(desired(81, 8080))
    assert device.open_ports() == {(Protocol.TCP, 81)}
    assert [verb for _, verb, _ in device.calls] == ["map", "map", "unmap"]


async def test_the_old_external_port_stays_while_the_new_one_is_refused(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A list that asks for what is not to be had closes nothing that serves the same program."""
    device.refusals[81] = NotAuthorized("no")
    await upnp.start(desired(80, 8080))
    await upnp.want(desired(81, 8080))
    await clock.advance(30)
    assert upnp.state(desired(81, 8080)) is MappingState.REFUSED


async def test_an_edited_external_port_where_there_is_one_for_each_internal_port(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """PCP and NAT-PMP cannot open the second before the first is closed."""
    device.one_per_internal_port = True
    await harness.start(desired(80, 8080))
    await harness.want(desired(81, 8080))
    await clock.advance(5)
    assert device.open_ports() == {(Protocol.TCP, 81)}


async def test_a_row_that_is_removed_while_it_is_opened_is_closed(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The answer comes too late for the wish."""
    await harness.start()
    harness.scheduler.set_desired([desired()])
    while not device.requested():
        await asyncio.sleep(0)
    await harness.want()
    await clock.advance(5)
    assert device.open_ports() == set()
    assert list(harness.store.leases) == []


async def test_a_lost_answer_leaves_no_second_mapping(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P7: it is asked again with the same token; there is one mapping, and one is known."""
    device.loses_answers = True
    await harness.start(desired())
    await clock.advance(5)
    device.loses_answers = False
    await clock.advance(90)
    assert len({request.token for request in device.requested()}) == 1
    assert len(list(harness.store.leases)) == 1
    await harness.want()
    assert device.open_ports() == set()


async def test_a_failed_release_is_tried_again(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Told once, less and less often, until it works."""
    await harness.start(desired())
    device.release_error = NetworkFailure("down")
    await harness.want()
    await clock.advance(600)
    assert 3 <= len(device.requested("unmap")) <= 12
    assert harness.kinds() == [EventKind.OPENED, EventKind.FAILED]
    device.release_error = None
    await clock.advance(400)
    assert device.open_ports() == set()
    assert harness.kinds()[-1] is EventKind.CLOSED


async def test_a_lease_without_end_is_verified_and_not_renewed(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """M1: nothing expires; a lost one is put back at the next look."""
    device.permanent_only = True
    await upnp.start(desired())
    await clock.advance(86400)
    assert len(device.requested()) == 1
    device.table.clear()
    await clock.advance(61)
    assert device.open_ports() == {WEB}
    assert upnp.kinds() == [EventKind.OPENED, EventKind.LOST, EventKind.OPENED]


async def test_a_gateway_that_holds_no_finite_lease_is_asked_for_a_permanent_one(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """M15: after the second loss."""
    device.forgets = lambda lease: not lease.permanent
    await upnp.start(desired())
    await clock.advance(200)
    assert device.requested()[-1].lifetime == 0
    assert device.open_ports() == {WEB}


async def test_a_lost_table_without_announcement_is_noticed_by_renewing_one(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A protocol that cannot list shows it by the epoch of its answer: one renewal an interval."""
    await harness.start(desired(), desired(81))
    device.calls.clear()
    await clock.advance(60.5)
    await clock.advance(60)
    assert len(device.requested()) == 2


async def test_looking_spares_two_protocols_of_one_port(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The elder's renewal closes the younger for a round trip on miniupnpd."""
    await harness.start(desired(), desired(protocol=Protocol.UDP), desired(81))
    device.calls.clear()
    await clock.advance(60.5)
    await clock.advance(60)
    assert [request.internal_port for request in device.requested()] == [81, 81]


async def test_looking_often_does_not_renew_often(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """RFC 6887 section 11.2.1: never less than 4 s between two renewals of one mapping."""
    harness.options = Options(interval=1)
    await harness.start(desired())
    await clock.advance(40)
    assert len(device.requested()) <= 11


async def test_looking_does_not_shorten_the_pause_of_a_failing_renewal(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It has its own times; only one more attempt comes of the look that begins it."""
    await harness.start(desired())
    device.refusals[80] = NotAuthorized("no")
    await clock.advance(1200)
    assert len(device.requested()) <= 4


async def test_a_slow_gateway_holds_up_no_other(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Each has a lane of its own."""
    other = FakeDevice(clock, hangs=True)
    harness = new_harness(FakeBackend("upnp", other), FakeBackend("pcp", device))
    many = [desired(port, backend="upnp") for port in range(1000, 1040)]
    await harness.start(*many, desired(backend="pcp"))
    assert harness.state(desired()) is MappingState.ACTIVE
    assert len(other.requested()) == 4


async def test_a_backend_that_hangs_is_cut_off(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The mapping goes on to the next."""
    harness = new_harness(FakeBackend("pcp", FakeDevice(clock, hangs=True)), FakeBackend("upnp", device))
    await harness.start(desired())
    await clock.advance(21)
    assert harness.lease(desired()).backend == "upnp"


@pytest.mark.parametrize(
    "lie",
    [
        lambda lease: attrs.evolve(lease, external_port=0),
        lambda lease: attrs.evolve(lease, external_port=70000),
        lambda lease: attrs.evolve(lease, lifetime=0),
        lambda lease: attrs.evolve(lease, lifetime=-5),
        lambda lease: attrs.evolve(lease, internal_port=1),
        lambda lease: attrs.evolve(lease, protocol=Protocol.UDP),
        lambda lease: None,
        lambda lease: 1 / 0,
    ],
)
async def test_a_backend_that_lies_or_breaks_is_contained(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired, lie: Any
) -> None:
    """It becomes a refusal, and the next backend has the mapping."""
    harness = new_harness(FakeBackend("pcp", FakeDevice(clock, lie=lie)), FakeBackend("upnp", device))
    await harness.start(desired())
    assert harness.lease(desired()).backend == "upnp"


async def test_an_outside_address_that_is_none_is_contained(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is not known, then; and the status can be shown."""
    device.external = "203.0.113.7"  # type: ignore[assignment]
    await harness.start(desired())
    assert set(harness.scheduler.external.values()) == {None}


async def test_an_endless_lifetime_is_bounded(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """No protocol has a longer one than 32 bits hold."""
    device.lie = lambda lease: attrs.evolve(lease, lifetime=10**30)
    await harness.start(desired())
    assert harness.lease(desired()).lifetime == 2**32 - 1


async def test_what_a_backend_says_of_its_own_name_and_token_does_not_count(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """The store knows a lease by what was asked, not by what a stranger's code filled in."""
    device.lie = lambda lease: attrs.evolve(lease, backend="x", gateway="y", token=b"z")
    await harness.start(desired())
    lease = harness.lease(desired())
    assert (lease.backend, lease.gateway) == ("pcp", "pcp:192.168.88.1")
    assert lease.token == device.requested()[0].token


async def test_release_all_leaves_nothing(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Neither on the gateway nor in the store, even while requests are under way."""
    await harness.start(desired(), desired(81))
    harness.scheduler.set_desired([desired(), desired(82)])
    await asyncio.sleep(0)
    await harness.scheduler.release_all()
    assert device.open_ports() == set()
    assert list(harness.store.leases) == []


@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.FAIL])
async def test_another_hosts_entry_outlives_release_all(
    upnp: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy
) -> None:
    """What was in conflict was never ours."""
    foreign = device.occupy(*WEB, STRANGER)
    await upnp.start(desired(conflict=policy))
    await upnp.scheduler.release_all()
    assert device.table == {WEB: foreign}


async def test_retry_now_forgets_every_pause(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Somebody who has just changed a rule on the router need not wait."""
    device.refusals[80] = Conflict("taken")
    await harness.start(desired())
    device.refusals.clear()
    harness.scheduler.retry_now()
    await clock.advance(0)
    assert harness.state(desired()) is MappingState.ACTIVE


async def test_one_pass_is_settled_when_everything_was_tried(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Open, refused and released; retries are not awaited."""
    device.refusals[81] = NotAuthorized("no")
    await harness.start(desired(), desired(81), run=False)
    settled = asyncio.create_task(harness.scheduler.settled())
    await clock.advance(5)
    assert settled.done()
    assert harness.state(desired()) is MappingState.ACTIVE
    assert harness.state(desired(81)) is MappingState.REFUSED


async def test_one_pass_without_a_gateway_ends(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """With nothing left to wait for."""
    device.silent = True
    await harness.start(desired(), run=False)
    settled = asyncio.create_task(harness.scheduler.settled())
    await clock.advance(5)
    assert settled.done()
    assert harness.state(desired()) is MappingState.PENDING


@pytest.mark.parametrize("seconds", [-(10**9), 10**9])
async def test_a_jump_of_the_wall_clock_changes_nothing(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired, seconds: int
) -> None:
    """Thirty years, either way: nothing is asked, nothing is told, and the renewal comes in its time."""
    await calm.start(desired())
    clock.set_wall(seconds)
    await clock.advance(1799)
    assert len(device.requested()) == 1
    await clock.advance(452)
    assert len(device.requested()) == 2
    assert device.requested("unmap") == []
    assert calm.kinds() == [EventKind.OPENED]


@pytest.mark.parametrize("seconds", [-(10**9), 10**9])
async def test_a_jump_between_two_runs_opens_nothing_twice(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired, seconds: int
) -> None:
    """The lease is taken over with its token, whatever its dates say by then."""
    await calm.start(desired())
    await calm.crash()
    clock.set_wall(seconds)
    await calm.start(desired())
    before, after = device.requested()
    assert after.token == before.token
    assert device.open_ports() == {WEB}
    assert device.requested("unmap") == []
    assert len(calm.store.leases) == 1


@pytest.mark.parametrize("slept", [1000, 3000, 10_000])
async def test_a_resume_renews_at_once_what_was_due(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired, slept: int
) -> None:
    """Also what ran out meanwhile; what has time left is not asked for."""
    await calm.start(desired())
    await clock.sleep(slept)
    assert len(device.requested()) == (2 if slept >= 3000 else 1)
    assert device.open_ports() == {WEB}
    assert calm.state(desired()) is MappingState.ACTIVE


async def test_what_ran_out_while_the_gateway_was_away_is_opened_as_soon_as_it_is_back(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Its announcement counts for what holds no lease any more too, whatever pause that was in."""
    mappings = [desired(80 + number, duration=600) for number in range(4)]
    await harness.start(*mappings)
    device.tell(GatewayEvent.GONE)
    device.silent = True
    await clock.advance(900)
    assert {harness.state(mapping) for mapping in mappings} == {MappingState.FAILED}
    device.silent = False
    device.restart()
    await clock.advance(0.5)
    assert len(device.open_ports()) == 4


async def test_the_first_answer_after_silence_ends_the_pauses_of_the_others(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Nobody announced the return: within an interval one asks, and with it all are opened."""
    mappings = [desired(80 + number, duration=600) for number in range(8)]
    await harness.start(*mappings)
    device.silent = True
    await clock.advance(900)
    failures = harness.kinds().count(EventKind.FAILED)
    device.silent = False
    device.restart(announced=False)
    for _ in range(60):
        await clock.advance(1)
        if device.open_ports():
            break
    await clock.advance(0.5)
    assert len(device.open_ports()) == 8
    assert harness.kinds().count(EventKind.FAILED) == failures


async def test_a_restart_ends_the_pause_of_what_was_refused(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Its table is empty now, and its rules may be others."""
    device.refusals[80] = NoResources("full")
    await harness.start(desired())
    await clock.advance(300)
    assert harness.state(desired()) is MappingState.REFUSED
    device.refusals.clear()
    device.restart()
    await clock.advance(0.5)
    assert harness.state(desired()) is MappingState.ACTIVE


async def test_a_restart_is_no_occasion_to_be_quicker_than_the_host_that_had_the_port(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It has time to open it again; ours is asked for after its pause, as before."""
    device.occupy(*WEB, STRANGER)
    await harness.start(desired())
    await clock.advance(300)
    assert harness.state(desired()) is MappingState.CONFLICT
    device.restart()
    await clock.advance(5)
    assert device.open_ports() == set()


async def test_what_stands_at_a_protocol_that_is_gone_moves_to_another(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Not before the search has missed it twice, and long before the lease's renewal."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    harness.options = Options(interval=10**6)
    await harness.start(desired(duration=86400))
    assert harness.lease(desired()).backend == "pcp"
    pcp.devices = ()
    harness.scheduler.discovery.search_all()
    await clock.advance(10)
    assert harness.lease(desired()).backend == "upnp"
    assert device.open_ports() == {WEB}
    assert device.deleted == []

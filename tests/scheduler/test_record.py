"""The record of one mapping: what `status` shows, and what the scheduler reads from it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network

import attrs
import pytest

from portmapper.api.backend import Target
from portmapper.api.errors import BackendError, Conflict, GatewayTimeout, NoResources, NotAuthorized
from portmapper.api.model import ALL_GATEWAYS, Lease, Mapping, MappingState, Protocol, TableEntry
from portmapper.gateways.calls import OTHER_PORT
from portmapper.network.placement import Place
from portmapper.scheduler.record import Phase, Record, records_of

LOCAL, OTHER_SIDE = ip_address("192.168.88.10"), ip_address("192.168.99.10")
HERE, THERE = Place(LOCAL, Target(LOCAL)), Place(OTHER_SIDE, Target(OTHER_SIDE))
PCP, UPNP = "pcp:192.168.88.1", "upnp:192.168.88.1"
HOLDER = TableEntry(Protocol.TCP, 80, ip_address("192.168.88.66"), 80, "")

SILENT, DENIED, FULL = GatewayTimeout("no answer"), NotAuthorized("denied"), NoResources("full")
TAKEN, TAKEN_BY = Conflict("taken"), Conflict("taken", holder=HOLDER)

Desired = Callable[..., Mapping]
NewLease = Callable[..., Lease]


@pytest.fixture
def record(desired: Desired) -> Record:
    """A record in its first attempt."""
    return Record(desired(), places=[HERE])


@pytest.mark.parametrize(
    ("errors", "state"),
    [
        ([], MappingState.PENDING),
        ([SILENT], MappingState.FAILED),
        ([SILENT, FULL], MappingState.REFUSED),
        ([FULL, TAKEN], MappingState.CONFLICT),
        ([TAKEN, DENIED], MappingState.REFUSED),
        ([DENIED, TAKEN_BY], MappingState.CONFLICT),
    ],
)
def test_the_most_informative_error_determines_the_state(
    record: Record, errors: list[BackendError], state: MappingState
) -> None:
    """A known holder, then a denial, then any other conflict, then any other refusal."""
    refusals = tuple((PCP, error) for error in errors)
    assert attrs.evolve(record, refusals=refusals).state is state


def test_a_held_lease_is_active_unless_it_may_be_lost(record: Record, new_lease: NewLease) -> None:
    """A failed renewal alone does not change the state."""
    held = attrs.evolve(record, phase=Phase.BOUND, lease=new_lease(), refusals=((PCP, SILENT),))
    assert held.state is MappingState.ACTIVE
    assert attrs.evolve(held, suspect_since=1.0).state is MappingState.PENDING
    moved = attrs.evolve(held, places=[THERE])
    assert moved.has_former_address
    assert moved.state is MappingState.PENDING


def test_the_error_is_the_reason_that_explains_most(record: Record) -> None:
    """The others are in the debug log."""
    assert attrs.evolve(record, refusals=((PCP, DENIED), (UPNP, TAKEN))).error == "PCP: denied"


def test_a_conflict_names_the_holder_and_what_to_do(record: Record) -> None:
    """The holder is the same over each protocol. Without one, the protocol's answer is shown."""
    held, taken = Conflict("held", holder=HOLDER), Conflict("taken")
    for error in (held, taken):
        error.advice = OTHER_PORT
    shown = attrs.evolve(record, refusals=((PCP, taken), (UPNP, held))).error
    assert shown == '192.168.88.66 holds it. Use another port, or set conflict = "next".'
    shown = attrs.evolve(record, refusals=((PCP, taken),)).error
    assert shown == 'PCP: taken. Use another port, or set conflict = "next".'
    assert attrs.evolve(record, refusals=((PCP, Conflict("taken")),)).error == "PCP: taken"


def test_the_error_tells_why_no_gateway_was_asked(record: Record, new_lease: NewLease) -> None:
    """The reason for having no place comes first; a lease that is still valid has no error."""
    assert record.error is None
    failed = attrs.evolve(record, attempts=1)
    assert failed.error == "no gateway answered"
    named = attrs.evolve(failed, mapping=attrs.evolve(record.mapping, gateway="192.168.88.1"))
    assert named.error == "the gateway 192.168.88.1 does not answer"
    nowhere = attrs.evolve(named, unplaced="this host has no IPv4 address")
    assert nowhere.error == "this host has no IPv4 address"
    assert attrs.evolve(nowhere, lease=new_lease()).error is None


def test_a_mapping_for_a_foreign_network_has_failed(record: Record) -> None:
    """No gateway is at fault, so it is not pending."""
    foreign = attrs.evolve(record.mapping, address=ip_network("10.0.0.0/8"))
    assert attrs.evolve(record, mapping=foreign, places=[], attempts=1).state is MappingState.FAILED


def test_a_target_before_the_place_of_the_lease_is_preferred(record: Record, new_lease: NewLease) -> None:
    """A target after it, or the place itself, is not; without a lease there is nothing to move."""
    both = attrs.evolve(record, places=[HERE, THERE])
    assert not both.prefers(HERE.target)
    held = attrs.evolve(both, lease=new_lease(internal_address=OTHER_SIDE))
    assert held.prefers(HERE.target)
    assert not held.prefers(THERE.target)


def test_a_mapping_for_all_gateways_has_a_record_for_each(desired: Desired) -> None:
    """The record for the default gateway is not one of them."""
    mappings = [desired(), desired(gateway="192.168.88.1"), desired(gateway="192.168.99.1"), desired(81)]
    records = {mapping.key: Record(mapping) for mapping in mappings}
    assert [r.mapping for r in records_of(records, desired(gateway=ALL_GATEWAYS))] == mappings[1:3]
    assert [r.mapping for r in records_of(records, desired())] == mappings[:1]
    assert records_of(records, desired(82)) == []


def test_a_lease_that_has_ended_is_not_active(record: Record, new_lease: NewLease) -> None:
    """Not even before the scheduler has noticed, as right after a suspend; a permanent lease has no end."""
    held = attrs.evolve(record, lease=new_lease(internal_address=LOCAL, lifetime=60), granted_at=40.0)
    assert held.state_at(99.0) is MappingState.ACTIVE
    assert held.state_at(100.0) is MappingState.PENDING
    permanent = new_lease(internal_address=LOCAL, lifetime=0, permanent=True)
    assert attrs.evolve(held, lease=permanent).state_at(1e9) is MappingState.ACTIVE

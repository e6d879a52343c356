"""The state of one mapping: what `status` shows, and what the scheduler asks it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network

import attrs
import pytest

from portmapper.api.backend import Target
from portmapper.api.errors import BackendError, Conflict, GatewayTimeout, NoResources, NotAuthorized
from portmapper.api.model import ALL_GATEWAYS, Lease, Mapping, MappingState, Protocol, TableEntry
from portmapper.network.placement import Place
from portmapper.scheduler.lease_state import LeaseState, entries_of

LOCAL, OTHER_SIDE = ip_address("192.168.88.10"), ip_address("192.168.99.10")
HERE, THERE = Place(LOCAL, Target(LOCAL)), Place(OTHER_SIDE, Target(OTHER_SIDE))
PCP, UPNP = "pcp:192.168.88.1", "upnp:192.168.88.1"
HOLDER = TableEntry(Protocol.TCP, 80, ip_address("192.168.88.66"), 80, "")

SILENT, DENIED, FULL = GatewayTimeout("no answer"), NotAuthorized("denied"), NoResources("full")
TAKEN, TAKEN_BY = Conflict("taken"), Conflict("taken", holder=HOLDER)

Desired = Callable[..., Mapping]
NewLease = Callable[..., Lease]


@pytest.fixture
def entry(desired: Desired) -> LeaseState:
    """An entry in its first round."""
    return LeaseState(desired(), places=[HERE])


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
    entry: LeaseState, errors: list[BackendError], state: MappingState
) -> None:
    """A known holder, then a denial, then any other conflict, then any other refusal."""
    entry.refusals = tuple((PCP, error) for error in errors)
    assert entry.state is state


def test_a_held_lease_is_active_unless_it_may_be_lost(entry: LeaseState, new_lease: NewLease) -> None:
    """A failed renewal alone does not change the state."""
    entry.granted(new_lease(), 0.0)
    entry.refusals = ((PCP, SILENT),)
    assert entry.state is MappingState.ACTIVE
    entry.suspect = True
    assert entry.state is MappingState.PENDING
    entry.suspect, entry.places = False, [THERE]
    assert entry.has_former_address
    assert entry.state is MappingState.PENDING


def test_the_error_has_each_backend_and_its_reason(entry: LeaseState) -> None:
    """In the order of the attempts."""
    entry.refusals = ((PCP, DENIED), (UPNP, TAKEN))
    assert entry.error == "pcp: denied; upnp: taken"


def test_the_error_tells_why_no_gateway_was_asked(entry: LeaseState, new_lease: NewLease) -> None:
    """The reason for having no place comes first; a lease that is still valid has no error."""
    assert entry.error is None
    entry.no_gateway = True
    assert entry.error == "no gateway answered"
    entry.mapping = attrs.evolve(entry.mapping, gateway="192.168.88.1")
    assert entry.error == "the gateway 192.168.88.1 does not answer"
    entry.no_place = "this host has no IPv4 address"
    assert entry.error == "this host has no IPv4 address"
    entry.lease = new_lease()
    assert entry.error is None


def test_a_mapping_for_a_foreign_network_has_failed(entry: LeaseState) -> None:
    """No gateway is at fault, so it is not pending."""
    entry.mapping = attrs.evolve(entry.mapping, address=ip_network("10.0.0.0/8"))
    entry.places, entry.no_gateway = [], True
    assert entry.state is MappingState.FAILED


def test_a_grant_ends_the_failures(entry: LeaseState, new_lease: NewLease) -> None:
    """The errors of the gateways that were tried before stay visible as passed over."""
    entry.attempts, entry.suspect, entry.no_gateway = 3, True, True
    entry.refusals = ((PCP, DENIED),)
    entry.granted(new_lease(lifetime=600), 1000.0)
    assert (entry.expires_at, entry.attempts, entry.suspect) == (1600.0, 0, False)
    assert (entry.refusals, entry.passed_over) == ((), ((PCP, DENIED),))
    entry.granted(new_lease(permanent=True, lifetime=0), 2000.0)
    assert entry.expires_at is None
    assert entry.passed_over == ((PCP, DENIED),)


def test_a_target_before_the_place_of_the_lease_is_preferred(entry: LeaseState, new_lease: NewLease) -> None:
    """A target after it, or the place itself, is not; without a lease there is nothing to move."""
    entry.places = [HERE, THERE]
    assert not entry.prefers(HERE.target)
    entry.lease = new_lease(internal_address=OTHER_SIDE)
    assert entry.prefers(HERE.target)
    assert not entry.prefers(THERE.target)


def test_a_mapping_for_all_gateways_has_an_entry_for_each(desired: Desired) -> None:
    """The entry for the default gateway is not one of them."""
    mappings = [desired(), desired(gateway="192.168.88.1"), desired(gateway="192.168.99.1"), desired(81)]
    entries = {mapping.key: LeaseState(mapping) for mapping in mappings}
    assert [e.mapping for e in entries_of(entries, desired(gateway=ALL_GATEWAYS))] == mappings[1:3]
    assert [e.mapping for e in entries_of(entries, desired())] == mappings[:1]
    assert entries_of(entries, desired(82)) == []

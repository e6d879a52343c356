"""Ownership of leases: adoption, orphans, and what may be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import attrs
import pytest
from stored_leases import FORMER, LOCAL, lease_at

from portmapper.api.errors import BackendError, GatewayTimeout, NotAuthorized
from portmapper.api.model import ANY_PORT, Family, Lease, Mapping, MapRequest, Protocol, TableEntry
from portmapper.store.leases import Store
from portmapper.store.ownership import Ownership
from portmapper.store.stored_lease import StoredLease
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OTHER_HOST = ip_address("192.168.88.66")

Desired = Callable[..., Mapping]
Remember = Callable[..., Ownership]


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory."""
    store = Store(None)
    yield store
    store.close()


@pytest.fixture
def gateway() -> FakeGateway:
    """A gateway that speaks PCP."""
    return FakeGateway(FakeDevice(FakeClock()), "pcp", LOCAL)


@pytest.fixture
def after_crash(store: Store) -> Remember:
    """Return the ownership of a run that finds these leases in the store."""

    def start(*leases: Lease, scope: set[str] | None = None) -> Ownership:
        for lease in leases:
            store.put(StoredLease(lease, lease.external_port, NOW, True, "ports.csv"))
        return Ownership(store, scope)

    return start


def over_upnp(lease: Lease, **fields: Any) -> Lease:
    """Return the same lease as UPnP would have granted it."""
    return attrs.evolve(lease, backend="upnp", gateway="upnp:192.168.88.1", token=b"upnp", **fields)


def request_for(lease: Lease, **fields: Any) -> MapRequest:
    """Return the request that asks for a lease."""
    request = MapRequest(
        protocol=lease.protocol,
        internal_address=lease.internal_address,
        internal_port=lease.internal_port,
        external_port=lease.external_port,
        lifetime=lease.lifetime,
        token=lease.token,
    )
    return attrs.evolve(request, **fields)


def tokens(ownership: Ownership) -> list[bytes]:
    """Return the tokens of the orphans."""
    return [stored.lease.token for stored in ownership.orphans()]


def test_every_lease_of_an_earlier_run_is_an_orphan_until_it_is_adopted(
    after_crash: Remember, desired: Desired, gateway: FakeGateway
) -> None:
    """A lease is adopted once, and only by exactly its mapping."""
    ownership = after_crash(lease_at(80), lease_at(81))
    assert ownership.adopt(desired(80, 8080), gateway, LOCAL) is None
    assert ownership.adopt(desired(80), gateway, FORMER) is None
    adopted = ownership.adopt(desired(80), gateway, LOCAL)
    assert adopted is not None
    assert adopted.lease == lease_at(80)
    assert tokens(ownership) == [b"token 81"]
    assert ownership.adopt(desired(80), gateway, LOCAL) is None


def test_orphans_of_other_sources_are_not_released(after_crash: Remember) -> None:
    """They are counted all the same."""
    ownership = after_crash(lease_at(80), scope={"other.csv"})
    assert (ownership.orphans(), list(ownership.all()), ownership.orphan_count) == ([], [], 1)


def test_a_request_is_stored_before_it_is_sent(
    store: Store, after_crash: Remember, desired: Desired, gateway: FakeGateway
) -> None:
    """With a new token, and unconfirmed; the grant confirms it."""
    ownership = after_crash()
    request = ownership.store_request(request_for(lease_at(), token=b""), desired(), gateway, NOW)
    (stored,) = store.leases
    assert (stored.lease.token, stored.confirmed) == (request.token, False)
    assert len(request.token) == 12
    ownership.granted(attrs.evolve(stored.lease, lifetime=600), desired(), NOW)
    (stored,) = store.leases
    assert (stored.lease.lifetime, stored.confirmed) == (600, True)


def test_a_renewal_is_not_stored_as_a_request(
    store: Store, after_crash: Remember, desired: Desired, gateway: FakeGateway
) -> None:
    """The store knows the lease already, as confirmed."""
    ownership = after_crash(lease_at())
    renewal = request_for(lease_at(), held=lease_at())
    assert ownership.store_request(renewal, desired(), gateway, NOW) is renewal
    assert [stored.confirmed for stored in store.leases] == [True]


@pytest.mark.parametrize(
    ("error", "held", "is_orphan"),
    [
        (NotAuthorized("no"), False, False),
        (GatewayTimeout("no answer"), False, True),
        (NotAuthorized("no"), True, True),
    ],
)
def test_a_failed_request_is_an_orphan_if_the_gateway_may_hold_its_lease(
    store: Store,
    after_crash: Remember,
    desired: Desired,
    gateway: FakeGateway,
    error: BackendError,
    held: bool,
    is_orphan: bool,
) -> None:
    """Because the answer was lost, or because a renewal was refused."""
    ownership = after_crash(lease_at())
    ownership.adopt(desired(), gateway, LOCAL)
    request = request_for(lease_at(), held=lease_at() if held else None)
    ownership.request_failed(request, error, None)
    assert tokens(ownership) == ([b"token 80"] if is_orphan else [])
    assert (store.get(b"token 80") is not None) is is_orphan


def test_a_failed_renewal_is_no_orphan_while_the_mapping_keeps_its_lease(
    after_crash: Remember, desired: Desired, gateway: FakeGateway
) -> None:
    """The lease is valid until it expires."""
    ownership = after_crash(lease_at())
    ownership.adopt(desired(), gateway, LOCAL)
    ownership.request_failed(
        request_for(lease_at(), held=lease_at()), GatewayTimeout("no answer"), lease_at()
    )
    assert tokens(ownership) == []


def test_a_grant_removes_the_orphan_that_it_displaces(
    store: Store, after_crash: Remember, desired: Desired
) -> None:
    """The gateway forwards the port to the new host now; another port stays."""
    ownership = after_crash(lease_at(internal_address=FORMER, token=b"former"), lease_at(81))
    ownership.granted(lease_at(), desired(), NOW)
    assert tokens(ownership) == [b"token 81"]
    assert store.get(b"former") is None


def test_any_port_requests_the_last_port_again(after_crash: Remember, desired: Desired) -> None:
    """Each gateway has its own last port."""
    ownership = after_crash()
    anything, named = desired(ANY_PORT, 80), desired(ANY_PORT, 80, gateway="192.168.88.1")
    assert ownership.port_to_request(anything) == ANY_PORT
    ownership.granted(lease_at(external_port=4000, internal_port=80), anything, NOW)
    assert ownership.port_to_request(anything) == 4000
    assert ownership.port_to_request(named) == ANY_PORT


def test_other_mappings_request_their_own_port(after_crash: Remember, desired: Desired) -> None:
    """For a pinhole it is the internal port."""
    ownership = after_crash()
    assert ownership.port_to_request(desired(80, 8080)) == 80
    assert ownership.port_to_request(desired(80, 8080, family=Family.IPV6)) == 8080


@pytest.mark.parametrize(
    ("known", "holder", "expected"),
    [
        ([], LOCAL, True),
        ([], OTHER_HOST, False),
        ([lease_at(internal_address=FORMER)], FORMER, True),
        ([lease_at(internal_address=FORMER)], OTHER_HOST, False),
    ],
)
def test_an_entry_for_this_host_or_from_our_store_is_ours(
    after_crash: Remember, gateway: FakeGateway, known: list[Lease], holder: Any, expected: bool
) -> None:
    """The store knows entries for former addresses of this host."""
    entry = TableEntry(Protocol.TCP, 80, holder, 80, "")
    assert after_crash(*known).is_ours(entry, request_for(lease_at(token=b"new")), gateway) is expected


def test_the_entry_of_another_desired_mapping_is_not_replaced(
    after_crash: Remember, desired: Desired, gateway: FakeGateway
) -> None:
    """Two mappings would take the port from each other for ever."""
    ownership = after_crash(lease_at(internal_port=8080))
    ownership.adopt(desired(80, 8080), gateway, LOCAL)
    entry = TableEntry(Protocol.TCP, 80, LOCAL, 8080, "")
    assert not ownership.is_ours(entry, request_for(lease_at(token=b"new")), gateway)


def test_an_orphan_is_found_by_its_external_or_internal_port(
    after_crash: Remember, gateway: FakeGateway
) -> None:
    """By its external port on the whole device, by its internal port at its own gateway."""
    orphan = over_upnp(lease_at(8080, internal_port=80))
    ownership = after_crash(orphan)
    by_external = ownership.orphan_at_external_port(request_for(lease_at(8080)), gateway)
    assert by_external is not None
    assert by_external.lease == orphan
    assert ownership.orphan_at_internal_port(request_for(lease_at(80)), gateway) is None
    ownership = after_crash(lease_at(9090, internal_port=80))
    by_internal = ownership.orphan_at_internal_port(request_for(lease_at(80)), gateway)
    assert by_internal is not None
    assert by_internal.lease.external_port == 9090


def test_a_request_does_not_find_its_own_lease_by_the_internal_port(
    after_crash: Remember, gateway: FakeGateway
) -> None:
    """It has the request's token."""
    assert after_crash(lease_at()).orphan_at_internal_port(request_for(lease_at()), gateway) is None


def test_the_counterpart_is_the_lease_of_the_other_protocol(
    after_crash: Remember, desired: Desired, gateway: FakeGateway
) -> None:
    """On the same device and for the same place; a desired lease comes before an orphan."""
    udp = lease_at(protocol=Protocol.UDP, token=b"udp")
    orphan = over_upnp(udp)
    ownership = after_crash(orphan, lease_at(81, protocol=Protocol.UDP))
    assert ownership.counterpart_of(lease_at()) == orphan
    ownership = after_crash(udp)
    ownership.adopt(desired(protocol=Protocol.UDP), gateway, LOCAL)
    assert ownership.counterpart_of(lease_at()) == udp
    assert ownership.counterpart_of(lease_at(internal_address=FORMER)) is None


def test_a_desired_lease_of_another_backend_covers_an_orphan(after_crash: Remember, desired: Desired) -> None:
    """If it forwards the same port to the same place."""
    ownership = after_crash(lease_at(), lease_at(81))
    upnp = over_upnp(lease_at())
    ownership.granted(upnp, desired(), NOW)
    covers = {
        stored.lease.external_port: ownership.desired_lease_of_same_forward(stored)
        for stored in ownership.orphans()
    }
    assert covers == {80: upnp, 81: None}


def test_a_port_may_be_open_over_another_backend(after_crash: Remember, desired: Desired) -> None:
    """For the same address and internal port."""
    ownership = after_crash(over_upnp(lease_at()))
    assert ownership.may_be_open(desired(), LOCAL)
    assert not ownership.may_be_open(desired(), FORMER)
    assert not ownership.may_be_open(desired(80, 8080), LOCAL)


def test_a_released_lease_is_no_longer_known(store: Store, after_crash: Remember, desired: Desired) -> None:
    """Releasing it again is no error."""
    ownership = after_crash(lease_at())
    for _ in range(2):
        ownership.released(b"token 80")
    assert (tokens(ownership), list(store.leases)) == ([], [])
    assert not ownership.may_be_open(desired(), LOCAL)

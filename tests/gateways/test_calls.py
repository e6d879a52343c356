"""Calls to a gateway: conflict policy, time limit, and checks of the answers."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from portmapper.api.errors import BackendError, Conflict, GatewayTimeout, PluginFault, SourceError
from portmapper.api.model import MAX_DURATION, ConflictPolicy, Lease, MapRequest, Protocol, TableEntry
from portmapper.gateways import bounded, calls
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")
OTHER_HOST = ipaddress.ip_address("192.168.88.200")
REQUEST = MapRequest(Protocol.TCP, LOCAL, 80, 8080, token=b"t" * 12, exact=True)
LEASE = Lease(Protocol.TCP, LOCAL, 80, 8080, None, 3600, False, "", "")


@pytest.fixture
def gateway(device: FakeDevice) -> FakeListingGateway:
    """A gateway that can list its table and verify leases."""
    return FakeListingGateway(device, "upnp", LOCAL)


@pytest.fixture
def answers(gateway: FakeListingGateway, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let one method of the gateway return this value, or raise this error."""

    def set_answer(method: str, value: object) -> None:
        async def answer(*_: object) -> object:
            if isinstance(value, Exception):
                raise value
            return value

        monkeypatch.setattr(gateway, method, answer)

    return set_answer


def room(is_made: bool) -> tuple[list[TableEntry | None], Callable[[TableEntry | None], Awaitable[bool]]]:
    """Return the holders that are passed to a `make_room` function, and the function."""
    holders: list[TableEntry | None] = []

    async def make_room(holder: TableEntry | None) -> bool:
        holders.append(holder)
        return is_made

    return holders, make_room


async def test_a_lease_has_the_identity_of_its_gateway_and_the_token(
    clock: FakeClock, gateway: FakeListingGateway
) -> None:
    """A backend need not set them, and it cannot set wrong ones."""
    _, make_room = room(False)
    lease = await calls.request_lease(gateway, REQUEST, ConflictPolicy.OWN, make_room)
    assert (lease.backend, lease.gateway, lease.token) == ("upnp", "upnp:192.168.88.1", REQUEST.token)


async def test_a_lifetime_is_limited(gateway: FakeListingGateway, answers: Callable[..., None]) -> None:
    """A gateway may grant more seconds than the protocols can express."""
    answers("map", attrs.evolve(LEASE, lifetime=2**40))
    lease = await calls.request_lease(gateway, REQUEST, ConflictPolicy.OWN, room(False)[1])
    assert lease.lifetime == MAX_DURATION


@pytest.mark.parametrize(
    ("policy", "is_made", "requested", "is_open"),
    [
        (ConflictPolicy.OWN, True, True, True),
        (ConflictPolicy.OWN, False, True, False),
        (ConflictPolicy.FAIL, True, False, False),
    ],
)
async def test_the_holder_of_a_port_is_replaced_if_the_policy_allows(
    clock: FakeClock,
    device: FakeDevice,
    gateway: FakeListingGateway,
    policy: ConflictPolicy,
    is_made: bool,
    requested: bool,
    is_open: bool,
) -> None:
    """Under `own` only if the holder is ours; under `fail` never."""
    device.occupy(Protocol.TCP, 8080, OTHER_HOST)
    holders, make_room = room(is_made)
    try:
        lease = await calls.request_lease(gateway, REQUEST, policy, make_room)
    except Conflict:
        assert not is_open
    else:
        assert is_open
        assert lease.external_port == 8080
    assert bool(holders) is requested


async def test_a_request_that_replaces_a_named_holder_is_not_repeated(
    gateway: FakeListingGateway, answers: Callable[..., None]
) -> None:
    """If the gateway refuses even that, nothing is left to try."""
    holder = TableEntry(Protocol.TCP, 8080, OTHER_HOST, 80, "")
    answers("map", Conflict("taken", holder=holder))
    holders, make_room = room(True)
    with pytest.raises(Conflict):
        await calls.request_lease(
            gateway, attrs.evolve(REQUEST, replace=True), ConflictPolicy.TAKE, make_room
        )
    assert holders == []


async def test_take_releases_our_own_former_lease_where_the_gateway_replaces_nothing(
    device: FakeDevice, gateway: FakeListingGateway
) -> None:
    """As PCP and NAT-PMP servers do after this host's address changed; `take` is never worse than `own`."""
    device.occupy(Protocol.TCP, 8080, OTHER_HOST)
    device.names_holder = False
    device.one_per_internal_port = True

    async def make_room(holder: TableEntry | None) -> bool:
        device.table.clear()
        return holder is None

    request = attrs.evolve(REQUEST, replace=True)
    lease = await calls.request_lease(gateway, request, ConflictPolicy.TAKE, make_room)
    assert lease.external_port == 8080


async def test_another_port_is_released_if_the_request_is_exact(
    gateway: FakeListingGateway, answers: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a conflict, even though the gateway granted a lease."""
    released: list[int] = []

    async def unmap(lease: Lease) -> None:
        released.append(lease.external_port)

    monkeypatch.setattr(gateway, "unmap", unmap)
    answers("map", attrs.evolve(LEASE, external_port=8081))
    with pytest.raises(Conflict, match="port 8080 is taken; the gateway offered 8081") as caught:
        await calls.request_lease(gateway, REQUEST, ConflictPolicy.FAIL, room(False)[1])
    assert caught.value.advice == calls.OTHER_PORT
    assert released == [8081]
    inexact = attrs.evolve(REQUEST, exact=False)
    assert (
        await calls.request_lease(gateway, inexact, ConflictPolicy.NEXT, room(False)[1])
    ).external_port == 8081


async def test_a_conflict_with_the_policy_next_does_not_advise_it(
    gateway: FakeListingGateway, answers: Callable[..., None]
) -> None:
    """Another port was requested already."""
    answers("map", Conflict("taken"))
    inexact = attrs.evolve(REQUEST, exact=False)
    with pytest.raises(Conflict) as caught:
        await calls.request_lease(gateway, inexact, ConflictPolicy.NEXT, room(False)[1])
    assert caught.value.advice == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"internal_port": 81}, "TCP port 81 of 192.168.88.10"),
        ({"protocol": Protocol.UDP}, "UDP port 80"),
        ({"internal_address": OTHER_HOST}, "192.168.88.200"),
        ({"external_port": 0}, "port 0"),
        ({"external_port": True}, "port true"),
        ({"lifetime": 0}, "0 s"),
        ({"lifetime": "3600"}, "'3600' s"),
        ({"external_address": "1.2.3.4"}, "'1.2.3.4'"),
        ({"private": b""}, "`private`"),
        ({"permanent": 0}, "`permanent`"),
    ],
)
def test_an_invalid_lease_is_a_fault(change: dict[str, Any], reason: str) -> None:
    """The reason names what is wrong."""
    fault = calls.lease_fault(attrs.evolve(LEASE, **change), REQUEST)
    assert fault is not None
    assert reason in fault


def test_a_valid_lease_has_no_fault() -> None:
    """A permanent lease has the lifetime 0."""
    assert calls.lease_fault(LEASE, REQUEST) is None
    assert calls.lease_fault(attrs.evolve(LEASE, lifetime=0, permanent=True), REQUEST) is None
    assert calls.lease_fault(None, REQUEST) == "it returned null, which is not a lease"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Conflict("taken"), Conflict),
        (SourceError("not for a backend"), BackendError),
        (ZeroDivisionError("a bug"), PluginFault),
    ],
)
async def test_every_failure_is_a_backend_error(
    gateway: FakeListingGateway, answers: Callable[..., None], error: Exception, kind: type[BackendError]
) -> None:
    """Only its own vocabulary passes unchanged."""
    answers("external_address", error)
    with pytest.raises(kind, match=str(error)):
        await calls.read_external_address(gateway)


async def test_a_call_without_an_answer_is_canceled(clock: FakeClock, gateway: FakeListingGateway) -> None:
    """It is a timeout of the gateway."""
    call = asyncio.create_task(bounded.bounded(gateway, asyncio.Event().wait()))
    await clock.advance(bounded.CALL_LIMIT + 2)
    with pytest.raises(GatewayTimeout, match="20 s"):
        await call


async def test_a_gateway_that_has_yet_to_be_read_has_more_time(
    clock: FakeClock, gateway: FakeListingGateway
) -> None:
    """Its libraries are loaded first, and that is not the gateway's delay."""
    gateway.unread = True
    call = asyncio.create_task(bounded.bounded(gateway, asyncio.sleep(bounded.CALL_LIMIT + 2, "read")))
    await clock.advance(bounded.CALL_LIMIT + 2)
    assert await call == "read"


@pytest.mark.parametrize("table", [None, 7, ["entry"], range(calls.MAX_ENTRIES + 1)])
async def test_an_invalid_table_is_a_fault(
    gateway: FakeListingGateway, answers: Callable[..., None], table: object
) -> None:
    """It must be a sequence of entries of limited length."""
    answers("list_mappings", table)
    with pytest.raises(PluginFault, match="table"):
        await calls.read_table(gateway)


async def test_a_lease_is_verified(clock: FakeClock, device: FakeDevice, gateway: FakeListingGateway) -> None:
    """The gateway no longer holds it after a restart."""
    lease = await calls.request_lease(gateway, REQUEST, ConflictPolicy.OWN, room(False)[1])
    assert await calls.verify_lease(gateway, lease)
    device.restart(announced=False)
    assert not await calls.verify_lease(gateway, lease)


async def test_only_a_bool_verifies_a_lease(
    gateway: FakeListingGateway, answers: Callable[..., None]
) -> None:
    """Any other answer is a fault of the backend."""
    answers("holds", "perhaps")
    with pytest.raises(PluginFault, match="'perhaps'"):
        await calls.verify_lease(gateway, LEASE)


async def test_a_release_reports_whether_it_succeeded(
    clock: FakeClock, gateway: FakeListingGateway, answers: Callable[..., None]
) -> None:
    """It never raises."""
    lease = await calls.request_lease(gateway, REQUEST, ConflictPolicy.OWN, room(False)[1])
    assert await calls.try_release(gateway, lease)
    answers("unmap", ZeroDivisionError("a bug"))
    assert not await calls.try_release(gateway, lease)

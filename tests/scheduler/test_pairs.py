"""Pairs: TCP and UDP of a row have the same external port."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Gateway, GatewayEvent
from portmapper.api.errors import BackendError, Conflict, NoResources
from portmapper.api.events import EventKind
from portmapper.api.model import ANY_PORT, ConflictPolicy, Lease, Mapping, MappingState, MapRequest, Protocol
from portmapper.scheduler.options import Options
from portmapper.scheduler.pairs import MOVES
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice
from portmapper.testing.harness import LOCAL

OTHER_HOST = ip_address("192.168.88.11")
TCP, UDP = Protocol.TCP, Protocol.UDP

Desired = Callable[..., Mapping]


class NextDevice(FakeDevice):
    """A device that grants the next free port, from its own port if any port will do.

    Attributes:
        first: the port that it grants for any port.
        ignores: it ignores the requested port, as some providers do.
        granted: the number of requests so far.
    """

    def __init__(self, clock: FakeClock, *, one_per_internal_port: bool) -> None:
        super().__init__(clock, one_per_internal_port=one_per_internal_port)
        self.first = 5000
        self.ignores = False
        self.granted = 0

    async def map(self, gateway: Gateway, request: MapRequest) -> Lease:
        """Grant a port."""
        self.granted += 1
        if self.ignores and request.held is None:
            request = attrs.evolve(request, external_port=self.first + self.granted, exact=False)
        elif not request.external_port:
            request = attrs.evolve(request, external_port=self.first)
        return await super().map(gateway, request)


@pytest.fixture(params=["pcp", "upnp"])
def device(request: pytest.FixtureRequest, clock: FakeClock) -> FakeDevice:
    """A device over a protocol with one mapping for each internal port, or over UPnP."""
    return NextDevice(clock, one_per_internal_port=request.param == "pcp")


@pytest.fixture
def pair(new_harness: Any, device: FakeDevice) -> Any:
    """A harness on that device."""
    kind = {} if device.one_per_internal_port else {"kind": FakeListingGateway}
    name = "pcp" if device.one_per_internal_port else "upnp"
    return new_harness(FakeBackend(name, device, **kind))


def halves(desired: Desired, **changes: Any) -> tuple[Mapping, Mapping]:
    """Return the mappings of a row for both protocols."""
    row = attrs.evolve(desired(), same_port=True, **changes)
    return attrs.evolve(row, protocol=TCP), attrs.evolve(row, protocol=UDP)


def ports(harness: Any, rows: tuple[Mapping, Mapping]) -> tuple[int | None, ...]:
    """Return the granted ports."""
    leases = [harness.lease(row) for row in rows]
    return tuple(lease and lease.external_port for lease in leases)


def ours(device: FakeDevice) -> set[tuple[Protocol, int]]:
    """Return the open ports of this host."""
    return {port for port in device.open_ports() if device.table[port].internal_address != OTHER_HOST}


def denying(port: int) -> Options:
    """Return options with a policy that denies this port."""
    return Options(policy_check=lambda: lambda m: "denied by policy[0]" if m.port == port else "")


NEXT = {"conflict": ConflictPolicy.NEXT}
ANY = {"port": ANY_PORT}


@pytest.mark.parametrize("change", [NEXT, ANY])
@pytest.mark.parametrize("taken", [TCP, UDP])
async def test_a_pair_moves_past_a_number_that_another_host_has(
    pair: Any, device: NextDevice, desired: Desired, change: dict[str, Any], taken: Protocol
) -> None:
    """Nothing is left at the first number."""
    rows = halves(desired, **change)
    first = 80 if change is NEXT else device.first
    device.occupy(taken, first, OTHER_HOST)
    await pair.start(*rows)
    await pair.clock.advance(30)
    assert ports(pair, rows) == (first + 1, first + 1)
    assert ours(device) == {(TCP, first + 1), (UDP, first + 1)}


async def test_a_pair_climbs_to_the_first_number_that_is_free_for_both(
    pair: Any, device: FakeDevice, desired: Desired
) -> None:
    """Each half follows the other."""
    rows = halves(desired, **NEXT)
    for protocol, port in ((UDP, 80), (TCP, 81), (UDP, 82)):
        device.occupy(protocol, port, OTHER_HOST)
    await pair.start(*rows)
    await pair.clock.advance(60)
    assert ports(pair, rows) == (83, 83)
    assert all(pair.scheduler.records[row.key].error is None for row in rows)


async def test_a_pair_moves_when_a_lost_half_gets_another_number(
    pair: Any, device: FakeDevice, desired: Desired
) -> None:
    """The other half is reported with its new port."""
    rows = halves(desired, **NEXT)
    await pair.start(*rows)
    assert ports(pair, rows) == (80, 80)
    del device.table[UDP, 80]
    device.occupy(UDP, 80, OTHER_HOST)
    await pair.clock.advance(4000)
    assert ports(pair, rows) == (81, 81)
    assert ours(device) == {(TCP, 81), (UDP, 81)}
    assert EventKind.EXTERNAL_PORT_CHANGED in pair.kinds()


async def test_a_restart_of_the_gateway_keeps_a_pair_together(
    pair: Any, device: FakeDevice, desired: Desired
) -> None:
    """Another host was faster."""
    rows = halves(desired, **NEXT)
    await pair.start(*rows)
    device.table.clear()
    device.occupy(TCP, 80, OTHER_HOST)
    device.announce(GatewayEvent.RESTARTED)
    await pair.clock.advance(60)
    assert ports(pair, rows) == (81, 81)


async def test_a_gateway_without_a_common_number_is_reported(
    pair: Any, device: NextDevice, desired: Desired
) -> None:
    """Both stay open; the attempts are bounded, and the reason is at both halves."""
    device.ignores = True
    rows = halves(desired, **ANY)
    await pair.start(*rows)
    await pair.clock.advance(120)
    tcp, udp = ports(pair, rows)
    assert None not in (tcp, udp)
    assert tcp != udp
    opened = [request for request in device.requested() if isinstance(request, MapRequest)]
    opened = [request for request in opened if request.held is None]
    assert len(opened) <= MOVES + 2
    errors = [pair.scheduler.records[row.key].error for row in rows]
    assert errors[0] == (
        f"TCP and UDP have different ports, the other half has {udp}/udp: the gateway grants no common port"
    )
    assert f"{tcp}/tcp" in errors[1]
    assert {pair.state(row) for row in rows} == {MappingState.ACTIVE}


@pytest.mark.parametrize("error", [Conflict("taken"), NoResources("full")])
async def test_a_refused_move_leaves_both_halves_open(
    pair: Any, device: FakeDevice, desired: Desired, error: BackendError
) -> None:
    """Where the gateway keeps one mapping for each internal port, the half is opened again."""
    rows = halves(desired, **NEXT)
    device.occupy(UDP, 80, OTHER_HOST)
    device.answers.extend([None, None, error])
    await pair.start(*rows)
    await pair.clock.advance(120)
    assert None not in ports(pair, rows)


async def test_a_row_may_accept_different_numbers(pair: Any, device: FakeDevice, desired: Desired) -> None:
    """With `same_port = false`."""
    rows = tuple(attrs.evolve(row, same_port=False) for row in halves(desired, **NEXT))
    device.occupy(UDP, 80, OTHER_HOST)
    await pair.start(*rows)
    await pair.clock.advance(60)
    assert ports(pair, rows) == (80, 81)


async def test_a_pair_is_the_same_after_a_restart_of_the_daemon(
    pair: Any, device: FakeDevice, desired: Desired
) -> None:
    """Nothing is closed or moved."""
    rows = halves(desired, **NEXT)
    device.occupy(UDP, 80, OTHER_HOST)
    await pair.start(*rows)
    await pair.clock.advance(30)
    closed = len(device.requested("unmap"))
    await pair.crash()
    await pair.start(*rows)
    await pair.clock.advance(30)
    assert ports(pair, rows) == (81, 81)
    assert len(device.requested("unmap")) == closed


async def test_a_half_whose_partner_is_removed_stays_where_it_is(
    pair: Any, device: NextDevice, desired: Desired
) -> None:
    """It is no pair any more, and nothing is reported."""
    device.ignores = True
    rows = halves(desired, **ANY)
    await pair.start(*rows)
    await pair.clock.advance(120)
    tcp, _ = ports(pair, rows)
    await pair.set_desired(rows[0])
    await pair.clock.advance(3000)
    assert pair.lease(rows[0]).external_port == tcp
    assert pair.scheduler.records[rows[0].key].error is None


async def test_a_granted_port_that_the_policy_denies_is_released(
    pair: Any, device: FakeDevice, desired: Desired
) -> None:
    """The reason names the rule."""
    pair.options = denying(81)
    device.occupy(TCP, 80, OTHER_HOST)
    row = desired(conflict=ConflictPolicy.NEXT)
    await pair.start(row)
    assert ours(device) == set()
    assert pair.state(row) is MappingState.REFUSED
    assert "the gateway granted 81/tcp, denied by policy[0]" in pair.scheduler.records[row.key].error
    assert list(pair.store.leases) == []


async def test_a_renewal_on_a_denied_port_is_released(
    pair: Any, device: FakeDevice, desired: Desired
) -> None:
    """The gateway moved the mapping, or the policy changed."""
    denied: set[int] = set()
    pair.options = Options(policy_check=lambda: lambda mapping: "denied" if mapping.port in denied else "")
    device.occupy(TCP, 80, OTHER_HOST)
    row = desired(conflict=ConflictPolicy.NEXT)
    await pair.start(row)
    assert pair.lease(row).external_port == 81
    denied.add(81)
    await pair.clock.advance(2500)
    assert (TCP, 81) not in ours(device)


@pytest.mark.parametrize("change", [NEXT, ANY])
async def test_a_held_port_that_a_new_policy_denies_is_closed_at_once(
    pair: Any, device: NextDevice, desired: Desired, change: dict[str, Any]
) -> None:
    """The gateway chose it, so the list has not changed. It is not requested again before it is closed."""
    denied: set[int] = set()
    pair.options = Options(policy_check=lambda: lambda mapping: "denied" if mapping.port in denied else "")
    device.occupy(TCP, 80, OTHER_HOST)
    row = attrs.evolve(desired(), **change)
    await pair.start(row)
    port = pair.lease(row).external_port
    denied.add(port)
    device.first, asked = 6000, len(device.requested())
    await pair.set_desired(row)
    assert (TCP, port) not in ours(device)
    assert port not in [request.external_port for request in device.requested()[asked:]]
    assert ours(device) == (set() if change is NEXT else {(TCP, 6000)})


async def test_an_address_of_this_host_that_the_policy_denies_is_not_mapped(
    pair: Any, device: FakeDevice, desired: Desired
) -> None:
    """The list was allowed when it was read, and this host's address has changed since."""
    pair.options = Options(policy_check=lambda: lambda m: "denied" if m.address == LOCAL.ip else "")
    row = desired()
    await pair.start(row)
    assert ours(device) == set()
    assert pair.state(row) is MappingState.REFUSED
    assert device.requested() == []


async def test_a_denied_port_that_is_not_released_is_released_later(
    pair: Any, device: FakeDevice, desired: Desired
) -> None:
    """It is an orphan."""
    pair.options = denying(81)
    device.occupy(TCP, 80, OTHER_HOST)
    device.release_error = NoResources("busy")
    row = desired(conflict=ConflictPolicy.NEXT)
    await pair.start(row)
    assert ours(device) == {(TCP, 81)}
    device.release_error = None
    device.refusals[80] = NoResources("full")
    await pair.clock.advance(600)
    assert ours(device) == set()

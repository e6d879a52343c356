"""The first opening of a mapping: choice of the gateway, refusals and conflicts."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from portmapper.api.backend import GatewayEvent
from portmapper.api.errors import BackendError, Conflict, NoResources, NotAuthorized, Unsupported
from portmapper.api.events import EventKind
from portmapper.api.model import ANY_PORT, ConflictPolicy, Mapping, MappingState, Protocol
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

OTHER_HOST = ipaddress.ip_address("192.168.88.66")
LOCAL = ipaddress.ip_address("192.168.88.10")
Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]


async def test_a_desired_mapping_is_opened(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """One request, one lease, one event."""
    await harness.start(desired(comment="web"))
    assert device.table[Protocol.TCP, 80].internal_address == LOCAL
    assert harness.state(desired()) is MappingState.ACTIVE
    assert len(device.requested()) == 1
    assert harness.kinds() == [EventKind.OPENED]


async def test_the_best_backend_gets_the_mapping(
    new_harness: NewHarness, device: FakeDevice, desired: Desired
) -> None:
    """The first in the given order, although the other answers sooner."""
    harness = new_harness(FakeBackend("pcp", device, delay=0.1), FakeBackend("upnp", device))
    await harness.start(desired())
    assert harness.lease(desired()).backend == "pcp"


async def test_a_refused_mapping_moves_to_the_next_backend(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P16: only that mapping moves."""
    strict = FakeDevice(clock, refusals={80: NotAuthorized("no")})
    harness = new_harness(FakeBackend("pcp", strict), FakeBackend("upnp", device))
    await harness.start(desired(), desired(81))
    assert harness.lease(desired()).backend == "upnp"
    assert harness.lease(desired(81)).backend == "pcp"


async def test_a_mapping_can_name_its_backend(
    new_harness: NewHarness, device: FakeDevice, desired: Desired
) -> None:
    """The other backends get no request."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device))
    await harness.start(desired(backend="upnp"))
    assert [backend for backend, _, _ in device.calls] == ["upnp"]


async def test_a_backend_that_is_not_allowed_opens_nothing(
    new_harness: NewHarness, device: FakeDevice, desired: Desired
) -> None:
    """It only releases leases of an earlier run."""
    harness = new_harness(FakeBackend("pcp", device), options=Options(allowed=("upnp",)))
    await harness.start(desired())
    assert device.requested() == []
    assert harness.state(desired()) is MappingState.PENDING


async def test_a_mapping_to_another_host_uses_a_protocol_that_allows_it(
    new_harness: NewHarness, device: FakeDevice, desired: Desired
) -> None:
    """The other backends get no request."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    await harness.start(desired(address=OTHER_HOST))
    assert [backend for backend, _, _ in device.calls] == ["upnp"]
    assert device.table[Protocol.TCP, 80].internal_address == OTHER_HOST


async def test_a_mapping_to_another_host_is_refused_without_such_a_protocol(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """M12: the error names the host that must run portmapper."""
    await harness.start(desired(address=OTHER_HOST))
    assert harness.state(desired(address=OTHER_HOST)) is MappingState.REFUSED
    assert str(OTHER_HOST) in harness.scheduler.records[desired(address=OTHER_HOST).key].error


async def test_a_mapping_without_a_gateway_is_pending_and_retried(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It opens soon after a gateway appears."""
    device.silent = True
    await harness.start(desired())
    assert harness.state(desired()) is MappingState.PENDING
    assert harness.scheduler.records[desired().key].error == "no gateway answered"
    device.silent = False
    await clock.advance(90)
    assert harness.state(desired()) is MappingState.ACTIVE


@pytest.mark.parametrize("policy", ConflictPolicy)
@pytest.mark.parametrize("names_holder", [True, False])
async def test_a_port_that_another_host_holds(
    upnp: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy, names_holder: bool
) -> None:
    """`own` and `fail` leave it, `next` takes another port, `take` replaces it."""
    device.names_holder = names_holder
    foreign = device.occupy(Protocol.TCP, 80, OTHER_HOST)
    await upnp.start(desired(conflict=policy))
    replaced = policy is ConflictPolicy.TAKE
    assert (device.table[Protocol.TCP, 80] is foreign) is not replaced
    states = {ConflictPolicy.NEXT: MappingState.ACTIVE, ConflictPolicy.TAKE: MappingState.ACTIVE}
    assert upnp.state(desired()) is states.get(policy, MappingState.CONFLICT)
    if policy is ConflictPolicy.NEXT:
        assert upnp.lease(desired()).external_port == 81


async def test_the_default_policy_applies_to_mappings_that_set_none(
    upnp: Any, device: FakeDevice, desired: Desired
) -> None:
    """A mapping's own policy comes first."""
    upnp.options = Options(conflict=ConflictPolicy.TAKE)
    foreign = device.occupy(Protocol.TCP, 80, OTHER_HOST)
    device.occupy(Protocol.TCP, 81, OTHER_HOST)
    await upnp.start(desired(conflict=ConflictPolicy.FAIL), desired(81))
    assert device.table[Protocol.TCP, 80] is foreign
    assert upnp.state(desired(81)) is MappingState.ACTIVE


@pytest.mark.parametrize("policy", ConflictPolicy)
async def test_a_port_other_than_the_requested_one_is_released(
    harness: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy
) -> None:
    """P6: it is kept under `next` only."""
    device.other_port = 4000
    await harness.start(desired(conflict=policy))
    kept = policy is ConflictPolicy.NEXT
    assert device.open_ports() == ({(Protocol.TCP, 4000)} if kept else set())
    assert harness.state(desired()) is (MappingState.ACTIVE if kept else MappingState.CONFLICT)


async def test_any_port_accepts_the_granted_port(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The renewal requests the same port again."""
    device.other_port = 4000
    anything = attrs.evolve(desired(), port=ANY_PORT)
    await harness.start(anything)
    assert harness.lease(anything).external_port == 4000
    device.other_port = None
    await clock.advance(3000)
    assert harness.lease(anything).external_port == 4000
    assert EventKind.EXTERNAL_PORT_CHANGED not in harness.kinds()


async def test_a_random_port_that_changes_is_reported(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P14: a provider grants ports for 60 s; they are kept alive, and observers learn of a new port."""
    device.other_port, device.longest = 4000, 60
    anything = attrs.evolve(desired(), port=ANY_PORT)
    await harness.start(anything)
    await clock.advance(600)
    assert device.open_ports() == {(Protocol.TCP, 4000)}
    device.restart(announced=False)
    device.other_port = 4001
    await clock.advance(60)
    assert harness.lease(anything).external_port == 4001
    assert harness.kinds().count(EventKind.EXTERNAL_PORT_CHANGED) == 1


@pytest.mark.parametrize("error", [NotAuthorized("no"), NoResources("full"), Unsupported("cannot")])
async def test_a_refused_request_is_retried_with_backoff(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, error: BackendError
) -> None:
    """M7: the refusal is reported once."""
    device.refusals[80] = error
    await harness.start(desired())
    assert harness.state(desired()) is MappingState.REFUSED
    await clock.advance(3600)
    assert 4 <= len(device.requested()) <= 10
    assert harness.kinds() == [EventKind.FAILED]


async def test_a_refused_request_is_not_retried_before_the_gateways_retry_time(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P8: the lifetime of the gateway's error counts; then the mapping opens."""
    device.answers.append(NotAuthorized("no", retry_after=1800))
    await harness.start(desired())
    await clock.advance(1790)
    assert len(device.requested()) == 1
    await clock.advance(20)
    assert harness.state(desired()) is MappingState.ACTIVE


async def test_a_conflict_without_a_holder_is_reported_as_a_conflict(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """One event of the kind `conflict`."""
    device.refusals[80] = Conflict("taken")
    await harness.start(desired())
    assert harness.state(desired()) is MappingState.CONFLICT
    assert harness.kinds() == [EventKind.CONFLICT]


async def test_a_mapping_moves_away_from_a_silent_gateway(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A timeout moves it like a refusal."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", FakeDevice(clock)))
    await harness.start(desired())
    device.silent = True
    device.announce(GatewayEvent.RESTARTED)
    await clock.advance(10)
    assert harness.lease(desired()).backend == "upnp"

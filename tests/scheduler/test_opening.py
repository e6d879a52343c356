"""The first opening of a mapping: which gateway is asked, and what a port that is not to be had becomes."""

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

STRANGER = ipaddress.ip_address("192.168.88.66")
LOCAL = ipaddress.ip_address("192.168.88.10")

Desired = Callable[..., Mapping]
NewWorld = Callable[..., Any]


async def test_a_wanted_mapping_is_opened(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """One request, one lease, one event."""
    await harness.start(desired(comment="web"))
    assert device.table[Protocol.TCP, 80].internal_address == LOCAL
    assert harness.state(desired()) is MappingState.ACTIVE
    assert len(device.requested()) == 1
    assert harness.kinds() == [EventKind.OPENED]


async def test_the_best_backend_gets_the_mapping(
    new_harness: NewWorld, device: FakeDevice, desired: Desired
) -> None:
    """In the order given, though the other answers first."""
    harness = new_harness(FakeBackend("pcp", device, delay=0.1), FakeBackend("upnp", device))
    await harness.start(desired())
    assert harness.lease(desired()).backend == "pcp"


async def test_what_one_backend_refuses_the_next_opens(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P16: a no moves the mapping on, and only that mapping."""
    strict = FakeDevice(clock, refusals={80: NotAuthorized("no")})
    harness = new_harness(FakeBackend("pcp", strict), FakeBackend("upnp", device))
    await harness.start(desired(), desired(81))
    assert harness.lease(desired()).backend == "upnp"
    assert harness.lease(desired(81)).backend == "pcp"


async def test_a_mapping_can_name_its_backend(
    new_harness: NewWorld, device: FakeDevice, desired: Desired
) -> None:
    """The others are not asked."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device))
    await harness.start(desired(backend="upnp"))
    assert [backend for backend, _, _ in device.calls] == ["upnp"]


async def test_a_backend_that_is_not_allowed_opens_nothing(
    new_harness: NewWorld, device: FakeDevice, desired: Desired
) -> None:
    """It is there for the releases of an earlier run only."""
    harness = new_harness(FakeBackend("pcp", device), options=Options(allowed=("upnp",)))
    await harness.start(desired())
    assert device.requested() == []
    assert harness.state(desired()) is MappingState.PENDING


async def test_another_host_is_asked_for_only_where_the_protocol_can(
    new_harness: NewWorld, device: FakeDevice, desired: Desired
) -> None:
    """The reason is kept for those that cannot."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway))
    await harness.start(desired(address=STRANGER))
    assert [backend for backend, _, _ in device.calls] == ["upnp"]
    assert device.table[Protocol.TCP, 80].internal_address == STRANGER


async def test_another_host_without_such_a_protocol_is_refused(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """M12: it tells which host may ask."""
    await harness.start(desired(address=STRANGER))
    assert harness.state(desired(address=STRANGER)) is MappingState.REFUSED
    assert str(STRANGER) in harness.scheduler.entries[desired(address=STRANGER).key].error


async def test_no_gateway_is_pending_and_kept_trying(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It opens soon after one appears."""
    device.silent = True
    await harness.start(desired())
    assert harness.state(desired()) is MappingState.PENDING
    assert harness.scheduler.entries[desired().key].error == "no gateway answered"
    device.silent = False
    await clock.advance(90)
    assert harness.state(desired()) is MappingState.ACTIVE


@pytest.mark.parametrize("policy", ConflictPolicy)
@pytest.mark.parametrize("names_holder", [True, False])
async def test_a_port_that_another_host_holds(
    upnp: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy, names_holder: bool
) -> None:
    """`own` and `fail` leave it, `next` takes another, `take` replaces it."""
    device.names_holder = names_holder
    foreign = device.occupy(Protocol.TCP, 80, STRANGER)
    await upnp.start(desired(conflict=policy))
    replaced = policy is ConflictPolicy.TAKE
    assert (device.table[Protocol.TCP, 80] is foreign) is not replaced
    states = {ConflictPolicy.NEXT: MappingState.ACTIVE, ConflictPolicy.TAKE: MappingState.ACTIVE}
    assert upnp.state(desired()) is states.get(policy, MappingState.CONFLICT)
    if policy is ConflictPolicy.NEXT:
        assert upnp.lease(desired()).external_port == 81


async def test_the_policy_of_the_run_holds_for_mappings_that_name_none(
    upnp: Any, device: FakeDevice, desired: Desired
) -> None:
    """The mapping's own comes first."""
    upnp.options = Options(conflict=ConflictPolicy.TAKE)
    foreign = device.occupy(Protocol.TCP, 80, STRANGER)
    device.occupy(Protocol.TCP, 81, STRANGER)
    await upnp.start(desired(conflict=ConflictPolicy.FAIL), desired(81))
    assert device.table[Protocol.TCP, 80] is foreign
    assert upnp.state(desired(81)) is MappingState.ACTIVE


@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.FAIL])
async def test_an_entry_of_this_host_is_replaced_under_own(
    upnp: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy
) -> None:
    """M3: ours by its address, though no store knows it."""
    device.occupy(Protocol.TCP, 80, LOCAL, 8080)
    await upnp.start(desired(conflict=policy))
    assert (device.table[Protocol.TCP, 80].internal_port == 80) is (policy is ConflictPolicy.OWN)


async def test_two_wanted_mappings_never_take_the_port_from_each_other(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The first has it, the second is in conflict, and so it stays."""
    first, second = desired(80, 8080), desired(80, 9090)
    await upnp.start(first)
    await upnp.want(first, second)
    await clock.advance(7200)
    assert device.table[Protocol.TCP, 80].internal_port == 8080
    assert upnp.state(second) is MappingState.CONFLICT


@pytest.mark.parametrize("policy", ConflictPolicy)
async def test_another_port_than_wanted_is_given_back(
    harness: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy
) -> None:
    """P6: it is kept under `next` only."""
    device.other_port = 4000
    await harness.start(desired(conflict=policy))
    kept = policy is ConflictPolicy.NEXT
    assert device.open_ports() == ({(Protocol.TCP, 4000)} if kept else set())
    assert harness.state(desired()) is (MappingState.ACTIVE if kept else MappingState.CONFLICT)


async def test_any_port_takes_what_the_gateway_gives(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Nothing is exact, and the renewal asks for the same port again."""
    device.other_port = 4000
    anything = attrs.evolve(desired(), port=ANY_PORT)
    await harness.start(anything)
    assert harness.lease(anything).external_port == 4000
    device.other_port = None
    await clock.advance(3000)
    assert harness.lease(anything).external_port == 4000
    assert EventKind.EXTERNAL_PORT_CHANGED not in harness.kinds()


async def test_a_random_port_that_changes_is_told(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P14: a provider that gives 60-second ports is kept alive, and the observers hear of the new port."""
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
async def test_a_refusal_is_not_asked_again_at_once(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, error: BackendError
) -> None:
    """M7: less and less often, told once."""
    device.refusals[80] = error
    await harness.start(desired())
    assert harness.state(desired()) is MappingState.REFUSED
    await clock.advance(3600)
    assert 4 <= len(device.requested()) <= 10
    assert harness.kinds() == [EventKind.FAILED]


async def test_a_refusal_is_not_asked_again_before_its_own_time(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P8: the gateway's own lifetime of the error holds, and then the mapping opens."""
    device.answers.append(NotAuthorized("no", retry_after=1800))
    await harness.start(desired())
    await clock.advance(1790)
    assert len(device.requested()) == 1
    await clock.advance(20)
    assert harness.state(desired()) is MappingState.ACTIVE


async def test_a_conflict_without_a_holder_says_conflict(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """One event of its own kind."""
    device.refusals[80] = Conflict("taken")
    await harness.start(desired())
    assert harness.state(desired()) is MappingState.CONFLICT
    assert harness.kinds() == [EventKind.CONFLICT]


async def test_a_gateway_that_falls_silent_hands_its_mapping_on(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A timeout is as good as a no."""
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", FakeDevice(clock)))
    await harness.start(desired())
    device.silent = True
    device.tell(GatewayEvent.RESTARTED)
    await clock.advance(10)
    assert harness.lease(desired()).backend == "upnp"

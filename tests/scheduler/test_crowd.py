"""A crowd of new mappings beside what was open before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.scheduler.agenda import SLICE
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]
OLD = (Protocol.TCP, 80)


class SlowDevice(FakeDevice):
    """A device that takes 50 ms for each request, as miniupnpd does."""

    async def answer(self) -> None:
        """Take a moment."""
        await asyncio.sleep(0.05)
        await super().answer()


@pytest.fixture
def device(clock: FakeClock) -> SlowDevice:
    """A slow device that grants at most 20 s."""
    return SlowDevice(clock, longest=20)


@pytest.fixture
def harness(new_harness: Callable[..., Any], device: SlowDevice) -> Any:
    """That device, over a protocol that can list."""
    options = Options(interval=10, prompt=("command line",))
    return new_harness(FakeBackend("upnp", device, kind=FakeListingGateway), options=options)


def crowd(desired: Desired, count: int) -> list[Mapping]:
    """Return so many new mappings."""
    return [desired(port) for port in range(10_000, 10_000 + count)]


async def test_a_crowd_never_closes_an_open_port(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """Its renewals come first, and it is active all the time."""
    await harness.start(desired())
    harness.scheduler.set_desired([desired(), *crowd(desired, 2000)])
    for _ in range(60):
        await clock.advance(0.5)
        assert OLD in device.open_ports()
        assert harness.state(desired()) is MappingState.ACTIVE


async def test_what_was_open_is_reopened_before_a_crowd(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """After a restart of the gateway, 500 held mappings come before 1,000 new ones."""
    device.longest = 3600
    held = [desired(port) for port in range(1000, 1500)]
    await harness.start(*held)
    await clock.advance(20)
    harness.scheduler.set_desired([*held, *crowd(desired, 1000)])
    await clock.advance(1)
    device.restart()
    await clock.advance(10)
    assert {(Protocol.TCP, mapping.port) for mapping in held} <= device.open_ports()


async def test_a_port_that_expired_in_silence_comes_before_a_crowd(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """It was open once, and the others never were."""
    await harness.start(desired())
    device.silent = True
    harness.scheduler.set_desired([desired(), *crowd(desired, 300)])
    await clock.advance(26)
    assert harness.lease(desired()) is None
    device.silent = False
    while OLD not in device.open_ports():
        await clock.advance(0.1)
    assert len(device.open_ports()) < 50


async def test_removed_rows_are_closed_beside_a_crowd(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """300 of them within 20 seconds."""
    device.longest = 3600
    removed = [desired(port) for port in range(1000, 1300)]
    await harness.start(*removed)
    await clock.advance(20)
    harness.scheduler.set_desired(crowd(desired, 2000))
    await clock.advance(20)
    assert not {(Protocol.TCP, mapping.port) for mapping in removed} & device.open_ports()


async def test_a_mapping_of_a_person_comes_before_a_crowd(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """`open` waits only for the requests that are under way."""
    mine = attrs.evolve(desired(), source="command line")
    await harness.start(*crowd(desired, 2000))
    harness.scheduler.set_desired([*crowd(desired, 2000), mine])
    await clock.advance(1)
    assert OLD in device.open_ports()


async def test_the_loop_turns_while_a_crowd_is_taken(harness: Any, desired: Desired) -> None:
    """Clients are answered meanwhile. The records show the whole list only once it is taken."""
    await harness.start()
    harness.scheduler.set_desired(crowd(desired, 2000))
    assert harness.scheduler.is_incomplete
    assert not harness.scheduler.records
    await harness.scheduler.taken()
    assert len(harness.scheduler.records) == 2000
    assert not harness.scheduler.is_incomplete


async def test_a_list_that_is_taken_can_be_replaced(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """An editor may save twice within a second."""
    await harness.start()
    harness.scheduler.set_desired(crowd(desired, 2000))
    harness.scheduler.set_desired([desired()])
    await harness.scheduler.taken()
    assert list(harness.scheduler.records) == [desired().key]
    await clock.advance(20)
    assert device.open_ports() == {OLD}


async def test_ports_close_although_a_list_is_being_taken(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """A shutdown may come at any moment."""
    await harness.start(desired())
    harness.scheduler.set_desired([desired(), *crowd(desired, 2000)])
    closing = asyncio.create_task(harness.scheduler.release_all())
    await clock.advance(20)
    await closing
    assert not harness.scheduler.records
    assert device.open_ports() == set()


async def test_leases_of_an_earlier_run_stay_while_a_long_list_is_taken(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """No lease is taken for an orphan because its mapping was not looked at yet."""
    mappings = crowd(desired, 300)
    device.longest = 3600
    await harness.start(*mappings)
    await clock.advance(60)
    before = device.open_ports()
    assert len(before) == 300
    await harness.crash()
    await harness.start(*mappings)
    for _ in range(40):
        await clock.advance(0.5)
        assert device.open_ports() == before


async def test_the_loop_turns_while_a_restart_is_taken(
    harness: Any, device: SlowDevice, clock: FakeClock, desired: Desired
) -> None:
    """All that was open is doubted, in slices, and opened again."""
    mappings = crowd(desired, 300)
    device.longest = 3600
    await harness.start(*mappings)
    await clock.advance(60)
    device.restart()
    doubted = [record for record in harness.scheduler.records.values() if record.suspect]
    assert 0 < len(doubted) <= SLICE
    await harness.scheduler.taken()
    assert all(record.suspect for record in harness.scheduler.records.values())
    await clock.advance(60)
    assert len(device.open_ports()) == 300

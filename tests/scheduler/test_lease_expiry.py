"""Leases that expire."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import attrs

from portmapper.api.errors import NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import ANY_PORT, Lease, Mapping, MappingState, Protocol
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]


async def test_a_lease_expires_while_the_gateway_forbids_retries(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is given up when it expires, and requested again at the time that the gateway gave."""
    harness.options = Options(interval=10**6)
    await harness.start(desired(duration=100))
    device.refusals[80] = NotAuthorized("no", retry_after=1000)
    await clock.advance(90)
    requested = len(device.requested())
    assert harness.state(desired()) is MappingState.ACTIVE
    await clock.advance(11)
    assert harness.state(desired()) is MappingState.REFUSED
    assert harness.events[-1].kind is EventKind.LOST
    device.refusals.clear()
    await clock.advance(900)
    assert len(device.requested()) == requested
    await clock.advance(100)
    assert harness.state(desired()) is MappingState.ACTIVE


async def test_an_expired_lease_of_any_port_gets_its_last_port_again(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """If another host has taken that port, the next free one is granted."""
    device.other_port = 4000
    anything = attrs.evolve(desired(), port=ANY_PORT)
    await harness.start(anything)
    await harness.crash()
    await clock.advance(4000)
    device.other_port = None
    await harness.start(anything)
    assert harness.lease(anything).external_port == 4000
    await harness.crash()
    await clock.advance(4000)
    device.open_ports()
    device.occupy(Protocol.TCP, 4000, ipaddress.ip_address("192.168.88.66"))
    await harness.start(anything)
    assert harness.lease(anything).external_port == 4001


async def test_a_lifetime_begins_with_the_request_and_not_when_its_answer_is_read(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The host was suspended in between, so the gateway has dropped the mapping when it resumes."""

    def suspended(lease: Lease) -> Lease:
        clock._seconds += 200
        device.lie = lambda answered: answered
        return lease

    device.lie = suspended
    harness.options = Options(interval=10**6)
    await harness.start(desired(duration=100))
    await clock.advance(5)
    assert device.open_ports() == {(Protocol.TCP, 80)}
    assert len(device.requested()) == 2
    assert harness.state(desired()) is MappingState.ACTIVE

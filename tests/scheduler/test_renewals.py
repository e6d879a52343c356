"""Renewals of leases: when they happen, and what a failed one does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.errors import NetworkFailure, NoResources, NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]


async def test_a_lease_is_renewed_halfway_through_its_lifetime(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Between 1/2 and 5/8 of it, in place, with the same token, and without an event."""
    await calm.start(desired())
    await clock.advance(1799)
    assert len(device.requested()) == 1
    await clock.advance(452)
    first, second = device.requested()
    assert second.held is not None
    assert second.token == first.token
    assert calm.kinds() == [EventKind.OPENED]


@pytest.mark.jitter
async def test_renewals_of_leases_that_were_opened_together_have_jitter(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """A thousand mappings: each eighth of the renewal window has about as many, and 125 would be even."""
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


async def test_a_lease_never_expires_while_the_gateway_answers(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Not even a lease of ten seconds."""
    device.longest = 10
    await calm.start(desired())
    for _ in range(120):
        await clock.advance(1)
        assert device.open_ports() == {WEB}
    assert len(device.requested()) <= 26


async def test_a_failed_renewal_keeps_the_lease(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """M13: the mapping stays active until the lease expires, and nothing is deleted."""
    await calm.start(desired())
    device.refusals[80] = NoResources("full")
    await clock.advance(3590)
    assert calm.state(desired()) is MappingState.ACTIVE
    assert calm.scheduler.records[desired().key].error is not None
    await clock.advance(20)
    assert calm.state(desired()) is MappingState.REFUSED
    assert calm.kinds() == [EventKind.OPENED, EventKind.FAILED, EventKind.LOST, EventKind.FAILED]
    assert device.requested("unmap") == []


async def test_failed_renewals_are_retried_ever_sooner_but_never_in_a_burst(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """At 1/2, 3/4, 7/8 and so on of the lifetime, never less than 4 s apart."""
    await calm.start(desired())
    device.answers.extend([NetworkFailure("down")] * 100)
    await clock.advance(3590)
    assert 8 <= len(device.requested()) <= 13


async def test_a_renewal_is_not_retried_before_the_gateways_retry_time(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """P8 applies to renewals too."""
    await calm.start(desired())
    device.refusals[80] = NotAuthorized("no", retry_after=1300)
    await clock.advance(2260)
    requested = len(device.requested())
    assert requested == 2
    await clock.advance(700)
    assert len(device.requested()) == requested

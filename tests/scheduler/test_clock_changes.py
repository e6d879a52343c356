"""Jumps of the wall clock and a suspended host."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portmapper.api.events import EventKind
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.observability.status import mapping_documents
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]


@pytest.mark.parametrize("seconds", [-(10**9), 10**9])
async def test_a_jump_of_the_wall_clock_changes_nothing(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired, seconds: int
) -> None:
    """Thirty years in either direction: no request, no event, and the renewal is on time."""
    await calm.start(desired())
    clock.set_wall(seconds)
    await clock.advance(1799)
    assert len(device.requested()) == 1
    await clock.advance(452)
    assert len(device.requested()) == 2
    assert device.requested("unmap") == []
    assert calm.kinds() == [EventKind.OPENED]


@pytest.mark.parametrize("seconds", [-(10**9), 10**9])
async def test_a_jump_between_two_runs_opens_nothing_twice(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired, seconds: int
) -> None:
    """The lease is adopted with its token, whatever its dates say."""
    await calm.start(desired())
    await calm.crash()
    clock.set_wall(seconds)
    await calm.start(desired())
    before, after = device.requested()
    assert after.token == before.token
    assert device.open_ports() == {WEB}
    assert device.requested("unmap") == []
    assert len(calm.store.leases) == 1


DATES = [
    datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 5, tzinfo=UTC),
    datetime(2106, 2, 7, 6, 28, 13, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
]
"""Where a clock without a battery starts, and where clocks of 31 and 32 bits and the calendar end."""


@pytest.mark.parametrize("before", DATES)
@pytest.mark.parametrize("after", DATES)
async def test_leases_survive_every_date(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired, before: datetime, after: datetime
) -> None:
    """Also a jump while it runs, and the rows that the store has from then."""
    clock.set_wall((before - clock.now()).total_seconds())
    await calm.start(desired())
    await clock.advance(2300)
    clock.set_wall((after - clock.now()).total_seconds())
    await clock.advance(2300)
    (shown,) = mapping_documents(calm.scheduler.records, {}, clock)
    assert shown["state"] == "active"
    left = datetime.fromisoformat(shown["expires_at"]) - clock.now()
    assert timedelta(0) < left <= timedelta(hours=1, seconds=1)
    await calm.crash()
    await calm.start(desired())
    assert device.open_ports() == {WEB}
    assert device.requested("unmap") == []
    assert len({request.token for request in device.requested()}) == 1


@pytest.mark.parametrize("slept", [1000, 3000, 10_000])
async def test_a_resume_renews_at_once_what_is_due(
    calm: Any, clock: FakeClock, device: FakeDevice, desired: Desired, slept: int
) -> None:
    """Also a lease that expired during the suspend; a lease with time left is not renewed."""
    await calm.start(desired())
    await clock.sleep(slept)
    assert len(device.requested()) == (2 if slept >= 3000 else 1)
    assert device.open_ports() == {WEB}
    assert calm.state(desired()) is MappingState.ACTIVE

"""Metrics count what the scheduler has done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from portmapper.api.errors import NotAuthorized
from portmapper.api.model import Mapping, MappingState
from portmapper.observability.metrics import collect_metrics
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]


async def test_mappings_are_counted_by_state(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Every state has a number, also if it is 0; dropped events are passed on."""
    device.refusals[81] = NotAuthorized("no")
    await harness.start(desired(), desired(81))
    metrics = collect_metrics(harness.scheduler, {"webhook": 2}, clock)
    assert dict(metrics.mappings) == {
        state: int(state in (MappingState.ACTIVE, MappingState.REFUSED)) for state in MappingState
    }
    assert metrics.dropped == {"webhook": 2}
    assert [gateway for gateway in metrics.latencies] == [("pcp", str(device.address))]


async def test_the_time_since_the_last_success_grows(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is None before the first success."""
    await harness.start()
    assert collect_metrics(harness.scheduler, {}, clock).since_success is None
    await harness.set_desired(desired())
    before = collect_metrics(harness.scheduler, {}, clock).since_success
    await clock.advance(7)
    after = collect_metrics(harness.scheduler, {}, clock).since_success
    assert before is not None
    assert after == before + 7


async def test_renewals_are_counted(harness: Any, clock: FakeClock, desired: Desired) -> None:
    """By backend; the first request is no renewal."""
    await harness.start(desired(duration=600))
    assert sum(collect_metrics(harness.scheduler, {}, clock).renewals.values()) == 0
    await clock.advance(600)
    assert sum(collect_metrics(harness.scheduler, {}, clock).renewals.values()) >= 1

"""A gateway that stops answering is one event, however many mappings are open there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.errors import NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import Mapping
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]


@pytest.fixture
def rows(desired: Desired) -> list[Mapping]:
    """Twenty mappings with leases of an hour."""
    return [desired(port=port, internal_port=port) for port in range(8000, 8020)]


@pytest.mark.parametrize("protocols", [["pcp"], ["pcp", "upnp"]])
async def test_a_silent_gateway_is_reported_once(
    new_harness: Callable[..., Any],
    clock: FakeClock,
    device: FakeDevice,
    rows: list[Mapping],
    protocols: list[str],
) -> None:
    """And once more when it answers again; no port was closed."""
    harness = new_harness(*[FakeBackend(name, device) for name in protocols])
    await harness.start(*rows)
    harness.events.clear()
    device.silent = True
    await clock.advance(2900)
    (lost,) = harness.events
    assert (lost.kind, lost.gateway) == (EventKind.GATEWAY_LOST, "192.168.88.1")
    assert lost.detail == "no answer; 20 mappings stay open until their leases end"
    device.silent = False
    await clock.advance(400)
    assert harness.kinds() == [EventKind.GATEWAY_LOST, EventKind.GATEWAY_FOUND]


async def test_a_lease_that_ends_in_the_silence_is_reported_lost(
    harness: Any, clock: FakeClock, device: FakeDevice, rows: list[Mapping]
) -> None:
    """Once for each mapping; that each attempt after it fails says nothing new."""
    await harness.start(*rows)
    harness.events.clear()
    device.silent = True
    await clock.advance(8000)
    assert harness.kinds() == [EventKind.GATEWAY_LOST, *[EventKind.LOST] * len(rows)]


async def test_a_refusal_after_the_silence_is_reported(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Although it is not the first failure."""
    await harness.start(desired())
    device.silent = True
    await clock.advance(4000)
    harness.events.clear()
    device.silent, device.refusals = False, {80: NotAuthorized("not allowed")}
    await clock.advance(1000)
    (failed,) = [event for event in harness.events if event.kind is EventKind.FAILED]
    assert failed.detail == "PCP: not allowed"


async def test_a_mapping_that_was_never_open_is_reported(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Once, although the gateway was reported before."""
    await harness.start(desired())
    device.silent = True
    await clock.advance(2900)
    harness.events.clear()
    new = desired(port=81)
    await harness.set_desired(desired(), new)
    await clock.advance(600)
    assert [(event.kind, event.wanted_external_port) for event in harness.events] == [(EventKind.FAILED, 81)]

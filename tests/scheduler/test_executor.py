"""Rounds over several gateways, and backends that hang or return nonsense."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from portmapper.api.errors import NoResources
from portmapper.api.events import EventKind
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.store.ownership import Ownership
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]


async def test_a_failed_renewal_tries_the_other_gateways(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The new lease is granted before the old one is released."""
    other = FakeDevice(clock, address=ipaddress.ip_address("192.168.88.2"))
    harness = new_harness(FakeBackend("pcp", device), FakeBackend("upnp", other))
    await harness.start(desired())
    device.refusals[80] = NoResources("full")
    await clock.advance(2300)
    assert harness.lease(desired()).backend == "upnp"
    assert other.open_ports() == {WEB}
    assert device.open_ports() == set()
    assert harness.kinds() == [EventKind.OPENED, EventKind.OPENED, EventKind.CLOSED]


async def test_a_slow_gateway_delays_no_other(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Each gateway has its own work queue."""
    other = FakeDevice(clock, hangs=True)
    harness = new_harness(FakeBackend("upnp", other), FakeBackend("pcp", device))
    many = [desired(port, backend="upnp") for port in range(1000, 1040)]
    await harness.start(*many, desired(backend="pcp"))
    assert harness.state(desired()) is MappingState.ACTIVE
    assert len(other.requested()) == 4


async def test_a_backend_that_hangs_times_out(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The mapping moves to the next backend."""
    harness = new_harness(FakeBackend("pcp", FakeDevice(clock, hangs=True)), FakeBackend("upnp", device))
    await harness.start(desired())
    await clock.advance(21)
    assert harness.lease(desired()).backend == "upnp"


@pytest.mark.parametrize(
    "distort",
    [
        lambda lease: attrs.evolve(lease, external_port=0),
        lambda lease: attrs.evolve(lease, external_port=70000),
        lambda lease: attrs.evolve(lease, lifetime=0),
        lambda lease: attrs.evolve(lease, lifetime=-5),
        lambda lease: attrs.evolve(lease, internal_port=1),
        lambda lease: attrs.evolve(lease, protocol=Protocol.UDP),
        lambda lease: None,
        lambda lease: 1 / 0,
    ],
)
async def test_an_invalid_lease_or_an_exception_is_contained(
    new_harness: NewHarness, clock: FakeClock, device: FakeDevice, desired: Desired, distort: Any
) -> None:
    """It becomes a refusal, and the next backend opens the mapping."""
    harness = new_harness(FakeBackend("pcp", FakeDevice(clock, lie=distort)), FakeBackend("upnp", device))
    await harness.start(desired())
    assert harness.lease(desired()).backend == "upnp"


async def test_a_huge_lifetime_is_capped(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """No protocol has a lifetime of more than 32 bits."""
    device.lie = lambda lease: attrs.evolve(lease, lifetime=10**30)
    await harness.start(desired())
    assert harness.lease(desired()).lifetime == 2**32 - 1


async def test_the_backend_name_and_token_of_a_granted_lease_are_ignored(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """The store identifies a lease by its request, not by what third-party code filled in."""
    device.lie = lambda lease: attrs.evolve(lease, backend="x", gateway="y", token=b"z")
    await harness.start(desired())
    lease = harness.lease(desired())
    assert (lease.backend, lease.gateway) == ("pcp", "pcp:192.168.88.1")
    assert lease.token == device.requested()[0].token


async def test_a_bug_of_ours_affects_only_the_mapping_that_triggers_it(
    harness: Any,
    clock: FakeClock,
    desired: Desired,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The work queue goes on, and that mapping is retried with backoff."""
    original = Ownership.granted
    failed_at = []

    def fail_three_times(self: Ownership, lease: Any, mapping: Mapping, now: Any) -> None:
        if mapping.port == 80 and len(failed_at) < 3:
            failed_at.append(clock.monotonic())
            raise ZeroDivisionError("ours")
        original(self, lease, mapping, now)

    monkeypatch.setattr(Ownership, "granted", fail_three_times)
    with caplog.at_level(logging.CRITICAL, "portmapper.gateways.workqueue"):
        await harness.start(desired(), desired(81), desired(82))
        assert harness.state(desired()) is MappingState.REFUSED
        assert "ZeroDivisionError" in harness.scheduler.records[desired().key].error
        assert [harness.state(desired(port)) for port in (81, 82)] == [MappingState.ACTIVE] * 2
        await clock.advance(1000)
    assert harness.state(desired()) is MappingState.ACTIVE
    assert failed_at[1] - failed_at[0] >= 40
    assert failed_at[2] - failed_at[1] >= 80

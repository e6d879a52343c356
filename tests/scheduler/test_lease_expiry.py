"""How leases end that cannot end well: refused to the last, left behind, or hit by a fault of our own."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from portmapper.api.errors import NotAuthorized
from portmapper.api.events import EventKind
from portmapper.api.model import ANY_PORT, Mapping, MappingState, Protocol
from portmapper.network.host import Network
from portmapper.scheduler.options import Options
from portmapper.store.ownership import Ownership
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]
NewWorld = Callable[..., Any]
WEB = (Protocol.TCP, 80)


async def test_no_lease_is_active_beyond_its_end_while_the_gateway_forbids_to_ask(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is given up when it runs out, and asked for again when the gateway said so."""
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


async def test_the_lease_of_an_address_that_is_gone_is_tried_seldom_and_forgotten_at_its_end(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """It is told once, with its end."""
    device.names_holder = False
    mapping = desired(duration=7200)
    await harness.start(mapping)
    device.release_error = NotAuthorized("not for that address")
    device.other_port = 81
    harness.network = on_network("192.168.88.20/24")
    await harness.scheduler.network_changed()
    await harness.want(attrs.evolve(mapping, port=81, internal_port=81))
    await clock.advance(7300)
    tried = len(device.requested("unmap"))
    assert 2 <= tried <= 16
    (told,) = [event for event in harness.events if event.detail.startswith("cannot be closed")]
    assert "it expires at" in told.detail
    await clock.advance(7200)
    assert len(device.requested("unmap")) == tried
    assert len(list(harness.store.leases)) == 1


async def test_a_permanent_hole_that_another_protocol_renews_now_is_closed_with_it(
    new_harness: NewWorld, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Not before, where both share a table; and not never, where each has its own."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    harness = new_harness(pcp, upnp)
    await harness.start(desired(backend="upnp", duration=0))
    await harness.want(desired(backend="pcp"))
    await clock.advance(100)
    assert device.requested("unmap") == []
    await harness.want()
    assert {lease.backend for lease in device.requested("unmap")} == {"pcp", "upnp"}
    assert list(harness.store.leases) == []


async def test_any_port_is_the_same_when_the_lease_ran_out_while_nothing_ran(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It is asked for again; where somebody else has it, another one does."""
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


async def test_a_fault_of_ours_harms_only_the_mapping_that_brings_it_out(
    harness: Any,
    clock: FakeClock,
    desired: Desired,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The lane goes on, and that mapping is tried again after ever longer pauses."""
    original = Ownership.granted
    met = []

    def breaks(self: Ownership, lease: Any, mapping: Mapping, now: Any) -> None:
        if mapping.port == 80 and len(met) < 3:
            met.append(clock.monotonic())
            raise ZeroDivisionError("ours")
        original(self, lease, mapping, now)

    monkeypatch.setattr(Ownership, "granted", breaks)
    with caplog.at_level(logging.CRITICAL, "portmapper.gateways.workqueue"):
        await harness.start(desired(), desired(81), desired(82))
        assert harness.state(desired()) is MappingState.REFUSED
        assert "ZeroDivisionError" in harness.scheduler.entries[desired().key].error
        assert [harness.state(desired(port)) for port in (81, 82)] == [MappingState.ACTIVE] * 2
        await clock.advance(1000)
    assert harness.state(desired()) is MappingState.ACTIVE
    assert met[1] - met[0] >= 40
    assert met[2] - met[1] >= 80

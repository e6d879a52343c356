"""How leases end that cannot end well: refused to the last, left behind, or hit by a fault of our own."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from portmapper.errors import NotAuthorized
from portmapper.events import EventKind
from portmapper.ledger import Ledger
from portmapper.model import ANY_PORT, Mapping, MappingState, Protocol
from portmapper.network import Network
from portmapper.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.devices import FakeDevice
from portmapper.testing.gateways import FakeBackend, FakeListingGateway

Wanted = Callable[..., Mapping]
NewWorld = Callable[..., Any]
WEB = (Protocol.TCP, 80)


async def test_no_lease_is_active_beyond_its_end_while_the_gateway_forbids_to_ask(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """It is given up when it runs out, and asked for again when the gateway said so."""
    world.options = Options(interval=10**6)
    await world.start(wanted(duration=100))
    device.refusals[80] = NotAuthorized("no", retry_after=1000)
    await clock.advance(90)
    asked = len(device.asked())
    assert world.state(wanted()) is MappingState.ACTIVE
    await clock.advance(11)
    assert world.state(wanted()) is MappingState.REFUSED
    assert world.events[-1].kind is EventKind.LOST
    device.refusals.clear()
    await clock.advance(900)
    assert len(device.asked()) == asked
    await clock.advance(100)
    assert world.state(wanted()) is MappingState.ACTIVE


async def test_the_lease_of_an_address_that_is_gone_is_tried_seldom_and_forgotten_at_its_end(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted, on_network: Callable[..., Network]
) -> None:
    """It is told once, with its end."""
    device.names_holder = False
    mapping = wanted(duration=7200)
    await world.start(mapping)
    device.release_error = NotAuthorized("not for that address")
    device.other_port = 81
    world.network = on_network("192.168.88.20/24")
    await world.scheduler.network_changed()
    await world.want(attrs.evolve(mapping, port=81, internal_port=81))
    await clock.advance(7300)
    tried = len(device.asked("unmap"))
    assert 2 <= tried <= 16
    (told,) = [event for event in world.events if event.detail.startswith("cannot be closed")]
    assert "it ends by itself at" in told.detail
    await clock.advance(7200)
    assert len(device.asked("unmap")) == tried
    assert len(list(world.store.leases)) == 1


async def test_a_permanent_hole_that_another_protocol_renews_now_is_closed_with_it(
    new_world: NewWorld, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """Not before, where both share a table; and not never, where each has its own."""
    pcp, upnp = FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)
    world = new_world(pcp, upnp)
    await world.start(wanted(backend="upnp", duration=0))
    await world.want(wanted(backend="pcp"))
    await clock.advance(100)
    assert device.asked("unmap") == []
    await world.want()
    assert {lease.backend for lease in device.asked("unmap")} == {"pcp", "upnp"}
    assert list(world.store.leases) == []


async def test_any_port_is_the_same_when_the_lease_ran_out_while_nothing_ran(
    world: Any, clock: FakeClock, device: FakeDevice, wanted: Wanted
) -> None:
    """It is asked for again; where somebody else has it, another one does."""
    device.other_port = 4000
    anything = attrs.evolve(wanted(), port=ANY_PORT)
    await world.start(anything)
    await world.crash()
    await clock.advance(4000)
    device.other_port = None
    await world.start(anything)
    assert world.lease(anything).external_port == 4000
    await world.crash()
    await clock.advance(4000)
    device.open_ports()
    device.occupy(Protocol.TCP, 4000, ipaddress.ip_address("192.168.88.66"))
    await world.start(anything)
    assert world.lease(anything).external_port == 4001


async def test_a_fault_of_ours_harms_only_the_mapping_that_brings_it_out(
    world: Any,
    clock: FakeClock,
    wanted: Wanted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The lane goes on, and that mapping is tried again after ever longer pauses."""
    original = Ledger.granted
    met = []

    def breaks(self: Ledger, lease: Any, mapping: Mapping, now: Any) -> None:
        if mapping.port == 80 and len(met) < 3:
            met.append(clock.monotonic())
            raise ZeroDivisionError("ours")
        original(self, lease, mapping, now)

    monkeypatch.setattr(Ledger, "granted", breaks)
    with caplog.at_level(logging.CRITICAL, "portmapper.lane"):
        await world.start(wanted(), wanted(81), wanted(82))
        assert world.state(wanted()) is MappingState.REFUSED
        assert "ZeroDivisionError" in world.scheduler.entries[wanted().key].error
        assert [world.state(wanted(port)) for port in (81, 82)] == [MappingState.ACTIVE] * 2
        await clock.advance(1000)
    assert world.state(wanted()) is MappingState.ACTIVE
    assert met[1] - met[0] >= 40
    assert met[2] - met[1] >= 80

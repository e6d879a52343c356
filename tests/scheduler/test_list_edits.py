"""Edits of the list while leases are held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.errors import NotAuthorized
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice

WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]
NewHarness = Callable[..., Any]


async def test_an_unchanged_list_sends_nothing(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """The order of the rows does not matter."""
    await harness.start(desired(), desired(81))
    await harness.set_desired(desired(81), desired())
    assert len(device.calls) == 2


async def test_a_new_row_is_opened_and_a_removed_one_closed(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """The other mappings are not touched."""
    await harness.start(desired(), desired(81))
    await harness.set_desired(desired(81), desired(82))
    assert device.open_ports() == {(Protocol.TCP, 81), (Protocol.TCP, 82)}
    assert len(device.requested()) == 3
    assert list(harness.store.leases) == [s for s in harness.store.leases if s.wanted_port in (81, 82)]


@pytest.mark.parametrize("edit", [{"comment": "new"}, {"duration": 7200}])
async def test_an_edited_comment_or_lifetime_renews_in_place(
    harness: Any, device: FakeDevice, desired: Desired, edit: dict[str, Any]
) -> None:
    """Nothing is closed."""
    await harness.start(desired())
    await harness.set_desired(desired(**edit))
    assert device.requested("unmap") == []
    assert device.requested()[-1].held is not None
    assert device.requested()[-1].comment == edit.get("comment", "")
    assert harness.lease(desired()).lifetime == edit.get("duration", 3600)


@pytest.mark.parametrize("kind", [FakeGateway, FakeListingGateway])
async def test_an_edited_internal_port_is_redirected(
    new_harness: NewHarness, device: FakeDevice, desired: Desired, kind: type[FakeGateway]
) -> None:
    """The external port forwards to the new internal port, and is not closed afterwards."""
    harness = new_harness(FakeBackend("any", device, kind=kind))
    device.names_holder = kind is FakeListingGateway
    await harness.start(desired(80, 8080))
    await harness.set_desired(desired(80, 9090))
    assert device.table[WEB].internal_port == 9090
    assert len(list(harness.store.leases)) == 1


async def test_an_edited_external_port_is_opened_before_the_old_one_is_closed(
    upnp: Any, device: FakeDevice, desired: Desired
) -> None:
    """A port is never closed before its replacement is granted."""
    await upnp.start(desired(80, 8080))
    await upnp.set_desired(desired(81, 8080))
    assert device.open_ports() == {(Protocol.TCP, 81)}
    assert [verb for _, verb, _ in device.calls] == ["map", "map", "unmap"]


async def test_an_edited_external_port_that_is_refused_is_reported(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The state is that of the new row."""
    device.refusals[81] = NotAuthorized("no")
    await upnp.start(desired(80, 8080))
    await upnp.set_desired(desired(81, 8080))
    await clock.advance(30)
    assert upnp.state(desired(81, 8080)) is MappingState.REFUSED


async def test_a_row_that_is_removed_during_its_request_is_closed(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The grant arrives after the mapping is no longer desired."""
    await harness.start()
    harness.scheduler.set_desired([desired()])
    while not device.requested():
        await asyncio.sleep(0)
    await harness.set_desired()
    await clock.advance(5)
    assert device.open_ports() == set()
    assert list(harness.store.leases) == []

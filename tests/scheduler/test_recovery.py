"""Leases that a damaged store has lost: found in the tables of gateways, and adopted or released."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.model import Mapping, Protocol
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import FakeDevice

WEB, OTHER = (Protocol.TCP, 80), (Protocol.TCP, 81)
Desired = Callable[..., Mapping]


@pytest.fixture
async def lost(upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired) -> Any:
    """A scheduler whose store has lost two leases of an earlier run."""
    await upnp.start(desired(comment="portmapper"), desired(81, comment="portmapper"))
    assert device.open_ports() == {WEB, OTHER}
    await upnp.crash()
    for stored in list(upnp.store.leases):
        upnp.store.remove(stored.lease.token)
    return upnp


async def test_what_is_not_desired_is_released_and_the_rest_adopted(
    lost: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The desired port is never closed."""
    await lost.start(desired(comment="portmapper"))
    lost.scheduler.recovery.begin()
    await clock.advance(10)
    assert device.open_ports() == {WEB}
    assert [lease.external_port for lease in device.requested("unmap")] == [81]
    assert len(list(lost.store.leases)) == 1


async def test_nothing_is_closed_without_damage(
    lost: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The entries may be those of another instance."""
    await lost.start(desired(comment="portmapper"))
    await clock.advance(300)
    assert device.open_ports() == {WEB, OTHER}


@pytest.mark.parametrize(
    "change", [{"comment": "qBittorrent"}, {"internal_address": ip_address("192.168.88.77")}]
)
async def test_an_entry_of_another_program_or_host_is_left_alone(
    lost: Any, clock: FakeClock, device: FakeDevice, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    """Only entries with our comment that lead to this host are ours."""
    read = FakeDevice.entries
    changed = lambda device: [attrs.evolve(entry, **change) for entry in read(device)]  # noqa: E731
    monkeypatch.setattr(FakeDevice, "entries", changed)
    await lost.start()
    lost.scheduler.recovery.begin()
    await clock.advance(10)
    assert device.open_ports() == {WEB, OTHER}

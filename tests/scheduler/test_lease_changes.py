"""Leases that are taken away from a mapping."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from portmapper.api.events import EventKind
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.scheduler.options import Options
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import FakeDevice

OTHER_HOST = ipaddress.ip_address("192.168.88.66")
WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]


async def test_a_port_that_another_host_took_is_lost(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The loss is reported, the other host keeps the port, and we reopen it once it is free."""
    upnp.options = Options(interval=10**6)
    await upnp.start(desired())
    device.table.clear()
    device.occupy(*WEB, OTHER_HOST)
    await clock.advance(2300)
    assert upnp.state(desired()) is MappingState.CONFLICT
    assert EventKind.LOST in upnp.kinds()
    assert device.table[WEB].internal_address == OTHER_HOST
    device.table.clear()
    await clock.advance(1200)
    assert upnp.state(desired()) is MappingState.ACTIVE

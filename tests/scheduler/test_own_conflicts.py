"""Conflicts of a mapping with our own older leases."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.model import ConflictPolicy, Mapping, MappingState, Protocol
from portmapper.network.host import Network
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")
WEB = (Protocol.TCP, 80)
Desired = Callable[..., Mapping]


async def test_an_edited_external_port_is_opened_if_the_gateway_identifies_mappings_by_internal_port(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """PCP and NAT-PMP cannot open the new port before the old one is closed."""
    device.one_per_internal_port = True
    await harness.start(desired(80, 8080))
    await harness.set_desired(desired(81, 8080))
    await clock.advance(5)
    assert device.open_ports() == {(Protocol.TCP, 81)}


async def test_a_new_address_of_this_host_replaces_the_old_entry(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """M16: under `own`, although the gateway reports that another host holds the port."""
    await upnp.start(desired())
    upnp.network = on_network("192.168.88.77/24")
    await upnp.scheduler.network_changed()
    await clock.advance(5)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(upnp.store.leases)) == 1


async def test_an_old_entry_is_replaced_under_fail(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """Under every policy, the port ends up open for the current address."""
    mapping = desired(conflict=ConflictPolicy.FAIL)
    await upnp.start(mapping)
    upnp.network = on_network("192.168.88.77/24")
    await upnp.scheduler.network_changed()
    await clock.advance(600)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"


async def test_an_old_entry_is_released_if_the_gateway_names_no_holder(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, on_network: Callable[..., Network]
) -> None:
    """M16 over PCP: the conflict is with our own permanent lease, which would never expire."""
    device.names_holder = False
    device.permanent_only = True
    await harness.start(desired())
    harness.network = on_network("192.168.88.77/24")
    await clock.advance(300)
    assert str(device.table[WEB].internal_address) == "192.168.88.77"
    assert len(list(harness.store.leases)) == 1


async def test_an_edited_external_port_is_closed_first_if_the_gateway_identifies_mappings_by_internal_port(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """Closing the old port afterwards would close the new one too."""
    device.one_per_internal_port = True
    await harness.start(desired(8080, 80), desired(8081, 81))
    await harness.set_desired(desired(9090, 80), desired(8081, 81))
    await clock.advance(5)
    assert {port for _, port in device.open_ports()} == {9090, 8081}
    assert [verb for _, verb, _ in device.calls] == ["map", "map", "unmap", "map"]


async def test_a_lease_that_another_row_will_adopt_is_not_released(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """An earlier run opened two external ports for one internal port, on a gateway that allows it."""
    both = (desired(8080, 80), desired(9090, 80))
    await harness.start(*both)
    await harness.crash()
    device.one_per_internal_port = True
    device.calls.clear()
    await harness.start(*both)
    await clock.advance(5)
    assert device.requested("unmap") == []


@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.FAIL])
async def test_an_entry_of_this_host_is_replaced_under_own(
    upnp: Any, device: FakeDevice, desired: Desired, policy: ConflictPolicy
) -> None:
    """M3: it is ours by its address, although the store does not know it."""
    device.occupy(Protocol.TCP, 80, LOCAL, 8080)
    await upnp.start(desired(conflict=policy))
    assert (device.table[Protocol.TCP, 80].internal_port == 80) is (policy is ConflictPolicy.OWN)


async def test_two_desired_mappings_never_take_a_port_from_each_other(
    upnp: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """The first keeps it, and the second stays in conflict."""
    first, second = desired(80, 8080), desired(80, 9090)
    await upnp.start(first)
    await upnp.set_desired(first, second)
    await clock.advance(7200)
    assert device.table[Protocol.TCP, 80].internal_port == 8080
    assert upnp.state(second) is MappingState.CONFLICT

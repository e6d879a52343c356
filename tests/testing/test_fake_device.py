"""The NAT device in memory."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from portmapper.api.backend import GatewayEvent
from portmapper.api.errors import Conflict, GatewayTimeout, NoResources, NotAuthorized
from portmapper.api.model import Lease, MapRequest, Protocol
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")
OTHER = ipaddress.ip_address("192.168.88.11")
REQUEST = MapRequest(Protocol.TCP, LOCAL, 80, 8080, 600, "web", b"nonce")
PORT = (Protocol.TCP, 8080)


@pytest.fixture
def gateway(device: FakeDevice) -> FakeGateway:
    """The device, reached over one protocol."""
    return FakeGateway(device, "pcp", LOCAL)


async def test_a_lease_expires(device: FakeDevice, gateway: FakeGateway, clock: FakeClock) -> None:
    """Until then, its port is open."""
    lease = await gateway.map(REQUEST)
    await clock.advance(599)
    assert (device.open_ports(), device.holds(lease)) == ({PORT}, True)
    await clock.advance(1)
    assert (device.open_ports(), device.holds(lease)) == (set(), False)


async def test_a_released_port_is_closed(device: FakeDevice, gateway: FakeGateway) -> None:
    """The release of a port that another host holds by now changes nothing."""
    lease = await gateway.map(REQUEST)
    await gateway.unmap(lease)
    assert device.open_ports() == set()
    assert [port for port, _ in device.deleted] == [PORT]
    device.occupy(*PORT, OTHER)
    await gateway.unmap(lease)
    assert device.open_ports() == {PORT}


async def test_requests_are_recorded(device: FakeDevice, gateway: FakeGateway) -> None:
    """Each has its backend and verb."""
    lease = await gateway.map(REQUEST)
    await gateway.unmap(lease)
    assert device.calls == [("pcp", "map", REQUEST), ("pcp", "unmap", lease)]
    assert device.requested("unmap") == [lease]


async def test_a_taken_port_is_a_conflict_or_another_port(device: FakeDevice, gateway: FakeGateway) -> None:
    """An exact request fails and names the holder; `replace` takes the port."""
    device.occupy(*PORT, OTHER)
    assert (await gateway.map(attrs.evolve(REQUEST, exact=False))).external_port == 8081
    with pytest.raises(Conflict) as conflict:
        await gateway.map(attrs.evolve(REQUEST, exact=True))
    assert conflict.value.holder is not None
    assert conflict.value.holder.internal_address == OTHER
    device.names_holder = False
    with pytest.raises(Conflict) as conflict:
        await gateway.map(attrs.evolve(REQUEST, exact=True))
    assert conflict.value.holder is None
    lease = await gateway.map(attrs.evolve(REQUEST, exact=True, replace=True))
    assert device.holds(lease)


async def test_a_pcp_server_has_one_mapping_per_internal_port(
    device: FakeDevice, gateway: FakeGateway
) -> None:
    """Another nonce is not authorized."""
    device.one_per_internal_port = True
    await gateway.map(REQUEST)
    assert (await gateway.map(attrs.evolve(REQUEST, external_port=9000))).external_port == 8080
    with pytest.raises(NotAuthorized):
        await gateway.map(attrs.evolve(REQUEST, token=b"another"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"longest": 60}, {"lifetime": 60}),
        ({"permanent_only": True}, {"lifetime": 0, "permanent": True}),
        ({"other_port": 9000}, {"external_port": 9000}),
        ({"lie": lambda lease: attrs.evolve(lease, lifetime=1)}, {"lifetime": 1}),
    ],
    ids=lambda value: next(iter(value)),
)
async def test_attributes_change_the_lease(
    change: dict[str, Any], expected: dict[str, Any], device: FakeDevice, gateway: FakeGateway
) -> None:
    """They take effect with the next request."""
    for name, value in change.items():
        setattr(device, name, value)
    lease = await gateway.map(REQUEST)
    assert {name: getattr(lease, name) for name in expected} == expected


async def test_scripted_answers_are_used_once(device: FakeDevice, gateway: FakeGateway) -> None:
    """None is a normal answer; `refusals` are permanent."""
    device.answers.extend([NoResources("full"), None])
    with pytest.raises(NoResources):
        await gateway.map(REQUEST)
    await gateway.map(REQUEST)
    device.refusals[8080] = NoResources("full")
    for _ in range(2):
        with pytest.raises(NoResources):
            await gateway.map(REQUEST)
    device.release_error = GatewayTimeout("no answer")
    with pytest.raises(GatewayTimeout):
        await gateway.unmap(await gateway.map(attrs.evolve(REQUEST, external_port=9000)))


@pytest.mark.parametrize(
    ("silent", "loses_answers", "opened"), [(True, False, False), (False, True, True)], ids=["silent", "lost"]
)
async def test_without_an_answer_there_is_a_timeout(
    silent: bool, loses_answers: bool, opened: bool, device: FakeDevice, gateway: FakeGateway
) -> None:
    """If only the answer is lost, the port is open."""
    device.silent, device.loses_answers = silent, loses_answers
    with pytest.raises(GatewayTimeout):
        await gateway.map(REQUEST)
    assert (PORT in device.open_ports()) is opened


async def test_a_device_can_forget_leases(device: FakeDevice, gateway: FakeGateway) -> None:
    """It grants them without opening a port."""
    forgets: Callable[[Lease], bool] = lambda lease: not lease.permanent  # noqa: E731
    device.forgets = forgets
    await gateway.map(REQUEST)
    assert device.open_ports() == set()


async def test_a_restart_clears_the_table_and_is_announced(device: FakeDevice, gateway: FakeGateway) -> None:
    """A closed gateway gets no event."""
    events: list[GatewayEvent] = []
    await gateway.watch(events.append)
    device.occupy(*PORT, OTHER)
    device.restart()
    assert (device.open_ports(), events) == (set(), [GatewayEvent.RESTARTED])
    device.restart(announced=False)
    await gateway.close()
    device.restart()
    assert events == [GatewayEvent.RESTARTED]

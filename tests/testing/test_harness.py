"""The harness that runs a scheduler."""

from __future__ import annotations

from portmapper.api.events import EventKind
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.testing import FakeBackend, FakeClock, FakeDevice, scheduled
from portmapper.testing.harness import network_at

WEB = Mapping(Protocol.TCP, 8080, 80)
PORT = (Protocol.TCP, 8080)


async def test_desired_mappings_are_opened_and_released() -> None:
    """Events, state and lease can be checked."""
    clock = FakeClock()
    device = FakeDevice(clock)
    async with scheduled(clock, FakeBackend("pcp", device)) as harness:
        await harness.start(WEB)
        lease = harness.lease(WEB)
        assert lease is not None
        assert (harness.state(WEB), lease.external_port) == (MappingState.ACTIVE, 8080)
        assert EventKind.OPENED in harness.kinds()
        await harness.set_desired()
        assert device.open_ports() == set()
        assert harness.kinds()[-1] is EventKind.CLOSED


async def test_a_crash_releases_nothing() -> None:
    """The next scheduler adopts the lease from the store."""
    clock = FakeClock()
    device = FakeDevice(clock)
    async with scheduled(clock, FakeBackend("pcp", device)) as harness:
        await harness.start(WEB)
        await harness.crash()
        assert device.open_ports() == {PORT}
        (stored,) = harness.store.leases
        await harness.start(WEB)
        lease = harness.lease(WEB)
        assert lease is not None
        assert (harness.state(WEB), lease.token) == (MappingState.ACTIVE, stored.lease.token)


def test_the_first_interface_has_the_default_route() -> None:
    """Each address is on its own interface."""
    network = network_at("192.168.88.10/24", "10.0.0.5/8")
    assert [interface.name for interface in network.interfaces] == ["eth0", "eth1"]
    assert [route.interface for route in network.routes] == ["eth0"]
    assert network_at("10.0.0.5/8", gateway=None).routes == ()

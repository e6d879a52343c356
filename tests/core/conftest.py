"""A scheduler among gateways in memory, on a clock turned by hand."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from portmapper.backend import Backend
from portmapper.events import Event, EventKind
from portmapper.journal import Journal
from portmapper.model import Lease, Mapping, MappingState, Protocol
from portmapper.network import DefaultRoute, Interface, Network
from portmapper.options import Options
from portmapper.scheduler import Scheduler
from portmapper.store import Store
from portmapper.testing.clock import FakeClock
from portmapper.testing.devices import GATEWAY, FakeDevice
from portmapper.testing.gateways import FakeBackend, FakeListingGateway

LOCAL = ipaddress.ip_interface("192.168.88.10/24")


def network_at(*addresses: str, gateway: str | None = str(GATEWAY)) -> Network:
    """Return a network of one interface a given address, the first with the default route."""
    interfaces = [
        Interface(f"eth{number}", (ipaddress.ip_interface(address),))
        for number, address in enumerate(addresses)
    ]
    routes = [DefaultRoute("eth0", ipaddress.ip_address(gateway))] if gateway and interfaces else []
    return Network(tuple(interfaces), tuple(routes))


@attrs.define(eq=False)
class World:
    """A scheduler and all around it.

    Attributes:
        clock, backends, network, options: what the next scheduler starts with.
        store: its store, which outlives it.
        scheduler: the one that runs.
        events: all that was published.
    """

    clock: FakeClock
    backends: Sequence[Backend]
    network: Network = attrs.field(factory=lambda: network_at(str(LOCAL)))
    options: Options = attrs.field(factory=Options)
    store: Store = attrs.field(factory=lambda: Store(None))
    scheduler: Scheduler = None  # type: ignore[assignment]
    events: list[Event] = attrs.field(factory=list)
    _running: Any = None

    async def start(self, *mappings: Mapping, run: bool = True) -> World:
        """Start a scheduler that wants these, and let it do what takes no time."""
        journal = Journal(self.store)
        journal.listen(self.events.append)
        self.scheduler = Scheduler(
            self.backends, self.store, journal.publish, self.options, self.clock, lambda: self.network
        )
        if run:
            self._running = asyncio.create_task(self.scheduler.run())
        await self.want(*mappings)
        return self

    async def want(self, *mappings: Mapping) -> None:
        """Want these and nothing else."""
        self.scheduler.set_wanted(mappings)
        await self.clock.advance(0.5)

    async def crash(self) -> None:
        """End the scheduler as `kill -9` would: nothing is released, nothing is told."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        await self.scheduler.close()

    def kinds(self) -> list[EventKind]:
        """Return what happened, by name."""
        return [event.kind for event in self.events]

    def state(self, mapping: Mapping) -> MappingState:
        """Return where a wanted mapping stands."""
        return self.scheduler.entries[mapping.key].state

    def lease(self, mapping: Mapping) -> Lease | None:
        """Return what is held for a wanted mapping."""
        return self.scheduler.entries[mapping.key].lease


@pytest.fixture
async def clock() -> AsyncIterator[FakeClock]:
    """A clock that drives the test's own event loop."""
    fake = FakeClock()
    with fake.driving(asyncio.get_running_loop()):
        yield fake


@pytest.fixture
def device(clock: FakeClock) -> FakeDevice:
    """A device at the default gateway's address."""
    return FakeDevice(clock)


@pytest.fixture
async def new_world(clock: FakeClock) -> AsyncIterator[Callable[..., World]]:
    """Make worlds that end with the test."""
    worlds: list[World] = []

    def make(*backends: Backend, **options: Any) -> World:
        worlds.append(World(clock, backends, **options))
        return worlds[-1]

    yield make
    for world in worlds:
        if world.scheduler is not None:
            await world.crash()
        world.store.close()


@pytest.fixture(scope="session")
def world_class() -> type[World]:
    """What random tests make their worlds of."""
    return World


@pytest.fixture
def world(new_world: Callable[..., World], device: FakeDevice) -> World:
    """One device, over one protocol that cannot list."""
    return new_world(FakeBackend("pcp", device))


@pytest.fixture
def upnp(new_world: Callable[..., World], device: FakeDevice) -> World:
    """One device, over one protocol that can list, verify and map for others."""
    return new_world(FakeBackend("upnp", device, kind=FakeListingGateway))


@pytest.fixture
def wanted() -> Callable[..., Mapping]:
    """Make a mapping; TCP 80 where nothing else is said."""

    def make(port: int = 80, internal_port: int | None = None, **more: Any) -> Mapping:
        more.setdefault("protocol", Protocol.TCP)
        return Mapping(port=port, internal_port=internal_port or port, **more)

    return make


@pytest.fixture
def on_network() -> Callable[..., Network]:
    """Make a network."""
    return network_at


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open stores in one file."""
    opened: list[Store] = []

    def open_store() -> Store:
        opened.append(Store(tmp_path / "leases.sqlite3"))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()

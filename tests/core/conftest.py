"""A scheduler among gateways in memory, on a clock turned by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portmapper.backend import Backend
from portmapper.model import Mapping, Protocol
from portmapper.network import Network
from portmapper.store import Store
from portmapper.testing.clock import FakeClock
from portmapper.testing.devices import FakeDevice
from portmapper.testing.gateways import FakeBackend, FakeListingGateway
from portmapper.testing.world import World, network_at


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
        await world.end()


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

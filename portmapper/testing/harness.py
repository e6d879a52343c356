"""A scheduler with gateways in memory and a fake clock."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs

from portmapper.api.backend import Backend
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Lease, Mapping, MappingState
from portmapper.api.quirks import Quirk
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.observability.publisher import EventPublisher
from portmapper.scheduler.options import Options
from portmapper.scheduler.scheduler import Scheduler
from portmapper.store.leases import Store
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_device import GATEWAY

LOCAL = ipaddress.ip_interface("192.168.88.10/24")


def network_at(*addresses: str, gateway: str | None = str(GATEWAY)) -> Network:
    """Return a network with one interface for each address; the first has the default route."""
    interfaces = [
        Interface(f"eth{number}", (ipaddress.ip_interface(address),))
        for number, address in enumerate(addresses)
    ]
    routes = [DefaultRoute("eth0", ipaddress.ip_address(gateway))] if gateway and interfaces else []
    return Network(tuple(interfaces), tuple(routes))


@attrs.define(eq=False)
class Harness:
    """A scheduler with everything it needs, which a test can start, crash and start again.

    Attributes:
        clock, backends, network, options, quirks: the arguments of the next scheduler.
        store: the lease store; it survives a crash.
        scheduler: the current scheduler.
        events: all published events.
    """

    clock: FakeClock
    backends: Sequence[Backend]
    network: Network = attrs.field(factory=lambda: network_at(str(LOCAL)))
    options: Options = attrs.field(factory=Options)
    quirks: Sequence[Quirk] = ()
    store: Store = attrs.field(factory=lambda: Store(None))
    scheduler: Scheduler = None  # type: ignore[assignment]
    events: list[Event] = attrs.field(factory=list)
    _running: Any = None

    async def start(self, *mappings: Mapping, run: bool = True) -> Harness:
        """Start a scheduler with these desired mappings, and let it run until it waits."""
        journal = EventPublisher(self.store)
        journal.listen(self.events.append)
        self.scheduler = Scheduler(
            self.backends,
            self.store,
            journal.publish,
            self.options,
            self.clock,
            lambda: self.network,
            self.quirks,
        )
        if run:
            self._running = asyncio.create_task(self.scheduler.run())
        await self.set_desired(*mappings)
        return self

    async def set_desired(self, *mappings: Mapping) -> None:
        """Replace the desired mappings by these."""
        self.scheduler.set_desired(mappings)
        await self.clock.advance(0.5)

    async def crash(self) -> None:
        """End the scheduler as `kill -9` would: it releases nothing and publishes nothing."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        await self.scheduler.close()

    async def end(self) -> None:
        """End the scheduler and close the store."""
        if self.scheduler is not None:
            await self.crash()
        self.store.close()

    def kinds(self) -> list[EventKind]:
        """Return the kinds of the published events, in order."""
        return [event.kind for event in self.events]

    def state(self, mapping: Mapping) -> MappingState:
        """Return the state of a desired mapping."""
        return self.scheduler.records[mapping.key].state

    def lease(self, mapping: Mapping) -> Lease | None:
        """Return the lease of a desired mapping."""
        return self.scheduler.records[mapping.key].lease


@asynccontextmanager
async def scheduled(clock: FakeClock, *backends: Backend, **attributes: Any) -> AsyncIterator[Harness]:
    """Yield a `Harness` with these attributes; `clock` also drives the event loop."""
    with clock.driving(asyncio.get_running_loop()):
        harness = Harness(clock, backends, **attributes)
        try:
            yield harness
        finally:
            await harness.end()

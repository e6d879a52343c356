"""Keeps the gateways of every target up to date.

If nothing answers at a target, or a known gateway does not, the target is searched again with growing delays.
If every gateway answers, the target is searched again only on request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

from portmapper.api.arrivals import HearsArrivals
from portmapper.api.backend import Backend, Gateway, GatewayEvent, Target, WatchesGateway
from portmapper.api.errors import PortmapperError, quoted
from portmapper.api.model import Family, IPAddress, Lease
from portmapper.gateways.arrivals import Arrivals
from portmapper.gateways.brief import Brief, KnownGateways
from portmapper.gateways.probe import Probe, hurry_others
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import record_fault
from portmapper.support.backoff import retry_delay
from portmapper.support.clock import Clock

SHORTEST_PAUSE = 1.0
"""Minimum seconds between two searches of one target, regardless of the number of requests."""

WATCH_LIMIT = 10.0
"""Seconds that a backend has to start watching."""

_log = logging.getLogger(__name__)


class _Watch:
    """A target with its search, its tasks and the event that starts the next round."""

    def __init__(self, search: Probe) -> None:
        self.search = search
        self.search_now = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.watched: list[Gateway] = []


class Discovery:
    """All searches, and all known gateways by identity."""

    def __init__(
        self,
        backends: Sequence[Backend],
        known: KnownGateways,
        *,
        clock: Clock,
        longest_pause: float,
        on_search: Callable[[Probe], None],
        on_event: Callable[[Gateway, GatewayEvent], None] | None,
    ) -> None:
        """Prepare to search with `backends`, best first.

        Args:
            backends: the backends to search with.
            known: remembers where gateways answered.
            clock: for the delays between searches.
            longest_pause: maximum seconds between two searches of a target where nothing answers.
            on_search: called when a search settles, when it ends, and when a late answer arrives.
            on_event: called with each event that a gateway announces; None does not watch gateways, and ends
                each search early, as a single pass does.
        """
        self._known = known
        self._brief = Brief(known) if on_event is None else None
        self._backends = backends
        self._clock = clock
        self._longest_pause = longest_pause
        self._on_search = on_search
        self._on_event = on_event
        self._watches: dict[Target, _Watch] = {}

    @property
    def searches(self) -> Sequence[Probe]:
        """Searches of all targets."""
        return [watch.search for watch in self._watches.values()]

    @property
    def gateways(self) -> Sequence[Gateway]:
        """All known gateways, best first within each target."""
        return [gateway for search in self.searches for gateway in search.gateways]

    @property
    def backends(self) -> Sequence[Backend]:
        """All backends, best first."""
        return self._backends

    def gateway(self, identity: str, host: IPAddress | None = None) -> Gateway | None:
        """Return the gateway with an identity, or None if it is not known.

        Args:
            identity: identity of the gateway.
            host: an internal address. Prefer the gateway object that is reached from it: over IPv6, a host
                with several addresses must send each request from the address that it is for.
        """
        known = [gateway for gateway in self.gateways if gateway.identity == identity]
        return next((gateway for gateway in known if gateway.local_address == host), next(iter(known), None))

    def search(self, target: Target) -> Probe:
        """Return the search of a target, and start it on the first call."""
        if target not in self._watches:
            probe = Probe(
                target,
                self._backends,
                self._changed,
                brief=self._brief,
                known=self._known,
                leaves_unread=self._on_event is not None,
            )
            watch = self._watches[target] = _Watch(probe)
            watch.tasks = [asyncio.create_task(self._keep_searching(watch))]
            if self._on_event is not None:
                arrivals = Arrivals(probe.is_missing, self._clock, partial(self._search_with, watch))
                watch.tasks += [
                    asyncio.create_task(_listen(backend, target, partial(arrivals.arrived, backend.name)))
                    for backend in self._backends
                ]
        return self._watches[target].search

    def search_again(self, target: Target) -> None:
        """Search a known target again now. Known gateways stay until the result shows otherwise."""
        if target in self._watches:
            self._watches[target].search_now.set()

    def search_all(self, families: Collection[Family] = tuple(Family)) -> None:
        """Search every known target of these families again now."""
        for watch in self._watches.values():
            if watch.search.target.family in families:
                watch.search_now.set()

    def _search_with(self, watch: _Watch, backend: str) -> None:
        """Search with one backend now if a search is under way, otherwise with all of them."""
        if watch.search.target in self._watches and not watch.search.search_again(backend):
            watch.search_now.set()

    async def forget(self, target: Target) -> None:
        """End the search of a target and close its gateways."""
        watch = self._watches.pop(target)
        for task in watch.tasks:
            task.cancel()
        await asyncio.gather(*watch.tasks, return_exceptions=True)
        await watch.search.close()

    async def close_unused(
        self, old: Iterable[Probe], in_use: Collection[Target], leases: Iterable[Lease]
    ) -> None:
        """End the old searches, except those in use or with the gateway object of one of the leases."""
        holding = {(lease.gateway, lease.internal_address) for lease in leases}
        for search in old:
            holds = any((g.identity, g.local_address) in holding for g in search.gateways)
            if search.target not in in_use and not holds:
                await self.forget(search.target)

    async def close(self) -> None:
        """End all searches, and close all gateways and backends."""
        for target in tuple(self._watches):
            await self.forget(target)
        for backend in self._backends:
            await guard.close(f"backend:{backend.name}", backend)

    async def _keep_searching(self, watch: _Watch) -> None:
        failures = 0
        while True:
            watch.search_now.clear()
            started = self._clock.monotonic()
            answered = await watch.search.round()
            requested = await self._clock.wait(
                watch.search_now, None if answered else retry_delay(failures, self._longest_pause)
            )
            failures = 0 if requested else failures + 1
            too_soon = started + SHORTEST_PAUSE - self._clock.monotonic()
            if too_soon > 0:
                await self._clock.wait(asyncio.Event(), too_soon)

    def _changed(self, search: Probe) -> None:
        # A row may name any other gateway, so the searches of those take their time.
        hurry_others(search, [other for other in self.searches if other.target.gateway is None])
        self._on_search(search)
        if self._on_event is not None and search.target in self._watches:
            self._watch_gateways(self._watches[search.target])

    def _watch_gateways(self, watch: _Watch) -> None:
        assert self._on_event is not None
        watch.watched = [gateway for gateway in watch.watched if gateway in watch.search.gateways]
        watch.tasks = [task for task in watch.tasks if not task.done()]
        for gateway in watch.search.gateways:
            if isinstance(gateway, WatchesGateway) and gateway not in watch.watched:
                watch.watched.append(gateway)
                watch.tasks.append(asyncio.create_task(_start_watching(gateway, self._on_event)))


async def _listen(backend: Backend, target: Target, arrived: Callable[[], None]) -> None:
    """Listen for announcements of a gateway that was not found, if the backend can."""
    if not isinstance(backend, HearsArrivals) or target.family not in backend.families:
        return
    try:
        await guard.run(f"backend:{backend.name}", backend.listen(target, arrived), None)
    except PortmapperError as error:
        _log.debug("%s: cannot listen for announcements: %s", backend.name, error)


async def _start_watching(gateway: Gateway, on_event: Callable[[Gateway, GatewayEvent], None]) -> None:
    assert isinstance(gateway, WatchesGateway)
    plugin = f"backend:{gateway.backend}"

    def notify(event: GatewayEvent) -> None:
        if isinstance(event, GatewayEvent):
            on_event(gateway, event)
        else:
            record_fault(plugin, f"it reported {quoted(event)} as an event")

    try:
        await guard.run(plugin, gateway.watch(notify), WATCH_LIMIT)
    except (PortmapperError, TimeoutError) as error:
        _log.warning("%s: cannot watch gateway %s for events: %s", gateway.backend, gateway.address, error)

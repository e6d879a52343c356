"""Keeps knowing the gateways of every target that anyone asked for.

A target where nothing answers, or not everything that did, is searched again, less and less often; one
with gateways only when something says that it changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence

import attrs

from portmapper.api.backend import Backend, Gateway, GatewayEvent, Target, WatchesGateway
from portmapper.api.errors import PortmapperError, quoted
from portmapper.api.model import Family, IPAddress, Lease
from portmapper.gateways.probe import Probe
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import record_fault
from portmapper.support.backoff import retry_delay
from portmapper.support.clock import Clock

SHORTEST_PAUSE = 1.0
"""Seconds between two searches of one target, however loudly something asks for the next."""

WATCH_LIMIT = 10.0
"""Seconds in which a backend has to begin watching."""

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class _Watch:
    """A target with its search, its tasks and the bell that starts the next round."""

    search: Probe
    bell: asyncio.Event = attrs.field(factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = attrs.field(factory=list)
    watched: list[Gateway] = attrs.field(factory=list)


class Discovery:
    """Every search, and every gateway by its identity."""

    def __init__(
        self,
        backends: Sequence[Backend],
        *,
        clock: Clock,
        longest_pause: float,
        on_search: Callable[[Probe], None],
        on_event: Callable[[Gateway, GatewayEvent], None] | None,
    ) -> None:
        """Prepare to search with `backends`, best first.

        Args:
            backends: every backend that is asked.
            clock: for the pauses.
            longest_pause: seconds between two searches of a target where nothing answers.
            searched: called when a search settles, when it ends, and when a late answer adds to it.
            news: called with what a gateway tells unasked; None watches none.
        """
        self._backends = backends
        self._clock = clock
        self._longest_pause = longest_pause
        self._on_search = on_search
        self._on_event = on_event
        self._watches: dict[Target, _Watch] = {}

    @property
    def searches(self) -> Sequence[Probe]:
        """The search of each target."""
        return [watch.search for watch in self._watches.values()]

    @property
    def gateways(self) -> Sequence[Gateway]:
        """Every gateway known, best first within its target."""
        return [gateway for search in self.searches for gateway in search.gateways]

    @property
    def backends(self) -> Sequence[Backend]:
        """Every backend that is asked, best first."""
        return self._backends

    def gateway(self, identity: str, host: IPAddress | None = None) -> Gateway | None:
        """Return the gateway of that identity, None when it is not known (any more).

        Args:
            identity: of the gateway.
            host: an internal address; the gateway as it is reached from there comes first, since over
                IPv6 a host of several addresses has to ask from each of them.
        """
        known = [gateway for gateway in self.gateways if gateway.identity == identity]
        return next((gateway for gateway in known if gateway.local_address == host), next(iter(known), None))

    def search(self, target: Target) -> Probe:
        """Return the search of a target; the first call starts it."""
        if target not in self._watches:
            watch = _Watch(Probe(target, self._backends, self._changed))
            self._watches[target] = watch
            watch.tasks = [asyncio.create_task(self._keep_searching(watch))]
        return self._watches[target].search

    def search_again(self, target: Target) -> None:
        """Probe a known target at once; what is known stays until the answer says otherwise."""
        if target in self._watches:
            self._watches[target].bell.set()

    def search_all(self, families: Collection[Family] = tuple(Family)) -> None:
        """Probe every known target of these families at once."""
        for watch in self._watches.values():
            if watch.search.target.family in families:
                watch.bell.set()

    async def forget(self, target: Target) -> None:
        """End the search of a target that is no longer there, and close its gateways."""
        watch = self._watches.pop(target)
        for task in watch.tasks:
            task.cancel()
        await asyncio.gather(*watch.tasks, return_exceptions=True)
        await watch.search.close()

    async def close_unused(
        self, old: Iterable[Probe], in_use: Collection[Target], leases: Iterable[Lease]
    ) -> None:
        """End these searches, but those in use, and those whose gateway alone can close one of the leases."""
        holding = {(lease.gateway, lease.internal_address) for lease in leases}
        for search in old:
            holds = any((g.identity, g.local_address) in holding for g in search.gateways)
            if search.target not in in_use and not holds:
                await self.forget(search.target)

    async def close(self) -> None:
        """End every search, close every gateway and backend."""
        for target in tuple(self._watches):
            await self.forget(target)
        for backend in self._backends:
            await guard.close(f"backend:{backend.name}", backend)

    async def _keep_searching(self, watch: _Watch) -> None:
        fruitless = 0
        while True:
            watch.bell.clear()
            started = self._clock.monotonic()
            answered = await watch.search.round()
            rung = await self._clock.wait(
                watch.bell, None if answered else retry_delay(fruitless, self._longest_pause)
            )
            fruitless = 0 if rung else fruitless + 1
            too_soon = started + SHORTEST_PAUSE - self._clock.monotonic()
            if too_soon > 0:
                await self._clock.wait(asyncio.Event(), too_soon)

    def _changed(self, search: Probe) -> None:
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
                watch.tasks.append(asyncio.create_task(_begin_watching(gateway, self._on_event)))


async def _begin_watching(gateway: Gateway, news: Callable[[Gateway, GatewayEvent], None]) -> None:
    assert isinstance(gateway, WatchesGateway)
    plugin = f"backend:{gateway.backend}"

    def tell(event: GatewayEvent) -> None:
        if isinstance(event, GatewayEvent):
            news(gateway, event)
        else:
            record_fault(plugin, f"it told {quoted(event)} as an event")

    try:
        await guard.run(plugin, gateway.watch(tell), WATCH_LIMIT)
    except (PortmapperError, TimeoutError) as error:
        _log.warning("%s: cannot watch the gateway %s: %s", gateway.backend, gateway.address, error)

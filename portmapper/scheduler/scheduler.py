"""Reconciles what is wanted with what is held: opens, renews, moves and releases the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from portmapper.api.backend import Backend, Gateway, GatewayEvent
from portmapper.api.errors import UNREACHABLE
from portmapper.api.events import Event
from portmapper.api.model import IPAddress, Lease, Mapping, MappingKey
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.probe import Probe
from portmapper.gateways.workqueue import WorkQueues
from portmapper.network.host import Network, read_network
from portmapper.network.placement import Place
from portmapper.network.topology import Topology
from portmapper.scheduler.counters import Counters
from portmapper.scheduler.event_recorder import EventRecorder
from portmapper.scheduler.executor import Executor
from portmapper.scheduler.gateway_events import GatewayEvents
from portmapper.scheduler.lease_changes import LeaseChanges
from portmapper.scheduler.lease_state import LeaseState
from portmapper.scheduler.options import Options
from portmapper.scheduler.orphans import Orphans
from portmapper.scheduler.protocol_pairs import ProtocolPairs
from portmapper.scheduler.resync import Resync
from portmapper.scheduler.retry import delay_after_failure
from portmapper.scheduler.timers import Timers
from portmapper.store.leases import Store, StoredLease
from portmapper.store.ownership import Ownership
from portmapper.support.backoff import MIN_RENEWAL_GAP, renewal_delay
from portmapper.support.clock import Clock


class Scheduler:
    """Keeps wanted mappings open.

    Each mapping is an `LeaseState`. A round walks it over the gateways, best first and its holder before
    all, until one grants it; so a renewal is a round, and a gateway that fails loses the mapping to
    the next. Everything sent to one gateway goes through its lane.

    Attributes:
        entries: what is wanted, by key.
        discovery: the gateways known.
        counters: what happened since the start.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        store: Store,
        publish: Callable[[Event], None],
        options: Options,
        clock: Clock | None = None,
        network: Callable[[], Network] = read_network,
    ) -> None:
        self.entries: dict[MappingKey, LeaseState] = {}
        self.counters = Counters()
        self._listed: tuple[Mapping, ...] = ()
        self._options = options
        self._clock = clock or Clock()
        self._topology = Topology(network, options.chosen)
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._agenda = Timers()
        queues = self._queues = WorkQueues(self._quiet.set)
        ownership = self._ownership = Ownership(store, options.scope)
        self.discovery = Discovery(
            backends,
            clock=self._clock,
            longest_pause=options.interval,
            on_search=self._searched,
            on_event=self._heard if options.watch else None,
        )
        self._pairs = ProtocolPairs(self.entries, ownership, begin=self._begin_unless_active, plan=self._plan)
        self._executor = Executor(self.discovery, ownership, queues, self._clock, self, self._pairs, options)
        self._tell = EventRecorder(publish, self._clock)
        self._orphans = Orphans(
            self.discovery,
            ownership,
            queues,
            self._clock,
            # A lease is never released before its replacement is granted: a round may adopt or replace it.
            is_claimed=self._executor.claims,
            is_idle=lambda: not self._executor.active,
            tell=self._released,
        )
        self._news = GatewayEvents(self.entries, self.discovery, self._tell, self._plan)
        told = self._renew_early, self._vanished, self._news.moved
        self._resync = Resync(self.discovery, queues, self._pairs, *told)
        self._holdings = LeaseChanges(
            ownership, self._tell, self._clock, self._resync.external, options.watch
        )

    @property
    def network(self) -> Network:
        """The host's network as it was last read."""
        return self._topology.network

    @property
    def external(self) -> dict[str, IPAddress | None]:
        """Gateway identity to the outside address that it last told."""
        return self._resync.external

    # What is wanted

    def set_desired(self, mappings: Iterable[Mapping]) -> None:
        """Take a new list of wanted mappings; only what differs from the last is acted upon."""
        self._listed = tuple(mappings)
        self._take_desired()
        self._start_due()
        self._release()

    def _take_desired(self) -> None:
        desired: dict[MappingKey, Mapping] = {}
        for mapping in self._topology.expand(self._listed):
            desired.setdefault(mapping.key, mapping)
        for key in self.entries.keys() - desired.keys():
            self._drop(self.entries.pop(key))
        for key, mapping in desired.items():
            entry = self.entries.get(key)
            if entry is None or (entry.mapping is not mapping and entry.mapping != mapping):
                entry = entry or self.entries.setdefault(key, LeaseState(mapping))
                entry.mapping = mapping
                self._plan(entry)
        for target in self._topology.all_gateway_targets:
            self.discovery.search(target)

    @property
    def is_searching(self) -> bool:
        """Tell whether gateways may yet be found that a mapping for all of them is for."""
        return any(not self.discovery.search(target).done for target in self._topology.all_gateway_targets)

    def retry_now(self) -> None:
        """Forget every pause and try at once what is not open."""
        self.discovery.search_all()
        for entry in self.entries.values():
            if entry.lease is None:
                entry.attempts = 0
                self._plan(entry)

    # The loop

    async def run(self) -> None:
        """Keep everything open until cancelled."""
        next_look = self._clock.monotonic() + self._options.interval
        while True:
            self._wake.clear()
            self._start_due()
            now = self._clock.monotonic()
            if now >= next_look:
                await self.look()
                next_look = now + self._options.interval
            pause = self._agenda.next(next_look) - self._clock.monotonic()
            await self._clock.wait(self._wake, max(0.0, pause))

    async def look(self) -> None:
        """Find out what nothing announced: the network, lost leases, outside addresses, orphans."""
        await self.network_changed()
        self._resync.look(self.entries.values())
        self._release()

    async def network_changed(self) -> None:
        """Read the network again; every mapping of a family for which it changed is placed anew."""
        changed = self._topology.refresh()
        if changed:
            self._take_desired()
            self.discovery.search_all(changed)
            for entry in self.entries.values():
                if entry.mapping.family in changed:
                    entry.attempts = 0
                    entry.moving = True
                    self._plan(entry)
            self._start_due()  # who takes over an address has to adopt its lease before it is released
        await self._forget_old_targets()

    async def settled(self) -> None:
        """Wait until every mapping is open or given up for now, and every release was tried."""
        while self._executor.active or self._queues.busy or self.is_searching or self._orphans.unfinished():
            self._quiet.clear()
            await self._quiet.wait()

    async def release_all(self) -> None:
        """Release every lease; what is wanted is not opened again. Failures are told and not raised."""
        self._agenda.clear()
        self._topology.all_gateway_targets.clear()
        await self._queues.stop()
        self._executor.stop()
        for entry in self.entries.values():
            self._drop(entry)
        self.entries.clear()
        for stored in self._ownership.all():
            self._ownership.abandon(stored.lease.token)
        self._release()
        await self.settled()

    async def close(self) -> None:
        """Stop all work; leases stay."""
        await self._queues.stop()
        await self.discovery.close()

    async def _forget_old_targets(self) -> None:
        old = [s for s in self.discovery.searches if not self._topology.is_current(s.target)]
        if old and not self._executor.active and not self._ownership.orphans():
            entries = self.entries.values()
            in_use = {place.target for entry in entries for place in entry.places}
            await self.discovery.close_unused(old, in_use, [e.lease for e in entries if e.lease])

    # Time

    def _plan(self, entry: LeaseState, delay: float = 0.0) -> None:
        """Begin a round for this entry after so many seconds; an earlier plan of it is replaced."""
        self._agenda.plan(entry, self._clock.monotonic() + delay)
        self._wake.set()

    def _start_due(self) -> None:
        for entry in self._agenda.come_up(self._clock.monotonic()):
            if entry in self._executor.active:
                entry.again = not self._executor.start_over(entry, self._place(entry))
            else:
                self._begin(entry)

    def _begin_unless_active(self, entry: LeaseState) -> None:
        if entry not in self._executor.active:
            self._begin(entry)

    def _begin(self, entry: LeaseState) -> None:
        entry.due = None
        now = self._clock.monotonic()
        if entry.lease is not None and entry.expires_at is not None and entry.expires_at <= now:
            self._holdings.lose(entry, "it ran out before the gateway renewed it")
            if entry.not_before > now:
                self._plan(entry, entry.not_before - now)
                return
        self._executor.begin(entry, self._place(entry))

    def _place(self, entry: LeaseState) -> list[Place]:
        places = self._topology.places_of(entry.mapping)
        entry.nowhere = "" if places else self._topology.explain_no_place(entry.mapping)
        return places

    # How rounds end

    def granted(self, entry: LeaseState, gateway: Gateway, lease: Lease) -> None:
        """Take what a gateway granted, and plan its renewal."""
        if entry.removed:
            self._ownership.abandon(lease.token)
            self._orphans.after_round(self._topology.targets)
            return
        self._news.answered(gateway)
        self._resync.learn(gateway, lease)
        renewed = self._holdings.take(entry, lease)
        self.counters.granted(gateway.backend, self._clock.monotonic(), renewed=renewed)
        if renewed:
            self._pairs.renew_younger(entry)
        if entry.again or entry.moving or entry.anew:
            self._plan(entry)
        elif not lease.permanent:
            self._plan(entry, renewal_delay(lease.lifetime, 0, 0.0))
        self._orphans.after_round(self._topology.targets)

    def _released(self, stored: StoredLease, error: str) -> None:
        """Tell of a release; it may have closed the other protocol of its port, as a renewal does."""
        self._tell.released(stored, error)
        if not error:
            self._pairs.reopen_after_release(stored.lease)

    def failed(self, entry: LeaseState) -> None:
        """Plan the next attempt of an entry that nobody granted."""
        if entry.removed:
            self._orphans.after_round(self._topology.targets)
            return
        self.counters.failed(error for _, error in entry.refusals)
        self._holdings.refused(entry)
        self._news.failed(entry)
        if any(isinstance(error, UNREACHABLE) for _, error in entry.refusals):
            for place in entry.places:
                self.discovery.search_again(place.target)
            if not entry.suspect:
                self._pairs.renew_younger(entry)  # only the answer may have been lost
        self._pause(entry)
        self._orphans.after_round(self._topology.targets)

    def _pause(self, entry: LeaseState) -> None:
        """Plan the next attempt; a lease that runs out before it is given up in time."""
        now = self._clock.monotonic()
        pause = delay_after_failure(entry, now, self._options.interval)
        entry.not_before = now + pause
        if entry.lease is not None and entry.expires_at is not None:
            pause = min(pause, entry.expires_at - now)
        self._plan(entry, max(0.0, pause))

    def _drop(self, entry: LeaseState) -> None:
        self._holdings.drop(entry)
        self._executor.found(entry)

    def _release(self) -> None:
        self._orphans.start(self._topology.targets)

    # What gateways tell

    def _searched(self, search: Probe) -> None:
        if self._topology.add_gateways(search.target, [g.address for g in search.gateways]):
            self.set_desired(self._listed)
        self._executor.searched(search)
        for gateway in search.gateways:
            if gateway.identity not in self.external:
                self._resync.ask_address(gateway)
        self._news.searched(search)
        self._release()
        self._quiet.set()

    def _heard(self, gateway: Gateway, event: GatewayEvent) -> None:
        if event is GatewayEvent.EXTERNAL_ADDRESS_CHANGED:
            self._resync.ask_address(gateway)
        else:
            self._news.came_or_went(gateway, event)

    def _renew_early(self, entry: LeaseState) -> None:
        """Renew out of turn, but not what was just renewed, nor what the gateway says no to."""
        refused = any(not isinstance(error, UNREACHABLE) for _, error in entry.refusals)
        if not refused and entry not in self._executor.active:
            self._plan(entry, max(0.0, entry.granted_at + MIN_RENEWAL_GAP - self._clock.monotonic()))

    def _vanished(self, entry: LeaseState) -> None:
        """The gateway's table has not what it granted."""
        entry.losses += 1
        self._holdings.lose(entry, "the gateway does not hold it any more")
        self._plan(entry)

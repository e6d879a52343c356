"""Opens, renews, moves and releases leases so that they match the desired mappings."""

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
    """Keeps the desired mappings open.

    Each mapping has a `LeaseState`. A round offers it to the gateways, the holder of its lease first and then
    the best, until one grants it. So a renewal is a round too, and a mapping moves to the next gateway when
    its own fails. All requests to one gateway go through its work queue.

    Attributes:
        entries: the state of each desired mapping, by key.
        discovery: the known gateways.
        counters: totals since the start.
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
        self._timers = Timers()
        queues = self._queues = WorkQueues(self._quiet.set)
        ownership = self._ownership = Ownership(store, options.scope)
        self.discovery = Discovery(
            backends,
            clock=self._clock,
            longest_pause=options.interval,
            on_search=self._search_finished,
            on_event=self._gateway_event if options.watch else None,
        )
        self._pairs = ProtocolPairs(self.entries, ownership, begin=self._begin_unless_active, plan=self._plan)
        self._executor = Executor(self.discovery, ownership, queues, self._clock, self, self._pairs, options)
        self._events = EventRecorder(publish, self._clock)
        self._orphans = Orphans(
            self.discovery,
            ownership,
            queues,
            self._clock,
            # Release a lease only after its replacement is granted: a round may adopt or replace it.
            is_claimed=self._executor.claims,
            is_idle=lambda: not self._executor.active,
            report=self._released,
        )
        self._gateway_events = GatewayEvents(self.entries, self.discovery, self._events, self._plan)
        changed = self._gateway_events.external_address_changed
        self._resync = Resync(self.discovery, queues, self._pairs, self._renew_early, self._vanished, changed)
        self._lease_changes = LeaseChanges(
            ownership, self._events, self._clock, self._resync.external, options.watch
        )

    @property
    def network(self) -> Network:
        """The host's network when it was last read."""
        return self._topology.network

    @property
    def external(self) -> dict[str, IPAddress | None]:
        """The latest external address of each gateway, by gateway identity."""
        return self._resync.external

    # Desired mappings

    def set_desired(self, mappings: Iterable[Mapping]) -> None:
        """Replace the list of desired mappings; only the difference is acted upon."""
        self._listed = tuple(mappings)
        self._update_entries()
        self._start_due()
        self._release()

    def _update_entries(self) -> None:
        desired: dict[MappingKey, Mapping] = {}
        for mapping in self._topology.expand(self._listed):
            desired.setdefault(mapping.key, mapping)
        for key in self.entries.keys() - desired.keys():
            self._remove(self.entries.pop(key))
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
        """Whether a search is under way that may find more gateways for mappings on all gateways."""
        return any(not self.discovery.search(target).done for target in self._topology.all_gateway_targets)

    def retry_now(self) -> None:
        """Retry at once every mapping that is not open, without its pause."""
        self.discovery.search_all()
        for entry in self.entries.values():
            if entry.lease is None:
                entry.attempts = 0
                self._plan(entry)

    # The loop

    async def run(self) -> None:
        """Keep the mappings open until cancelled."""
        next_resync = self._clock.monotonic() + self._options.interval
        while True:
            self._wake.clear()
            self._start_due()
            now = self._clock.monotonic()
            if now >= next_resync:
                await self.resync()
                next_resync = now + self._options.interval
            pause = self._timers.next_due(next_resync) - self._clock.monotonic()
            await self._clock.wait(self._wake, max(0.0, pause))

    async def resync(self) -> None:
        """Check what was not announced: the network, lost leases, external addresses, orphans."""
        await self.network_changed()
        self._resync.check(self.entries.values())
        self._release()

    async def network_changed(self) -> None:
        """Read the network again, and start a round for each mapping of a family that changed."""
        changed = self._topology.refresh()
        if changed:
            self._update_entries()
            self.discovery.search_all(changed)
            for entry in self.entries.values():
                if entry.mapping.family in changed:
                    entry.attempts = 0
                    entry.moving = True
                    self._plan(entry)
            # An entry that takes over another's address must adopt its lease before that is released.
            self._start_due()
        await self._forget_old_targets()

    async def settled(self) -> None:
        """Wait until every mapping is open or waits for a retry, and every release was tried."""
        while self._executor.active or self._queues.busy or self.is_searching or self._orphans.unfinished():
            self._quiet.clear()
            await self._quiet.wait()

    async def release_all(self) -> None:
        """Release every lease and open nothing again; failures become events and are not raised."""
        self._timers.clear()
        self._topology.all_gateway_targets.clear()
        await self._queues.stop()
        self._executor.stop()
        for entry in self.entries.values():
            self._remove(entry)
        self.entries.clear()
        for stored in self._ownership.all():
            self._ownership.abandon(stored.lease.token)
        self._release()
        await self.settled()

    async def close(self) -> None:
        """Stop all work; the leases stay open."""
        await self._queues.stop()
        await self.discovery.close()

    async def _forget_old_targets(self) -> None:
        old = [s for s in self.discovery.searches if not self._topology.is_current(s.target)]
        if old and not self._executor.active and not self._ownership.orphans():
            entries = self.entries.values()
            in_use = {place.target for entry in entries for place in entry.places}
            await self.discovery.close_unused(old, in_use, [e.lease for e in entries if e.lease])

    # Timers and rounds

    def _plan(self, entry: LeaseState, delay: float = 0.0) -> None:
        """Plan a round for the entry in `delay` seconds, in place of an earlier plan."""
        self._timers.schedule(entry, self._clock.monotonic() + delay)
        self._wake.set()

    def _start_due(self) -> None:
        for entry in self._timers.pop_due(self._clock.monotonic()):
            if entry in self._executor.active:
                entry.dirty = not self._executor.restart_waiting(entry, self._places_for(entry))
            else:
                self._begin(entry)

    def _begin_unless_active(self, entry: LeaseState) -> None:
        if entry not in self._executor.active:
            self._begin(entry)

    def _begin(self, entry: LeaseState) -> None:
        entry.due = None
        now = self._clock.monotonic()
        if entry.lease is not None and entry.expires_at is not None and entry.expires_at <= now:
            self._lease_changes.lose(entry, "it expired before the gateway renewed it")
            if entry.not_before > now:
                self._plan(entry, entry.not_before - now)
                return
        self._executor.begin(entry, self._places_for(entry))

    def _places_for(self, entry: LeaseState) -> list[Place]:
        places = self._topology.places_of(entry.mapping)
        entry.no_place = "" if places else self._topology.explain_no_place(entry.mapping)
        return places

    # Outcomes of rounds and releases

    def granted(self, entry: LeaseState, gateway: Gateway, lease: Lease) -> None:
        """Assign a granted lease to its entry and plan its renewal."""
        if entry.removed:
            self._ownership.abandon(lease.token)
            self._orphans.after_round(self._topology.targets)
            return
        self._gateway_events.answered(gateway)
        self._resync.update_address(gateway, lease)
        renewed = self._lease_changes.apply_grant(entry, lease)
        self.counters.granted(gateway.backend, self._clock.monotonic(), renewed=renewed)
        if renewed:
            self._pairs.renew_newer(entry)
        if entry.dirty or entry.moving or entry.anew:
            self._plan(entry)
        elif not lease.permanent:
            self._plan(entry, renewal_delay(lease.lifetime, 0, 0.0))
        self._orphans.after_round(self._topology.targets)

    def _released(self, stored: StoredLease, error: str) -> None:
        """Report a release; like a renewal, it may have closed the other protocol of its port."""
        self._events.released(stored, error)
        if not error:
            self._pairs.reopen_after_release(stored.lease)

    def failed(self, entry: LeaseState) -> None:
        """Plan the next round of an entry that no gateway granted."""
        if entry.removed:
            self._orphans.after_round(self._topology.targets)
            return
        self.counters.failed(error for _, error in entry.refusals)
        self._lease_changes.apply_failure(entry)
        self._gateway_events.did_not_answer(entry)
        if any(isinstance(error, UNREACHABLE) for _, error in entry.refusals):
            for place in entry.places:
                self.discovery.search_again(place.target)
            if not entry.suspect:
                self._pairs.renew_newer(entry)  # perhaps only the answer was lost
        self._plan_retry(entry)
        self._orphans.after_round(self._topology.targets)

    def _plan_retry(self, entry: LeaseState) -> None:
        """Plan the next round, at the latest for when the lease expires."""
        now = self._clock.monotonic()
        pause = delay_after_failure(entry, now, self._options.interval)
        entry.not_before = now + pause
        if entry.lease is not None and entry.expires_at is not None:
            pause = min(pause, entry.expires_at - now)
        self._plan(entry, max(0.0, pause))

    def _remove(self, entry: LeaseState) -> None:
        self._lease_changes.remove(entry)
        self._executor.adopts_no_more(entry)

    def _release(self) -> None:
        self._orphans.start(self._topology.targets)

    # Gateways

    def _search_finished(self, search: Probe) -> None:
        if self._topology.add_gateways(search.target, [g.address for g in search.gateways]):
            self.set_desired(self._listed)
        self._executor.search_finished(search)
        for gateway in search.gateways:
            if gateway.identity not in self.external:
                self._resync.query_address(gateway)
        self._gateway_events.search_finished(search)
        self._release()
        self._quiet.set()

    def _gateway_event(self, gateway: Gateway, event: GatewayEvent) -> None:
        if event is GatewayEvent.EXTERNAL_ADDRESS_CHANGED:
            self._resync.query_address(gateway)
        else:
            self._gateway_events.restarted_or_gone(gateway, event)

    def _renew_early(self, entry: LeaseState) -> None:
        """Renew before the lease is due, unless it was just renewed or the gateway refuses it."""
        refused = any(not isinstance(error, UNREACHABLE) for _, error in entry.refusals)
        if not refused and entry not in self._executor.active:
            self._plan(entry, max(0.0, entry.granted_at + MIN_RENEWAL_GAP - self._clock.monotonic()))

    def _vanished(self, entry: LeaseState) -> None:
        """Reopen a mapping whose lease the gateway lost."""
        entry.losses += 1
        self._lease_changes.lose(entry, "the gateway no longer holds it")
        self._plan(entry)

"""Keeps desired mappings open: compares them with held leases, and acts on what happens."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from portmapper.api.backend import Backend, Gateway, GatewayEvent
from portmapper.api.events import Event
from portmapper.api.model import IPAddress, Lease, Mapping, MappingKey
from portmapper.api.quirks import Quirk
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.probe import Probe
from portmapper.gateways.workqueue import WorkQueues
from portmapper.network.host import Network, read_network
from portmapper.network.topology import Topology
from portmapper.scheduler.agenda import Agenda
from portmapper.scheduler.attempts import Attempts
from portmapper.scheduler.counters import Counters
from portmapper.scheduler.coupling import Coupling
from portmapper.scheduler.desired import DesiredList
from portmapper.scheduler.effects import Effects
from portmapper.scheduler.event_recorder import EventRecorder
from portmapper.scheduler.executor import Executor
from portmapper.scheduler.findings import Findings
from portmapper.scheduler.former_targets import forget_old_targets
from portmapper.scheduler.gateway_events import GatewayEvents
from portmapper.scheduler.inputs import Granted, Input, RetryNow
from portmapper.scheduler.options import Options
from portmapper.scheduler.orphans import Orphans
from portmapper.scheduler.own_conflicts import OwnConflicts
from portmapper.scheduler.pairs import Pairs
from portmapper.scheduler.peers import Peers
from portmapper.scheduler.record import Record, is_unreachable
from portmapper.scheduler.recovery import Recovery
from portmapper.scheduler.releases import Releases
from portmapper.scheduler.resync import Resync
from portmapper.scheduler.transition import transitions
from portmapper.scheduler.writer import Writer
from portmapper.store.interface import LeaseStore
from portmapper.store.ownership import ChooseToken, Ownership, no_token
from portmapper.store.stored_lease import StoredLease
from portmapper.support.clock import Clock
from portmapper.support.send_gate import Gate


class Scheduler:
    """Keeps desired mappings open.

    Each mapping has a frozen `Record`. Everything that happens is an input, and the writer puts it through
    the transition table. `Attempts` plans the next step, and the executor turns requests into inputs.

    Attributes:
        records: the desired mappings, by key.
        discovery: the gateways known.
        answering: returns those that answer at the moment.
        counters: what happened since the start.
        recovery: finds leases that a damaged store has lost.
        next_round: when `run` must go on, in monotonic seconds; a time long ago shows that it has stopped.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        store: LeaseStore,
        publish: Callable[[Event], None],
        options: Options,
        clock: Clock | None = None,
        network: Callable[[], Network] = read_network,
        quirks: Sequence[Quirk] = (),
        tokens: ChooseToken = no_token,
        gate: Gate | None = None,
    ) -> None:
        self.counters = Counters()
        self._options = options
        self._on_hold = options.on_hold
        self._clock = clock or Clock()
        self._wake, self._quiet = asyncio.Event(), asyncio.Event()
        self.next_round = math.inf
        self._topology = Topology(network, options.chosen)
        self._queues = WorkQueues(self._quiet.set, gate)
        self._ownership = Ownership(store, options.scope, tokens)
        self._recorder = EventRecorder(publish, self._clock)
        self._writer = Writer(transitions(options.interval), self._clock, self._wake.set)
        self._agenda = Agenda(self._quiet.set)
        self.records = self._writer.records
        self._coupling = Coupling(quirks, self.records, store.devices)
        self.discovery = self._make_discovery(backends, store)
        self._desired = DesiredList(
            self._topology, self.discovery, self._writer, self._coupling, options.policy_check
        )
        self._connect(options)

    def _make_discovery(self, backends: Sequence[Backend], store: LeaseStore) -> Discovery:
        return Discovery(
            backends,
            store.gateways,
            clock=self._clock,
            longest_pause=self._options.interval,
            on_search=self._searched,
            on_event=self._heard if self._options.watch else None,
        )

    def _connect(self, options: Options) -> None:
        """Make the parts that need the discovery."""
        writer, discovery, ownership, coupling = self._writer, self.discovery, self._ownership, self._coupling
        own_conflicts = OwnConflicts(discovery, ownership, writer.claims.sought, self._recorder.released)
        releases, queues, clock = Releases(), self._queues, self._clock
        pairs, topology = Pairs(self.records, writer.take, options.conflict), self._topology
        work = (writer, discovery, ownership, queues, coupling, own_conflicts, pairs, releases, clock)
        executor = Executor(*work, options)
        self._attempts = Attempts(
            writer, discovery, topology, coupling, ownership, pairs, options, executor.submit, self
        )
        self._peers = Peers(writer, coupling, discovery, ownership, self._clock)
        self._gateway_events = GatewayEvents(self.records, discovery, self._recorder, self._clock.monotonic)
        self.answering = self._gateway_events.answering
        findings = Findings(writer, self._gateway_events, clock, self._take)
        self._resync = Resync(self.records, discovery, self._queues, coupling, findings)
        self._orphans = Orphans(
            discovery,
            ownership,
            queues,
            releases,
            clock,
            # A lease is never released before its replacement is granted: an attempt may adopt or replace it.
            is_claimed=writer.claims.claimed,
            is_awaited=writer.claims.awaited,
            is_idle=lambda: not writer.attempting,
            prepare=self._peers.releasing,
            report=self._released,
        )
        self.recovery = Recovery(discovery, ownership, queues, lambda: topology.network, clock, self._release)
        self._effects = Effects(ownership, self._recorder, self.counters, self._resync.external, options)
        writer.connect(self._effects, self._dropped)

    @property
    def network(self) -> Network:
        """The host's network as it was last read."""
        return self._topology.network

    @property
    def external(self) -> dict[str, IPAddress | None]:
        """Gateway identity to the external address that it last told."""
        return self._resync.external

    # What is desired

    def set_desired(self, mappings: Iterable[Mapping]) -> None:
        """Take a new list of desired mappings. Only the difference from the last one causes work.

        A long list is taken in the next turns of the event loop; see `taken`.
        """
        self._desired.mappings = tuple(mappings)
        self._agenda.add(self._desired.take())
        self._start_due()
        self._release()

    def begin(self) -> None:
        """Change gateways from now on, if the options started the scheduler on hold."""
        self._on_hold = False
        self._start_due()
        self._release()
        self._wake.set()

    def _start_due(self) -> None:
        """Start what is due. On hold, only find the gateways, so that it can start at once later."""
        if not self._on_hold:
            self._agenda.add(self._attempts.start_due())
            return
        for target in self._topology.targets():
            self.discovery.search(target)

    async def taken(self) -> None:
        """Wait until the records show the whole list."""
        await self._agenda.done()

    def _dropped(self, key: MappingKey, record: Record) -> None:
        self._coupling.remove(key, record.mapping)
        self._attempts.dropped(key, record)

    @property
    def is_incomplete(self) -> bool:
        """Whether more records may come: of the list, or for gateways that are being searched."""
        return self._agenda.busy or self._desired.is_searching

    def retry_now(self) -> None:
        """Forget every delay, and attempt at once what is not open."""
        self.discovery.search_all()
        self._take((key, RetryNow()) for key in self.records)

    def _take(self, inputs: Iterable[tuple[MappingKey, Input]]) -> None:
        """Put inputs through the table. What calls for them may be over by the time the last one is taken."""
        if given := [*inputs]:
            self._agenda.add(self._writer.take_each(given))

    # The loop

    async def run(self) -> None:
        """Keep everything open until cancelled."""
        self.next_round = min(self.next_round, self._clock.monotonic())
        next_resync = self._clock.monotonic() + self._options.interval
        while True:
            self._wake.clear()
            self._start_due()
            await self._agenda.done()
            now = self._clock.monotonic()
            if now >= next_resync:
                await self.resync()
                next_resync = now + self._options.interval
            due = next_resync if self._on_hold else self._writer.timers.next(next_resync)
            self.next_round = max(due, self._clock.monotonic())
            await self._clock.wait(self._wake, self.next_round - self._clock.monotonic())

    async def resync(self) -> None:
        """Find out what nothing announced: the network, lost leases, external addresses, orphans."""
        await self.network_changed()
        self._resync.check()
        self._release()

    async def network_changed(self) -> None:
        """Read the network again. If it changed for a family, attempt its mappings at their best places."""
        if changed := self._topology.refresh():
            self._agenda.add(self._desired.move(changed))
            self._start_due()  # a lease must be adopted under the new address before it is released
            await self._agenda.done()
        if not self._writer.attempting and not self._ownership.orphans():
            await forget_old_targets(self._topology, self.discovery, self.records.values())

    async def settled(self) -> None:
        """Wait until every mapping is open or has failed for now, and every release was tried."""
        while (
            self._writer.attempting or self._queues.busy or self.is_incomplete or self._orphans.unfinished()
        ):
            self._quiet.clear()
            await self._quiet.wait()

    async def release_all(self) -> None:
        """Release every lease; desired mappings are not opened again. Failures are reported, not raised."""
        self._agenda.clear()
        self._desired.clear()
        self._writer.timers.clear()
        await self._queues.stop()
        self._attempts.clear()
        self._agenda.add(self._desired.take())
        self._agenda.add(self._abandon_all())
        self._release()
        await self.settled()

    def _abandon_all(self) -> Iterator[None]:
        for stored in self._ownership.all():
            self._ownership.abandon(stored.lease.token)
            yield

    async def close(self) -> None:
        """Stop all work. Leases stay."""
        self._agenda.clear()
        await self._queues.stop()
        await self.discovery.close()

    # How attempts end

    def granted(self, key: MappingKey, gateway: Gateway, given: Granted) -> None:
        """Take a grant."""
        self._take(self._gateway_events.after_answer(gateway))
        self._resync.update_address(gateway, given.lease)
        if is_unreachable(self.records[key].answers):
            self._search_places(key)  # a better gateway was silent; the search tells when it answers again
        self._writer.take(key, given)
        renewed = self._effects.renewed
        self.counters.granted(gateway.backend, self._clock.monotonic(), renewed=renewed)
        if renewed:
            self._renew_peers(key, self.records[key], given.lease)
        self._peers.settle_order(key, gateway)
        self._after_round()

    def failed(self, key: MappingKey, *, suspect: bool) -> None:
        """Take the failure of an attempt."""
        record = self.records[key]
        self._gateway_events.after_failure(record)
        if is_unreachable(record.refusals):
            self._search_places(key)
            if not suspect and record.lease is not None:
                self._renew_peers(key, record, record.lease)  # only the answer may have been lost
        self._after_round()
        self._quiet.set()

    def _search_places(self, key: MappingKey) -> None:
        for place in self.records[key].places:
            self.discovery.search_again(place.target)

    def too_late(self, lease: Lease | None) -> None:
        """Take the end of a request whose mapping was dropped: a lease becomes an orphan."""
        if lease is not None:
            self._ownership.abandon(lease.token)
        self._after_round()

    def _renew_peers(self, key: MappingKey, record: Record, lease: Lease) -> None:
        self._peers.renewed(key, record, lease)
        self._start_due()  # peers wait for this turn to end, and learn then who was silent

    # What gateways and the network tell

    def _searched(self, probe: Probe) -> None:
        if self._topology.add_gateways(probe.target, [gateway.address for gateway in probe.gateways]):
            self.set_desired(self._desired.mappings)
        self._agenda.add(self._attempts.search_settled(probe.target))
        for gateway in probe.gateways:
            self._look_at(gateway, is_last=probe.done)
        self._take(self._gateway_events.after_search(probe))
        self._release()
        self._quiet.set()

    def _look_at(self, gateway: Gateway, *, is_last: bool) -> None:
        self._peers.learn(gateway, is_last=is_last)
        self.recovery.look_at(gateway)
        self._resync.query_unknown(gateway)

    def _heard(self, gateway: Gateway, event: GatewayEvent) -> None:
        if event is GatewayEvent.EXTERNAL_ADDRESS_CHANGED:
            self._resync.query_address(gateway)
        elif event is GatewayEvent.TABLE_CHANGED:
            self._resync.verify(gateway)
        elif event is GatewayEvent.IDENTIFIED:
            self._look_at(gateway, is_last=True)
        elif event is GatewayEvent.RESTARTED:
            self._agenda.add(self._writer.take_each(self._gateway_events.after_restart(gateway)))
        elif self._gateway_events.gone(gateway):
            self.discovery.search_all()
            self._agenda.add(self._writer.take_each(self._gateway_events.after_goodbye(gateway)))

    # Releases

    def _release(self) -> None:
        if not self._on_hold:
            self._agenda.add(self._orphans.start(self._topology.targets))

    def _after_round(self) -> None:
        if self._orphans.after_round():
            self._release()

    def _released(self, stored: StoredLease, error: str) -> None:
        """Report a release. It may have closed a peer, as a renewal does."""
        self._recorder.released(stored, error)
        if not error:
            self._peers.released(stored.lease)

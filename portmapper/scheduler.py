"""Reconciles what is wanted with what is held: opens, renews, moves and releases the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

import attrs

from portmapper.agenda import Agenda
from portmapper.announcer import Announcer
from portmapper.backend import Backend, Gateway, GatewayEvent
from portmapper.clock import Clock
from portmapper.discovery import Discovery
from portmapper.entry import Entry
from portmapper.errors import Conflict, GatewayTimeout, NetworkFailure
from portmapper.events import Event
from portmapper.lane import Lanes
from portmapper.ledger import Ledger
from portmapper.model import (
    ConflictPolicy,
    IPAddress,
    Lease,
    Mapping,
    MappingKey,
    Protocol,
)
from portmapper.network import Network, read_network
from portmapper.news import News
from portmapper.pauses import pause_after_loss
from portmapper.releases import Releases
from portmapper.rounds import Rounds
from portmapper.search import Search
from portmapper.store import Store, StoredLease
from portmapper.surroundings import Surroundings
from portmapper.timing import MIN_RENEWAL_GAP, renewal_delay
from portmapper.upkeep import Upkeep


@attrs.frozen
class Options:
    """How a scheduler behaves.

    Attributes:
        conflict: policy of mappings that name none.
        interval: seconds between two looks at what nothing announced; no failed attempt waits longer.
        chosen: gateways that the user named; empty searches for them.
        allowed: backends that may open ports; None is every one. Others only release.
        scope: sources whose left-over leases are released; None is all of them.
        watch: listen for what gateways tell unasked.
    """

    conflict: ConflictPolicy = ConflictPolicy.OWN
    interval: float = 60.0
    chosen: tuple[str, ...] = ()
    allowed: Collection[str] | None = None
    scope: Collection[str] | None = None
    watch: bool = True


class Scheduler:
    """Keeps wanted mappings open.

    Each mapping is an `Entry`. A round walks it over the gateways, best first and its holder before
    all, until one grants it; so a renewal is a round, and a gateway that fails loses the mapping to
    the next. Everything sent to one gateway goes through its lane.

    Attributes:
        entries: what is wanted, by key.
        discovery: the gateways known.
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
        self.entries: dict[MappingKey, Entry] = {}
        self._listed: tuple[Mapping, ...] = ()
        self._options = options
        self._clock = clock or Clock()
        self._surroundings = Surroundings(network, options.chosen)
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._agenda = Agenda()
        lanes = self._lanes = Lanes(self._quiet.set)
        ledger = self._ledger = Ledger(store, options.scope)
        self.discovery = Discovery(
            backends,
            clock=self._clock,
            longest_pause=options.interval,
            searched=self._searched,
            news=self._heard if options.watch else None,
        )
        self._rounds = Rounds(
            self.discovery,
            ledger,
            lanes,
            self._clock,
            self,
            conflict=options.conflict,
            allowed=options.allowed,
        )
        self._tell = Announcer(publish, self._clock)
        self._releases = Releases(self.discovery, ledger, lanes, self._clock, self._rounds, self._released)
        self._news = News(self.entries, self.discovery, self._tell, self._plan)
        self._upkeep = Upkeep(
            self.discovery, lanes, renew=self._renew_early, vanished=self._vanished, moved=self._news.moved
        )

    @property
    def network(self) -> Network:
        """The host's network as it was last read."""
        return self._surroundings.network

    @property
    def external(self) -> dict[str, IPAddress | None]:
        """Gateway identity to the outside address that it last told."""
        return self._upkeep.external

    # What is wanted

    def set_wanted(self, mappings: Iterable[Mapping]) -> None:
        """Take a new list of wanted mappings; only what differs from the last is acted upon."""
        self._listed = tuple(mappings)
        self._take_wanted()
        self._start_due()
        self._release()

    def _take_wanted(self) -> None:
        wanted: dict[MappingKey, Mapping] = {}
        for mapping in self._surroundings.spread(self._listed):
            wanted.setdefault(mapping.key, mapping)
        for key in self.entries.keys() - wanted.keys():
            self._drop(self.entries.pop(key))
        for key, mapping in wanted.items():
            entry = self.entries.get(key)
            if entry is None:
                entry = self.entries[key] = Entry(mapping)
                self._plan(entry)
            elif entry.mapping != mapping:
                entry.mapping = mapping
                self._plan(entry)

    def retry_now(self) -> None:
        """Forget every pause and try at once what is not open."""
        self.discovery.look_everywhere()
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
        self._upkeep.look(self.entries.values())
        self._release()

    async def network_changed(self) -> None:
        """Read the network again; every mapping of a family for which it changed is placed anew."""
        changed = self._surroundings.look()
        if changed:
            self._take_wanted()
            self.discovery.look_everywhere(changed)
            for entry in self.entries.values():
                if entry.mapping.family in changed:
                    entry.attempts = 0
                    entry.moving = True
                    self._plan(entry)
            self._start_due()  # who takes over an address has to adopt its lease before it is released
        await self._forget_old_targets()

    async def settled(self) -> None:
        """Wait until every mapping is open or given up for now, and every release was tried."""
        while self._rounds.active or self._lanes.busy or self._releases.unfinished():
            self._quiet.clear()
            await self._quiet.wait()

    async def release_all(self) -> None:
        """Release every lease; what is wanted is not opened again. Failures are told and not raised."""
        self._agenda.clear()
        await self._lanes.stop()
        self._rounds.stop()
        for entry in self.entries.values():
            self._drop(entry)
        self.entries.clear()
        for stored in self._ledger.all():
            self._ledger.abandon(stored.lease.token)
        self._release()
        await self.settled()

    async def close(self) -> None:
        """Stop all work; leases stay."""
        await self._lanes.stop()
        await self.discovery.close()

    async def _forget_old_targets(self) -> None:
        if not self._rounds.active and not self._ledger.orphans(self._clock.now()):
            in_use = {place.target for entry in self.entries.values() for place in entry.places}
            for search in self.discovery.searches:
                if search.target not in in_use and not self._surroundings.is_current(search.target):
                    await self.discovery.forget(search.target)

    # Time

    def _plan(self, entry: Entry, delay: float = 0.0) -> None:
        """Begin a round for this entry after so many seconds; an earlier plan of it is replaced."""
        self._agenda.plan(entry, self._clock.monotonic() + delay)
        self._wake.set()

    def _start_due(self) -> None:
        now = self._clock.monotonic()
        for entry in self._agenda.come_up(now):
            if entry in self._rounds.active:
                entry.again = not self._rounds.start_over(entry)
            else:
                self._begin(entry, now)

    def _begin(self, entry: Entry, now: float) -> None:
        twin = self._twin(entry)
        if twin and _is_elder(twin, entry) and twin.is_unanswered and twin not in self._rounds.active:
            self._begin(twin, now)  # else a table that is empty by now would get them the other way round
        entry.due = None
        if entry.lease is not None and entry.expires_at is not None and entry.expires_at <= now:
            self._lose(entry, "it ran out before the gateway renewed it")
        places = self._surroundings.places_of(entry.mapping)
        entry.nowhere = "" if places else self._surroundings.why_nowhere(entry.mapping)
        self._rounds.begin(entry, places)

    # How rounds end

    def won(self, entry: Entry, gateway: Gateway, lease: Lease) -> None:
        """Take what a gateway granted, and plan its renewal."""
        if entry.removed:
            self._ledger.abandon(lease.token)
            self._releases.after_round(self._surroundings.targets)
            return
        before = entry.lease
        renewed = entry.opened_at is not None and (before is None or before.token == lease.token)
        if renewed:
            self._renew_twin(entry)
        else:
            entry.opened_at = self._clock.now()
        self._news.answered(gateway)
        self._upkeep.learn(gateway, lease)
        entry.granted(lease, self._clock.monotonic())
        if before is not None or not renewed:
            self._tell.granted(entry, before, lease, self.external.get(gateway.identity))
        if before is not None and before.token != lease.token:
            self._ledger.abandon(before.token)
        if entry.again:
            self._plan(entry)
        elif not lease.permanent:
            self._plan(entry, renewal_delay(lease.lifetime, 0, 0.0))
        self._releases.after_round(self._surroundings.targets)

    def _renew_twin(self, entry: Entry) -> None:
        """Renew the other protocol of the same port right after this one, if it was opened later.

        miniupnpd on nftables replaces the filter rule that was added last for the port, whatever its
        protocol: renewing the elder one alone closes the younger until its own renewal.
        """
        twin = self._twin(entry)
        if twin and twin not in self._rounds.active and _is_elder(entry, twin):
            self._begin(twin, self._clock.monotonic())

    def _twin(self, entry: Entry) -> Entry | None:
        other = Protocol.UDP if entry.mapping.protocol is Protocol.TCP else Protocol.TCP
        return self.entries.get((other, *entry.mapping.key[1:]))

    def _released(self, stored: StoredLease, error: str) -> None:
        """Tell of a release; it may have closed the other protocol of its port, as a renewal does."""
        self._tell.released(stored, error)
        twin = self._ledger.twin_of(stored.lease)
        for entry in self.entries.values() if twin is not None and not error else ():
            if entry.lease is not None and entry.lease.token == twin:
                self._plan(entry)

    def lost(self, entry: Entry) -> None:
        """Plan the next attempt of an entry that nobody granted."""
        if entry.removed:
            self._releases.after_round(self._surroundings.targets)
            return
        entry.no_gateway = not entry.refusals
        if entry.doubtful and not entry.is_unanswered:
            entry.opened_at = self._clock.now()  # it is not in the table: the younger twin comes first now
        if entry.lease is not None and _is_gone(entry, entry.lease):
            self._lose(entry, "another host holds its port now", stands=_is_of_former_address(entry))
        entry.attempts += 1
        if entry.attempts == 1 or entry.again:
            self._tell.failed(entry)
        if any(isinstance(error, NetworkFailure | GatewayTimeout) for _, error in entry.refusals):
            self._look_again(entry)
            if not entry.doubtful:
                self._renew_twin(entry)  # only the answer may have been lost
        self._plan(entry, pause_after_loss(entry, self._clock.monotonic(), self._options.interval))
        self._releases.after_round(self._surroundings.targets)

    def _look_again(self, entry: Entry) -> None:
        for place in entry.places:
            self.discovery.look_again(place.target)

    def _drop(self, entry: Entry) -> None:
        entry.removed = True
        entry.due = None
        self._rounds.found(entry)
        if entry.lease is not None:
            self._ledger.abandon(entry.lease.token)
            entry.lease = None

    def _lose(self, entry: Entry, why: str, stands: bool = False) -> None:
        """Do without a lease; one that `stands` on the gateway all the same is to be released."""
        assert entry.lease is not None
        self._tell.lost(entry.mapping, entry.lease, why)
        if stands:
            self._ledger.abandon(entry.lease.token)
        else:
            self._ledger.released(entry.lease.token)
        entry.lease = entry.opened_at = None
        entry.doubtful = False
        entry.attempts = 0

    def _release(self) -> None:
        self._releases.start(self._surroundings.targets)

    # What gateways tell

    def _searched(self, search: Search) -> None:
        self._rounds.searched(search)
        for gateway in search.gateways:
            if gateway.identity not in self.external:
                self._upkeep.ask_address(gateway)
        if search.gateways:
            waiting = [e for e in self.entries.values() if e.lease is None and e.no_gateway]
            for entry in waiting:
                self._plan(entry)
        self._release()
        self._quiet.set()

    def _heard(self, gateway: Gateway, event: GatewayEvent) -> None:
        if event is GatewayEvent.EXTERNAL_ADDRESS_CHANGED:
            self._upkeep.ask_address(gateway)
        else:
            self._news.came_or_went(gateway, event)

    def _renew_early(self, entry: Entry) -> None:
        """Renew out of turn, but not what was just renewed, nor what the gateway says no to."""
        refused = any(not isinstance(error, NetworkFailure | GatewayTimeout) for _, error in entry.refusals)
        if not refused and entry not in self._rounds.active:
            self._plan(entry, max(0.0, entry.granted_at + MIN_RENEWAL_GAP - self._clock.monotonic()))

    def _vanished(self, entry: Entry) -> None:
        """The gateway's table has not what it granted."""
        entry.losses += 1
        self._lose(entry, "the gateway does not hold it any more")
        self._plan(entry)


def _is_elder(one: Entry, other: Entry) -> bool:
    return one.opened_at is not None and other.opened_at is not None and one.opened_at < other.opened_at


def _is_of_former_address(entry: Entry) -> bool:
    """Tell whether the port may be held by our own lease, for an address that we no longer have."""
    return entry.lease is not None and all(
        place.internal_address != entry.lease.internal_address for place in entry.places
    )


def _is_gone(entry: Entry, lease: Lease) -> bool:
    """Tell whether its own gateway said that the port belongs to somebody else."""
    return any(gateway == lease.gateway and isinstance(error, Conflict) for gateway, error in entry.refusals)

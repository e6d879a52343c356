"""Walks a wanted mapping over the gateways, best first, until one of them grants it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Protocol as Interface

import attrs

from portmapper.api.backend import Gateway, MapsOtherHosts, Target, VerifiesLeases
from portmapper.api.errors import UNREACHABLE, BackendError, Unsupported
from portmapper.api.model import ANY_PORT, ConflictPolicy, Family, Lease, MapRequest, Protocol
from portmapper.gateways.calls import request_lease
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.probe import Probe
from portmapper.gateways.workqueue import WorkQueues
from portmapper.network.placement import Place
from portmapper.scheduler.lease_state import Attempt, LeaseState, Refusal
from portmapper.scheduler.options import Options
from portmapper.scheduler.own_conflicts import OwnConflicts
from portmapper.scheduler.protocol_pairs import ProtocolPairs
from portmapper.scheduler.rule_order import RuleOrder
from portmapper.store.leases import StoredLease
from portmapper.store.ownership import Ownership
from portmapper.support.clock import Clock

LOSSES_BEFORE_PERMANENT = 2
"""Times a gateway may lose a finite lease before it is asked for a permanent one (CONFORMANCE M15)."""


_Port = tuple[Family, Protocol, int]
_Ports = tuple[Family, Protocol, int, int]
_Turns = tuple[object, ...]


class Outcome(Interface):
    """Who is told how a round ended."""

    def granted(self, entry: LeaseState, gateway: Gateway, lease: Lease) -> None:
        """A gateway granted it."""

    def failed(self, entry: LeaseState) -> None:
        """Nobody granted it; `entry.refusals` says why."""


class Executor:
    """The rounds under way.

    Attributes:
        active: the entries in a round.
    """

    def __init__(
        self,
        discovery: Discovery,
        ownership: Ownership,
        queues: WorkQueues,
        clock: Clock,
        outcome: Outcome,
        pairs: ProtocolPairs,
        options: Options,
    ) -> None:
        self.active: set[LeaseState] = set()
        self._discovery = discovery
        self._ownership = ownership
        self._own_conflicts = OwnConflicts(discovery, ownership, self._is_sought)
        self._rule_order = RuleOrder(pairs, discovery, clock)
        self._queues = queues
        self._clock = clock
        self._outcome = outcome
        self._conflict = options.conflict
        self._allowed = options.allowed
        self._waiting: defaultdict[Target, list[LeaseState]] = defaultdict(list)
        self._outside: Counter[_Port] = Counter()
        self._inside: Counter[_Port] = Counter()
        # Lists, because each holds one or two: an empty deque takes 0.6 KiB, and thousands may be under way.
        self._seeking: defaultdict[_Ports, list[LeaseState]] = defaultdict(list)
        self._turns: defaultdict[_Turns, list[LeaseState]] = defaultdict(list)

    def begin(self, entry: LeaseState, places: list[Place]) -> None:
        """Start a round; who holds the lease is asked first, so that a renewal is a round too.

        The two protocols of one port take turns. miniupnpd on nftables replaces the filter rule that was
        added last for the port, whatever its protocol: a request that overtakes the other one, or is sent
        again after it, would close the other's port.
        """
        entry.begin_round(places)
        self.active.add(entry)
        self._outside[_port(entry, entry.mapping.port)] += 1
        self._inside[_port(entry, entry.mapping.internal_port)] += 1
        if entry.lease is None and entry not in self._seeking[_ports(entry)]:
            self._seeking[_ports(entry)].append(entry)
        turns = self._turns[_turns(entry)]
        turns.append(entry)
        if len(turns) == 1:
            self._advance(entry)

    def found(self, entry: LeaseState) -> None:
        """Note that an entry holds its lease, or is not wanted any more."""
        seeking = self._seeking.get(_ports(entry), [])
        if entry in seeking:
            seeking.remove(entry)
        if not seeking:
            self._seeking.pop(_ports(entry), None)

    def claims(self, stored: StoredLease) -> bool:
        """Tell whether an orphan has to stay for now.

        It stays while a round is under way for its external port or towards the same internal one; and
        while the very mapping that it was made for is not open, for the next round may adopt it.
        """
        lease = stored.lease
        outside = self._outside[lease.family, lease.protocol, stored.wanted_port]
        inside = self._inside[lease.family, lease.protocol, lease.internal_port]
        return bool(outside or inside) or self._is_sought(stored)

    def _is_sought(self, stored: StoredLease) -> bool:
        """Tell whether a mapping that is not open may yet adopt it."""
        lease = stored.lease
        ports = (lease.family, lease.protocol, stored.wanted_port, lease.internal_port)
        seeking = [e for e in self._seeking.get(ports, ()) if e.is_for(lease.gateway.partition(":")[2])]
        return any(lease.internal_address == place.internal_address for e in seeking for place in e.places)

    def searched(self, search: Probe) -> None:
        """Go on with the entries that waited for this search."""
        for entry in self._waiting.pop(search.target, ()):
            self._advance(entry)

    def start_over(self, entry: LeaseState, places: list[Place]) -> bool:
        """Begin a round anew that only waits, for a search or for its turn; tell whether it could be done.

        A gateway that is back must not wait for another side of this host where nobody answers.
        """
        if self._turns[_turns(entry)][0] is not entry:
            entry.begin_round(places)
            return True
        for waiting in self._waiting.values():
            if entry in waiting:
                waiting.remove(entry)
                entry.begin_round(places)
                self._advance(entry)
                return True
        return False

    def stop(self) -> None:
        """Forget every round; the queues that carried them are stopped."""
        self.active.clear()
        self._outside.clear()
        self._inside.clear()
        self._seeking.clear()
        self._waiting.clear()
        self._turns.clear()

    def _advance(self, entry: LeaseState) -> None:
        """Ask the next gateway, wait for a search, or end the round."""
        for place in [] if entry.removed else self._places(entry):
            search = self._discovery.search(place.target)
            if search.settled:
                for gateway in self._candidates(entry, search, place):
                    entry.tried += ((gateway.identity, place.internal_address),)
                    self._queues.submit(gateway, partial(self._step, entry, gateway, place))
                    return
            if not search.done:
                self._waiting[place.target].append(entry)
                return
        self._note_unserved(entry)
        silences = _silences(entry)
        self._end(entry)
        self._outcome.failed(entry)
        self._next_turn(entry, silences)

    def _places(self, entry: LeaseState) -> list[Place]:
        lease = entry.lease
        if lease is None or (entry.moving and not entry.suspect):
            return list(entry.places)
        return sorted(entry.places, key=lambda place: place.internal_address != lease.internal_address)

    def _candidates(self, entry: LeaseState, search: Probe, place: Place) -> Iterator[Gateway]:
        holder = entry.lease.gateway if entry.lease else None
        for gateway in sorted(search.gateways, key=lambda gateway: gateway.identity != holder):
            known = (gateway.identity, place.internal_address) in entry.tried
            if known or not entry.is_for(str(gateway.address)) or not self._may(entry, gateway.backend):
                continue
            if place.internal_address != gateway.local_address and not isinstance(gateway, MapsOtherHosts):
                entry.tried += ((gateway.identity, place.internal_address),)
                error = Unsupported(
                    f"{place.internal_address} has to ask for itself: {gateway.protocol} maps no other host"
                )
                entry.refusals += ((gateway.identity, error),)
                continue
            yield gateway

    def _may(self, entry: LeaseState, backend: str) -> bool:
        if entry.mapping.backend is not None:
            return backend == entry.mapping.backend
        return self._allowed is None or backend in self._allowed

    def _note_unserved(self, entry: LeaseState) -> None:
        """Say so where every backend that may open it knows nothing of its family."""
        family = entry.mapping.family
        able = [backend for backend in self._discovery.backends if self._may(entry, backend.name)]
        if not any(family in backend.families for backend in able):
            version = family.value.replace("ip", "IP")
            entry.refusals += tuple((b.name, Unsupported(f"it has no {version}")) for b in able)

    async def _step(self, entry: LeaseState, gateway: Gateway, place: Place) -> None:
        try:
            await self._ask(entry, gateway, place)
        except Exception as error:
            self._broke(entry, gateway, error)
            raise  # for the log

    async def _ask(self, entry: LeaseState, gateway: Gateway, place: Place) -> None:
        if entry.removed:
            self._advance(entry)
            return
        policy = entry.mapping.conflict or self._conflict
        request = self._ownership.ask_for(
            self._request(entry, gateway, place, policy), entry.mapping, gateway, self._clock.now()
        )
        if gateway.one_per_internal_port and request.held is None:
            await self._own_conflicts.behind(request, gateway)
        try:
            if await self._rule_order.put_in_order(entry, request.held, gateway):
                request = attrs.evolve(request, anew=True)
            make_room = partial(self._own_conflicts.at_port, entry, request, gateway)
            async with self._rule_order.followed(entry, request.held, gateway):
                lease = await request_lease(gateway, request, policy, make_room)
        except BackendError as error:
            self._ownership.not_granted(request, error, entry.lease)
            if await self._own_conflicts.behind(request, gateway, error):
                await self._ask(entry, gateway, place)
                return
            entry.refusals += ((gateway.identity, error),)
            self._advance(entry)
        else:
            self.found(entry)
            entry.anew = entry.anew and not request.anew  # it may have been wanted while we asked
            entry.again = entry.again or self._rule_order.is_in_doubt(entry, gateway)
            self._ownership.granted(lease, entry.mapping, self._clock.now())
            silences = _silences(entry)
            self._end(entry)
            self._outcome.granted(entry, gateway, lease)
            self._next_turn(entry, silences)

    def _broke(self, entry: LeaseState, gateway: Gateway, error: Exception) -> None:
        """End the round of a mapping that brings out a fault of ours; it is tried again after its pause."""
        fault = BackendError(f"portmapper is broken: {type(error).__name__}: {error}")
        entry.refusals += ((gateway.identity, fault),)
        if entry in self.active:
            self._end(entry)
        self._outcome.failed(entry)
        if entry in self._turns.get(_turns(entry), ()):
            self._next_turn(entry, {})

    def _request(
        self, entry: LeaseState, gateway: Gateway, place: Place, policy: ConflictPolicy
    ) -> MapRequest:
        mapping = entry.mapping
        held, token = self._held(entry, gateway, place)
        any_port = mapping.port == ANY_PORT and mapping.family is Family.IPV4
        keeps_port = any_port or policy is ConflictPolicy.NEXT
        in_vain = entry.losses >= LOSSES_BEFORE_PERMANENT and isinstance(gateway, VerifiesLeases)
        return MapRequest(
            protocol=mapping.protocol,
            internal_address=place.internal_address,
            internal_port=mapping.internal_port,
            external_port=held.external_port if held and keeps_port else self._ownership.port_to_ask(mapping),
            lifetime=0 if in_vain else mapping.duration,
            comment=mapping.comment,
            token=token,
            exact=policy is not ConflictPolicy.NEXT and not any_port,
            replace=policy is ConflictPolicy.TAKE,
            held=held,
            anew=entry.anew or self._rule_order.is_closed_by_its_elder(entry, gateway),
        )

    def _held(self, entry: LeaseState, gateway: Gateway, place: Place) -> tuple[Lease | None, bytes]:
        """Return what this gateway holds for the entry, from this run or an earlier one."""
        lease = entry.lease
        if lease and (lease.gateway, lease.internal_address) == (gateway.identity, place.internal_address):
            return lease, lease.token
        stored = self._ownership.adopt(entry.mapping, gateway, place.internal_address)
        if stored is not None or self._ownership.may_stand(entry.mapping, place.internal_address):
            self._rule_order.doubt(entry)
        if stored is None:
            return None, b""
        if not stored.confirmed or stored.expired(self._clock.now()):
            entry.adopted = None
            return None, stored.lease.token
        entry.adopted = stored.lease
        entry.opened_at = stored.granted_at
        return stored.lease, stored.lease.token

    def _end(self, entry: LeaseState) -> None:
        self.active.discard(entry)
        entry.moving = entry.moving and entry.suspect  # what its holder lost comes first, then the move
        _count_down(self._outside, _port(entry, entry.mapping.port))
        _count_down(self._inside, _port(entry, entry.mapping.internal_port))
        entry.tried = ()

    def _next_turn(self, entry: LeaseState, silences: Mapping[Attempt, Refusal]) -> None:
        """Let the other protocol of the port have its turn, if it waits for that.

        Who was silent a moment ago is not waited for a second time.
        """
        turns = self._turns[_turns(entry)]
        turns.remove(entry)
        if not turns:
            del self._turns[_turns(entry)]
            return
        turns[0].tried = tuple(silences)
        turns[0].refusals = tuple(silences.values())
        self._advance(turns[0])


def _silences(entry: LeaseState) -> dict[Attempt, Refusal]:
    """Return what a round tried in vain for want of an answer."""
    silent = {gateway: error for gateway, error in entry.refusals if isinstance(error, UNREACHABLE)}
    return {attempt: (attempt[0], silent[attempt[0]]) for attempt in entry.tried if attempt[0] in silent}


def _count_down(counts: Counter[_Port], port: _Port) -> None:
    """Count one less, and keep nothing of a port that is not counted any more."""
    counts[port] -= 1
    if not counts[port]:
        del counts[port]


def _ports(entry: LeaseState) -> _Ports:
    return (*_port(entry, entry.mapping.port), entry.mapping.internal_port)


def _port(entry: LeaseState, port: int) -> _Port:
    return (entry.mapping.family, entry.mapping.protocol, port)


def _turns(entry: LeaseState) -> _Turns:
    """What the two protocols of one port have in common."""
    return entry.mapping.key[1:]

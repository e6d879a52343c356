"""Runs rounds: each offers a desired mapping to the gateways, best first, until one grants it."""

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
"""Losses of a finite lease after which a permanent lease is requested (CONFORMANCE M15)."""


_Port = tuple[Family, Protocol, int]
_PortPair = tuple[Family, Protocol, int, int]
_QueueKey = tuple[object, ...]


class Outcome(Interface):
    """Receives the outcome of each round."""

    def granted(self, entry: LeaseState, gateway: Gateway, lease: Lease) -> None:
        """Handle a grant."""

    def failed(self, entry: LeaseState) -> None:
        """Handle a round in which no gateway granted; `entry.refusals` has the reasons."""


class Executor:
    """The rounds under way.

    Attributes:
        active: the entries whose round is under way.
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
        self._own_conflicts = OwnConflicts(discovery, ownership, self._may_be_adopted)
        self._rule_order = RuleOrder(pairs, discovery, clock)
        self._queues = queues
        self._clock = clock
        self._outcome = outcome
        self._conflict = options.conflict
        self._allowed = options.allowed
        self._waiting: defaultdict[Target, list[LeaseState]] = defaultdict(list)
        self._external_ports: Counter[_Port] = Counter()
        self._internal_ports: Counter[_Port] = Counter()
        # Lists, because each holds one or two: an empty deque takes 0.6 KiB, and thousands may be under way.
        self._unopened: defaultdict[_PortPair, list[LeaseState]] = defaultdict(list)
        self._port_queues: defaultdict[_QueueKey, list[LeaseState]] = defaultdict(list)

    def begin(self, entry: LeaseState, places: list[Place]) -> None:
        """Start a round; the holder of the lease is asked first, so a renewal is a round too.

        The rounds of a port's two protocols run one after the other. miniupnpd on nftables replaces the
        filter rule that was added last for the port, whatever its protocol. A request that overtakes the
        other protocol's request, or is sent again after it, would close the other protocol's port.
        """
        entry.begin_round(places)
        self.active.add(entry)
        self._external_ports[_port(entry, entry.mapping.port)] += 1
        self._internal_ports[_port(entry, entry.mapping.internal_port)] += 1
        if entry.lease is None and entry not in self._unopened[_port_pair(entry)]:
            self._unopened[_port_pair(entry)].append(entry)
        queue = self._port_queues[_queue_key(entry)]
        queue.append(entry)
        if len(queue) == 1:
            self._advance(entry)

    def adopts_no_more(self, entry: LeaseState) -> None:
        """Note that an entry will adopt no orphan: it holds a lease now, or is no longer desired."""
        unopened = self._unopened.get(_port_pair(entry), [])
        if entry in unopened:
            unopened.remove(entry)
        if not unopened:
            self._unopened.pop(_port_pair(entry), None)

    def claims(self, stored: StoredLease) -> bool:
        """Return whether an orphan must not be released yet.

        It stays while a round is under way for its external port or for its internal port. It also stays
        while the mapping that it was made for is not open, because that mapping's next round may adopt it.
        """
        lease = stored.lease
        by_external = self._external_ports[lease.family, lease.protocol, stored.wanted_port]
        by_internal = self._internal_ports[lease.family, lease.protocol, lease.internal_port]
        return bool(by_external or by_internal) or self._may_be_adopted(stored)

    def _may_be_adopted(self, stored: StoredLease) -> bool:
        """Return whether a mapping that is not open may still adopt the orphan."""
        lease = stored.lease
        ports = (lease.family, lease.protocol, stored.wanted_port, lease.internal_port)
        unopened = [e for e in self._unopened.get(ports, ()) if e.is_for(lease.gateway.partition(":")[2])]
        return any(lease.internal_address == place.internal_address for e in unopened for place in e.places)

    def search_finished(self, search: Probe) -> None:
        """Continue the rounds that waited for this search."""
        for entry in self._waiting.pop(search.target, ()):
            self._advance(entry)

    def restart_waiting(self, entry: LeaseState, places: list[Place]) -> bool:
        """Restart a round that waits for a search or for its counterpart; return whether it was restarted.

        A gateway that is back must not wait for a search on another interface where no gateway answers.
        """
        if self._port_queues[_queue_key(entry)][0] is not entry:
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
        """Forget every round; the work queues that ran them are stopped."""
        self.active.clear()
        self._external_ports.clear()
        self._internal_ports.clear()
        self._unopened.clear()
        self._waiting.clear()
        self._port_queues.clear()

    def _advance(self, entry: LeaseState) -> None:
        """Submit a request to the next gateway, wait for a search, or end the round."""
        for place in [] if entry.removed else self._places(entry):
            search = self._discovery.search(place.target)
            if search.settled:
                for gateway in self._candidates(entry, search, place):
                    entry.tried += ((gateway.identity, place.internal_address),)
                    self._queues.submit(gateway, partial(self._request_contained, entry, gateway, place))
                    return
            if not search.done:
                self._waiting[place.target].append(entry)
                return
        self._refuse_unsupported_family(entry)
        unanswered = _unanswered(entry)
        self._end_round(entry)
        self._outcome.failed(entry)
        self._start_next_in_queue(entry, unanswered)

    def _places(self, entry: LeaseState) -> list[Place]:
        lease = entry.lease
        if lease is None or (entry.moving and not entry.suspect):
            return list(entry.places)
        return sorted(entry.places, key=lambda place: place.internal_address != lease.internal_address)

    def _candidates(self, entry: LeaseState, search: Probe, place: Place) -> Iterator[Gateway]:
        holder = entry.lease.gateway if entry.lease else None
        for gateway in sorted(search.gateways, key=lambda gateway: gateway.identity != holder):
            known = (gateway.identity, place.internal_address) in entry.tried
            if (
                known
                or not entry.is_for(str(gateway.address))
                or not self._is_allowed(entry, gateway.backend)
            ):
                continue
            if place.internal_address != gateway.local_address and not isinstance(gateway, MapsOtherHosts):
                entry.tried += ((gateway.identity, place.internal_address),)
                error = Unsupported(
                    f"{gateway.protocol} opens ports only for the host that sends the request: "
                    f"run portmapper on {place.internal_address}"
                )
                entry.refusals += ((gateway.identity, error),)
                continue
            yield gateway

    def _is_allowed(self, entry: LeaseState, backend: str) -> bool:
        if entry.mapping.backend is not None:
            return backend == entry.mapping.backend
        return self._allowed is None or backend in self._allowed

    def _refuse_unsupported_family(self, entry: LeaseState) -> None:
        """Add a refusal for each backend if no allowed backend supports the mapping's family."""
        family = entry.mapping.family
        allowed = [b for b in self._discovery.backends if self._is_allowed(entry, b.name)]
        if not any(family in backend.families for backend in allowed):
            version = family.value.replace("ip", "IP")
            entry.refusals += tuple((b.name, Unsupported(f"does not support {version}")) for b in allowed)

    async def _request_contained(self, entry: LeaseState, gateway: Gateway, place: Place) -> None:
        try:
            await self._request(entry, gateway, place)
        except Exception as error:
            self._fail_internally(entry, gateway, error)
            raise  # the work queue logs it

    async def _request(self, entry: LeaseState, gateway: Gateway, place: Place) -> None:
        if entry.removed:
            self._advance(entry)
            return
        policy = entry.mapping.conflict or self._conflict
        request = self._ownership.store_request(
            self._build_request(entry, gateway, place, policy), entry.mapping, gateway, self._clock.now()
        )
        if gateway.one_per_internal_port and request.held is None:
            await self._own_conflicts.free_internal_port(request, gateway)
        try:
            if await self._rule_order.restore(entry, request.held, gateway):
                request = attrs.evolve(request, anew=True)
            make_room = partial(self._own_conflicts.free_external_port, entry, request, gateway)
            async with self._rule_order.renewing_newer(entry, request.held, gateway):
                lease = await request_lease(gateway, request, policy, make_room)
        except BackendError as error:
            self._ownership.request_failed(request, error, entry.lease)
            if await self._own_conflicts.free_internal_port(request, gateway, error):
                await self._request(entry, gateway, place)
                return
            entry.refusals += ((gateway.identity, error),)
            self._advance(entry)
        else:
            self.adopts_no_more(entry)
            entry.anew = entry.anew and not request.anew  # it may have been set during the request
            entry.dirty = entry.dirty or self._rule_order.is_unknown(entry, gateway)
            self._ownership.granted(lease, entry.mapping, self._clock.now())
            unanswered = _unanswered(entry)
            self._end_round(entry)
            self._outcome.granted(entry, gateway, lease)
            self._start_next_in_queue(entry, unanswered)

    def _fail_internally(self, entry: LeaseState, gateway: Gateway, error: Exception) -> None:
        """End the round of a mapping that triggers a bug of ours; it is retried after its pause."""
        fault = BackendError(f"internal error in portmapper: {type(error).__name__}: {error}")
        entry.refusals += ((gateway.identity, fault),)
        if entry in self.active:
            self._end_round(entry)
        self._outcome.failed(entry)
        if entry in self._port_queues.get(_queue_key(entry), ()):
            self._start_next_in_queue(entry, {})

    def _build_request(
        self, entry: LeaseState, gateway: Gateway, place: Place, policy: ConflictPolicy
    ) -> MapRequest:
        mapping = entry.mapping
        held, token = self._held(entry, gateway, place)
        any_port = mapping.port == ANY_PORT and mapping.family is Family.IPV4
        keeps_port = any_port or policy is ConflictPolicy.NEXT
        forgets_finite = entry.losses >= LOSSES_BEFORE_PERMANENT and isinstance(gateway, VerifiesLeases)
        return MapRequest(
            protocol=mapping.protocol,
            internal_address=place.internal_address,
            internal_port=mapping.internal_port,
            external_port=held.external_port
            if held and keeps_port
            else self._ownership.port_to_request(mapping),
            lifetime=0 if forgets_finite else mapping.duration,
            comment=mapping.comment,
            token=token,
            exact=policy is not ConflictPolicy.NEXT and not any_port,
            replace=policy is ConflictPolicy.TAKE,
            held=held,
            anew=entry.anew or self._rule_order.is_closed_by_counterpart(entry, gateway),
        )

    def _held(self, entry: LeaseState, gateway: Gateway, place: Place) -> tuple[Lease | None, bytes]:
        """Return this gateway's lease for the entry and its token, from this run or an earlier one."""
        lease = entry.lease
        if lease and (lease.gateway, lease.internal_address) == (gateway.identity, place.internal_address):
            return lease, lease.token
        stored = self._ownership.adopt(entry.mapping, gateway, place.internal_address)
        if stored is not None or self._ownership.may_be_open(entry.mapping, place.internal_address):
            self._rule_order.mark_unknown(entry)
        if stored is None:
            return None, b""
        if not stored.confirmed or stored.expired(self._clock.now()):
            entry.adopted = None
            return None, stored.lease.token
        entry.adopted = stored.lease
        entry.opened_at = stored.granted_at
        return stored.lease, stored.lease.token

    def _end_round(self, entry: LeaseState) -> None:
        self.active.discard(entry)
        entry.moving = entry.moving and entry.suspect  # restore what the holder lost first, then move
        _decrement(self._external_ports, _port(entry, entry.mapping.port))
        _decrement(self._internal_ports, _port(entry, entry.mapping.internal_port))
        entry.tried = ()

    def _start_next_in_queue(self, entry: LeaseState, unanswered: Mapping[Attempt, Refusal]) -> None:
        """Start the waiting round of the counterpart, if there is one.

        It skips the gateways that did not answer this round: waiting for them again would double the delay.
        """
        queue = self._port_queues[_queue_key(entry)]
        queue.remove(entry)
        if not queue:
            del self._port_queues[_queue_key(entry)]
            return
        queue[0].tried = tuple(unanswered)
        queue[0].refusals = tuple(unanswered.values())
        self._advance(queue[0])


def _unanswered(entry: LeaseState) -> dict[Attempt, Refusal]:
    """Return the attempts of this round that got no answer."""
    silent = {gateway: error for gateway, error in entry.refusals if isinstance(error, UNREACHABLE)}
    return {attempt: (attempt[0], silent[attempt[0]]) for attempt in entry.tried if attempt[0] in silent}


def _decrement(counts: Counter[_Port], port: _Port) -> None:
    """Count one less, and remove the port at zero."""
    counts[port] -= 1
    if not counts[port]:
        del counts[port]


def _port_pair(entry: LeaseState) -> _PortPair:
    return (*_port(entry, entry.mapping.port), entry.mapping.internal_port)


def _port(entry: LeaseState, port: int) -> _Port:
    return (entry.mapping.family, entry.mapping.protocol, port)


def _queue_key(entry: LeaseState) -> _QueueKey:
    """Return what the two protocols of one port have in common."""
    return entry.mapping.key[1:]

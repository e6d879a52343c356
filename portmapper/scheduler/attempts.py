"""Attempts: a mapping is offered to the gateways, one after the other, until one grants it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Protocol as Interface

from portmapper.api.backend import Gateway, Target
from portmapper.api.errors import BackendError
from portmapper.api.model import Lease, MappingKey
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.workqueue import Priority
from portmapper.network.topology import Topology
from portmapper.scheduler.coupling import Coupling
from portmapper.scheduler.inputs import Asked, Due, Exhausted, Granted, Input, PassedOver, Refused, TurnCame
from portmapper.scheduler.options import Options
from portmapper.scheduler.pairs import Pairs
from portmapper.scheduler.plan import Ask, Skip, Wait, next_step, priority, search_errors, unserved
from portmapper.scheduler.record import Attempt, Record, Refusal, silences
from portmapper.scheduler.retry import HostFailure
from portmapper.scheduler.turns import Turns
from portmapper.scheduler.writer import Writer
from portmapper.store.ownership import Ownership
from portmapper.support.reasons import plain_reason


class Submit(Interface):
    """Who carries out requests: the executor."""

    def __call__(self, key: MappingKey, serial: int, ask: Ask, priority: Priority, report: Attempts) -> None:
        """Queue a request for the current attempt; `report` takes its end."""


class Outcome(Interface):
    """Who takes the end of an attempt: the scheduler."""

    def granted(self, key: MappingKey, gateway: Gateway, given: Granted) -> None:
        """Take a grant. Afterwards the next mapping of the group has its turn."""

    def failed(self, key: MappingKey, *, suspect: bool) -> None:
        """Take the failure of an attempt. `suspect` tells whether its lease was suspect."""

    def too_late(self, lease: Lease | None) -> None:
        """Take the end of a request whose mapping was dropped, with the lease that it brought."""


class Attempts:
    """The attempts under way: which wait for a search, and which for the turn of a peer."""

    def __init__(
        self,
        writer: Writer,
        discovery: Discovery,
        topology: Topology,
        coupling: Coupling,
        ownership: Ownership,
        pairs: Pairs,
        options: Options,
        submit: Submit,
        outcome: Outcome,
    ) -> None:
        self._writer = writer
        self._records = writer.records
        self._discovery = discovery
        self._topology = topology
        self._coupling = coupling
        self._ownership = ownership
        self._pairs = pairs
        self._options = options
        self._submit = submit
        self._outcome = outcome
        self._serials = itertools.count(1)
        self._turns = Turns()
        self._waiting: defaultdict[Target, dict[MappingKey, None]] = defaultdict(dict)

    def start_due(self) -> Iterator[None]:
        """Begin every attempt that is due, one in each step."""
        for key, record in self._writer.due():
            self._begin(key, record)
            yield

    def search_settled(self, target: Target) -> Iterator[None]:
        """Continue the attempts that waited for a search, one in each step."""
        for key in self._waiting.pop(target, ()):
            self._continue(key)
            yield

    def dropped(self, key: MappingKey, record: Record) -> None:
        """Forget the attempt of a mapping that was dropped; a request under way ends by itself."""
        if record.attempting and record.asking is None:
            self._stop_waiting(key)
            self._end_turn((key, record.serial), {})

    def clear(self) -> None:
        """Forget every attempt. The queues that carry the requests are stopped."""
        self._waiting.clear()
        self._turns = Turns()

    def answered(self, key: MappingKey, serial: int, gateway: Gateway, given: Input | None) -> None:
        """Take the end of a request; None if it was not sent, because its mapping was dropped."""
        record = self._records.get(key)
        if record is None or record.serial != serial or not record.attempting:
            self._too_late(key, serial, given)
        elif isinstance(given, Granted):
            silent = silences(record)
            self._outcome.granted(key, gateway, given)
            self._pairs.check(key)
            self._end_turn((key, serial), silent)
        else:
            assert isinstance(given, Refused), "a request of a current attempt is granted or refused"
            self._writer.take(key, given)
            self._continue(key)

    def broken(self, key: MappingKey, serial: int, gateway: Gateway, error: Exception) -> None:
        """End the attempt of a mapping that shows a fault of ours; it is retried after its delay."""
        record = self._records.get(key)
        if record is None or record.serial != serial or not record.attempting:
            self._too_late(key, serial, None)
            return
        self._writer.take(key, Refused(gateway.identity, _fault(error)))
        self._fail(key, {})

    def _too_late(self, key: MappingKey, serial: int, given: Input | None) -> None:
        self._outcome.too_late(given.lease if isinstance(given, Granted) else None)
        self._end_turn((key, serial), {})

    def _begin(self, key: MappingKey, record: Record) -> None:
        places = self._topology.places_of(record.mapping)
        unplaced = "" if places else self._topology.explain_no_place(record.mapping)
        waits = record.attempting
        record = self._writer.begin(key, Due(places, unplaced, next(self._serials)))
        if record.asking is not None:
            return
        member = (key, record.serial)
        if waits:
            self._stop_waiting(key)
            may_continue = self._turns.has(member)
        else:
            may_continue = self._turns.join(self._group_of(key, record), member)
        if may_continue:
            self._continue(key)

    def _group_of(self, key: MappingKey, record: Record) -> Hashable:
        if self._pairs.partner(record.mapping) is not None:
            return self._coupling.group_of(record.mapping)  # the second asks for the port of the first
        if not self._coupling.has_peers(record.mapping):
            return key
        targets = [place.target for place in record.places]
        known = [g.address for p in self._discovery.searches if p.target in targets for g in p.gateways]
        return self._coupling.turn_of(record, known)

    def _stop_waiting(self, key: MappingKey) -> None:
        for waiting in self._waiting.values():
            waiting.pop(key, None)

    def _continue(self, key: MappingKey) -> None:
        """Take the next steps of an attempt, until a gateway is asked or something must be waited for."""
        while isinstance(step := self._next_step(key), Skip):
            self._writer.take(key, PassedOver(step.attempt, step.refusal))
        if isinstance(step, Wait):
            self._waiting[step.target][key] = None
        elif isinstance(step, Ask):
            self._ask(key, self._records[key], step)
        else:
            for refusal in unserved(self._records[key], self._discovery.backends, self._options.allowed):
                self._writer.take(key, PassedOver(None, refusal))
            self._fail(key, silences(self._records[key]))

    def _next_step(self, key: MappingKey) -> Ask | Skip | Wait | None:
        return next_step(self._records[key], self._discovery.search, self._options.allowed)

    def _ask(self, key: MappingKey, record: Record, step: Ask) -> None:
        mapping, place = record.mapping, step.place
        holder = record.lease is not None and record.lease.gateway == step.gateway.identity
        self._writer.take(key, Asked(step.attempt, holder))
        stored = record.lease is None and self._ownership.may_be_open(mapping, place.internal_address)
        urgency = priority(record, stored=stored, prompt=self._options.prompt)
        self._submit(key, record.serial, step, urgency, self)

    def _fail(self, key: MappingKey, silent: dict[Attempt, Refusal]) -> None:
        record = self._records[key]
        self._writer.take(key, Exhausted(search_errors(record, self._discovery.search)))
        self._outcome.failed(key, suspect=record.suspect)
        self._pairs.check(key, may_move=False)
        self._end_turn((key, record.serial), silent)

    def _end_turn(self, member: tuple[MappingKey, int], silent: dict[Attempt, Refusal]) -> None:
        """Let the next mapping of the group have its turn. It does not wait again for who was silent."""
        following = self._turns.leave(member)
        if following is not None:
            self._writer.take(following[0], TurnCame(tuple(silent.items())))
            self._continue(following[0])


def _fault(error: Exception) -> BackendError:
    """Describe a failure on this host. A system call that failed may work at the next attempt."""
    if isinstance(error, OSError | MemoryError):
        return HostFailure(f"this host refused a system call: {plain_reason(error)}")
    return BackendError(f"internal error in portmapper: {plain_reason(error)}")

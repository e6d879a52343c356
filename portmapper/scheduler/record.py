"""The scheduler's record of one desired mapping: what is known of it at one moment."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from collections.abc import Mapping as AnyMapping
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from portmapper.api.backend import Target
from portmapper.api.errors import UNREACHABLE, BackendError, Conflict, NotAuthorized
from portmapper.api.model import ALL_GATEWAYS, IPAddress, Lease, Mapping, MappingKey, MappingState
from portmapper.network.placement import Place
from portmapper.support.values import evolve, frozen
from portmapper.support.wording import protocol_name

Attempt = tuple[str, IPAddress]
"""A gateway's identity, and the internal address that was requested there."""

Refusal = tuple[str, BackendError]
"""A gateway's identity, and its refusal or silence."""


class Phase(enum.StrEnum):
    """Where a mapping is between its first request and its release (after RFC 2131, figure 5).

    Attributes:
        INIT: nothing is held; `due` is the time of the next attempt.
        SELECTING: nothing is held; an attempt waits for a search or for its turn.
        REQUESTING: nothing is held; a gateway is being asked.
        BOUND: held; `due` is the time of the renewal.
        RENEWING: held; an attempt is under way, the holder first.
        SUSPECT: held, but the gateway restarted or went away since; `due` is the time of the next attempt.
        REBINDING: held; an attempt is under way at other gateways, or at the best place after a change of
            the network.
    """

    INIT = "init"
    SELECTING = "selecting"
    REQUESTING = "requesting"
    BOUND = "bound"
    RENEWING = "renewing"
    SUSPECT = "suspect"
    REBINDING = "rebinding"


ATTEMPTING = frozenset({Phase.SELECTING, Phase.REQUESTING, Phase.RENEWING, Phase.REBINDING})
"""The phases in which an attempt is under way."""


@frozen
class Record:
    """What is known of one desired mapping. Only `transition` makes a new one.

    Attributes:
        mapping: what is desired.
        phase: see `Phase`.
        lease: what is held.
        adopted: the lease of an earlier run that the current attempt renews.
        opened_at: when the lease was first granted, perhaps by an earlier run.
        granted_at: monotonic seconds of the last grant.
        suspect_since: monotonic seconds since when the gateway may have lost the lease.
        lost_at: monotonic seconds when the last lease was lost; None if the mapping was never open.
        due: monotonic seconds of the next attempt.
        not_before: monotonic seconds before which a failure forbids the next attempt.
        attempts: attempts in a row that were granted by no gateway.
        losses: times in a row that the gateway did not hold what it had granted.
        dirty: decide again as soon as the current attempt ends.
        rebind: ask the best place first, not the holder; after what a suspect lease lost was reasserted.
        serial: number of the current attempt, or of the last one.
        asking: the request under way.
        places: where the current attempt asks, or where the last one did.
        tried: the requests of the current attempt.
        answers: the refusals and silences of the current attempt, in the order of the gateways.
        refusals: those of the last attempt, if it failed.
        passed_over: what gateways said that were asked before the one that holds the lease.
        unplaced: why no gateway can be asked at all; empty if one can.
        search_errors: what the searches of the last attempt reported, if they found no gateway to ask.
        recreate: another mapping's request may have closed this one, so a renewal must open it again.
        order_lost: the gateway may hold this lease and its peers in another order than that of their opening.
        move_to: the external port to request instead of the one it has; 0 for none.
        moves: how often it was moved since it and its pair had the same external port.
        apart: why it and its pair have different external ports; empty if they do not.
    """

    # A record is compared by identity, because comparing all fields would be slow.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    mapping: Mapping
    phase: Phase = Phase.INIT
    lease: Lease | None = None
    adopted: Lease | None = None
    opened_at: datetime | None = None
    granted_at: float = 0.0
    suspect_since: float | None = None
    lost_at: float | None = None
    due: float | None = None
    not_before: float = 0.0
    attempts: int = 0
    losses: int = 0
    dirty: bool = False
    rebind: bool = False
    serial: int = 0
    asking: Attempt | None = None
    places: Sequence[Place] = ()
    tried: tuple[Attempt, ...] = ()
    answers: tuple[Refusal, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    passed_over: tuple[Refusal, ...] = ()
    unplaced: str = ""
    search_errors: str = ""
    recreate: bool = False
    order_lost: bool = False
    move_to: int = 0
    moves: int = 0
    apart: str = ""

    @property
    def attempting(self) -> bool:
        """Whether an attempt is under way."""
        return self.phase in ATTEMPTING

    @property
    def suspect(self) -> bool:
        """Whether the gateway may have lost the lease."""
        return self.suspect_since is not None

    @property
    def expires_at(self) -> float | None:
        """Monotonic seconds when the lease ends; None if there is none, or if it does not end."""
        if self.lease is None or self.lease.permanent:
            return None
        return self.granted_at + self.lease.lifetime

    @property
    def unanswered(self) -> bool:
        """Whether the last attempt found no gateway to ask."""
        return self.attempts > 0 and not self.refusals

    @property
    def state(self) -> MappingState:
        """The public state (DESIGN.md, `status --json`)."""
        if self.lease is not None:
            sure = not self.suspect and not self.has_former_address
            return MappingState.ACTIVE if sure else MappingState.PENDING
        if self.refusals:
            return _state_of([error for _, error in self.refusals])
        return MappingState.FAILED if self._is_nowhere else MappingState.PENDING

    def state_at(self, now: float) -> MappingState:
        """The public state: a lease that ended is not active, even before the scheduler has noticed."""
        ends = self.expires_at
        return MappingState.PENDING if ends is not None and ends <= now else self.state

    @property
    def error(self) -> str | None:
        """Why the mapping is not open, or why its renewal fails; None if all is well."""
        if self.refusals:
            gateway, error = min(self.refusals, key=lambda refusal: _rank(refusal[1]))
            return _refusal_text(gateway, error)
        if not self.unanswered or (self.lease is not None and not self.has_former_address):
            return self.apart or None
        named = self.mapping.gateway not in (None, ALL_GATEWAYS)
        silent = f"the gateway {self.mapping.gateway} does not answer" if named else "no gateway answered"
        return self.unplaced or (f"{silent} ({self.search_errors})" if self.search_errors else silent)

    @property
    def moves_away(self) -> bool:
        """Whether it has to request another port than the one it has."""
        return self.lease is not None and self.move_to not in (0, self.lease.external_port)

    def is_for(self, gateway: IPAddress | str) -> bool:
        """Return whether the gateway at that address may open it."""
        return self.mapping.gateway is None or self.mapping.gateway == str(gateway)

    @property
    def has_former_address(self) -> bool:
        """Whether the lease leads to an address that this host no longer has."""
        lease = self.lease
        return lease is not None and all(
            place.internal_address != lease.internal_address for place in self.places
        )

    @property
    def better_places(self) -> Sequence[Place]:
        """The places that were asked before the one where it is open."""
        if self.lease is None or self.has_former_address:
            return ()
        ranked = [place.internal_address for place in self.places]
        return self.places[: ranked.index(self.lease.internal_address)]

    def prefers(self, target: Target) -> bool:
        """Return whether it is open at a place that was only tried after that target."""
        return any(place.target == target for place in self.better_places)

    def comes_back_to(self, address: IPAddress, gateway: str) -> bool:
        """Return whether it is open elsewhere only until this gateway answers again.

        `address` is the internal address that the gateway forwards to.
        """
        is_better = any(place.internal_address == address for place in self.better_places)
        return is_better and not self.refused_by([gateway])

    def refused_by(self, gateways: Collection[str]) -> bool:
        """Return whether one of these refused before another granted; silence is no refusal."""
        return any(
            gateway in gateways and not isinstance(error, UNREACHABLE) for gateway, error in self.passed_over
        )

    @property
    def is_in_conflict(self) -> bool:
        """Whether the last attempt met a conflict; the holder may return after a restart, too."""
        return any(isinstance(error, Conflict) for _, error in self.refusals)

    @property
    def _is_nowhere(self) -> bool:
        """Whether it is for a network that this host is not in; then no gateway is at fault."""
        for_network = isinstance(self.mapping.address, IPv4Network | IPv6Network)
        return for_network and self.unanswered and self.lease is None and not self.places


def records_of(records: AnyMapping[MappingKey, Record], mapping: Mapping) -> list[Record]:
    """Return the records of one mapping: one for each gateway if it is for all of them."""
    if mapping.gateway != ALL_GATEWAYS:
        return [records[mapping.key]] if mapping.key in records else []
    return [record for key, record in records.items() if key[:-1] == mapping.key[:-1] and key[-1] is not None]


def is_unreachable(refusals: Sequence[Refusal]) -> bool:
    """Return whether one of the gateways did not answer."""
    return any(isinstance(error, UNREACHABLE) for _, error in refusals)


def silences(record: Record) -> dict[Attempt, Refusal]:
    """Return the requests of an attempt that got no answer."""
    silent = {gateway: error for gateway, error in record.answers if isinstance(error, UNREACHABLE)}
    return {attempt: (attempt[0], silent[attempt[0]]) for attempt in record.tried if attempt[0] in silent}


_STATES = (MappingState.CONFLICT, MappingState.REFUSED, MappingState.CONFLICT, MappingState.REFUSED)
"""The state for each rank of a refusal; silence, the last rank, is `failed`."""


def _state_of(errors: list[BackendError]) -> MappingState:
    """Name the state after the refusal that explains most."""
    rank = min(map(_rank, errors))
    return _STATES[rank] if rank < len(_STATES) else MappingState.FAILED


def _rank(error: BackendError) -> int:
    """Return how much a refusal explains; 0 is most.

    A known holder is a conflict. Then a rule's refusal. Then a port that is refused for an unknown reason
    (a gateway's PCP may answer so for a port that its rules deny). Silence explains least.
    """
    if isinstance(error, Conflict):
        return 0 if error.holder else 2
    if isinstance(error, NotAuthorized):
        return 1
    return 4 if isinstance(error, UNREACHABLE) else 3


def _refusal_text(gateway: str, error: BackendError) -> str:
    """Say why a gateway refused, and what to do; who holds the port is the same over each protocol."""
    reason = f"{protocol_name(gateway.partition(':')[0])}: {error}"
    if not isinstance(error, Conflict):
        return reason
    if error.holder is not None:
        reason = f"{error.holder.internal_address or 'another host'} holds it"
    return f"{reason}. {error.advice}" if error.advice else reason


def without_lease(record: Record, at: float) -> Record:
    """Return the record of a mapping that holds nothing any more, since `at`."""
    return evolve(
        record,
        lease=None,
        opened_at=None,
        suspect_since=None,
        lost_at=at,
        attempts=0,
        move_to=0,
        moves=0,
        apart="",
    )

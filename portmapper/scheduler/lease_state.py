"""The scheduler's state of one desired mapping."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

import attrs

from portmapper.api.backend import Target
from portmapper.api.errors import UNREACHABLE, BackendError, Conflict, NotAuthorized
from portmapper.api.model import ALL_GATEWAYS, IPAddress, Lease, Mapping, MappingKey, MappingState
from portmapper.network.placement import Place

Attempt = tuple[str, IPAddress]
"""A gateway's identity, and the internal address that was requested."""

Refusal = tuple[str, BackendError]
"""A gateway's identity, and the error that it returned."""


@attrs.define(eq=False)
class LeaseState:
    """A desired mapping and its lease.

    A round is one attempt to get the mapping granted, over all gateways that may; see
    `portmapper.scheduler.executor`.

    Attributes:
        mapping: the desired mapping.
        lease: the lease that is held, or None.
        expires_at: monotonic seconds when the lease expires, None if it never does.
        granted_at: monotonic seconds of the latest grant.
        adopted: a lease of an earlier run that this run has not renewed yet; None once `lease` is set.
        opened_at: wall-clock time of the lease's first grant, perhaps by an earlier run; None without lease.
        due: monotonic seconds when the next round begins, None while none is planned.
        not_before: monotonic seconds until which the pause after the latest failure lasts.
        attempts: failed rounds in a row.
        losses: number of times in a row that the gateway did not hold a lease that it had granted.
        suspect: the gateway reported a restart or its end, and has not renewed the lease since.
        dirty: something happened during a round that requires another round.
        order_unknown: the gateway may hold its rule and its counterpart's in another order than `opened_at`
            shows; see `portmapper.scheduler.rule_order`.
        anew: the gateway may have closed the port, so the renewal must reopen it; see
            `portmapper.scheduler.protocol_pairs`.
        moving: the network changed, so the next round starts at the best place and not at the lease's holder.
        removed: the mapping is no longer desired.
        places: the places where this round tries, best first.
        tried: the attempts of this round.
        refusals: the errors of the last round, in the order of the attempts.
        passed_over: the errors of the gateways that were tried before the one that granted the lease.
        no_gateway: the last round found no gateway to ask.
        no_place: why the last round had no place to try; empty if it had one.
    """

    mapping: Mapping
    lease: Lease | None = None
    expires_at: float | None = None
    granted_at: float = 0.0
    adopted: Lease | None = None
    opened_at: datetime | None = None
    due: float | None = None
    not_before: float = 0.0
    attempts: int = 0
    losses: int = 0
    suspect: bool = False
    dirty: bool = False
    order_unknown: bool = False
    anew: bool = False
    moving: bool = False
    removed: bool = False
    places: Sequence[Place] = ()
    tried: tuple[Attempt, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    passed_over: tuple[Refusal, ...] = ()
    no_gateway: bool = False
    no_place: str = ""

    @property
    def state(self) -> MappingState:
        """The state as `status` shows it."""
        if self.lease is not None:
            is_uncertain = self.suspect or self.has_former_address
            return MappingState.PENDING if is_uncertain else MappingState.ACTIVE
        if self.refusals:
            return _state_of([error for _, error in self.refusals])
        return MappingState.FAILED if self._is_in_no_network else MappingState.PENDING

    @property
    def error(self) -> str | None:
        """Why the mapping is not open, or why its renewal fails; None if neither is the case."""
        if self.refusals:
            return "; ".join(f"{gateway.partition(':')[0]}: {error}" for gateway, error in self.refusals)
        if not self.no_gateway or (self.lease is not None and not self.has_former_address):
            return None
        named = self.mapping.gateway not in (None, ALL_GATEWAYS)
        return self.no_place or (
            f"the gateway {self.mapping.gateway} does not answer" if named else "no gateway answered"
        )

    def is_for(self, gateway: str) -> bool:
        """Return whether the mapping may be opened on the gateway at that address."""
        return self.mapping.gateway in (None, gateway)

    @property
    def has_former_address(self) -> bool:
        """Whether the lease is for an address that this host no longer has."""
        lease = self.lease
        return lease is not None and all(
            place.internal_address != lease.internal_address for place in self.places
        )

    def prefers(self, target: Target) -> bool:
        """Return whether the lease is at a place that is tried only after `target`."""
        if self.lease is None:
            return False
        tried = False
        for place in self.places:
            if place.internal_address == self.lease.internal_address:
                return tried
            tried = tried or place.target == target
        return False

    @property
    def is_in_conflict(self) -> bool:
        """Whether a gateway reported in the last round that another host has the port."""
        return any(isinstance(error, Conflict) for _, error in self.refusals)

    @property
    def _is_in_no_network(self) -> bool:
        """Whether the mapping is for a network that this host is not in, so that no gateway is at fault."""
        names_network = isinstance(self.mapping.address, IPv4Network | IPv6Network)
        return names_network and self.no_gateway and self.lease is None and not self.places

    def begin_round(self, places: Sequence[Place]) -> None:
        """Start a round at the first place, with nothing tried yet."""
        self.places = places
        self.tried = ()
        self.refusals = ()
        self.dirty = False

    def granted(self, lease: Lease, now: float) -> None:
        """Store a lease that was granted at monotonic time `now`."""
        if self.refusals or self.lease is None or self.lease.gateway != lease.gateway:
            self.passed_over = self.refusals
        self.lease = lease
        self.adopted = None
        self.granted_at = now
        self.expires_at = None if lease.permanent else now + lease.lifetime
        self.attempts = 0
        self.refusals = ()
        self.no_gateway = False
        self.suspect = False


def entries_of(entries: AnyMapping[MappingKey, LeaseState], mapping: Mapping) -> list[LeaseState]:
    """Return the entries of one mapping: one per gateway if the mapping is for all gateways."""
    if mapping.gateway != ALL_GATEWAYS:
        return [entries[mapping.key]] if mapping.key in entries else []
    return [entry for key, entry in entries.items() if key[:-1] == mapping.key[:-1] and key[-1] is not None]


def _state_of(errors: list[BackendError]) -> MappingState:
    """Return the state for the most informative error.

    A conflict with a known holder comes first, then a denial by a rule. Then comes a port that is not
    available for a reason that the protocol does not state: miniupnpd's PCP answers so for a port that its
    rules deny. A gateway that does not answer comes last.
    """
    if any(isinstance(error, Conflict) and error.holder for error in errors):
        return MappingState.CONFLICT
    if any(isinstance(error, NotAuthorized) for error in errors):
        return MappingState.REFUSED
    if any(isinstance(error, Conflict) for error in errors):
        return MappingState.CONFLICT
    if any(not isinstance(error, UNREACHABLE) for error in errors):
        return MappingState.REFUSED
    return MappingState.FAILED

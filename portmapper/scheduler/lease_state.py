"""One wanted mapping as the scheduler keeps it, from first wish to last release."""

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
"""A gateway's identity, and the internal address it was asked for."""

Refusal = tuple[str, BackendError]
"""A gateway's identity, and its no."""


@attrs.define(eq=False)
class LeaseState:
    """A wanted mapping and what became of it.

    Attributes:
        mapping: what is wanted.
        lease: what is held, None while nothing is.
        expires_at: monotonic seconds when the lease runs out, None when it does not.
        granted_at: monotonic seconds of the grant.
        adopted: what an earlier run left and this one has not renewed yet; None once it has a lease.
        opened_at: when the lease was first granted, perhaps by an earlier run; None without one.
        due: monotonic seconds when the next round begins, None while none is planned.
        not_before: monotonic seconds before which the last failure lets nobody ask again.
        attempts: rounds in a row that brought nothing.
        losses: times in a row that the gateway did not hold what it had granted.
        doubtful: the gateway said that it restarted, and has not renewed the lease since.
        again: something happened during a round that asks for another one.
        disordered: the gateway may have got it and its twin in another order than that of their opening; see
            `portmapper.scheduler.rule_order`.
        anew: the gateway may have closed it, and a renewal has to open it again; see
            `portmapper.scheduler.protocol_pairs`.
        moving: the network changed: the best place is asked first, and not the lease's holder.
        removed: nobody wants it any more.
        places: where this round tries.
        tried: what this round tried.
        refusals: what the last round was told, in the order of the gateways.
        passed_over: what those gateways said that were asked before the one that holds the lease.
        no_gateway: the last round found nobody to ask.
        nowhere: why the last round had no place to ask at; empty when it had one.
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
    again: bool = False
    order_unknown: bool = False
    anew: bool = False
    moving: bool = False
    removed: bool = False
    places: Sequence[Place] = ()
    tried: tuple[Attempt, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    passed_over: tuple[Refusal, ...] = ()
    no_gateway: bool = False
    nowhere: str = ""

    @property
    def state(self) -> MappingState:
        """Where it stands, in the contract's words."""
        if self.lease is not None:
            in_doubt = self.suspect or self.is_of_former_address
            return MappingState.PENDING if in_doubt else MappingState.ACTIVE
        if self.refusals:
            return _state_of([error for _, error in self.refusals])
        return MappingState.FAILED if self._is_nowhere else MappingState.PENDING

    @property
    def error(self) -> str | None:
        """Why it is not open, or why its renewal fails; None when all is well."""
        if self.refusals:
            return "; ".join(f"{gateway.partition(':')[0]}: {error}" for gateway, error in self.refusals)
        if not self.no_gateway or (self.lease is not None and not self.is_of_former_address):
            return None
        named = self.mapping.gateway not in (None, ALL_GATEWAYS)
        return self.nowhere or (
            f"the gateway {self.mapping.gateway} does not answer" if named else "no gateway answered"
        )

    def is_for(self, gateway: str) -> bool:
        """Tell whether the gateway of that address may open it."""
        return self.mapping.gateway in (None, gateway)

    @property
    def is_of_former_address(self) -> bool:
        """Tell whether its lease leads where it has no place any more: this host has another address now."""
        lease = self.lease
        return lease is not None and all(
            place.internal_address != lease.internal_address for place in self.places
        )

    def stands_behind(self, target: Target) -> bool:
        """Tell whether it is open where it was only tried after that target."""
        if self.lease is None:
            return False
        tried = False
        for place in self.places:
            if place.internal_address == self.lease.internal_address:
                return tried
            tried = tried or place.target == target
        return False

    @property
    def is_held_by_another(self) -> bool:
        """Tell whether the last round was told so; who had the port before a restart may have it again."""
        return any(isinstance(error, Conflict) for _, error in self.refusals)

    @property
    def _is_nowhere(self) -> bool:
        """Tell whether it is for a network that this host is not in; then no gateway is to blame."""
        wants_network = isinstance(self.mapping.address, IPv4Network | IPv6Network)
        return wants_network and self.no_gateway and self.lease is None and not self.places

    def begin_round(self, places: Sequence[Place]) -> None:
        """Start over at the first place, with nothing tried."""
        self.places = places
        self.tried = ()
        self.refusals = ()
        self.again = False

    def granted(self, lease: Lease, now: float) -> None:
        """Take what a gateway granted at monotonic time `now`."""
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
    """Return the entries of one mapping: one for each gateway where it is for all of them."""
    if mapping.gateway != ALL_GATEWAYS:
        return [entries[mapping.key]] if mapping.key in entries else []
    return [entry for key, entry in entries.items() if key[:-1] == mapping.key[:-1] and key[-1] is not None]


def _state_of(errors: list[BackendError]) -> MappingState:
    """Name the state after the refusal that says most.

    A known holder is a conflict; then a rule's no; then a port that cannot be had for a reason that
    the protocol does not tell (miniupnpd's PCP says so for a port that its rules deny); silence last.
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

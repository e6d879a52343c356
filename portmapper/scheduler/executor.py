"""Carries out operations in the gateways' work queues, and reports each answer as an input."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import partial
from typing import Protocol as Interface

from portmapper.api.backend import Gateway, VerifiesLeases
from portmapper.api.errors import BackendError, NotAuthorized
from portmapper.api.model import (
    ANY_PORT,
    ConflictPolicy,
    Family,
    Lease,
    Mapping,
    MappingKey,
    MapRequest,
    TableEntry,
)
from portmapper.api.quirks import Applies
from portmapper.gateways.calls import request_lease, try_release
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.workqueue import Priority, WorkQueues
from portmapper.network.placement import Place
from portmapper.scheduler.coupling import Coupling
from portmapper.scheduler.denial import denial, denial_here
from portmapper.scheduler.group_requests import GroupRequests
from portmapper.scheduler.inputs import Adopting, Disturbed, GivenUp, Granted, Input, Refused
from portmapper.scheduler.options import Options
from portmapper.scheduler.own_conflicts import OwnConflicts
from portmapper.scheduler.pairs import Pairs
from portmapper.scheduler.plan import Ask
from portmapper.scheduler.record import Record
from portmapper.scheduler.releases import Releases
from portmapper.scheduler.rivals import Rivals
from portmapper.scheduler.writer import Writer
from portmapper.store.ownership import Ownership
from portmapper.support.clock import Clock
from portmapper.support.values import evolve

LOSSES_BEFORE_PERMANENT = 2
"""Times a gateway may lose a finite lease before a permanent one is requested (CONFORMANCE M15)."""


class Report(Interface):
    """Who takes the end of a request: the attempts."""

    def answered(self, key: MappingKey, serial: int, gateway: Gateway, given: Input | None) -> None:
        """Take the end of a request; None if it was not sent, because the mapping was dropped."""

    def broken(self, key: MappingKey, serial: int, gateway: Gateway, error: Exception) -> None:
        """Take note of a fault of ours in a request."""


class _Denied(NotAuthorized):
    """The policy denies the port that the gateway chose, and it was released."""


class Executor:
    """Requests mappings from gateways."""

    def __init__(
        self,
        writer: Writer,
        discovery: Discovery,
        ownership: Ownership,
        queues: WorkQueues,
        coupling: Coupling,
        own_conflicts: OwnConflicts,
        pairs: Pairs,
        releases: Releases,
        clock: Clock,
        options: Options,
    ) -> None:
        self._records = writer.records
        self._take = writer.take
        self._discovery = discovery
        self._ownership = ownership
        self._queues = queues
        self._coupling = coupling
        self._own_conflicts = own_conflicts
        self._pairs = pairs
        self._releases = releases
        self._clock = clock
        self._conflict = options.conflict
        self._policy_check = options.policy_check
        self._rivals = Rivals()
        self._group = GroupRequests(coupling, discovery, writer.take)

    def submit(self, key: MappingKey, serial: int, ask: Ask, priority: Priority, report: Report) -> None:
        """Queue a request for a mapping's current attempt; `report` takes its end."""
        # Thousands may wait, and each `self._step` would be another object.
        step = partial(Executor._step, self, key, serial, ask, report)
        self._queues.submit(ask.gateway, step, priority)

    async def _step(self, key: MappingKey, serial: int, ask: Ask, report: Report) -> None:
        try:
            given = await self._map(key, serial, ask.gateway, ask.place)
            report.answered(key, serial, ask.gateway, given)
        except Exception as error:
            report.broken(key, serial, ask.gateway, error)
            raise  # for the log

    def _record(self, key: MappingKey, serial: int) -> Record | None:
        """Return the record of an attempt, None if the mapping was dropped meanwhile."""
        record = self._records.get(key)
        return record if record is not None and record.serial == serial and record.attempting else None

    async def _map(self, key: MappingKey, serial: int, gateway: Gateway, place: Place) -> Input | None:
        """Request the mapping, again where something of ours was in the way. Return the answer."""
        while (record := self._record(key, serial)) is not None:
            if await self._releases.waited(gateway, record.mapping, place.internal_address):
                continue  # the list may have changed
            if await self._closed_as_denied(key, record, gateway):
                continue
            if reason := denial_here(record.mapping, place.internal_address, self._policy_check):
                return Refused(gateway.identity, NotAuthorized(reason))
            was_closed = await self._close_to_move(record, gateway, place)
            request = await self._prepare(key, record, gateway, place)
            try:
                return await self._request(key, record, request, gateway)
            except _Denied as error:
                return Refused(gateway.identity, error)
            except BackendError as error:
                if was_closed:
                    self._take(key, GivenUp("it was closed to get the same port for TCP and UDP"))
                now = self._record(key, serial)
                self._ownership.request_failed(request, error, now.lease if now else None)
                if not await self._own_conflicts.free_internal_port(request, gateway, error):
                    return Refused(gateway.identity, error)
        return None

    async def _prepare(self, key: MappingKey, record: Record, gateway: Gateway, place: Place) -> MapRequest:
        """Write the request down before it is sent, so that a crash cannot lose a granted port."""
        policy = record.mapping.conflict or self._conflict
        request = self._build(key, record, gateway, place, policy)
        if request.held is None:
            await self._own_conflicts.close_to_other_hosts(request, gateway)
        if gateway.one_per_internal_port and request.held is None:
            # Before the request is written down: the lease that it replaces may have the same token.
            await self._own_conflicts.free_internal_port(request, gateway)
        request = self._ownership.store_request(request, record.mapping, gateway, self._clock.now())
        await self._ownership.written()
        return request

    async def _request(
        self, key: MappingKey, record: Record, request: MapRequest, gateway: Gateway
    ) -> Granted:
        record = self._records.get(key, record)
        policy = record.mapping.conflict or self._conflict
        held = request.held
        steps = self._coupling.repair(key, record, held, gateway) if held and record.order_lost else ()
        if steps and self._coupling.is_deferred(gateway, self._discovery.searches, self._clock.monotonic()):
            steps = ()
        if steps:
            await self._group.repair(key, steps)
            request = evolve(request, urgent=True, recreate=True)
        make_room = partial(self._make_room, key, record, request, gateway, policy)
        disturbed = () if steps else self._group.disturbed(key, record, request, gateway)
        began, asked_at = self._clock.monotonic(), self._clock.now()
        async with self._group.renewing(disturbed, gateway) if disturbed else nullcontext():
            lease = await request_lease(gateway, request, policy, make_room)
        self._ownership.granted(lease, record.mapping, asked_at)
        await self._release_denied(key, record, lease, gateway)
        age = self._clock.monotonic() - began
        return Granted(lease, recreated=request.recreate, repaired=bool(steps), age=age)

    async def _make_room(
        self,
        key: MappingKey,
        record: Record,
        request: MapRequest,
        gateway: Gateway,
        policy: ConflictPolicy,
        holder: TableEntry | None,
    ) -> bool:
        """Return whether the entry that holds the port may be replaced; see `MakeRoom`."""
        if await self._own_conflicts.free_external_port(record, request, gateway, holder):
            return True
        if policy is not ConflictPolicy.TAKE or holder is None:
            return False
        return not self._rivals.recognize(key, request, holder)

    async def _release_denied(self, key: MappingKey, record: Record, lease: Lease, gateway: Gateway) -> None:
        """Release a lease on a port that the policy denies; the gateway chose it."""
        if not (reason := denial(record.mapping, lease.external_port, self._policy_check)):
            return
        await self._abandon(lease, gateway)
        if record.lease is not None and record.lease.token == lease.token:
            self._take(key, GivenUp(f"the gateway moved it to {lease.external_port}, {reason}"))
        raise _Denied(f"the gateway granted {lease.external_port}/{lease.protocol.lower()}, {reason}")

    async def _closed_as_denied(self, key: MappingKey, record: Record, gateway: Gateway) -> bool:
        """Close what is held on a port that the policy has denied since; a renewal would open it again."""
        lease = record.lease
        if lease is None or lease.gateway != gateway.identity:
            return False
        if not (reason := denial(record.mapping, lease.external_port, self._policy_check)):
            return False
        await self._abandon(lease, gateway)
        self._take(key, GivenUp(f"{lease.external_port} is {reason}"))
        return True

    async def _abandon(self, lease: Lease, gateway: Gateway) -> None:
        """Release a lease. It is an orphan until that has worked."""
        self._ownership.abandon(lease.token)
        if await try_release(gateway, lease):
            self._ownership.released(lease.token)

    async def _close_to_move(self, record: Record, gateway: Gateway, place: Place) -> bool:
        """Close the lease of a mapping that needs another port; return whether that was done.

        PCP and NAT-PMP servers keep one mapping for each internal port, so there is no other way. A device
        that confuses mappings would confuse two of one internal port, too.
        """
        lease = record.lease
        if lease is None or not record.moves_away or not self._closes_first(gateway):
            return False
        is_here = (lease.gateway, lease.internal_address) == (gateway.identity, place.internal_address)
        if not is_here or not await try_release(gateway, lease):
            return False
        self._ownership.released(lease.token)
        known = self._discovery.gateway(lease.gateway, lease.internal_address)
        for key, again in self._coupling.after_release(lease, self._ownership, known):
            self._take(key, Disturbed(again.recreate, again.order_lost))
        return True

    def _closes_first(self, gateway: Gateway) -> bool:
        return gateway.one_per_internal_port or self._coupling.applies(gateway.address) is not Applies.NO

    def _build(
        self, key: MappingKey, record: Record, gateway: Gateway, place: Place, policy: ConflictPolicy
    ) -> MapRequest:
        mapping = record.mapping
        held, token = self._held(key, record, gateway, place)
        any_port = mapping.port == ANY_PORT and mapping.family is Family.IPV4
        if held is not None and held is record.lease and record.moves_away:
            # Another port is another mapping. Over UPnP, both are open for a moment.
            held, token = None, b"" if self._closes_first(gateway) else os.urandom(12)
        target = 0 if held else self._pairs.port_to_request(record)
        keeps_port = any_port or policy is ConflictPolicy.NEXT
        in_vain = record.losses >= LOSSES_BEFORE_PERMANENT and isinstance(gateway, VerifiesLeases)
        recreate = self._records.get(key, record).recreate  # adoption may have set it
        return MapRequest(
            protocol=mapping.protocol,
            internal_address=place.internal_address,
            internal_port=mapping.internal_port,
            external_port=held.external_port
            if held and keeps_port
            else target or self._port_to_request(mapping),
            lifetime=0 if in_vain else mapping.duration,
            comment=mapping.comment,
            token=token,
            exact=policy is not ConflictPolicy.NEXT and not any_port,
            replace=self._rivals.may_replace(key, policy, held=held is not None, losses=record.losses),
            held=held,
            urgent=recreate or self._coupling.disturbed_by_renewals(key, record, gateway),
            recreate=recreate,
            traits=self._coupling.traits(gateway.address),
            remote=mapping.remote,
        )

    def _port_to_request(self, mapping: Mapping) -> int:
        """Return the external port to request: for any port the last one, unless the policy denies it now."""
        port = self._ownership.port_to_request(mapping)
        return mapping.port if denial(mapping, port, self._policy_check) else port

    def _held(
        self, key: MappingKey, record: Record, gateway: Gateway, place: Place
    ) -> tuple[Lease | None, bytes]:
        """Return what this gateway holds for the mapping, from this run or an earlier one."""
        lease = record.lease
        if lease and (lease.gateway, lease.internal_address) == (gateway.identity, place.internal_address):
            return lease, lease.token
        stored = self._ownership.adopt(record.mapping, gateway, place.internal_address)
        if self._coupling.has_peers(record.mapping) and (
            stored is not None or self._ownership.may_be_open(record.mapping, place.internal_address)
        ):
            # That run may have ended between two requests, and may have used another protocol.
            self._take(key, Disturbed(order_lost=True, begin=False))
        if stored is None:
            return None, b""
        if stored.disturbed and self._coupling.may_be_closed(stored.lease, gateway):
            self._take(key, Disturbed(recreate=True, order_lost=True, begin=False))
        if not stored.confirmed or stored.expired(self._clock.now()):
            self._take(key, Adopting(None, None))
            return None, stored.lease.token
        self._take(key, Adopting(stored.lease, stored.granted_at))
        return stored.lease, stored.lease.token

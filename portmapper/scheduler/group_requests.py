"""Requests for the other mappings of a group, while one of them is requested.

A device that confuses mappings closes one when another is renewed (see `portmapper.scheduler.coupling`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from portmapper.api.backend import Gateway
from portmapper.api.errors import UNREACHABLE, BackendError
from portmapper.api.model import Lease, MappingKey, MapRequest
from portmapper.api.quirks import Action, RepairAction, RepairStep
from portmapper.gateways.bounded import map_at, unmap_at
from portmapper.gateways.discovery import Discovery
from portmapper.scheduler.coupling import Coupling, held_lease
from portmapper.scheduler.inputs import Disturbed, Input, OrderKnown
from portmapper.scheduler.record import Record

REPEAT_AFTER = 0.05
"""Seconds until a peer's renewal is sent again, while the first request waits for its answer."""

_log = logging.getLogger(__name__)


class GroupRequests:
    """Repairs the order of a group, and renews what a renewal closes."""

    def __init__(
        self, coupling: Coupling, discovery: Discovery, take: Callable[[MappingKey, Input], object]
    ) -> None:
        self._coupling = coupling
        self._discovery = discovery
        self._take = take

    async def repair(self, key: MappingKey, steps: Sequence[RepairStep]) -> None:
        """Bring a group into a known order. If a gateway is silent, it stays unknown."""
        for step in steps:
            gateway = self._discovery.gateway(step.lease.gateway, step.lease.internal_address)
            if gateway is None:
                continue
            if step.action is RepairAction.CLOSE:
                await _unless_refused(gateway, unmap_at(gateway, step.lease))
            else:
                await _unless_refused(gateway, map_at(gateway, self._renewal(step.lease)))
        for step in steps:
            held = self._coupling.holder_of(step.lease)
            if held is not None:
                self._take(held[0], OrderKnown())
                if step.action is RepairAction.CLOSE and held[0] != key:
                    self._take(held[0], Disturbed(recreate=True))

    @contextlib.asynccontextmanager
    async def renewing(self, leases: Sequence[Lease], gateway: Gateway) -> AsyncIterator[None]:
        """Renew the peers that a renewal closes, while it waits for its answer.

        They are renewed again and again until then: a packet that is lost may be sent again after theirs.
        Without this they would be closed for as long as this host has something else to do. They are
        renewed once more afterwards, because their packet may have arrived first.
        """
        renewing = asyncio.create_task(self._renew_repeatedly(leases, gateway))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    def disturbed(
        self, key: MappingKey, record: Record, request: MapRequest, gateway: Gateway
    ) -> list[Lease]:
        """Return the leases of the peers that this renewal closes."""
        well = request.held is not None and not record.suspect and record.attempts == 0
        if not well or record.lease is None or not self._coupling.has_peers(record.mapping):
            return []
        peers = self._coupling.peers(key, record.lease, gateway)
        again = self._coupling.after(Action.RENEWED, held_lease(record), peers, gateway)
        return [one.lease for one in again if one.at_once and one.lease.gateway == gateway.identity]

    async def _renew_repeatedly(self, leases: Sequence[Lease], gateway: Gateway) -> None:
        while True:
            for lease in leases:
                await _unless_refused(gateway, map_at(gateway, self._renewal(lease)))
            await asyncio.sleep(REPEAT_AFTER)

    def _renewal(self, lease: Lease) -> MapRequest:
        held = self._coupling.holder_of(lease)
        mapping = held[1].mapping if held else None
        return MapRequest(
            protocol=lease.protocol,
            internal_address=lease.internal_address,
            internal_port=lease.internal_port,
            external_port=lease.external_port,
            lifetime=mapping.duration if mapping else lease.lifetime,
            comment=mapping.comment if mapping else "",
            token=lease.token,
            held=lease,
            urgent=True,
            recreate=True,
            remote=lease.remote,
        )


async def _unless_refused(gateway: Gateway, call: Awaitable[object]) -> None:
    """Await an answer. A refusal is handled in the attempt of the mapping that is refused."""
    try:
        await call
    except UNREACHABLE:
        raise
    except BackendError as error:
        _log.debug("%s: %s", gateway.backend, error)

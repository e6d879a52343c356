"""Piles up the filter rules of the two protocols of one port anew, where their order is not known any more.

See `portmapper.scheduler.protocol_pairs` for the pile. What is closed, renewed and opened in this order, at
once and whatever stood before, leaves the rule of the one below that of the other:

    close the one, renew the other, open the one

Nothing less does. A renewal changes the topmost rule alone, so that a wrong rule below stays there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable

from portmapper.api.backend import Gateway
from portmapper.api.errors import UNREACHABLE, BackendError
from portmapper.api.model import Family, Lease, MapRequest
from portmapper.gateways.calls import bounded
from portmapper.gateways.discovery import Discovery
from portmapper.scheduler.lease_state import LeaseState
from portmapper.scheduler.protocol_pairs import ProtocolPairs
from portmapper.store.ownership import is_at
from portmapper.support.clock import Clock

FOLLOWED_AFTER = 0.05
"""Seconds until the younger's renewal is sent again, while the elder's waits for its answer."""

_log = logging.getLogger(__name__)


class RuleOrder:
    """Brings an entry and its twin into an order that is known."""

    def __init__(self, pairs: ProtocolPairs, discovery: Discovery, clock: Clock) -> None:
        self._pairs = pairs
        self._discovery = discovery
        self._clock = clock

    def doubt(self, entry: LeaseState) -> None:
        """Doubt the order of what an earlier run or another protocol opened.

        That run may have ended between two steps, and who asks over the other protocol first is not told
        by the order of opening.
        """
        entry.order_unknown = entry.order_unknown or self._pairs.of(entry) is not None

    def is_in_doubt(self, entry: LeaseState, gateway: Gateway) -> bool:
        """Tell whether the order is unknown of what this gateway holds for the entry and for its twin."""
        counterpart = self._pairs.of(entry)
        return (
            entry.order_unknown
            and counterpart is not None
            and not counterpart.suspect
            and self._piles(entry, counterpart, gateway)
        )

    async def put_in_order(self, entry: LeaseState, held: Lease | None, gateway: Gateway) -> bool:
        """Close what is held and renew the twin's lease below it, before the entry is asked for.

        Tell whether that was done, so that it is urgent to open it again.

        Nothing is done before both were granted again, each in its own round: until then what stands may
        not be ours to close.

        Args:
            entry: what is about to be asked for.
            held: what this gateway holds for it.
            gateway: where it is asked for.

        Raises:
            NetworkFailure, GatewayTimeout: nothing is known of the order still.
        """
        counterpart = self._pairs.of(entry)
        if not self.is_in_doubt(entry, gateway):
            entry.order_unknown = entry.order_unknown and counterpart is not None and counterpart.suspect
        elif held is not None and counterpart is not None and counterpart.lease is not None:
            entry.order_unknown = counterpart.order_unknown = False
            try:
                await _unless_refused(gateway, gateway.unmap(held))
                await self._renew(counterpart, counterpart.lease)
            except UNREACHABLE:
                entry.order_unknown = True
                raise
            entry.opened_at = self._clock.now()
            return True
        return False

    def is_closed_by_its_elder(self, entry: LeaseState, gateway: Gateway) -> bool:
        """Tell whether each renewal of the twin, after which this one is renewed, closes it here."""
        counterpart = self._pairs.of(entry)
        return (
            gateway.one_per_internal_port
            and counterpart is not None
            and self._pairs.younger(counterpart) is entry
        )

    @contextlib.asynccontextmanager
    async def followed(self, entry: LeaseState, held: Lease | None, gateway: Gateway) -> AsyncIterator[None]:
        """Send the younger's renewal right behind the elder's, while that waits for its answer.

        And again and again until that one has it: what is lost on the way may be sent again after the
        younger's, and close it once more. The younger has a round of its own after that, for its packet may
        have come first. Without all this it would be closed for as long as this host has something else to
        do. A gateway that does not answer gets none.
        """
        counterpart = self._pairs.younger(entry)
        lease = counterpart.lease if counterpart else None
        is_well = held is not None and not entry.suspect and entry.attempts == 0
        here = lease is not None and lease.gateway == gateway.identity and gateway.one_per_internal_port
        if counterpart is None or lease is None or not (is_well and here):
            yield
            return
        following = asyncio.create_task(self._follow(counterpart, lease))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, counterpart: LeaseState, lease: Lease) -> None:
        while True:
            await self._renew(counterpart, lease)
            await asyncio.sleep(FOLLOWED_AFTER)

    def _piles(self, entry: LeaseState, counterpart: LeaseState, gateway: Gateway) -> bool:
        """Tell whether what stands here and the twin's lease lie on one pile. Pinholes have none.

        Where both are renewed over UPnP, their order matters only to what closes one of them.
        """
        lease = counterpart.lease
        if lease is None or lease.family is Family.IPV6 or not is_at(lease, gateway):
            return False
        other = self._discovery.gateway(lease.gateway, lease.internal_address)
        by_renewal = gateway.one_per_internal_port or (other is not None and other.one_per_internal_port)
        return by_renewal or entry.anew

    async def _renew(self, counterpart: LeaseState, lease: Lease) -> None:
        gateway = self._discovery.gateway(lease.gateway, lease.internal_address)
        if gateway is None:
            return
        renewal = MapRequest(
            protocol=lease.protocol,
            internal_address=lease.internal_address,
            internal_port=lease.internal_port,
            external_port=lease.external_port,
            lifetime=counterpart.mapping.duration,
            comment=counterpart.mapping.comment,
            token=lease.token,
            held=lease,
            anew=True,
        )
        await _unless_refused(gateway, gateway.map(renewal))


async def _unless_refused(gateway: Gateway, call: Awaitable[object]) -> None:
    """Await an answer. A refusal is dealt with in the round of who is refused."""
    try:
        await bounded(gateway, call)
    except UNREACHABLE:
        raise
    except BackendError as error:
        _log.debug("%s: %s", gateway.backend, error)

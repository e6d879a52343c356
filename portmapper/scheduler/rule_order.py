"""Restores the order of the filter rules of one port's two protocols when that order is unknown.

`portmapper.scheduler.protocol_pairs` describes how miniupnpd stacks these rules. Three steps in a row restore
the order, whatever rules there were before: close the first mapping, renew its counterpart, open the first
mapping. After that, the counterpart's rule lies below the other.

Nothing less is enough. A renewal changes the top rule alone, so a wrong rule below it would stay.
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
from portmapper.store.ownership import is_on_device
from portmapper.support.clock import Clock

REPEAT_AFTER = 0.05
"""Seconds until the newer mapping's renewal is sent again, while the older one's waits for its answer."""

_log = logging.getLogger(__name__)


class RuleOrder:
    """Keeps the rules of an entry and its counterpart in a known order."""

    def __init__(self, pairs: ProtocolPairs, discovery: Discovery, clock: Clock) -> None:
        self._pairs = pairs
        self._discovery = discovery
        self._clock = clock

    def mark_unknown(self, entry: LeaseState) -> None:
        """Mark the rule order as unknown after adoption, or if another protocol may have opened the port.

        The earlier run may have ended between two steps. And the order of opening does not show which
        mapping will be requested first over the other protocol.
        """
        entry.order_unknown = entry.order_unknown or self._pairs.counterpart(entry) is not None

    def is_unknown(self, entry: LeaseState, gateway: Gateway) -> bool:
        """Return whether the order of this gateway's rules for the entry and its counterpart is unknown."""
        counterpart = self._pairs.counterpart(entry)
        return (
            entry.order_unknown
            and counterpart is not None
            and not counterpart.suspect
            and self._share_stack(entry, counterpart, gateway)
        )

    async def restore(self, entry: LeaseState, held: Lease | None, gateway: Gateway) -> bool:
        """Close the held lease and renew the counterpart's, so that the entry's rule is added on top.

        Return whether that was done, which makes it urgent to reopen the entry.

        This waits until both mappings were granted again, each in its own round: before that, the rules on
        the gateway may not be ours to close.

        Args:
            entry: the entry that is about to be requested.
            held: the lease that this gateway holds for it.
            gateway: where it will be requested.

        Raises:
            NetworkFailure, GatewayTimeout: the order is still unknown.
        """
        counterpart = self._pairs.counterpart(entry)
        if not self.is_unknown(entry, gateway):
            entry.order_unknown = entry.order_unknown and counterpart is not None and counterpart.suspect
        elif held is not None and counterpart is not None and counterpart.lease is not None:
            entry.order_unknown = counterpart.order_unknown = False
            try:
                await _ignore_refusal(gateway, gateway.unmap(held))
                await self._renew(counterpart, counterpart.lease)
            except UNREACHABLE:
                entry.order_unknown = True
                raise
            entry.opened_at = self._clock.now()
            return True
        return False

    def is_closed_by_counterpart(self, entry: LeaseState, gateway: Gateway) -> bool:
        """Return whether each renewal of the counterpart closes the entry here until it is renewed too."""
        counterpart = self._pairs.counterpart(entry)
        return (
            gateway.one_per_internal_port
            and counterpart is not None
            and self._pairs.newer(counterpart) is entry
        )

    @contextlib.asynccontextmanager
    async def renewing_newer(
        self, entry: LeaseState, held: Lease | None, gateway: Gateway
    ) -> AsyncIterator[None]:
        """Renew the newer counterpart repeatedly while the older entry's renewal waits for its answer.

        One renewal is not enough: if the older one's packet is lost, it is sent again after the newer one's,
        and closes the newer mapping once more. The newer mapping also gets its own round afterwards, because
        its packet may have arrived first. Without this it would stay closed for as long as this host is busy
        with something else. A gateway that does not answer gets no such renewals.
        """
        counterpart = self._pairs.newer(entry)
        lease = counterpart.lease if counterpart else None
        is_healthy = held is not None and not entry.suspect and entry.attempts == 0
        is_here = lease is not None and lease.gateway == gateway.identity and gateway.one_per_internal_port
        if counterpart is None or lease is None or not (is_healthy and is_here):
            yield
            return
        renewing = asyncio.create_task(self._renew_repeatedly(counterpart, lease))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew_repeatedly(self, counterpart: LeaseState, lease: Lease) -> None:
        while True:
            await self._renew(counterpart, lease)
            await asyncio.sleep(REPEAT_AFTER)

    def _share_stack(self, entry: LeaseState, counterpart: LeaseState, gateway: Gateway) -> bool:
        """Return whether the rules of both are on one stack; pinholes have none.

        If both are renewed over UPnP, their order matters only while one of them must be reopened.
        """
        lease = counterpart.lease
        if lease is None or lease.family is Family.IPV6 or not is_on_device(lease, gateway):
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
        await _ignore_refusal(gateway, gateway.map(renewal))


async def _ignore_refusal(gateway: Gateway, call: Awaitable[object]) -> None:
    """Await an answer; the refused mapping's own round handles a refusal."""
    try:
        await bounded(gateway, call)
    except UNREACHABLE:
        raise
    except BackendError as error:
        _log.debug("%s: %s", gateway.backend, error)

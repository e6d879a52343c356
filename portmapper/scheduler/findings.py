"""What the regular checks of the gateways find, as inputs of mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from portmapper.api.backend import Gateway
from portmapper.api.errors import UNREACHABLE
from portmapper.api.model import IPAddress, Lease, MappingKey
from portmapper.scheduler.gateway_events import GatewayEvents
from portmapper.scheduler.inputs import Input, RenewNow, Vanished, Verified
from portmapper.scheduler.writer import Writer
from portmapper.support.backoff import MIN_RENEWAL_GAP
from portmapper.support.clock import Clock


class Findings:
    """Takes what is found."""

    def __init__(
        self,
        writer: Writer,
        gateway_events: GatewayEvents,
        clock: Clock,
        take: Callable[[Iterable[tuple[MappingKey, Input]]], None],
    ) -> None:
        """Know the records; `take` takes the inputs of many mappings."""
        self._writer = writer
        self._gateway_events = gateway_events
        self._clock = clock
        self._take = take

    def renew_early(self, key: MappingKey) -> None:
        """Renew ahead of time, but not what was just renewed, nor what the gateway refuses.

        The answer shows whether the gateway restarted.
        """
        record = self._writer.records[key]
        if all(isinstance(error, UNREACHABLE) for _, error in record.refusals):
            at = max(self._clock.monotonic(), record.granted_at + MIN_RENEWAL_GAP)
            self._writer.take(key, RenewNow(at))

    def verified(self, key: MappingKey, lease: Lease, *, holds: bool) -> None:
        """Take the answer whether the gateway's table has a lease."""
        record = self._writer.records.get(key)
        if record is None or record.lease is not lease:
            return
        if not holds:
            self._writer.take(key, Vanished())
        elif record.losses:
            self._writer.take(key, Verified())

    def moved(
        self,
        gateway: Gateway,
        before: IPAddress,
        now: IPAddress | None,
        external: Mapping[str, IPAddress | None],
    ) -> None:
        """Take a gateway's new external address; leases stay. `external` has what each gateway told."""
        self._take(self._gateway_events.after_move(gateway, before, now, external))

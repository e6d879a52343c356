"""Events for what the scheduler does: one event for each change, none for a repetition."""

from __future__ import annotations

import logging
from collections.abc import Callable

from portmapper.api.backend import Gateway
from portmapper.api.events import Event, EventKind
from portmapper.api.model import IPAddress, Lease, Mapping, MappingState
from portmapper.scheduler.record import Record
from portmapper.store.stored_lease import StoredLease
from portmapper.support.clock import Clock
from portmapper.support.text import plural
from portmapper.support.wording import protocol_name

_log = logging.getLogger(__name__)


class EventRecorder:
    """Publishes the scheduler's events."""

    def __init__(self, publish: Callable[[Event], None], clock: Clock) -> None:
        self._publish = publish
        self._clock = clock

    def granted(self, record: Record, before: Lease | None, lease: Lease, external: IPAddress | None) -> bool:
        """Report a port that was opened or changed; return False for a plain renewal."""
        if before is None or before.internal_address != lease.internal_address:
            kind, detail = EventKind.OPENED, ""
        elif before.external_port != lease.external_port:
            kind, detail = EventKind.EXTERNAL_PORT_CHANGED, f"was {before.external_port}"
        elif before.gateway != lease.gateway:
            kind, detail = EventKind.OPENED, f"moved from {protocol_name(before.backend)}"
        else:
            return False
        self._publish_for(kind, record.mapping, lease, detail, external)
        return True

    def adopted(
        self, record: Record, before: Lease, lease: Lease, external: IPAddress | None, *, repeat: bool
    ) -> None:
        """Report what changed about an adopted lease of an earlier run.

        With `repeat`, also report that the port is open: programs that were started together with the daemon
        know nothing of the earlier run.
        """
        if repeat:
            self._publish_for(EventKind.OPENED, record.mapping, lease, "open since an earlier run", external)
        was, now = before.external_address, lease.external_address
        if was is not None and now is not None and was != now:
            self.external_address_changed(record.mapping, lease, was, now)

    def failed(self, record: Record) -> None:
        """Report why a mapping is not open, or why its renewal failed."""
        for gateway, error in record.refusals:
            _log.debug("%s/%s: %s: %s", record.mapping.port, record.mapping.protocol, gateway, error)
        conflict = record.state is MappingState.CONFLICT
        kind = EventKind.CONFLICT if conflict else EventKind.FAILED
        self._publish_for(kind, record.mapping, record.lease, record.error or "not renewed", None)

    def lost(self, mapping: Mapping, lease: Lease, reason: str) -> None:
        """Report the loss of a lease whose mapping is still desired."""
        self._publish_for(EventKind.LOST, mapping, lease, reason, None)

    def released(self, stored: StoredLease, error: str = "") -> None:
        """Report that a lease was released, or why that failed."""
        lease = stored.lease
        self._publish(
            Event(
                at=self._clock.now(),
                kind=EventKind.FAILED if error else EventKind.CLOSED,
                detail=f"cannot be closed: {error}" if error else "",
                wanted_external_port=stored.wanted_port,
                comment=stored.comment,
                source=stored.source,
                origin=stored.origin,
                **_lease_fields(lease),  # type: ignore[arg-type]
            )
        )

    def gateway(self, kind: EventKind, gateway: Gateway, detail: str = "") -> None:
        """Report an event that concerns a gateway and no single mapping."""
        at = self._clock.now()
        self._publish(
            Event(at=at, kind=kind, detail=detail, backend=gateway.backend, gateway=str(gateway.address))
        )

    def silent(self, gateway: Gateway, held: int, error: str) -> None:
        """Report that a device does not answer any more, on which `held` mappings are open."""
        stays = "stays open until its lease ends" if held == 1 else "stay open until their leases end"
        until = f"; {plural(held, 'mapping')} {stays}" if held else ""
        self.gateway(EventKind.GATEWAY_LOST, gateway, f"{error}{until}")

    def restarted(self, gateway: Gateway, held: int) -> None:
        """Report the restart of a device on which `held` mappings are open."""
        detail = f"reopening {plural(held, 'mapping')}" if held else ""
        self.gateway(EventKind.GATEWAY_RESTARTED, gateway, detail)

    def external_address_changed(
        self, mapping: Mapping, lease: Lease, before: IPAddress | None, now: IPAddress | None
    ) -> None:
        """Report that a mapping has a new external address."""
        self._publish_for(EventKind.EXTERNAL_ADDRESS_CHANGED, mapping, lease, f"was {before or 'none'}", now)

    def _publish_for(
        self, kind: EventKind, mapping: Mapping, lease: Lease | None, detail: str, external: IPAddress | None
    ) -> None:
        fields: dict[str, object] = (
            _lease_fields(lease)
            if lease
            else {
                "protocol": mapping.protocol,
                "internal_address": mapping.address if isinstance(mapping.address, IPAddress) else None,
                "internal_port": mapping.internal_port,
                "gateway": mapping.gateway or "",
            }
        )
        fields["family"] = mapping.family
        if external is not None:
            fields["external_address"] = external
        self._publish(
            Event(
                at=self._clock.now(),
                kind=kind,
                detail=detail,
                wanted_external_port=mapping.port,
                comment=mapping.comment,
                source=mapping.source,
                origin=mapping.origin,
                **fields,  # type: ignore[arg-type]
            )
        )


def _lease_fields(lease: Lease) -> dict[str, object]:
    return {
        "protocol": lease.protocol,
        "family": lease.family,
        "internal_address": lease.internal_address,
        "internal_port": lease.internal_port,
        "external_address": lease.external_address,
        "external_port": lease.external_port,
        "backend": lease.backend,
        "gateway": lease.gateway.partition(":")[2],
    }

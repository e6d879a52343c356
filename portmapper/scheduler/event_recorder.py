"""Turns what the scheduler does into events, one for each change and none for mere repetition."""

from __future__ import annotations

from collections.abc import Callable

from portmapper.api.backend import Gateway
from portmapper.api.events import Event, EventKind
from portmapper.api.model import IPAddress, Lease, Mapping, MappingState
from portmapper.scheduler.lease_state import LeaseState
from portmapper.store.leases import StoredLease
from portmapper.support.clock import Clock


class EventRecorder:
    """Publishes the scheduler's events."""

    def __init__(self, publish: Callable[[Event], None], clock: Clock) -> None:
        self._publish = publish
        self._clock = clock

    def granted(
        self, entry: LeaseState, before: Lease | None, lease: Lease, outside: IPAddress | None
    ) -> bool:
        """Tell of a port that was opened, or that is another than before; return False for a renewal."""
        if before is None or before.internal_address != lease.internal_address:
            kind, detail = EventKind.OPENED, ""
        elif before.external_port != lease.external_port:
            kind, detail = EventKind.EXTERNAL_PORT_CHANGED, f"was {before.external_port}"
        elif before.gateway != lease.gateway:
            kind, detail = EventKind.OPENED, f"moved here from {before.backend}"
        else:
            return False
        self._of(kind, entry.mapping, lease, detail, outside)
        return True

    def adopted(
        self, entry: LeaseState, before: Lease, lease: Lease, outside: IPAddress | None, *, repeat: bool
    ) -> None:
        """Tell what became of an earlier run's lease; `repeat` tells of it though it is what it was.

        Programs that were started together with the daemon know nothing of the earlier run.
        """
        if repeat:
            self._of(EventKind.OPENED, entry.mapping, lease, "open since an earlier run", outside)
        was, now = before.external_address, lease.external_address
        if was is not None and now is not None and was != now:
            self.moved(entry.mapping, lease, was, now)

    def failed(self, entry: LeaseState) -> None:
        """Tell why a mapping is not open, or why its renewal failed."""
        conflict = entry.state is MappingState.CONFLICT
        kind = EventKind.CONFLICT if conflict else EventKind.FAILED
        self._of(kind, entry.mapping, entry.lease, entry.error or "not renewed", None)

    def lost(self, mapping: Mapping, lease: Lease, why: str) -> None:
        """Tell of a lease that stands no longer, though it is wanted."""
        self._of(EventKind.LOST, mapping, lease, why, None)

    def released(self, stored: StoredLease, error: str = "") -> None:
        """Tell of a lease that was closed, or why it could not be."""
        lease = stored.lease
        self._publish(
            Event(
                at=self._clock.now(),
                kind=EventKind.FAILED if error else EventKind.CLOSED,
                detail=f"cannot be closed: {error}" if error else "",
                wanted_external_port=stored.wanted_port,
                comment=stored.comment,
                source=stored.source,
                **_facts(lease),  # type: ignore[arg-type]
            )
        )

    def gateway(self, kind: EventKind, gateway: Gateway, detail: str = "") -> None:
        """Tell of a gateway as a whole."""
        at = self._clock.now()
        self._publish(
            Event(at=at, kind=kind, detail=detail, backend=gateway.backend, gateway=str(gateway.address))
        )

    def moved(self, mapping: Mapping, lease: Lease, before: IPAddress | None, now: IPAddress | None) -> None:
        """Tell that a mapping is reached under another outside address from now on."""
        self._of(EventKind.EXTERNAL_ADDRESS_CHANGED, mapping, lease, f"was {before or 'none'}", now)

    def _of(
        self, kind: EventKind, mapping: Mapping, lease: Lease | None, detail: str, outside: IPAddress | None
    ) -> None:
        facts: dict[str, object] = (
            _facts(lease)
            if lease
            else {
                "protocol": mapping.protocol,
                "internal_port": mapping.internal_port,
                "gateway": mapping.gateway or "",
            }
        )
        facts["family"] = mapping.family
        if outside is not None:
            facts["external_address"] = outside
        self._publish(
            Event(
                at=self._clock.now(),
                kind=kind,
                detail=detail,
                wanted_external_port=mapping.port,
                comment=mapping.comment,
                source=mapping.source,
                **facts,  # type: ignore[arg-type]
            )
        )


def _facts(lease: Lease) -> dict[str, object]:
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

"""Open ports in one pass: `open` if no daemon runs."""

from __future__ import annotations

from collections.abc import Sequence

from portmapper.api.backend import Backend
from portmapper.api.events import Observer
from portmapper.api.model import Mapping
from portmapper.api.quirks import Quirk
from portmapper.observability.publisher import EventPublisher
from portmapper.observability.status import Document, status_document
from portmapper.scheduler.options import Options
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.adhoc import AdhocMappings
from portmapper.store.leases import Store
from portmapper.support.clock import Clock


async def open_without_daemon(
    backends: Sequence[Backend],
    store: Store,
    mappings: Sequence[Mapping],
    options: Options,
    observers: Sequence[Observer] = (),
    quirks: Sequence[Quirk] = (),
) -> Document:
    """Open these mappings, change nothing else, and return the status document.

    The store records the mappings as ad-hoc mappings. A daemon that starts before their leases expire
    keeps them open.

    Args:
        backends: the backends, best first.
        store: the lease store.
        mappings: the desired mappings.
        options: with an empty `scope`, so that the scheduler releases no leases of other runs.
        observers: receive the events.
        quirks: the known quirks of devices.

    Raises:
        UsageError: the name of a gateway is invalid.
    """
    clock = Clock()
    publisher = EventPublisher(store, observers)
    scheduler = Scheduler(backends, store, publisher.publish, options, clock, quirks=quirks)
    publisher.start()
    try:
        scheduler.set_desired(mappings)
        await scheduler.settled()
        _record_adhoc(scheduler, store, clock)
        return status_document(scheduler, (), clock.now().replace(microsecond=0), clock)
    finally:
        await scheduler.close()
        await publisher.close()


def _record_adhoc(scheduler: Scheduler, store: Store, clock: Clock) -> None:
    leases = {key: entry.lease for key, entry in scheduler.records.items()}
    now = clock.now().timestamp()

    def expiry(mapping: Mapping) -> float | None:
        lease = leases[mapping.key]
        return None if lease is None or lease.permanent else now + lease.lifetime

    opened = [entry.mapping for entry in scheduler.records.values() if entry.lease is not None]
    AdhocMappings(store).add(opened, expiry)

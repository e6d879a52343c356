"""Opens ports in one pass, for a caller that does not stay: `open` where no daemon runs."""

from __future__ import annotations

from collections.abc import Sequence

from portmapper.api.backend import Backend
from portmapper.api.events import Observer
from portmapper.api.model import Mapping
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
) -> Document:
    """Open these, leave everything else alone, and return the status document.

    What is open then stands in the store, and is written down as asked for, so that a daemon which
    starts before it runs out keeps it.

    Args:
        backends: best first.
        store: where leases are kept.
        mappings: what is wanted.
        options: with an empty `scope`, or what others left is released.
        observers: told of what happens.

    Raises:
        UsageError: a named gateway is none.
    """
    clock = Clock()
    journal = EventPublisher(store, observers)
    scheduler = Scheduler(backends, store, journal.publish, options, clock)
    journal.start()
    try:
        scheduler.set_desired(mappings)
        await scheduler.settled()
        _write_down(scheduler, store, clock)
        return status_document(scheduler, (), clock.now().replace(microsecond=0), clock)
    finally:
        await scheduler.close()
        await journal.close()


def _write_down(scheduler: Scheduler, store: Store, clock: Clock) -> None:
    leases = {key: entry.lease for key, entry in scheduler.entries.items()}
    now = clock.now().timestamp()

    def until(mapping: Mapping) -> float | None:
        lease = leases[mapping.key]
        return None if lease is None or lease.permanent else now + lease.lifetime

    opened = [entry.mapping for entry in scheduler.entries.values() if entry.lease is not None]
    AdhocMappings(store).add(opened, until)

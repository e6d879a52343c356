"""Metrics of a scheduler, as observers publish them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from portmapper.api.metrics import Metrics
from portmapper.api.model import MappingState

if TYPE_CHECKING:
    from portmapper.scheduler.scheduler import Scheduler
    from portmapper.support.clock import Clock


def collect_metrics(
    scheduler: Scheduler,
    dropped: Mapping[str, int],
    clock: Clock,
    held_back: Iterable[MappingState] = (),
    role: str = "alone",
) -> Metrics:
    """Return the current metrics of a scheduler.

    `dropped` is the number of lost events by observer, `held_back` the state of each mapping held back, and
    `role` the role of the daemon.
    """
    states = Counter(entry.state for entry in scheduler.records.values())
    states.update(held_back)
    counters = scheduler.counters
    return Metrics(
        mappings={state: states[state] for state in MappingState},
        renewals=dict(counters.renewals),
        failures=dict(counters.failures),
        latencies={(g.backend, str(g.address)): g.latency for g in scheduler.discovery.gateways},
        since_success=None if counters.last_success is None else clock.monotonic() - counters.last_success,
        dropped=dropped,
        role=role,
    )

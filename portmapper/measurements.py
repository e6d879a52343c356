"""What a daemon measures, and the ability of an observer to show it."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from portmapper.model import MappingState

if TYPE_CHECKING:
    from portmapper.clock import Clock
    from portmapper.scheduler import Scheduler


@attrs.frozen
class Measurements:
    """A daemon's numbers at one moment.

    Attributes:
        mappings: how many there are in each state.
        renewals: leases renewed since the start, by backend.
        failures: rounds that opened nothing, by the name of each error.
        latencies: seconds that each gateway took to answer when it was found, by backend and address.
        since_success: seconds since a gateway last granted anything, None before the first.
        dropped: events that each observer was too slow for.
    """

    mappings: Mapping[MappingState, int]
    renewals: Mapping[str, int]
    failures: Mapping[str, int]
    latencies: Mapping[tuple[str, str], float]
    since_success: float | None
    dropped: Mapping[str, int]


@attrs.frozen
class Page:
    """What is shown to another program.

    Attributes:
        content_type: its media type, with parameters.
        body: the bytes.
    """

    content_type: str
    body: bytes


class ShowsMetrics(abc.ABC):
    """An observer that shows what the daemon measures, at `/metrics` of the control socket."""

    @abc.abstractmethod
    def attach(self, measure: Callable[[], Measurements]) -> None:
        """Take what measures; called before `start`."""

    @abc.abstractmethod
    async def page(self) -> Page:
        """Return the numbers as they are now."""


def measure(scheduler: Scheduler, dropped: Mapping[str, int], clock: Clock) -> Measurements:
    """Return a scheduler's numbers."""
    states = Counter(entry.state for entry in scheduler.entries.values())
    tally = scheduler.tally
    return Measurements(
        mappings={state: states[state] for state in MappingState},
        renewals=dict(tally.renewals),
        failures=dict(tally.failures),
        latencies={(g.backend, str(g.address)): g.latency for g in scheduler.discovery.gateways},
        since_success=None if tally.last_success is None else clock.monotonic() - tally.last_success,
        dropped=dropped,
    )

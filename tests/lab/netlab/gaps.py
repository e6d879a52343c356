"""Gaps of open ports that the gateway or the daemon causes, and not a busy machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from netlab.cpu_wait import cpu_wait, is_blocked
from netlab.lab import Lab
from netlab.prober import Prober
from netlab.program import Running
from netlab.reference import Reference

LONGEST_COMMIT = 0.5
"""miniupnpd removes and adds a rule at a renewal; a busy kernel took 0.1 s for each of these commits."""


@dataclasses.dataclass
class Gaps:
    """Gaps of all ports; complete after the watch.

    Attributes:
        seconds: length of each gap, without the time that daemon and gateway waited for a processor.
        requested: number of queries for each port.
    """

    seconds: list[float] = dataclasses.field(default_factory=list)
    requested: list[int] = dataclasses.field(default_factory=list)

    def assert_only_slow_commits(self) -> None:
        """Assert that no port closed for longer than the gateway's own change of its rules."""
        print("gaps:", self.seconds)
        assert len(self.seconds) <= 1
        assert max(self.seconds, default=0.0) < LONGEST_COMMIT


@contextmanager
def watched_gaps(lab: Lab, daemon: Running, endpoints: Iterable[tuple[str, int]]) -> Iterator[Gaps]:
    """Query ports from the WAN while the context lasts."""

    def waited() -> float:
        return cpu_wait(lab.gateway.pid) + cpu_wait(daemon.process.pid)

    def is_gateway_blocked() -> bool:
        return is_blocked(lab.gateway.pid)

    gaps = Gaps()
    with Reference(lab) as reference, ExitStack() as watches:
        probers = [
            watches.enter_context(Prober(partial(lab.query_from_wan, *it), waited, is_gateway_blocked))
            for it in endpoints
        ]
        yield gaps
    outages = [it for prober in probers for it in prober.outages if not reference.was_slow(it)]
    gaps.seconds = [max(0.0, it.sure - it.began - it.late) for it in outages]
    gaps.requested = [prober.requested for prober in probers]

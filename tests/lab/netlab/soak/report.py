"""Report of a soak."""

from __future__ import annotations

import dataclasses

from netlab.cpu_wait import Elapsed
from netlab.managed_daemon import Endpoint
from netlab.prober import Outage


@dataclasses.dataclass
class FaultRecord:
    """A fault of a soak.

    Attributes:
        name: name of the kind.
        backend: the daemon's backend.
        closes: ports may be closed during the fault.
        bound: limit for the recovery, in seconds after `over`.
        began: monotonic seconds.
        over: monotonic seconds; start of the recovery.
        took: duration of the recovery.
        outages: outages during the fault, by port.
    """

    name: str
    backend: str
    closes: bool
    bound: float
    began: float
    over: float
    took: Elapsed
    outages: list[tuple[Endpoint, Outage]] = dataclasses.field(default_factory=list)

    def may_close(self, outage: Outage) -> bool:
        """Return whether the fault allows an outage: it closes ports, and was not recovered from before."""
        return self.closes and outage.began <= self.over + self.took.total

    def violations(self) -> list[str]:
        """Return the violations of the limits."""
        problems = []
        if self.took.net > self.bound:
            problems.append(f"recovered after {self.took.net:.2f} s, later than {self.bound:.0f} s")
        for (protocol, port), outage in self.outages:
            # The last failed query counts, because the port was open some time before the next answer.
            later = outage.sure - self.over - self.took.late
            if not self.closes:
                problems.append(
                    f"{port}/{protocol.lower()} was closed for {outage.length:.2f} s"
                    f" (at least {outage.sure - outage.began:.3f} s, {outage.late:.3f} s no processor),"
                    f" {outage.began - self.over:+.2f} s from the end of the fault"
                )
            elif later > self.bound:
                problems.append(
                    f"{port}/{protocol.lower()} was closed {later:.2f} s after the fault was over"
                    f" (for {outage.length:.2f} s, {outage.late:.3f} s no processor)"
                )
        return [f"{self.backend}, {self.name}: {what}" for what in problems]


@dataclasses.dataclass
class Growth:
    """A resource of a daemon before and after the faults.

    Attributes:
        backend: the daemon's backend.
        what: the resource, for example "tasks".
        before: value before the faults.
        after: value after the faults.
    """

    backend: str
    what: str
    before: int
    after: int


@dataclasses.dataclass
class Report:
    """Result of a soak.

    Attributes:
        seed: seed to repeat the soak.
        faults: the faults in order.
        requested: number of queries from the WAN.
        void: outages that do not count, because the machine was too slow.
        foreign: number of times another host's entry had changed.
        left: entries that remained after the daemons had closed their ports.
        growth: resources of each daemon.
        complaints: violations as text.
    """

    seed: int
    faults: list[FaultRecord] = dataclasses.field(default_factory=list)
    requested: int = 0
    void: int = 0
    foreign: int = 0
    left: int = 0
    growth: list[Growth] = dataclasses.field(default_factory=list)
    complaints: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> str:
        """Return the report as a table."""
        lines = [f"seed {self.seed}: {len(self.faults)} faults, {self.requested} queries from the WAN"]
        lines.append(
            f"{'fault':<36}{'backend':<9}{'times':>5}{'outages':>9}{'longest':>10}"
            f"{'recovered':>11}{'late':>9}{'bound':>7}"
        )
        lines += [self._line(*kind) for kind in sorted({(f.name, f.backend) for f in self.faults})]
        lines.append(f"outages that do not count (slow machine): {self.void}")
        lines.append(f"entries of other hosts changed: {self.foreign}")
        lines.append(f"entries left after exit: {self.left}")
        lines += [f"{g.what}, {g.backend}: {g.before} before, {g.after} after" for g in self.growth]
        return "\n".join([*lines, *(f"VIOLATION: {complaint}" for complaint in self.complaints)])

    def _line(self, name: str, backend: str) -> str:
        same = [fault for fault in self.faults if (fault.name, fault.backend) == (name, backend)]
        outages = [outage for fault in same for _, outage in fault.outages]
        longest = max((outage.length for outage in outages), default=0.0)
        slowest = max((fault.took for fault in same), key=lambda took: took.total)
        return (
            f"{name:<36}{backend:<9}{len(same):>5}{len(outages):>9}{longest:>8.2f} s"
            f"{slowest.total:>9.2f} s{slowest.late:>7.2f} s{same[0].bound:>5.0f} s"
        )

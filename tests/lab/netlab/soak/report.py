"""What a soak found, as a table for people."""

from __future__ import annotations

import dataclasses

from netlab.keeping import Way
from netlab.prober import Outage
from netlab.soak.lateness import Took


@dataclasses.dataclass
class Happened:
    """One fault that happened.

    Attributes:
        name: which.
        backend: the daemon's.
        closes: ports may be closed meanwhile.
        bound: seconds from `over` within which everything has to be as it should be.
        began: monotonic seconds.
        over: monotonic seconds; from then on ports have to come back.
        took: how long it was from `over` until everything was as it should be.
        outages: what the probers saw meanwhile, and of which port.
    """

    name: str
    backend: str
    closes: bool
    bound: float
    began: float
    over: float
    took: Took
    outages: list[tuple[Way, Outage]] = dataclasses.field(default_factory=list)

    def broken(self) -> list[str]:
        """Say which promises were broken."""
        said = []
        if self.took.judged > self.bound:
            said.append(f"as it should be after {self.took.judged:.2f} s, later than {self.bound:.0f} s")
        for (protocol, port), outage in self.outages:
            # The last failed question counts: when the next was answered, it had been open for a while.
            later = outage.sure - self.over - self.took.late
            if not self.closes:
                said.append(
                    f"{port}/{protocol.lower()} was closed for {outage.length:.2f} s"
                    f" (for sure {outage.sure - outage.began:.3f} s, they were late {outage.late:.3f} s),"
                    f" {outage.began - self.over:+.2f} s from its end"
                )
            elif later > self.bound:
                said.append(f"{port}/{protocol.lower()} was closed {later:.2f} s after it was over")
        return [f"{self.backend}, {self.name}: {what}" for what in said]


@dataclasses.dataclass
class Growth:
    """What a daemon had before the faults, and after them.

    Attributes:
        backend: the daemon's.
        what: such as "tasks".
        before: a number.
        after: a number.
    """

    backend: str
    what: str
    before: int
    after: int


@dataclasses.dataclass
class Report:
    """What a soak found.

    Attributes:
        seed: to see it again.
        faults: in order.
        asked: questions from the WAN.
        void: outages that do not count, because the machine or the gateway had no processor for it.
        foreign: times another host's entry was not as it had been.
        left: entries that stood after the daemons had closed their ports.
        growth: of each daemon.
        complaints: broken promises, in words.
    """

    seed: int
    faults: list[Happened] = dataclasses.field(default_factory=list)
    requested: int = 0
    void: int = 0
    foreign: int = 0
    left: int = 0
    growth: list[Growth] = dataclasses.field(default_factory=list)
    complaints: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> str:
        """Return it as a table for people."""
        lines = [f"seed {self.seed}: {len(self.faults)} faults, {self.requested} questions from the WAN"]
        lines.append(
            f"{'fault':<36}{'backend':<9}{'times':>5}{'outages':>9}{'longest':>10}"
            f"{'recovered':>11}{'late':>9}{'bound':>7}"
        )
        lines += [self._line(*kind) for kind in sorted({(f.name, f.backend) for f in self.faults})]
        lines.append(f"outages that are void, the machine being late: {self.void}")
        lines.append(f"foreign entries touched: {self.foreign}")
        lines.append(f"entries left after exit: {self.left}")
        lines += [f"{g.what}, {g.backend}: {g.before} before, {g.after} after" for g in self.growth]
        return "\n".join([*lines, *(f"BROKEN: {complaint}" for complaint in self.complaints)])

    def _line(self, name: str, backend: str) -> str:
        same = [fault for fault in self.faults if (fault.name, fault.backend) == (name, backend)]
        outages = [outage for fault in same for _, outage in fault.outages]
        longest = max((outage.length for outage in outages), default=0.0)
        slowest = max((fault.took for fault in same), key=lambda took: took.passed)
        return (
            f"{name:<36}{backend:<9}{len(same):>5}{len(outages):>9}{longest:>8.2f} s"
            f"{slowest.passed:>9.2f} s{slowest.late:>7.2f} s{same[0].bound:>5.0f} s"
        )

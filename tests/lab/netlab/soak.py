"""The soak: faults at random for minutes, a WAN prober on every port, and a report at the end.

Run it as `python -m netlab.soak --minutes 5 --seed 1`; it ends with 1 when a bound was broken.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from netlab.faults import losing
from netlab.gateway import Rule, Variant
from netlab.keeping import WAYS, Kept
from netlab.lab import Lab, standing_lab
from netlab.needs import obstacle
from netlab.prober import Outage, Prober
from netlab.program import Program

BACKENDS = ("any", "pcp", "natpmp", "upnp")
NEIGHBOUR = "192.168.88.9"
THEIRS = Rule("TCP", 7000, NEIGHBOUR, 7000)
INTERVAL = 5
RECOVERY = 2.0
"""Seconds after a fault within which every port has to answer again."""

SETTLING = 3.0
"""Seconds of peace between two faults; no gateway boots twice within less."""

WATCH = 0.25
"""Seconds between two looks at another host's entry."""

OPENS_AGAIN = 30.0
CLOSES = 10.0


@dataclasses.dataclass
class Fault:
    """One fault that happened.

    Attributes:
        name: which.
        backend: the daemon's.
        began: monotonic seconds.
        over: monotonic seconds; from then on ports have to come back.
        recovered: seconds from `over` until every port answered.
        outages: what the probers saw meanwhile, of all ports together.
    """

    name: str
    backend: str
    began: float
    over: float
    recovered: float
    outages: list[Outage] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Report:
    """What a soak found.

    Attributes:
        seed: to see it again.
        faults: in order.
        asked: questions from the WAN.
        foreign: times another host's entry was not as it had been.
        left: entries that stood after the daemons had closed their ports.
        descriptors: of each daemon, before the faults and after them.
        complaints: broken bounds, in words.
    """

    seed: int
    faults: list[Fault] = dataclasses.field(default_factory=list)
    asked: int = 0
    foreign: int = 0
    left: int = 0
    descriptors: list[tuple[str, int, int]] = dataclasses.field(default_factory=list)
    complaints: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> str:
        """Return it as a table for people."""
        lines = [f"seed {self.seed}: {len(self.faults)} faults, {self.asked} questions from the WAN"]
        lines.append(f"{'fault':<24}{'backend':<9}{'times':>6}{'outages':>9}{'longest':>10}{'recovered':>11}")
        for name, backend in sorted({(fault.name, fault.backend) for fault in self.faults}):
            same = [fault for fault in self.faults if (fault.name, fault.backend) == (name, backend)]
            outages = [outage for fault in same for outage in fault.outages]
            longest = max((outage.length for outage in outages), default=0.0)
            slowest = max(fault.recovered for fault in same)
            lines.append(
                f"{name:<24}{backend:<9}{len(same):>6}{len(outages):>9}{longest:>8.2f} s{slowest:>9.2f} s"
            )
        lines.append(f"foreign entries touched: {self.foreign}")
        lines.append(f"entries left after exit: {self.left}")
        for backend, before, after in self.descriptors:
            lines.append(f"descriptors, {backend}: {before} before, {after} after")
        return "\n".join([*lines, *(f"BROKEN: {complaint}" for complaint in self.complaints)])


class Soak:
    """One daemon with one backend, its faults and its probers."""

    def __init__(
        self, lab: Lab, directory: Path, backend: str, chance: random.Random, report: Report
    ) -> None:
        self._lab = lab
        self._backend = backend
        self._chance = chance
        self._report = report
        self._kept = Kept(lab, Program(lab.lan, directory), directory)
        self._steps: dict[str, Callable[[], float]] = {
            "restart, empty table": self._restart,
            "crash, empty table": self._crash,
            "away for a while": self._away,
            "link down and up": self._link,
            "30 % loss": self._loss,
            "list edited": self._edit,
        }

    def run(self, seconds: float) -> None:
        """Let faults happen for a while, then stop the daemon and look at what is left."""
        options = () if self._backend == "any" else ("--backend", self._backend)
        arguments = (*options, "-n", str(INTERVAL), "--close-ports-on-exit")
        with self._kept.daemon(*arguments) as daemon, ExitStack() as watches:
            ask = self._lab.ask_from_wan
            probers = [watches.enter_context(Prober(partial(ask, *way))) for way in WAYS]
            self._rest()
            before, until = self._kept.descriptors(), time.monotonic() + seconds
            faults = []
            while time.monotonic() < until:
                faults.append(self._happen())
                self._rest()
            self._look_at_descriptors(before)
            watches.close()
            self._attribute(faults, probers)
            if daemon.end(timeout=CLOSES + 5) != 0:
                self._report.complaints.append(f"{self._backend}: the daemon did not end in order")
            if "Traceback" in daemon.log:
                self._report.complaints.append(f"{self._backend}: {daemon.log}")
        self._look_at_the_table()

    def _rest(self) -> None:
        """Let nothing happen for a while, and watch what belongs to somebody else."""
        until = time.monotonic() + SETTLING
        while time.monotonic() < until:
            if THEIRS not in self._lab.gateway.rules():
                self._report.foreign += 1
                self._report.complaints.append(f"{self._backend}: another host's entry is gone")
                settle_neighbour(self._lab)
            time.sleep(WATCH)

    def _happen(self) -> Fault:
        name = self._chance.choice(sorted(self._steps))
        began = time.monotonic()
        over = self._steps[name]()
        try:
            recovered = self._kept.until_open(over, OPENS_AGAIN)
        except AssertionError as error:
            recovered = OPENS_AGAIN
            self._report.complaints.append(f"{self._backend}, {name}: {error}")
        if recovered > RECOVERY:
            self._report.complaints.append(f"{self._backend}, {name}: recovered after {recovered:.2f} s")
        fault = Fault(name, self._backend, began, over, recovered)
        self._report.faults.append(fault)
        return fault

    def _attribute(self, faults: list[Fault], probers: list[Prober]) -> None:
        self._report.asked += sum(prober.asked for prober in probers)
        for outage in (outage for prober in probers for outage in prober.outages):
            cause = [fault for fault in faults if fault.began - 1 <= outage.began]
            if cause:
                cause[-1].outages.append(outage)
            else:
                self._report.complaints.append(
                    f"{self._backend}: an outage of {outage.length:.2f} s, no fault"
                )

    def _look_at_descriptors(self, before: int) -> None:
        deadline = time.monotonic() + CLOSES
        while (after := self._kept.descriptors()) > before and time.monotonic() < deadline:
            time.sleep(0.2)
        self._report.descriptors.append((self._backend, before, after))
        if after > before:
            self._report.complaints.append(f"{self._backend}: {after - before} descriptors more than before")

    def _look_at_the_table(self) -> None:
        rules = self._lab.gateway.rules()
        self._report.foreign += THEIRS not in rules
        self._report.left += len(rules - {THEIRS})
        if rules != {THEIRS}:
            self._report.complaints.append(f"{self._backend}: the table after exit is {rules}")

    # The faults; each returns when it is over

    def _restart(self) -> float:
        self._lab.gateway.stop()
        return self._come_back()

    def _crash(self) -> float:
        self._lab.gateway.kill()
        return self._come_back()

    def _away(self) -> float:
        self._lab.gateway.stop()
        time.sleep(self._chance.uniform(2, 6))
        return self._come_back()

    def _come_back(self) -> float:
        self._lab.gateway.empty()
        over = time.monotonic()
        self._lab.gateway.start()
        settle_neighbour(self._lab)
        return over

    def _link(self) -> float:
        self._lab.lan.ip("link", "set", "eth0", "down")
        time.sleep(self._chance.uniform(0.5, 2))
        self._lab.lan.ip("link", "set", "eth0", "up")
        self._lab.lan.ip("route", "replace", "default", "via", self._lab.gateway.lan_address)
        return time.monotonic()

    def _loss(self) -> float:
        with losing(self._lab.lan, self._lab.router, 30):
            time.sleep(self._chance.uniform(2, 6))
        return time.monotonic()

    def _edit(self) -> float:
        """Add a mapping and take it away again; the others are not touched."""
        self._kept.write([*WAYS, ("TCP", self._chance.randrange(9000, 9100))])
        time.sleep(1)
        self._kept.write(WAYS)
        return time.monotonic()


def settle_neighbour(lab: Lab) -> None:
    """Let the other host have its port; a client of another kind does it."""
    lab.topology.namespaces[-1].run("natpmpc", "-a", "7000", "7000", "tcp", "3600")


def soak(seconds: float, seed: int, directory: Path) -> Report:
    """Spend so many seconds on faults, a share with each choice of backend."""
    report, chance = Report(seed), random.Random(seed)
    with standing_lab(directory) as lab:
        lab.add_lan_host("other", NEIGHBOUR)
        for backend in BACKENDS:
            lab.gateway.reset(Variant("soak", extra=()))
            settle_neighbour(lab)
            place = directory / backend
            place.mkdir()
            Soak(lab, place, backend, chance, report).run(seconds / len(BACKENDS))
    return report


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    arguments = parser.parse_args()
    if reason := obstacle():
        print(reason, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as directory:
        report = soak(arguments.minutes * 60, arguments.seed, Path(directory))
    print(report.text())
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())

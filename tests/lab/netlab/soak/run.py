"""Runs a soak: each backend choice gets a share of the time and a separate lab."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from netlab.cpu_wait import since
from netlab.gateway import Gateway
from netlab.lab import Lab, running_lab
from netlab.managed_daemon import ManagedDaemon
from netlab.program import Program
from netlab.soak import task_dump
from netlab.soak.faults import OTHER_GATEWAY, Faults, Kind
from netlab.soak.report import FaultRecord, Growth, Report
from netlab.soak.resource_usage import ResourceUsage, measure_after_return, measure_at_rest
from netlab.soak.testbed import (
    INTERVAL,
    LIFETIMES,
    NEIGHBOR_RULE,
    PORTS,
    Testbed,
    open_neighbor_port,
    prepare,
)
from netlab.soak.watch import Watch

BACKENDS = ("any", "pcp", "natpmp", "upnp")

REST_SECONDS = 3.0
"""Seconds between two faults; no real gateway boots twice within less."""

COMMIT_SECONDS = 0.1
"""Seconds that the kernel may need to commit the gateway's rules, while three other labs commit theirs."""

CHECK_PERIOD = 0.25
"""Seconds between two checks of another host's entry."""

OVERLAP_SHARE = 0.25
"""Share of faults that are combined with a disturbance."""

MAX_MACHINE_OUTAGE = 5.0
"""Seconds without an answer of the machine itself that a soak tolerates."""

RECOVERY_TIMEOUT = 30.0
CLOSE_TIMEOUT = 10.0
LONGEST_DISTURBANCE = 6.0
DISK_SIZE = "8m"


class Soak:
    """A daemon with one backend choice, its faults and its probers."""

    def __init__(
        self, lab: Lab, other: Gateway, directory: Path, backend: str, seed: int, report: Report
    ) -> None:
        self._lab = lab
        self._other = other
        self._backend = backend
        self._chance = random.Random(f"{seed} {backend}")
        self._report = report
        self._directory = directory
        self._tasks_file = directory / "tasks.json"
        self._managed = ManagedDaemon(
            lab, Program(lab.lan, directory, task_dump.command_words(self._tasks_file)), directory
        )
        self._stack = ExitStack()
        self._records: list[FaultRecord] = []

    def run(self, seconds: float) -> None:
        """Inject faults for a while, then stop the daemon and check what is left."""
        with small_disk(self._managed.state), self._stack:
            self._managed.write(PORTS, LIFETIMES[0])
            self._start()
            self._managed.until_open(time.monotonic(), RECOVERY_TIMEOUT)
            with Watch(self._lab, self._managed) as watch:
                self._inject_faults(seconds, watch)
            self._judge(watch)
            if self._managed.running.end(timeout=CLOSE_TIMEOUT + 5) != 0:
                self._complain("the daemon did not stop with status 0")
        self._check_logs()
        self._check_table()

    def _inject_faults(self, seconds: float, watch: Watch) -> None:
        longest = max(LONGEST_DISTURBANCE, seconds / 20)
        testbed = Testbed(
            self._lab, self._other, self._managed, self._backend, self._chance, self._start, longest
        )
        faults = Faults(testbed)
        # The daemon remembers a gateway, so the other gateway is used once before the measurement.
        self._inject_fault(testbed, next(kind for kind in faults.kinds if kind.name == OTHER_GATEWAY))
        self._rest()
        before, until = measure_at_rest(self._managed, self._tasks_file), time.monotonic() + seconds
        # Every kind is used once before any is repeated.
        remaining: list[Kind] = []
        while time.monotonic() < until:
            remaining = remaining or self._chance.sample(faults.kinds, len(faults.kinds))
            kind = remaining.pop()
            if kind.within and self._chance.random() < OVERLAP_SHARE:
                kind = faults.within(kind, self._chance.choice(kind.within))
            self._inject_fault(testbed, kind)
            watch.update()
            self._rest()
        self._compare(before)

    def _start(self) -> None:
        options = () if self._backend == "any" else ("--backend", self._backend)
        arguments = (*options, "-n", str(INTERVAL), "--close-ports-on-exit", "--log-level", "debug")
        self._stack.enter_context(self._managed.daemon(*arguments, opens=False))

    def _complain(self, what: str) -> None:
        self._report.complaints.append(f"{self._backend}: {what}")

    def _inject_fault(self, testbed: Testbed, kind: Kind) -> None:
        began = time.monotonic()
        with kind.inject():
            over = testbed.over
            self._await_recovery(kind, testbed)
            took = since(over, testbed.pids())
        fault = FaultRecord(kind.name, self._backend, kind.closes, kind.bound, began, over.at, took)
        self._records.append(fault)
        self._report.faults.append(fault)
        # Printed immediately, so that it can be matched with the daemon's log.
        when = time.strftime("%H:%M:%S")
        print(f"{when} {self._backend}, {kind.name}: {took.total:.2f} s", file=sys.stderr)

    def _await_recovery(self, kind: Kind, testbed: Testbed) -> None:
        def is_recovered() -> bool:
            return self._managed.all_answer() and kind.settled()

        if not happens_within(kind.bound, is_recovered):
            # The state that was wrong is gone when the report is printed.
            print(f"{kind.name}: after {kind.bound:.0f} s, {testbed.differences()}", file=sys.stderr)
            if not happens_within(RECOVERY_TIMEOUT, is_recovered):
                log = self._managed.running.log
                self._complain(f"{kind.name}: not recovered after {RECOVERY_TIMEOUT:.0f} s\n{log}")

    def _rest(self) -> None:
        """Wait without faults, and check another host's entry."""
        until = time.monotonic() + REST_SECONDS
        while time.monotonic() < until:
            if NEIGHBOR_RULE not in self._lab.gateway.rules():
                self._report.foreign += 1
                self._complain("another host's entry is gone")
                open_neighbor_port(self._lab)
            time.sleep(CHECK_PERIOD)

    # Checks at the end

    def _judge(self, watch: Watch) -> None:
        for endpoint, outage in watch.outages():
            cause = [fault for fault in self._records if fault.began - 1 <= outage.began]
            if not cause:
                self._complain(f"{endpoint} was closed for {outage.length:.2f} s, without a fault")
            elif (
                not cause[-1].may_close(outage) and outage.late + COMMIT_SECONDS > outage.sure - outage.began
            ):
                # A process lost its processor while a renewal had removed the rule.
                self._report.void += 1
            else:
                cause[-1].outages.append((endpoint, outage))
        self._report.requested += watch.requested
        self._report.void += watch.void
        if watch.late > MAX_MACHINE_OUTAGE:
            self._complain(f"the machine itself did not answer for {watch.late:.1f} s: no valid result")
        for fault in self._records:
            self._report.complaints += fault.violations()

    def _compare(self, before: ResourceUsage) -> None:
        self._managed.write(PORTS, LIFETIMES[0])
        after = measure_after_return(before, self._managed, self._tasks_file)
        self._report.growth += [
            Growth(self._backend, "tasks", len(before.tasks), len(after.tasks)),
            Growth(self._backend, "descriptors", before.descriptors, after.descriptors),
            Growth(self._backend, "KiB of memory", before.memory, after.memory),
        ]
        if after.has_grown(before):
            self._complain(f"resources have grown from {before} to {after}")

    def _check_logs(self) -> None:
        for log in sorted(self._directory.glob("daemon-*.log")):
            if "Traceback" in log.read_text():
                self._complain(log.read_text())

    def _check_table(self) -> None:
        rules = self._lab.gateway.rules() | self._other.rules()
        self._report.foreign += NEIGHBOR_RULE not in rules
        self._report.left += len(rules - {NEIGHBOR_RULE})
        if rules != {NEIGHBOR_RULE}:
            self._complain(f"the table after exit is {rules}")


def happens_within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Return whether a condition becomes true within this time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """Mount a small disk."""
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=0755", "lab", str(place)], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def soak(seconds: float, seed: int, directory: Path, backends: Sequence[str] = BACKENDS) -> Report:
    """Inject faults for this many seconds, with an equal share for each backend choice."""
    report = Report(seed)
    for backend in backends:
        place = directory / backend
        place.mkdir(parents=True)
        with running_lab(place) as lab:
            other = prepare(lab)
            try:
                Soak(lab, other, place, backend, seed, report).run(seconds / len(backends))
            finally:
                other.kill()
    return report

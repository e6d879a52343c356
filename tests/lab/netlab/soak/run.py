"""One soak: each choice of backend has its share of the time, in a lab of its own."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from netlab.gateway import Gateway
from netlab.keeping import Kept
from netlab.lab import Lab, standing_lab
from netlab.program import Program
from netlab.soak import counted
from netlab.soak.faults import OTHER_GATEWAY, Faults, Kind
from netlab.soak.footing import Footing, at_rest, back_to
from netlab.soak.lateness import since
from netlab.soak.report import Growth, Happened, Report
from netlab.soak.scene import INTERVAL, LIFETIMES, PORTS, THEIRS, Scene, prepare, settle_neighbour
from netlab.soak.watch import Watch

BACKENDS = ("any", "pcp", "natpmp", "upnp")

SETTLING = 3.0
"""Seconds of peace between two faults; no gateway boots twice within less."""

COMMITS = 0.005
"""Seconds that the kernel may take to commit the gateway's changes of its rules."""

WATCH = 0.25
"""Seconds between two looks at another host's entry."""

OVERLAPS = 0.25
"""The share of faults that happen in the midst of another."""

LATE = 5.0
"""Seconds in which the machine itself may not answer, and outages are void."""

GIVEN_UP = 30.0
CLOSES = 10.0
LONGEST_TROUBLE = 6.0
DISK = "8m"


class Soak:
    """One daemon with one backend, its faults and its probers."""

    def __init__(
        self, lab: Lab, other: Gateway, directory: Path, backend: str, seed: int, report: Report
    ) -> None:
        self._lab = lab
        self._other = other
        self._backend = backend
        self._chance = random.Random(f"{seed} {backend}")
        self._report = report
        self._directory = directory
        self._told = directory / "tasks.json"
        self._kept = Kept(lab, Program(lab.lan, directory, counted.words(self._told)), directory)
        self._lives = ExitStack()
        self._happened: list[Happened] = []

    def run(self, seconds: float) -> None:
        """Let faults happen for a while, then stop the daemon and look at what is left."""
        with small_disk(self._kept.state), self._lives:
            self._kept.write(PORTS, LIFETIMES[0])
            self._start()
            self._kept.until_open(time.monotonic(), GIVEN_UP)
            with Watch(self._lab, self._kept) as watch:
                self._let_happen(seconds, watch)
            self._judge(watch)
            if self._kept.running.end(timeout=CLOSES + 5) != 0:
                self._complain("the daemon did not end in order")
        self._look_at_the_logs()
        self._look_at_the_table()

    def _let_happen(self, seconds: float, watch: Watch) -> None:
        longest = max(LONGEST_TROUBLE, seconds / 20)
        scene = Scene(self._lab, self._other, self._kept, self._backend, self._chance, self._start, longest)
        faults = Faults(scene)
        # What is known of another gateway stays known, so it is there from the beginning.
        self._let_one_happen(scene, next(kind for kind in faults.kinds if kind.name == OTHER_GATEWAY))
        self._rest()
        before, until = at_rest(self._kept, self._told), time.monotonic() + seconds
        # Every kind has its turn before one comes again.
        turns: list[Kind] = []
        while time.monotonic() < until:
            turns = turns or self._chance.sample(faults.kinds, len(faults.kinds))
            kind = turns.pop()
            if kind.within and self._chance.random() < OVERLAPS:
                kind = faults.within(kind, self._chance.choice(kind.within))
            self._let_one_happen(scene, kind)
            watch.follow()
            self._rest()
        self._compare(before)

    def _start(self) -> None:
        options = () if self._backend == "any" else ("--backend", self._backend)
        arguments = (*options, "-n", str(INTERVAL), "--close-ports-on-exit", "--log-level", "debug")
        self._lives.enter_context(self._kept.daemon(*arguments, opens=False))

    def _complain(self, what: str) -> None:
        self._report.complaints.append(f"{self._backend}: {what}")

    def _let_one_happen(self, scene: Scene, kind: Kind) -> None:
        began = time.monotonic()
        with kind.happen():
            over = scene.over
            self._until(lambda: self._all_answer() and kind.settled(), kind.name)
            took = since(over, scene.pids())
        fault = Happened(kind.name, self._backend, kind.closes, kind.bound, began, over.at, took)
        self._happened.append(fault)
        self._report.faults.append(fault)
        # As it happens, so that it can be found in the daemon's log.
        when = time.strftime("%H:%M:%S")
        print(f"{when} {self._backend}, {kind.name}: {took.passed:.2f} s", file=sys.stderr)

    def _all_answer(self) -> bool:
        return all(self._kept.answers(way) for way in self._kept.ways)

    def _until(self, condition: Callable[[], bool], what: str, limit: float = GIVEN_UP) -> None:
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                log = self._kept.running.log
                self._complain(f"{what}: not as it should be after {limit:.0f} s\n{log}")
                return
            time.sleep(0.01)

    def _rest(self) -> None:
        """Let nothing happen for a while, and watch what belongs to somebody else."""
        until = time.monotonic() + SETTLING
        while time.monotonic() < until:
            if THEIRS not in self._lab.gateway.rules():
                self._report.foreign += 1
                self._complain("another host's entry is gone")
                settle_neighbour(self._lab)
            time.sleep(WATCH)

    # What is left

    def _judge(self, watch: Watch) -> None:
        for way, outage in watch.outages():
            cause = [fault for fault in self._happened if fault.began - 1 <= outage.began]
            if not cause:
                self._complain(f"{way} was closed for {outage.length:.2f} s, without a fault")
            elif not cause[-1].closes and outage.late + COMMITS > outage.sure - outage.began:
                # They lost their processor in the moment in which a renewal has taken its rule out.
                self._report.void += 1
            else:
                cause[-1].outages.append((way, outage))
        self._report.requested += watch.requested
        self._report.void += watch.void
        if watch.late > LATE:
            self._complain(f"the machine itself did not answer for {watch.late:.1f} s: this tells nothing")
        for fault in self._happened:
            self._report.complaints += fault.broken()

    def _compare(self, before: Footing) -> None:
        self._kept.write(PORTS, LIFETIMES[0])
        after = back_to(before, self._kept, self._told)
        self._report.growth += [
            Growth(self._backend, "tasks", len(before.tasks), len(after.tasks)),
            Growth(self._backend, "descriptors", before.descriptors, after.descriptors),
            Growth(self._backend, "KiB of memory", before.memory, after.memory),
        ]
        if after.has_grown(before):
            self._complain(f"{after} where it had {before}")

    def _look_at_the_logs(self) -> None:
        for log in sorted(self._directory.glob("daemon-*.log")):
            if "Traceback" in log.read_text():
                self._complain(log.read_text())

    def _look_at_the_table(self) -> None:
        rules = self._lab.gateway.rules() | self._other.rules()
        self._report.foreign += THEIRS not in rules
        self._report.left += len(rules - {THEIRS})
        if rules != {THEIRS}:
            self._complain(f"the table after exit is {rules}")


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """Have a disk that is soon full."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "lab", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def soak(seconds: float, seed: int, directory: Path, backends: Sequence[str] = BACKENDS) -> Report:
    """Spend so many seconds on faults, a share with each choice of backend."""
    report = Report(seed)
    for backend in backends:
        place = directory / backend
        place.mkdir(parents=True)
        with standing_lab(place) as lab:
            other = prepare(lab)
            try:
                Soak(lab, other, place, backend, seed, report).run(seconds / len(backends))
            finally:
                other.kill()
    return report

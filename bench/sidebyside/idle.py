"""Cost of an idle daemon, measured for a minute and extrapolated to an hour."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from netlab.lab import Lab
from netlab.program import Program

from sidebyside.process_start import HEAD
from sidebyside.rows import Row

MAPPINGS = 10
SETTLING = 5.0
WATCHED = 60.0
"""Seconds of one interval, which includes everything that is done once per interval."""

HALF_LIFE = 1800.0


def idle(lab: Lab) -> Iterator[Row]:
    """Measure a daemon with ten mappings with a lifetime of an hour."""
    lab.gateway.reset()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        listed = home / "ports.csv"
        rows = "".join(f";{18_000 + number};TCP;3600;bench\n" for number in range(MAPPINGS))
        listed.write_text(HEAD + rows)
        program = Program(lab.lan, home)
        state = ("--state-dir", str(home / "state"))
        with program.running("run", *state, "--backend", "pcp", str(listed), log=home / "log") as running:
            running.until(lambda: len(lab.gateway.rules()) == MAPPINGS, "open")
            time.sleep(SETTLING)
            process = psutil.Process(running.process.pid)
            before = _count(lab, process)
            time.sleep(WATCHED)
            cpu, wakeups, packets = (
                (after - then) * 3600 / WATCHED
                for after, then in zip(_count(lab, process), before, strict=True)
            )
            running.end()
    yield Row("idle for an hour, 10 mappings (from a minute)", cpu, "s CPU", target=1.0, steady=False)
    yield Row("wake-ups in that hour", wakeups, "times", steady=False)
    allowed = 2.0 * MAPPINGS * 3600 / HALF_LIFE
    yield Row("packets in that hour", packets, "packets", target=allowed, steady=False)


def _count(lab: Lab, process: psutil.Process) -> tuple[float, float, float]:
    """Return the CPU seconds, wake-ups and packets so far."""
    times = process.cpu_times()
    switches = sum(int(thread) for thread in _switches(process.pid))
    counters = lab.lan.run("cat", "/proc/net/snmp").splitlines()
    udp = [line.split() for line in counters if line.startswith("Udp:")]
    counted = dict(zip(udp[0], udp[1], strict=True))
    packets = int(counted["InDatagrams"]) + int(counted["OutDatagrams"])
    return times.user + times.system, switches, packets


def _switches(pid: int) -> Iterator[str]:
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                yield line.split()[1]

"""A real daemon with its control socket: resident memory, idle cost, and `status` with few and many ports."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from netlab.lab import Lab
from netlab.program import Program

from sidebyside.process_start import BARE, HEAD, PORTMAPPER
from sidebyside.processes import resident, used
from sidebyside.rows import Row
from sidebyside.timing import medians_of, process_time

MAPPINGS = 10
LISTED = 20
SETTLING = 15.0
"""Seconds after the last mapping was opened: the daemon has tuned its garbage collector by then."""

WATCHED = 600.0
HOUR = 3600.0
HALF_LIFE = 1800.0

LONGEST_CHANGE = 30.0
"""Seconds for one new row; more is a fault and not a slow machine."""

MEMORY = {
    "pcp alone": (("--backend", "pcp"), 28.0),
    "pcp chosen among all": ((), 30.0),
    "upnp": (("--backend", "upnp"), 44.0),
}
"""Options of the daemon, and the target in MiB."""


def memory(lab: Lab) -> Iterator[Row]:
    """Measure the resident memory with ten mappings."""
    for name, (options, target) in MEMORY.items():
        with _daemon(lab, MAPPINGS, *options) as (pid, state):
            time.sleep(SETTLING)
            megabytes = resident(pid)
            process_time((PORTMAPPER, "status", *state))
            asked = resident(pid)
        yield Row(f"resident memory of a daemon, {name}", megabytes, "MiB", target=target, steady=False)
        yield Row(f"the same after a first `status`, {name}", asked, "MiB", steady=False)


def idle(lab: Lab) -> Iterator[Row]:
    """Measure a daemon with ten mappings for ten minutes, and extrapolate to an hour."""
    for backend, target in (("pcp", 0.2), ("upnp", 0.3)):
        with _daemon(lab, MAPPINGS, "--backend", backend) as (pid, _):
            time.sleep(SETTLING)
            before, sent = used(pid), _packets(lab)
            time.sleep(WATCHED)
            after, sent = used(pid), _packets(lab) - sent
        hours = WATCHED / HOUR
        cpu, wakeups = (after.cpu - before.cpu) / hours, (after.wakeups - before.wakeups) / hours
        yield Row(f"idle for an hour, {backend}", cpu, "s CPU", target=target, steady=False)
        yield Row(f"wake-ups in that hour, {backend}", wakeups, "times", target=600.0, steady=False)
        if backend == "pcp":
            allowed = 2.0 * MAPPINGS * HOUR / HALF_LIFE
            yield Row("packets in that hour, pcp", sent / hours, "packets", target=allowed, steady=False)


def status(lab: Lab, times: int) -> Iterator[Row]:
    """Compare `status` on a running daemon with an idle interpreter."""
    with _daemon(lab, LISTED, "--backend", "pcp") as (_, state):
        process_time((PORTMAPPER, "status", *state))  # the daemon loads its HTTP server for the first client
        found = medians_of(
            times,
            {
                "table": partial(process_time, (PORTMAPPER, "status", *state)),
                "JSON": partial(process_time, (PORTMAPPER, "status", "--json", *state)),
                "bare": partial(process_time, BARE),
            },
        )
    for name, target in (("table", 4.0), ("JSON", 2.5)):
        row = f"status of {LISTED} mappings, {name}"
        yield Row(row, found[name], "ms", "python -c pass", found["bare"], target)


def changes(lab: Lab, times: int) -> Iterator[Row]:
    """Measure a row added to the list, and `open`, until the port is open."""
    ports = itertools.count(19_000)
    with _daemon(lab, MAPPINGS, "--backend", "pcp") as (_, state):
        listed = Path(state[1]).with_name("ports.csv")
        process_time((PORTMAPPER, "status", *state))  # the daemon loads its HTTP server for the first client
        found = medians_of(
            times,
            {
                "row": lambda: _add_row(lab, listed, next(ports)),
                "open": lambda: process_time((PORTMAPPER, "open", str(next(ports)), *state)),
                "bare": partial(process_time, BARE),
            },
        )
    for name, key, target in (("row added to the list", "row", 25.0), ("`open` with a daemon", "open", 60.0)):
        yield Row(f"{name}, until open", found[key], "ms", target=target, steady=False)
        yield Row(
            f"{name}, until open, by an interpreter",
            found[key],
            "ms",
            "python -c pass",
            found["bare"],
            steady=key == "open",  # the query of the gateway is most of the other one
        )


def _add_row(lab: Lab, listed: Path, port: int) -> float:
    """Return the milliseconds until the gateway has the port of a new row, give or take one query of it."""
    before, started = len(lab.gateway.rules()), time.perf_counter()
    with listed.open("a") as file:
        file.write(f";{port};TCP;3600;bench\n")
    while len(lab.gateway.rules()) == before:
        if time.perf_counter() - started > LONGEST_CHANGE:
            raise SystemExit(f"the new row is not open after {LONGEST_CHANGE} s")
    return (time.perf_counter() - started) * 1000


@contextlib.contextmanager
def _daemon(lab: Lab, count: int, *options: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """Run a daemon; yield its pid and the option for its state, once its mappings are open."""
    lab.gateway.reset()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        listed = home / "ports.csv"
        listed.write_text(HEAD + "".join(f";{18_000 + number};TCP;3600;bench\n" for number in range(count)))
        state = ("--state-dir", str(home / "state"))
        program = Program(lab.lan, home)
        with program.running("run", *state, *options, str(listed), log=home / "log") as running:
            running.until(lambda: len(lab.gateway.rules()) == count, "open", 60.0)
            yield running.process.pid, state
            running.end()


def _packets(lab: Lab) -> int:
    """Return the number of UDP datagrams of the host so far."""
    lines = [line.split() for line in lab.lan.run("cat", "/proc/net/snmp").splitlines()]
    names, values = (line for line in lines if line[0] == "Udp:")
    counted = dict(zip(names, values, strict=True))
    return int(counted["InDatagrams"]) + int(counted["OutDatagrams"])

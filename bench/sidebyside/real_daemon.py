"""A real daemon with its control socket: resident memory, idle cost, and `status` with few and many ports."""

from __future__ import annotations

import contextlib
import itertools
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab
from netlab.program import Program

from sidebyside.gateway_events import OpenedPorts, opened_ports
from sidebyside.process_start import BARE, HEAD, PORTMAPPER
from sidebyside.processes import resident, used
from sidebyside.raw_packets import PATIENCE, SERVER_PORT, pcp_request
from sidebyside.rows import Row
from sidebyside.timing import medians_of, process_time

MAPPINGS = 10
LISTED = 20
SETTLING = 15.0
"""Seconds after the last mapping was opened: the daemon has tuned its garbage collector by then."""

WATCHED = 600.0
HOUR = 3600.0
HALF_LIFE = 1800.0

PAUSE = 0.2
"""Seconds between two changes, so that none meets what the one before has left to do."""

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
    with _daemon(lab, MAPPINGS, "--backend", "pcp") as (_, state), opened_ports(lab) as opened:
        listed = Path(state[1]).with_name("ports.csv")
        actions: dict[str, Callable[[], float]] = {
            "row": lambda: _add_row(opened, listed, next(ports)),
            "open": lambda: _open(opened, next(ports), state),
            "bare": partial(process_time, BARE),
        }
        actions["row"]()
        first = actions["open"]()  # the daemon loads its HTTP server for the first client
        found = medians_of(times, {**actions, "raw": lambda: _raw_request(lab, next(ports))})
    yield Row("row added to the list, until open", found["row"], "ms", target=25.0, steady=False)
    yield Row(
        "row added to the list, by one packet",
        found["row"],
        "ms",
        "a bare PCP request",
        found["raw"],
        steady=False,  # the gateway's time varies with the number of its rules
    )
    yield Row("`open` with a daemon, until open", found["open"], "ms", target=60.0, steady=False)
    yield Row("`open` with a daemon, the first client", first, "ms", steady=False)
    yield Row(
        "`open` with a daemon, until open, by an interpreter",
        found["open"],
        "ms",
        "python -c pass",
        found["bare"],
    )


def _add_row(opened: OpenedPorts, listed: Path, port: int) -> float:
    """Return the milliseconds until the gateway has the port of a new row."""
    started = time.perf_counter()
    with listed.open("a") as file:
        file.write(f";{port};TCP;3600;bench\n")
    elapsed = (opened.opened_at(port) - started) * 1000
    time.sleep(PAUSE)
    return elapsed


def _open(opened: OpenedPorts, port: int, state: Sequence[str]) -> float:
    """Return the milliseconds until `open` has told the user that the port is open, which must be true."""
    elapsed = process_time((PORTMAPPER, "open", str(port), *state))
    opened.opened_at(port)
    time.sleep(PAUSE)
    return elapsed


def _raw_request(lab: Lab, port: int) -> float:
    """Return the milliseconds that the gateway takes to answer one PCP request."""
    with lab.lan.socket(socket.SOCK_DGRAM) as opened:
        opened.settimeout(PATIENCE)
        opened.connect((LAN_GATEWAY, SERVER_PORT))
        started = time.perf_counter()
        opened.send(pcp_request(port, LAN_HOST))
        opened.recv(1100)
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

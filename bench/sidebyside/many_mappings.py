"""Many mappings on a real gateway, and the first mapping of a running program."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab

from sidebyside.process_start import HEAD, PORTMAPPER
from sidebyside.processes import used
from sidebyside.rows import Row
from sidebyside.timing import Median, medians_of, printed_figure, process_time

IN_PROCESS = (sys.executable, "-P", "-m", "sidebyside.in_process")
RAW_PACKETS = (sys.executable, "-P", "-m", "sidebyside.raw_packets")
DEBIAN = "/usr/bin/python3"
BINDING = str(Path(__file__).with_name("miniupnpc_binding.py"))
WINDOWS = (1, 4, 16)
"""Packets under way at a time; the best result counts."""

UPNPC_DELAY = "2000"
"""Milliseconds for which upnpc collects answers to its search."""

FIRST_PORT = 10_000

LIBPLUM = 2.8
"""Milliseconds of libplum's first PCP mapping, measured elsewhere because it has no package."""


def first_leases(lab: Lab, times: int) -> Iterator[Row]:
    """Measure the search and the first lease in a process with all libraries loaded."""
    for backend, target in (("pcp", 2 * LIBPLUM + 1), ("natpmp", None), ("upnp", 20.0)):
        figure = printed_figure(lab.lan.command(*IN_PROCESS, "first", backend, str(times)))
        yield Row(f"search to first lease, {backend}", figure, "ms", target=target, steady=False)


def over_pcp_and_natpmp(lab: Lab, count: int, times: int) -> Iterator[Row]:
    """Compare with a loop of raw packets, each time on a gateway with an empty table."""
    for backend in ("pcp", "natpmp"):
        size = str(count)
        actions = {
            f"window {window}": partial(
                _fresh, lab, *RAW_PACKETS, backend, size, str(window), LAN_GATEWAY, LAN_HOST
            )
            for window in WINDOWS
        }
        actions["ours"] = partial(_fresh, lab, *IN_PROCESS, "many", backend, size)
        found = medians_of(times, actions)
        ours = found.pop("ours")
        best = min(found, key=lambda name: found[name])
        yield Row(f"{count} mappings, {backend}", ours, "ms", f"bare packets, {best}", found[best], 1.1)


def over_upnp(lab: Lab, count: int, times: int, target: float) -> Iterator[Row]:
    """Compare with miniupnpc's Python binding, if Debian's package is installed.

    Also the gateway's processor time: while it works without a pause, nobody can be faster.
    """
    name = f"{count} mappings, upnp"
    commands = {"ours": (*IN_PROCESS, "many", "upnp", str(count)), "theirs": (DEBIAN, BINDING, str(count))}
    if not _has_binding():
        figure = _fresh(lab, *commands["ours"])
        yield Row(name, figure, "ms", "python3-miniupnpc is missing", steady=False)
        return
    spent: dict[str, list[float]] = {who: [] for who in commands}

    def measure(who: str) -> float:
        figure = _fresh(lab, *commands[who])
        spent[who].append(_processor_time(lab))
        return figure

    found = medians_of(times, {who: partial(measure, who) for who in commands})
    gateway = {who: Median.of(values) for who, values in spent.items()}
    peer = "miniupnpc's Python binding"
    yield Row(name, found["ours"], "ms", peer, found["theirs"], target)
    yield Row(f"{name}, the gateway", gateway["ours"], "ms CPU", peer, gateway["theirs"], steady=False)


def whole_runs_over_upnp(lab: Lab, count: int, times: int, target: float) -> Iterator[Row]:
    """Compare a run that opens a list with a process of the binding, which searches as long as upnpc."""
    if not _has_binding():
        return
    runs = itertools.count()
    with tempfile.TemporaryDirectory() as directory:
        listed = Path(directory) / "list.csv"
        rows = (f";{port};TCP;3600;bench\n" for port in range(FIRST_PORT, FIRST_PORT + count))
        listed.write_text(HEAD + "".join(rows))

        def ours() -> float:
            lab.gateway.reset()
            run = (PORTMAPPER, "run", "--oneshot", "--backend", "upnp", "--state-dir")
            return process_time(lab.lan.command(*run, f"{directory}/{next(runs)}", str(listed)))

        def theirs() -> float:
            lab.gateway.reset()
            return process_time(lab.lan.command(DEBIAN, BINDING, str(count), UPNPC_DELAY))

        found = medians_of(times, {"ours": ours, "theirs": theirs})
    name = f"start to {count} mappings open, upnp"
    peer = "miniupnpc's Python binding with a search of 2 s"
    yield Row(name, found["ours"], "ms", peer, found["theirs"], target, steady=False)


def _processor_time(lab: Lab) -> float:
    """Return the milliseconds of processor time that the gateway has used since it was started."""
    assert lab.gateway.pid is not None
    return used(lab.gateway.pid).cpu * 1000


def _fresh(lab: Lab, *command: str) -> float:
    lab.gateway.reset()
    return printed_figure(lab.lan.command(*command))


def _has_binding() -> bool:
    if not Path(DEBIAN).exists():
        return False
    found = subprocess.run((DEBIAN, "-c", "import miniupnpc"), check=False, capture_output=True)
    return found.returncode == 0

"""Complete runs of a process: the first mapping, the version, the status."""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from netlab.lab import LAN_HOST, Lab

from sidebyside.rows import Row
from sidebyside.timing import medians_of, process_time

PORTMAPPER = str(Path(sys.executable).with_name("portmapper"))
BARE = (sys.executable, "-c", "pass")
ASYNCIO = (sys.executable, "-c", "import asyncio")
HEAD = "address;port;protocol;duration;comment\n"
TARGETS = {"pcp": 0.065, "natpmp": 0.065, "upnp": 0.12}
"""Largest part of upnpc's time for each backend."""


def first_mappings(lab: Lab, times: int) -> Iterator[Row]:
    """Compare complete runs that open a port with upnpc and with an idle event loop."""
    ports = itertools.count(20_000)
    with tempfile.TemporaryDirectory() as directory:
        actions: dict[str, Callable[[], float]] = {
            backend: partial(_open_one, lab, Path(directory), backend, ports) for backend in TARGETS
        }
        actions["asyncio"] = lambda: process_time(lab.lan.command(*ASYNCIO))
        actions["natpmpc"] = lambda: process_time(
            lab.lan.command("natpmpc", "-a", *_twice(ports), "TCP", "3600")
        )
        found = medians_of(times, actions)
    # upnpc always waits for two seconds, so two runs are enough.
    upnpc = medians_of(min(times, 2), {"upnpc": lambda: process_time(_upnpc(lab, ports))})["upnpc"]
    for backend, target in TARGETS.items():
        yield Row(
            f"start to mapping open, {backend}", found[backend], "ms", "upnpc", upnpc, target, steady=False
        )
    asyncio = "python -c 'import asyncio'"
    yield Row(
        "start to mapping open, pcp, by an event loop", found["pcp"], "ms", asyncio, found["asyncio"], 2.5
    )
    yield Row("start to mapping open, upnp, by an event loop", found["upnp"], "ms", asyncio, found["asyncio"])
    yield Row(
        "start to mapping open, natpmp, by natpmpc",
        found["natpmp"],
        "ms",
        "natpmpc",
        found["natpmpc"],
        steady=False,
    )


def compare_with_upnp_daemon(lab: Lab, times: int) -> Iterator[Row]:
    """Compare one pass with upnp-daemon, if `cargo install --locked upnp-daemon` has installed it."""
    name = "one pass over a list, upnp, by upnp-daemon"
    daemon = shutil.which("upnp-daemon")
    if daemon is None:
        print("skipped: upnp-daemon is not installed", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as directory:
        ports = itertools.count(30_000)
        listed = Path(directory) / "theirs.csv"
        listed.write_text(f"{HEAD}{LAN_HOST};29999;TCP;3600;bench\n")
        found = medians_of(
            times,
            {
                "ours": partial(_open_one, lab, Path(directory), "upnp", ports),
                "theirs": lambda: process_time(
                    lab.lan.command(daemon, "--foreground", "--oneshot", "--file", str(listed))
                ),
            },
        )
    yield Row(name, found["ours"], "ms", "upnp-daemon", found["theirs"], steady=False)


def _open_one(lab: Lab, directory: Path, backend: str, ports: Iterator[int]) -> float:
    port = next(ports)
    listed = directory / f"{port}.csv"
    listed.write_text(f"{HEAD};{port};TCP;3600;bench\n")
    state = directory / f"state-{port}"
    command = (PORTMAPPER, "run", "--oneshot", "--backend", backend, "--state-dir", str(state), str(listed))
    return process_time(lab.lan.command(*command))


def _upnpc(lab: Lab, ports: Iterator[int]) -> list[str]:
    return lab.lan.command("upnpc", "-e", "bench", "-a", LAN_HOST, *_twice(ports), "TCP", "3600")


def _twice(ports: Iterator[int]) -> tuple[str, str]:
    port = str(next(ports))
    return port, port


def version(times: int) -> Iterator[Row]:
    """Compare `--version` with an idle interpreter."""
    found = medians_of(
        times,
        {"ours": lambda: process_time((PORTMAPPER, "--version")), "bare": lambda: process_time(BARE)},
    )
    yield Row("--version", found["ours"], "ms", "python -c pass", found["bare"], 6.0)

"""Benchmarks inside the process; run as `python -m sidebyside.in_process MEASURE ARGUMENT...`.

Each prints one number. They use the scheduler, the store on disk and the backends of a daemon.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from portmapper.api.backend import Backend
from portmapper.api.model import Mapping, Protocol
from portmapper.api.quirks import Quirk
from portmapper.cli.main import GC_THRESHOLD
from portmapper.network.host import Network, read_network
from portmapper.pluginhost.manager import load_plugins
from portmapper.scheduler.options import Options
from portmapper.scheduler.scheduler import Scheduler
from portmapper.sources.open_source import open_source
from portmapper.store.leases import FILE_NAME, Store
from sidebyside.fake_gateway import LAN, FakeBackend

FIRST_PORT = 10_000
REREADS = 5
PASSES = 7


def _mappings(count: int) -> list[Mapping]:
    return [Mapping(Protocol.TCP, port, port) for port in range(FIRST_PORT, FIRST_PORT + count)]


def _scheduler(
    backends: Sequence[Backend],
    directory: str,
    network: Callable[[], Network] = read_network,
    quirks: Sequence[Quirk] = (),
) -> Scheduler:
    store = Store(Path(directory) / FILE_NAME)
    return Scheduler(
        backends, store, lambda event: None, Options(watch=False), network=network, quirks=quirks
    )


def _real(backend: str, directory: str) -> Scheduler:
    """Return a scheduler with quirks like a daemon's. Without them, it queries a port before opening it."""
    plugins = load_plugins()
    backends = [chosen() for chosen in plugins.choose_backends([backend])]
    return _scheduler(backends, directory, quirks=[quirk() for quirk in plugins.quirks])


async def many(name: str, count: str) -> float:
    """Return the milliseconds to open `count` mappings on a known gateway."""
    with tempfile.TemporaryDirectory() as directory:
        scheduler = _real(name, directory)
        desired = _mappings(int(count) + 1)
        scheduler.set_desired(desired[:1])
        await scheduler.settled()
        started = time.perf_counter()
        scheduler.set_desired(desired)
        await scheduler.settled()
        elapsed = time.perf_counter() - started
        closed = [entry for entry in scheduler.records.values() if entry.lease is None]
        await scheduler.close()
    if closed:
        raise SystemExit(f"{len(closed)} mappings are not open: {closed[0].error}")
    return elapsed * 1000


async def first(name: str, times: str) -> float:
    """Return the best milliseconds from the start of the search to a lease."""
    elapsed = []
    for number in range(int(times) + 1):
        with tempfile.TemporaryDirectory() as directory:
            scheduler = _real(name, directory)
            desired = Mapping(Protocol.UDP, FIRST_PORT + number, FIRST_PORT + number)
            started = time.perf_counter()
            scheduler.set_desired([desired])
            while scheduler.records[desired.key].lease is None:  # noqa: ASYNC110 - an event would change the timing
                await asyncio.sleep(0)
            elapsed.append(time.perf_counter() - started)
            await scheduler.close()
    return min(elapsed[1:]) * 1000


async def quiet(count: str) -> float:
    """Return the CPU milliseconds of a pass without changes."""
    with tempfile.TemporaryDirectory() as directory:
        scheduler = _scheduler([FakeBackend()], directory, lambda: LAN)
        desired = _mappings(int(count))
        scheduler.set_desired(desired)
        await scheduler.settled()
        spent = []
        for _ in range(PASSES):
            before = time.process_time()
            scheduler.set_desired(desired)
            await scheduler.resync()
            await scheduler.settled()
            spent.append(time.process_time() - before)
        await scheduler.close()
    return min(spent) * 1000


async def pause(count: str) -> float:
    """Return the longest CPU milliseconds of one turn of the loop, while mappings are opened and checked.

    Processor time, because other processes also interrupt the loop on a busy machine.
    """
    turns: list[float] = []
    gc.set_threshold(GC_THRESHOLD)  # as the command does
    with tempfile.TemporaryDirectory() as directory:
        scheduler = _scheduler([FakeBackend()], directory, lambda: LAN)
        watching = asyncio.create_task(_measure_turns(turns))
        scheduler.set_desired(_mappings(int(count)))
        await scheduler.settled()
        await scheduler.resync()
        await scheduler.settled()
        watching.cancel()
        await scheduler.close()
    return max(turns) * 1000


async def _measure_turns(turns: list[float]) -> None:
    before = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        turns.append(now - before)
        before = now


async def memory(count: str) -> float:
    """Return the resident KiB with `count` open mappings; 0 measures the loaded libraries only."""
    with tempfile.TemporaryDirectory() as directory:
        backends = [FakeBackend()]
        if int(count):
            scheduler = _scheduler(backends, directory, lambda: LAN)
            scheduler.set_desired(_mappings(int(count)))
            await scheduler.settled()
        return float(psutil.Process().memory_info().rss / 1024)


async def reread(rows: str) -> float:
    """Return the CPU milliseconds to re-read a CSV file with one changed row, and to apply the change."""
    lines = [f";{FIRST_PORT + number};TCP;3600;row {number}\n" for number in range(int(rows))]
    plugins = load_plugins()
    elapsed = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ports.csv"
        head = "address;port;protocol;duration;comment\n"
        path.write_text(head + "".join(lines))
        reader = open_source(str(path), plugins.sources, plugins.formats)
        backend = FakeBackend()
        scheduler = _scheduler([backend], directory, lambda: LAN)
        scheduler.set_desired((await reader.read()).mappings)
        await scheduler.settled()
        for number in range(REREADS):
            lines[number] = f";{FIRST_PORT + number};TCP;3600;changed\n"
            path.write_text(head + "".join(lines))
            before, started = backend.gateway.requested, time.process_time()
            scheduler.set_desired((await reader.read()).mappings)
            await scheduler.settled()
            elapsed.append(time.process_time() - started)
            if backend.gateway.requested != before + 1:
                raise SystemExit(f"one changed row caused {backend.gateway.requested - before} requests")
        await scheduler.close()
    return min(elapsed) * 1000


async def plain_csv(rows: str) -> float:
    """Return the CPU milliseconds that Python's CSV reader needs for the same file."""
    text = "address;port;protocol;duration;comment\n" + "".join(
        f";{FIRST_PORT + number};TCP;3600;row {number}\n" for number in range(int(rows))
    )
    elapsed = []
    for _ in range(REREADS):
        started = time.process_time()
        list(csv.DictReader(io.StringIO(text), delimiter=";"))
        elapsed.append(time.process_time() - started)
    return min(elapsed) * 1000


MEASURES = {measure.__name__: measure for measure in (many, first, quiet, pause, memory, reread, plain_csv)}

if __name__ == "__main__":
    print(asyncio.run(MEASURES[sys.argv[1]](*sys.argv[2:])))

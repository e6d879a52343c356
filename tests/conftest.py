"""What holds for every test: no setting and no directory of the person who runs them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from portmapper.api.backend import Backend
from portmapper.api.model import Mapping, Protocol
from portmapper.network.host import Network
from portmapper.observability.logs import THIRD_PARTY_LOGGERS
from portmapper.pluginhost.faults import FAULTS
from portmapper.store.leases import Store
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice
from portmapper.testing.harness import Harness, network_at

# Machines of CI are slow in bursts; a slow example is no finding, a random one nobody can repeat is none.
settings.register_profile("portmapper", deadline=None, derandomize=True)
settings.load_profile("portmapper")


FREE_PORTS = itertools.cycle(range(20_000 + os.getpid() % 100 * 100, 30_000))
"""Below the ports that systems hand out by themselves, and elsewhere for each process of the tests."""


PROGRAMS = {
    "portmapper": "-m portmapper.cli.main",
    "pip": "-m pip",
    "pytest": "-m pytest",
}

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Find a port that is free on every address and stays so: nobody is given it unasked."""

    def find() -> int:
        for port in FREE_PORTS:
            with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
                try:
                    tcp.bind(("", port))
                    udp.bind(("", port))
                except OSError:
                    continue
                return port
        raise AssertionError("no port is free")

    return find


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the program away from the configuration, state and terminal of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("PORTMAPPER_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for kind in ("CONFIG", "STATE", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))


@pytest.fixture(autouse=True)
def no_faults() -> None:
    """Forget what plugins of earlier tests did wrong."""
    FAULTS.clear()


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Take back what a command that ran within the test did to the log."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    levels = {name: logging.getLogger(name).level for name in THIRD_PARTY_LOGGERS}
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.fixture
def plugin_environment(tmp_path: Path) -> dict[str, str]:
    """Make a virtual environment that sees what is installed here, and return the variables it runs with.

    pip builds in it without a network: with the hatchling that is here, instead of one that it fetches.
    """
    place = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    seen = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site / "seen.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in seen))
    for name, words in PROGRAMS.items():
        offline = '[ "$1" = wheel ] && set -- "$@" --no-build-isolation\n' if name == "pip" else ""
        script = place / "bin" / name
        script.write_text(f'#!/bin/sh\n{offline}exec "{place}/bin/python" -P {words} "$@"\n')
        script.chmod(0o755)
    return {**os.environ, **OFFLINE, "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
async def clock() -> AsyncIterator[FakeClock]:
    """A clock that drives the test's own event loop."""
    fake = FakeClock()
    with fake.driving(asyncio.get_running_loop()):
        yield fake


@pytest.fixture
def device(clock: FakeClock) -> FakeDevice:
    """A device at the default gateway's address."""
    return FakeDevice(clock)


@pytest.fixture
async def new_harness(clock: FakeClock) -> AsyncIterator[Callable[..., Harness]]:
    """Make worlds that end with the test."""
    harnesses: list[Harness] = []

    def make(*backends: Backend, **options: Any) -> Harness:
        harnesses.append(Harness(clock, backends, **options))
        return harnesses[-1]

    yield make
    for harness in harnesses:
        await harness.end()


@pytest.fixture(scope="session")
def harness_class() -> type[Harness]:
    """What random tests make their worlds of."""
    return Harness


@pytest.fixture
def harness(new_harness: Callable[..., Harness], device: FakeDevice) -> Harness:
    """One device, over one protocol that cannot list."""
    return new_harness(FakeBackend("pcp", device))


@pytest.fixture
def upnp(new_harness: Callable[..., Harness], device: FakeDevice) -> Harness:
    """One device, over one protocol that can list, verify and map for others."""
    return new_harness(FakeBackend("upnp", device, kind=FakeListingGateway))


@pytest.fixture
def desired() -> Callable[..., Mapping]:
    """Make a mapping; TCP 80 where nothing else is said."""

    def make(port: int = 80, internal_port: int | None = None, **more: Any) -> Mapping:
        more.setdefault("protocol", Protocol.TCP)
        return Mapping(port=port, internal_port=internal_port or port, **more)

    return make


@pytest.fixture
def on_network() -> Callable[..., Network]:
    """Make a network."""
    return network_at


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open stores in one file."""
    opened: list[Store] = []

    def open_store() -> Store:
        opened.append(Store(tmp_path / "leases.sqlite3"))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()

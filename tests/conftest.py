"""Fixtures for all tests. Tests do not use the settings and directories of the user who runs them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from steady_loop import SteadyLoop

from portmapper.api.backend import Backend
from portmapper.api.model import Mapping, Protocol
from portmapper.network.host import Network
from portmapper.observability.logs import THIRD_PARTY_LOGGERS
from portmapper.pluginhost.faults import FAULTS
from portmapper.store.leases import Store
from portmapper.support.secrets import KNOWN
from portmapper.support.windows_loop import Loop
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import FakeDevice
from portmapper.testing.harness import Harness, network_at

# CI machines are slow at times, so there is no deadline, and no check whether examples are made quickly.
# Examples are derandomized, so that failures repeat.
settings.register_profile(
    "portmapper", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("portmapper")

# The tests start the program hundreds of times, and each worker reads all tests: compile them once.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = range(20_000 + WORKER % 20 * 500, 20_500 + WORKER % 20 * 500)
"""Ports below the ephemeral range, others for each worker: none takes what another has found free."""

FREE_PORTS = itertools.islice(itertools.cycle(PORTS), os.getpid() % len(PORTS), None)
"""The ports in turn. The first one differs for two runs of the tests at the same time."""


PROGRAMS = {
    "portmapper": "-m portmapper.cli.main",
    "pip": "-m pip",
    "pytest": "-m pytest",
}

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


collect_ignore = ["browser", "docs", "hostile", "kubernetes", "lab"] if sys.platform == "win32" else []
"""The pages show commands of a Unix shell, and the others need network namespaces of Linux."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that records the golden traces of the scheduler's scenarios."""
    parser.addoption("--update-traces", action="store_true", help="record the scheduler's golden traces")


def pytest_asyncio_loop_factories() -> dict[str, Any]:
    """Run the tests on a loop that a busy machine does not disturb; on Windows, on that of the program.

    asyncio's own loop for Windows cannot watch sockets for reading.
    """
    return {"steady": SteadyLoop} if sys.platform != "win32" else {"program": Loop}


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Find a port that is free on every address, and that the system does not assign to others."""

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
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate the program from the settings, state and terminal of the user who runs the tests."""
    for name in [name for name in os.environ if name.startswith("PORTMAPPER_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for kind in ("CONFIG", "STATE", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    if sys.platform == "win32":
        monkeypatch.setenv("APPDATA", str(tmp_path / "config"))
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def no_faults() -> None:
    """Discard the plugin faults of earlier tests."""
    FAULTS.clear()


@pytest.fixture(autouse=True)
def no_known_secrets() -> None:
    """Forget the secrets of earlier tests; they may be ordinary words in others."""
    KNOWN.clear()


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Restore the logging configuration after a test that runs a command in its process."""
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
    """Create a virtual environment that sees the installed packages, and return its environment variables.

    pip builds without network access: it uses the installed hatchling instead of downloading it.
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
    """A fake clock that drives the event loop of the test."""
    fake = FakeClock()
    with fake.driving(asyncio.get_running_loop()):
        yield fake


@pytest.fixture
async def hurry() -> None:
    """Run a test ten times as fast; all that it waits for must be on its loop and on the clock of that."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, SteadyLoop):
        loop.hurry()


@pytest.fixture
async def stand_still() -> Callable[[float], None]:
    """Let the test's process stand still for some seconds, as on a busy machine."""
    loop = asyncio.get_running_loop()
    return loop.stand_still if isinstance(loop, SteadyLoop) else time.sleep


@pytest.fixture
def device(clock: FakeClock) -> FakeDevice:
    """A fake device at the address of the default gateway."""
    return FakeDevice(clock)


@pytest.fixture
async def new_harness(clock: FakeClock) -> AsyncIterator[Callable[..., Harness]]:
    """Create harnesses that end with the test."""
    harnesses: list[Harness] = []

    def make(*backends: Backend, **options: Any) -> Harness:
        harnesses.append(Harness(clock, backends, **options))
        return harnesses[-1]

    yield make
    for harness in harnesses:
        await harness.end()


@pytest.fixture(scope="session")
def harness_class() -> type[Harness]:
    """The harness class, for property-based tests that create many."""
    return Harness


@pytest.fixture
def harness(new_harness: Callable[..., Harness], device: FakeDevice) -> Harness:
    """A harness with one device and one protocol that cannot list mappings."""
    return new_harness(FakeBackend("pcp", device))


@pytest.fixture
def upnp(new_harness: Callable[..., Harness], device: FakeDevice) -> Harness:
    """A harness with one device and one protocol that can list, verify and map for other hosts."""
    return new_harness(FakeBackend("upnp", device, kind=FakeListingGateway))


@pytest.fixture
def desired() -> Callable[..., Mapping]:
    """Create a desired mapping; default 80/tcp."""

    def make(port: int = 80, internal_port: int | None = None, **more: Any) -> Mapping:
        more.setdefault("protocol", Protocol.TCP)
        return Mapping(port=port, internal_port=internal_port or port, **more)

    return make


@pytest.fixture
def on_network() -> Callable[..., Network]:
    """Create a network."""
    return network_at


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open stores on one file."""
    opened: list[Store] = []

    def open_store() -> Store:
        opened.append(Store(tmp_path / "leases.sqlite3"))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()

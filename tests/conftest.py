"""What holds for every test: no setting and no directory of the person who runs them."""

from __future__ import annotations

import itertools
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from portmapper.faults import FAULTS
from portmapper.logs import STRANGERS

# Machines of CI are slow in bursts; a slow example is no finding, a random one nobody can repeat is none.
settings.register_profile("portmapper", deadline=None, derandomize=True)
settings.load_profile("portmapper")


FREE_PORTS = itertools.cycle(range(20_000 + os.getpid() % 100 * 100, 30_000))
"""Below the ports that systems hand out by themselves, and elsewhere for each process of the tests."""


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
    levels = {name: logging.getLogger(name).level for name in STRANGERS}
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)

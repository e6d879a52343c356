"""What holds for every test: no setting and no directory of the person who runs them."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import subprocess
import sys
import sysconfig
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
    levels = {name: logging.getLogger(name).level for name in STRANGERS}
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

"""The fixtures that pytest finds by itself, once portmapper is installed."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import portmapper.testing
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.testing import FakeBackend, FakeClock, FakeDevice
from portmapper.testing.harness import Harness

Worlds = Callable[..., Any]
WEB = Mapping(Protocol.TCP, 8080, 80)


async def test_the_embedded_gateway_is_there(portmapper_gateway: Callable[..., Any]) -> None:
    """It listens within the block, and tells where."""
    async with portmapper_gateway(protocols=frozenset({"pcp"})) as gateway:
        assert gateway.pcp_port
        assert not list(gateway.table)


async def test_a_scheduler_runs_on_the_fake_clock(
    portmapper_scheduler: Worlds, portmapper_clock: FakeClock
) -> None:
    """It opens a port, and an hour later, at once, it still stands."""
    device = FakeDevice(portmapper_clock)
    harness: Harness
    async with portmapper_scheduler(FakeBackend("mine", device)) as harness:
        await harness.start(WEB)
        assert harness.state(WEB) is MappingState.ACTIVE
        await portmapper_clock.advance(7200)
        assert device.open_ports() == {(Protocol.TCP, 8080)}
        assert len(device.requested("map")) > 2


def test_pytest_finds_them_by_the_entry_point() -> None:
    """No author has to name them."""
    (entry_point,) = (
        found for found in importlib.metadata.entry_points(group="pytest11") if found.name == "portmapper"
    )
    assert entry_point.value == "portmapper.testing.plugin"


def test_every_name_can_be_imported() -> None:
    """Each is where the package says."""
    for name in portmapper.testing.__all__:
        assert getattr(portmapper.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        portmapper.testing.Nothing  # noqa: B018


def test_the_program_never_imports_pytest() -> None:
    """Nor does the package of the tests, before a contract is asked for."""
    code = "import portmapper, portmapper.testing, sys; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=50).returncode == 0


def test_they_cost_other_projects_next_to_nothing() -> None:
    """pytest loads the plugin in every run, whatever is tested."""
    code = (
        "import sys, pytest; before = set(sys.modules); import portmapper.testing.plugin;"
        "print(*(set(sys.modules) - before))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=50
    )
    new = {name for name in answer.stdout.split() if not name.startswith("portmapper")}
    assert answer.returncode == 0
    assert not new & {"asyncio", "attr", "attrs", "pluggy", "aiohttp", "portmapper_simulator", "rich"}


def test_a_backend_that_does_nothing_fails_the_contract(tmp_path: Path) -> None:
    """A suite that nobody can fail holds nothing; and its failures name what is wrong."""
    (tmp_path / "test_it.py").write_text(
        "import ipaddress, pytest\n"
        "from portmapper.api.backend import Target\n"
        "from portmapper.testing import BackendContract, BackendSubject, FakeBackend\n"
        "class TestIt(BackendContract):\n"
        "    @pytest.fixture\n"
        "    def subject(self):\n"
        "        here = Target(ipaddress.ip_address('127.0.0.1'))\n"
        "        return BackendSubject(FakeBackend('it'), here, set, lambda: None, lambda: None)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "opened or is", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "the backend finds no gateway at the subject's target" in answer.stdout

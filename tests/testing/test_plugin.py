"""The fixtures that pytest finds by itself if portmapper is installed."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import portmapper.testing
from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.testing import FakeBackend, FakeClock, FakeDevice
from portmapper.testing.harness import Harness

NewScheduler = Callable[..., Any]
WEB = Mapping(Protocol.TCP, 8080, 80)


async def test_a_scheduler_runs_on_the_fake_clock(
    portmapper_scheduler: NewScheduler, portmapper_clock: FakeClock
) -> None:
    """It opens a port and renews it, and the test skips two hours."""
    device = FakeDevice(portmapper_clock)
    harness: Harness
    async with portmapper_scheduler(FakeBackend("mine", device)) as harness:
        await harness.start(WEB)
        assert harness.state(WEB) is MappingState.ACTIVE
        await portmapper_clock.advance(7200)
        assert device.open_ports() == {(Protocol.TCP, 8080)}
        assert len(device.requested("map")) > 2


def test_pytest_finds_the_fixtures_by_the_entry_point() -> None:
    """Authors of plugins need not configure them."""
    (entry_point,) = (
        found for found in importlib.metadata.entry_points(group="pytest11") if found.name == "portmapper"
    )
    assert entry_point.value == "portmapper.testing.plugin"


def test_every_exported_name_can_be_imported() -> None:
    """Names are imported lazily."""
    for name in portmapper.testing.__all__:
        assert getattr(portmapper.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        portmapper.testing.Nothing  # noqa: B018


def test_the_package_does_not_import_pytest() -> None:
    """pytest is imported only with a contract."""
    code = "import portmapper, portmapper.testing, sys; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=50).returncode == 0


def test_the_plugin_imports_no_heavy_library() -> None:
    """pytest loads the plugin in every run of every project."""
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

"""A daemon that stores nothing, for demos and tests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from portmapper.api.errors import UsageError
from portmapper.daemon.temporary import temporary_daemon


async def test_its_ports_are_open_until_it_stops(gateway: Any, ports: Path, tmp_path: Path) -> None:
    """It closes them when it stops, and writes no file."""
    daemon = temporary_daemon(str(ports), gateway=gateway.options[1], backend="pcp")
    running = asyncio.create_task(daemon.run())
    async with asyncio.timeout(60):
        while not any(mapping["state"] == "active" for mapping in daemon.status()["mappings"]):
            await asyncio.sleep(0.01)
    assert await asyncio.to_thread(gateway.ports) == {8080}
    daemon.stop()
    await running
    assert await asyncio.to_thread(gateway.ports) == set()
    assert [path.name for path in tmp_path.iterdir()] == [ports.name]


def test_an_unknown_backend_is_a_usage_error(ports: Path) -> None:
    """As on the command line."""
    with pytest.raises(UsageError):
        temporary_daemon(str(ports), gateway="127.0.0.1", backend="none")

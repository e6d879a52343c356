"""The daemon's API on its Unix socket."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from portmapper.control import serve
from portmapper.control_client import NotRunning, ask_daemon
from portmapper.control_socket import SOCKET_NAME, short_address
from portmapper.errors import PortmapperError, UsageError
from portmapper.events import Event, EventKind


class FakeDaemon:
    """Answers as a daemon would."""

    def __init__(self) -> None:
        self.reloads = 0
        self.listeners: list[Callable[[Event], None]] = []

    def status(self) -> dict[str, Any]:
        """Say little."""
        return {"version": "1"}

    def history(self, limit: int) -> list[dict[str, Any]]:
        """Give the limit back."""
        return [{"limit": limit}]

    def reload(self) -> None:
        """Count."""
        self.reloads += 1

    async def open(self, records: object) -> dict[str, Any]:
        """Give back what was asked, or refuse it."""
        if not isinstance(records, list):
            raise UsageError("mappings must be a list")
        return {"opened": records}

    async def close(self, records: object) -> dict[str, Any]:
        """Give back what was asked."""
        return {"closed": records}

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Remember who listens."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


@asynccontextmanager
async def served(directory: Path) -> AsyncIterator[FakeDaemon]:
    """Serve a fake daemon in a directory while the block runs."""
    daemon = FakeDaemon()
    serving = asyncio.create_task(serve(daemon, directory))
    while not (directory / SOCKET_NAME).exists():
        await asyncio.sleep(0.005)
    try:
        yield daemon
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def ask(directory: Path, path: str, method: str = "GET", body: object = None) -> Any:
    """Ask as a command does, beside the loop that serves."""
    return await asyncio.to_thread(ask_daemon, directory, path, method, body)


async def test_ports_are_opened_and_closed_by_a_request(tmp_path: Path) -> None:
    """What stands in the body goes to the daemon as it is."""
    records = [{"port": "2722-2723", "protocol": "UDP"}]
    async with served(tmp_path):
        assert await ask(tmp_path, "open", "POST", {"mappings": records}) == {"opened": records}
        assert await ask(tmp_path, "close", "POST", {"mappings": records}) == {"closed": records}


@pytest.mark.parametrize("body", [None, [], {}, "x", {"mappings": 1}])
async def test_a_request_that_makes_no_sense_gets_one_clear_line(tmp_path: Path, body: object) -> None:
    """The daemon lives on."""
    async with served(tmp_path):
        with pytest.raises(PortmapperError, match=r"the daemon refuses: (the body must be|mappings must)"):
            await ask(tmp_path, "open", "POST", body)
        assert await ask(tmp_path, "status") == {"version": "1"}


async def test_the_api_answers_over_a_socket_that_only_its_owner_may_open(tmp_path: Path) -> None:
    """Status, history and reload; the socket goes when the daemon does."""
    async with served(tmp_path) as daemon:
        assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600
        assert await ask(tmp_path, "status") == {"version": "1"}
        assert await ask(tmp_path, "history?limit=7") == [{"limit": 7}]
        assert await ask(tmp_path, "reload", "POST") == {"reloading": True}
        assert daemon.reloads == 1
    assert not (tmp_path / SOCKET_NAME).exists()


@pytest.mark.parametrize(
    ("path", "method", "reason"),
    [
        ("history?limit=0", "GET", "limit must be"),
        ("history?limit=many", "GET", "limit must be"),
        ("nonsense", "GET", "Not Found"),
        ("status", "POST", "Method Not Allowed"),
    ],
)
async def test_a_bad_request_gets_a_json_error(tmp_path: Path, path: str, method: str, reason: str) -> None:
    """The client turns it into one line."""
    async with served(tmp_path):
        with pytest.raises(PortmapperError, match=reason):
            await ask(tmp_path, path, method)


async def test_events_are_streamed_as_they_happen(tmp_path: Path) -> None:
    """One line of JSON for each, and a reader that leaves is forgotten."""
    async with served(tmp_path) as daemon:
        with short_address(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not daemon.listeners:
            await asyncio.sleep(0.005)
        daemon.listeners[0](Event(at=datetime.now(UTC), kind=EventKind.CLOSED, backend="pcp"))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readline()
        assert json.loads(await reader.readline())["event"] == "closed"
        writer.close()
        await writer.wait_closed()


async def test_a_state_directory_with_a_long_name_can_be_served(tmp_path: Path) -> None:
    """A Unix socket's address holds 107 bytes only."""
    directory = tmp_path / ("long" * 40)
    directory.mkdir()
    async with served(directory):
        assert await ask(directory, "status") == {"version": "1"}


async def test_a_socket_that_a_crash_left_is_replaced(tmp_path: Path) -> None:
    """The lock on the pid file has told already that nobody serves it."""
    (tmp_path / SOCKET_NAME).write_text("left over")
    daemon = FakeDaemon()
    serving = asyncio.create_task(serve(daemon, tmp_path))
    try:
        while not (tmp_path / SOCKET_NAME).is_socket():
            await asyncio.sleep(0.005)
        assert await ask(tmp_path, "status") == {"version": "1"}
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def test_without_a_daemon_the_client_says_so(tmp_path: Path) -> None:
    """No socket, or no directory at all."""
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NotRunning, match="no daemon runs"):
            ask_daemon(directory, "status")

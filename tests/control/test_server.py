"""The daemon's API on its Unix socket, and on a loopback port where there are none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from portmapper.api.errors import PortmapperError, UsageError
from portmapper.api.events import Event, EventKind
from portmapper.control import loopback, server
from portmapper.control.client import NotRunning, call_daemon
from portmapper.control.loopback import PORT_FILE
from portmapper.control.server import serve
from portmapper.control.unix_socket import SOCKET_NAME, short_address


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
async def served(directory: Path, *, loopback: bool = False) -> AsyncIterator[FakeDaemon]:
    """Serve a fake daemon in a directory while the block runs."""
    daemon = FakeDaemon()
    serving = asyncio.create_task(serve(daemon, directory, loopback=loopback))
    while not (directory / (PORT_FILE if loopback else SOCKET_NAME)).exists():
        await asyncio.sleep(0.005)
    try:
        yield daemon
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def ask(directory: Path, path: str, method: str = "GET", body: object = None) -> Any:
    """Ask as a command does, beside the loop that serves."""
    return await asyncio.to_thread(call_daemon, directory, path, method, body)


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
        with pytest.raises(PortmapperError, match=r"the daemon refused the request: (the body must be|mappings must)"):
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


def test_who_finds_the_socket_is_not_refused(tmp_path: Path) -> None:
    """It has its name only once it listens; before anything answers there, a question waits."""
    with contextlib.closing(server._listen(tmp_path)):
        assert [path.name for path in tmp_path.iterdir()] == [SOCKET_NAME]
        with short_address(tmp_path) as address, socket.socket(socket.AF_UNIX) as asker:
            asker.connect(address)


async def test_the_socket_is_made_once_the_directory_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that was read-only when the daemon began may be written later; that is told once."""
    monkeypatch.setattr(server, "LISTEN_RETRY_DELAY", 0.01)
    directory = tmp_path / "state"
    serving = asyncio.create_task(serve(FakeDaemon(), directory))
    try:
        while not caplog.records:
            await asyncio.sleep(0.005)
        directory.mkdir()
        while not (directory / SOCKET_NAME).exists():
            await asyncio.sleep(0.005)
        assert await ask(directory, "status") == {"version": "1"}
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"cannot create the control socket in {directory}"
    ]


def test_without_a_daemon_the_client_says_so(tmp_path: Path) -> None:
    """No socket, or no directory at all."""
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NotRunning, match="no daemon runs"):
            call_daemon(directory, "status")


async def test_without_unix_sockets_the_api_answers_on_a_loopback_port(tmp_path: Path) -> None:
    """The file that names port and token is its owner's alone, and goes when the daemon does."""
    async with served(tmp_path, loopback=True) as daemon:
        assert not (tmp_path / SOCKET_NAME).exists()
        assert stat.S_IMODE((tmp_path / PORT_FILE).stat().st_mode) == 0o600
        assert await ask(tmp_path, "status") == {"version": "1"}
        assert await ask(tmp_path, "reload", "POST") == {"reloading": True}
        assert daemon.reloads == 1
    assert not (tmp_path / PORT_FILE).exists()


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Bearer \xe9", "Basic {token}", "{token}"])
async def test_the_loopback_port_answers_nobody_without_the_token(tmp_path: Path, header: str) -> None:
    """Everybody on the host can connect to it; the refusal is JSON and gives nothing away."""
    async with served(tmp_path, loopback=True) as daemon:
        there = loopback.read(tmp_path)
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
        line = f"Authorization: {header.format(token=there.token)}\r\n" if header else ""
        writer.write(
            f"POST /v1/reload HTTP/1.1\r\nHost: x\r\n{line}Connection: close\r\n\r\n".encode("latin-1")
        )
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 401")
        assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {
            "error": "the token from control.json is missing or invalid"
        }
        assert daemon.reloads == 0


async def test_each_daemon_has_a_token_of_its_own(tmp_path: Path) -> None:
    """One that was seen once opens nothing later."""
    tokens = set()
    for _ in range(2):
        async with served(tmp_path, loopback=True):
            tokens.add(loopback.read(tmp_path).token)
    assert len(tokens) == 2


@pytest.mark.parametrize("left", ["", "[]", "{}", '{"port": 0, "token": "x"}', '{"port": 80, "token": 1}'])
def test_a_port_file_that_is_none_is_one_clear_line(tmp_path: Path, left: str) -> None:
    """Half of a file, or another program's."""
    (tmp_path / PORT_FILE).write_text(left)
    with pytest.raises(PortmapperError, match="does not answer"):
        call_daemon(tmp_path, "status")


def test_a_port_file_that_a_crash_left_is_no_daemon(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Nobody listens there any more."""
    (tmp_path / PORT_FILE).write_text(json.dumps({"port": free_port(), "token": "x"}))
    with pytest.raises(NotRunning, match="no daemon runs"):
        call_daemon(tmp_path, "status")


def test_without_unix_sockets_and_without_a_port_file_no_daemon_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client looks for the file alone."""
    monkeypatch.setattr(loopback, "NEEDED", True)
    with pytest.raises(NotRunning, match="no daemon runs"):
        call_daemon(tmp_path, "status")

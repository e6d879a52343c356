"""The server of the daemon's HTTP API."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

from portmapper.api.errors import PortmapperError, StoreError
from portmapper.api.events import Event, EventKind
from portmapper.api.metrics import MetricsPage
from portmapper.control import server
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.control.listener import ControlListener
from portmapper.control.unix_socket import SOCKET_NAME, short_address
from portmapper.support import connection_guard, removals


async def test_ports_change_by_a_request(tmp_path: Path, served: Any, call: Any) -> None:
    """The daemon receives the records in the body unchanged."""
    records = [{"port": "2722-2723", "protocol": "UDP"}]
    async with served(tmp_path):
        assert await call("open", "POST", {"mappings": records}) == {"opened": records}
        assert await call("close", "POST", {"mappings": records}) == {"closed": records}
        assert await call("pause", "POST", {"mappings": records}) == {"paused": records}
        assert await call("resume", "POST", {"mappings": records}) == {"resumed": records}


@pytest.mark.parametrize("body", [None, [], {}, "x", {"mappings": 1}])
async def test_an_invalid_body_gets_one_clear_line(
    tmp_path: Path, served: Any, call: Any, body: object
) -> None:
    """The daemon continues to serve."""
    async with served(tmp_path):
        with pytest.raises(PortmapperError, match=r"refused the request: (the body |mappings must)"):
            await call("open", "POST", body)
        assert await call("status") == {"version": "1"}


async def test_status_history_and_reload(tmp_path: Path, served: Any, call: Any) -> None:
    """Only the owner can open the socket, which disappears with the daemon."""
    async with served(tmp_path) as daemon:
        assert stat.S_IMODE((tmp_path / SOCKET_NAME).stat().st_mode) == 0o600
        assert await call("status") == {"version": "1"}
        assert await call("history?limit=7") == []
        assert await call("reload", "POST") == {"reloading": True, "sources": []}
        assert daemon.reloads == 1
        assert await call("stop", "POST") == {"stopping": True}
        assert daemon.stops == 1
    assert not (tmp_path / SOCKET_NAME).exists()


@pytest.mark.parametrize(
    ("path", "method", "reason"),
    [
        ("history?limit=0", "GET", "limit must be"),
        ("history?limit=many", "GET", "limit must be"),
        ("nonsense", "GET", "there is no page at /v1/nonsense"),
        ("status", "POST", "POST is not possible here; possible: GET, HEAD"),
        ("metrics", "GET", "no plugin provides metrics"),
    ],
)
async def test_a_bad_request_gets_a_problem_document(
    tmp_path: Path, served: Any, call: Any, path: str, method: str, reason: str
) -> None:
    """The client turns it into one line."""
    async with served(tmp_path):
        with pytest.raises(PortmapperError, match=reason):
            await call(path, method)


async def test_an_unreadable_store_is_a_problem_document(tmp_path: Path, served: Any, call: Any) -> None:
    """The history is not available; other requests are."""
    async with served(tmp_path) as daemon:
        daemon.store_error = StoreError("the store is damaged")
        with pytest.raises(PortmapperError, match="the store is damaged"):
            await call("history")
        assert await call("status") == {"version": "1"}


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics"])
@posix_only("uses Unix sockets")
async def test_metrics_are_served_as_the_observer_writes_them(tmp_path: Path, served: Any, path: str) -> None:
    """With the observer's content type, under the usual path of scrapers too."""
    async with served(tmp_path) as daemon:
        daemon.page = MetricsPage("text/plain; version=0.0.4", b"portmapper_mappings 1\n")
        with short_address(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert b"Content-Type: text/plain; version=0.0.4" in head
    assert body == b"portmapper_mappings 1\n"


@posix_only("uses Unix sockets")
async def test_events_are_streamed_as_they_happen(tmp_path: Path, served: Any) -> None:
    """One line of JSON for each event; the listener is removed when the reader disconnects."""
    async with served(tmp_path) as daemon:
        with short_address(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not daemon.listeners:
            await asyncio.sleep(0.005)
        daemon.publish(Event(at=datetime.now(UTC), kind=EventKind.CLOSED, backend="pcp"))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readline()
        assert json.loads(await reader.readline())["event"] == "closed"
        writer.close()
        await writer.wait_closed()


async def test_a_socket_that_a_crash_left_is_replaced(tmp_path: Path, served: Any, call: Any) -> None:
    """The lock on the pid file proves that no other daemon uses it."""
    (tmp_path / SOCKET_NAME).write_text("left over")
    async with served(tmp_path):
        assert await call("status") == {"version": "1"}


@posix_only("uses Unix sockets")
def test_a_client_that_finds_the_socket_can_connect(tmp_path: Path) -> None:
    """The socket gets its name only after it listens; a request then waits for the answer."""
    listener = ControlListener(tmp_path, on_loopback=False)
    listener.open()
    with contextlib.closing(listener):
        assert [path.name for path in tmp_path.iterdir()] == [SOCKET_NAME]
        with short_address(tmp_path) as address, socket.socket(socket.AF_UNIX) as client:
            client.connect(address)


async def test_the_socket_is_created_when_the_directory_becomes_writable(
    tmp_path: Path,
    served: Any,
    call: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server retries, and logs only the first failure."""
    monkeypatch.setattr(server, "LISTEN_RETRY_DELAY", 0.01)
    directory = tmp_path / "state"
    directory.touch()

    async def create_after_the_warning() -> None:
        while not caplog.records:
            await asyncio.sleep(0.005)
        directory.unlink()

    creating = asyncio.create_task(create_after_the_warning())
    async with served(directory):
        assert await call("status", directory=directory) == {"version": "1"}
    await creating
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"cannot create the control socket in {directory}"
    ]


@pytest.mark.parametrize("removed", ["socket", "directory"])
@posix_only("uses Unix sockets")
async def test_a_removed_socket_is_bound_again(
    tmp_path: Path, served: Any, call: Any, monkeypatch: pytest.MonkeyPatch, removed: str
) -> None:
    """With its directory, before and after the first request."""
    monkeypatch.setattr(removals, "SETTLE", 0.01)
    directory = tmp_path / "state"
    directory.mkdir()
    async with served(directory):
        for _ in range(2):
            if removed == "socket":
                (directory / SOCKET_NAME).unlink()
            else:
                shutil.rmtree(directory)
            while not (directory / SOCKET_NAME).exists():
                await asyncio.sleep(0.005)
            assert await call("status", directory=directory) == {"version": "1"}


@posix_only("uses Unix sockets")
async def test_a_directory_in_place_of_the_socket_is_reported(
    tmp_path: Path, served: Any, call: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As soon as it is gone, the socket is there again."""
    monkeypatch.setattr(removals, "SETTLE", 0.01)
    monkeypatch.setattr(server, "LISTEN_RETRY_DELAY", 0.01)
    async with served(tmp_path):
        (tmp_path / SOCKET_NAME).unlink()
        (tmp_path / SOCKET_NAME).mkdir()
        while not caplog.records:
            await asyncio.sleep(0.005)
        assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".new")] == []
        (tmp_path / SOCKET_NAME).rmdir()
        while not (tmp_path / SOCKET_NAME).is_socket():
            await asyncio.sleep(0.005)
        assert await call("status") == {"version": "1"}
    assert f"cannot create the control socket in {tmp_path}: Is a directory" in caplog.text


@posix_only("uses Unix sockets")
async def test_a_client_connects_before_the_server_is_loaded(
    tmp_path: Path, call: Any, fake_daemon: Any
) -> None:
    """The socket is open first, and the request waits."""
    listener = ControlListener(tmp_path, on_loopback=False)
    listener.open()
    answer = asyncio.create_task(call("status"))
    await asyncio.sleep(0.05)
    assert not answer.done()
    task = asyncio.create_task(server.serve(fake_daemon, tmp_path, listener=listener, jobs=DoctorJobs()))
    assert await answer == {"version": "1"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not (tmp_path / SOCKET_NAME).exists()


@pytest.mark.parametrize(
    "sent", [b"garbage\r\n\r\n", b"\x16\x03\x01" * 100, b"GET /v1/status HTTP/9.9\r\n\r\n", b"GET", b""]
)
@posix_only("uses Unix sockets")
async def test_garbage_is_one_debug_line(
    tmp_path: Path, served: Any, call: Any, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    """Without a traceback, and the next client gets an answer."""
    caplog.set_level(logging.DEBUG, "portmapper")
    async with served(tmp_path):
        with short_address(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(sent)
        writer.write_eof()
        await reader.read()
        writer.close()
        assert await call("status") == {"version": "1"}
    assert all(record.levelno == logging.DEBUG and not record.exc_info for record in caplog.records)
    assert len(caplog.records) <= 1


@posix_only("uses Unix sockets")
async def test_a_client_that_leaves_the_event_stream_is_one_debug_line(
    tmp_path: Path, served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its listener is removed at once."""
    caplog.set_level(logging.DEBUG, "portmapper")
    async with served(tmp_path) as daemon:
        with short_address(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert len(daemon.listeners) == 1
        writer.transport.abort()
        async with asyncio.timeout(60):
            while daemon.listeners:
                await asyncio.sleep(0.001)
    assert all(record.levelno == logging.DEBUG and not record.exc_info for record in caplog.records)


async def test_a_fault_of_a_handler_is_one_error_line(
    tmp_path: Path, served: Any, call: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client learns that it is not its own fault."""
    async with served(tmp_path) as daemon:
        monkeypatch.setattr(daemon, "status", lambda: 1 / 0)
        with pytest.raises(PortmapperError, match="internal error"):
            await call("status")
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@posix_only("uses Unix sockets")
async def test_idle_connections_do_not_keep_others_out(tmp_path: Path, served: Any) -> None:
    """One process has only some connections, and those without a request end after a while."""
    async with served(tmp_path):
        with short_address(tmp_path) as address:
            pairs = [await asyncio.open_unix_connection(address) for _ in range(100)]
        async with asyncio.timeout(60):
            refused = await asyncio.gather(
                *(reader.read() for reader, _ in pairs[connection_guard.MAX_PER_PEER :])
            )
        assert refused == [b""] * (100 - connection_guard.MAX_PER_PEER)
        for _, writer in pairs:
            writer.close()

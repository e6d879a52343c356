"""HTTP/1.1 on the control socket, as other programs speak it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

from portmapper.control import server
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.control.handlers import MAX_BODY
from portmapper.control.unix_socket import SOCKET_NAME, short_address
from portmapper.support import connection_guard

pytestmark = posix_only("uses Unix sockets")

STATUS = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
RECORDS = b'{"mappings": [{"port": 80}]}'


class Peer:
    """A client that sends bytes and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send without waiting."""
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Return status and headers of the next answer."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split(" ")[1]), fields

    async def answer(self) -> tuple[int, Any]:
        """Return status and document of the next answer."""
        status, fields = await self.head()
        return status, json.loads(await self.reader.readexactly(int(fields["content-length"])))

    async def ends(self) -> bool:
        """Wait until the server closes the connection, and return whether it sent nothing more."""
        async with asyncio.timeout(60):
            return await self.reader.read() == b""


@contextlib.asynccontextmanager
async def connected(directory: Path) -> AsyncIterator[Peer]:
    """Connect to the control socket."""
    with short_address(directory) as address:
        reader, writer = await asyncio.open_unix_connection(address)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return a request with a body."""
    lines = "".join(f"{line}\r\n" for line in ("Host: x", f"Content-Length: {len(body)}", *headers))
    return f"POST /v1/{path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def test_requests_on_one_connection_are_answered_in_their_order(tmp_path: Path, served: Any) -> None:
    """A client may send them before it reads the first answer."""
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(STATUS + b"GET /v1/nonsense HTTP/1.1\r\nHost: x\r\n\r\n" + post("open", RECORDS) + STATUS)
        assert await peer.answer() == (200, {"version": "1"})
        assert (await peer.answer())[0] == 404
        assert await peer.answer() == (200, {"opened": [{"port": 80}]})
        assert await peer.answer() == (200, {"version": "1"})


async def test_a_body_that_no_handler_reads_is_no_request(tmp_path: Path, served: Any) -> None:
    """The next request on the connection is the next one."""
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(post("reload", STATUS) + STATUS)
        assert (await peer.answer())[0] == 200
        assert await peer.answer() == (200, {"version": "1"})


async def test_head_has_the_headers_of_get(tmp_path: Path, served: Any) -> None:
    """The answer has a date (RFC 9110, section 6.6.1), and no body."""
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(STATUS.replace(b"GET", b"HEAD") + STATUS)
        status, fields = await peer.head()
        assert (status, fields["content-length"]) == (200, str(len('{"version": "1"}')))
        assert fields["date"].endswith("gmt")
        assert await peer.answer() == (200, {"version": "1"})


async def test_the_stream_has_no_head(tmp_path: Path, served: Any) -> None:
    """It would never end."""
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(b"HEAD /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        status, fields = await peer.head()
        assert (status, fields["allow"]) == (405, "get")


@pytest.mark.parametrize("target", ["http://localhost/v1/status?x", "/v1/%73tatus", "//localhost/v1/status"])
async def test_a_target_may_be_written_in_other_ways(tmp_path: Path, served: Any, target: str) -> None:
    """A server must accept a whole URL (RFC 9112, section 3.2.2)."""
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert await peer.answer() == (200, {"version": "1"})


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://[x/v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /v1/status HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/status HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /v1/status HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"POST /v1/open HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"POST /v1/open HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ],
)
async def test_an_invalid_request_is_a_problem(tmp_path: Path, served: Any, sent: bytes, status: int) -> None:
    """The answer is a problem document, and others are served."""
    async with served(tmp_path), connected(tmp_path) as peer, connected(tmp_path) as other:
        peer.send(sent)
        found, problem = await peer.answer()
        assert (found, problem["status"]) == (status, status)
        other.send(STATUS)
        assert (await other.answer())[0] == 200


async def test_a_body_may_come_in_chunks(tmp_path: Path, served: Any) -> None:
    """Its length is unknown before."""
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in RECORDS) + b"0\r\n\r\n"
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(
            b"POST /v1/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + STATUS
        )
        assert await peer.answer() == (200, {"opened": [{"port": 80}]})
        assert await peer.answer() == (200, {"version": "1"})


async def test_a_client_may_wait_before_it_sends_the_body(tmp_path: Path, served: Any) -> None:
    """As curl does (RFC 9110, section 10.1.1)."""
    request = post("open", RECORDS, "Expect: 100-continue")
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(request.removesuffix(RECORDS))
        assert (await peer.head())[0] == 100
        peer.send(RECORDS)
        assert await peer.answer() == (200, {"opened": [{"port": 80}]})


async def test_a_client_that_waits_is_told_that_its_body_is_not_needed(tmp_path: Path, served: Any) -> None:
    """What follows on this connection is unknown, so it ends."""
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(post("nonsense", RECORDS, "Expect: 100-continue").removesuffix(RECORDS))
        assert (await peer.answer())[0] == 404
        assert await peer.ends()


async def test_a_body_that_is_too_long_is_refused(tmp_path: Path, served: Any) -> None:
    """It is not kept in memory, and the connection ends."""
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(post("open", b" " * (3 * MAX_BODY)))
        assert (await peer.answer())[0] == 413
        with contextlib.suppress(ConnectionError):
            assert await peer.ends()


async def test_a_body_that_does_not_arrive_is_a_problem(
    tmp_path: Path, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client learns why."""
    monkeypatch.setattr("portmapper.control.handlers.BODY_LIMIT", 0.01)
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(post("open", RECORDS)[:-1])
        assert (await peer.answer())[0] == 408


async def test_a_client_that_sends_nothing_more_is_disconnected(
    tmp_path: Path, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two requests, too."""
    monkeypatch.setattr(connection_guard, "WAIT_LIMIT", 0.05)
    async with served(tmp_path), connected(tmp_path) as peer:
        peer.send(STATUS)
        assert (await peer.answer())[0] == 200
        assert await peer.ends()


async def test_a_long_answer_waits_for_a_slow_client(tmp_path: Path, served: Any) -> None:
    """Other clients do not wait."""
    async with served(tmp_path) as daemon, connected(tmp_path) as slow, connected(tmp_path) as other:
        daemon.document = {"long": "x" * 5_000_000}
        slow.send(STATUS)
        await asyncio.sleep(0.05)
        other.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await other.answer())[0] == 200
        assert await slow.answer() == (200, daemon.document)


@pytest.mark.parametrize("half_closes", [True, False])
async def test_a_request_ends_with_its_client(
    tmp_path: Path, served: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any, half_closes: bool
) -> None:
    """Otherwise, `open` would go on waiting after Ctrl-C in the client."""
    caplog.set_level(logging.INFO)
    began, ended = asyncio.Event(), asyncio.Event()

    async def endless(_: object) -> dict[str, Any]:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    async with served(tmp_path) as daemon, connected(tmp_path) as peer:
        monkeypatch.setattr(daemon, "open", endless)
        peer.send(post("open", RECORDS))
        await began.wait()
        if half_closes:
            peer.writer.write_eof()
        else:
            peer.writer.transport.abort()
        async with asyncio.timeout(60):
            await ended.wait()
    assert not caplog.records


@pytest.mark.parametrize("finishes", [True, False])
async def test_a_daemon_that_stops_waits_a_moment_for_its_answers(
    tmp_path: Path, fake_daemon: Any, monkeypatch: pytest.MonkeyPatch, finishes: bool
) -> None:
    """A request that takes longer is canceled; a connection without a request does not delay the end."""
    monkeypatch.setattr(server, "SHUTDOWN_LIMIT", 5.0 if finishes else 0.01)
    began, may_end = asyncio.Event(), asyncio.Event()

    async def slow(_: object) -> dict[str, Any]:
        began.set()
        await may_end.wait()
        return {"opened": []}

    fake_daemon.open = slow
    task = asyncio.create_task(server.serve(fake_daemon, tmp_path, loopback=False, jobs=DoctorJobs()))
    while not (tmp_path / SOCKET_NAME).is_socket():
        await asyncio.sleep(0.001)
    async with connected(tmp_path) as peer, connected(tmp_path) as idle:
        idle.send(STATUS)
        assert (await idle.answer())[0] == 200
        peer.send(post("open", RECORDS))
        await began.wait()
        task.cancel()
        assert await idle.ends()
        if finishes:
            may_end.set()
            assert await peer.answer() == (200, {"opened": []})
        assert await peer.ends()
    await asyncio.gather(task, return_exceptions=True)


def test_a_daemon_that_is_asked_does_not_load_aiohttp(tmp_path: Path) -> None:
    """Loaded for the first client, it would stay in memory for as long as the daemon runs: 14 MiB."""
    program = """
import asyncio, pathlib, sys
from fake_daemon import FakeDaemon
from portmapper.control.client import call_daemon
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.control.server import serve

async def main():
    directory = pathlib.Path(sys.argv[1])
    task = asyncio.create_task(serve(FakeDaemon(), directory, loopback=False, jobs=DoctorJobs()))
    await asyncio.sleep(0)
    print(await asyncio.to_thread(call_daemon, directory, "status"), "aiohttp" in sys.modules)
    task.cancel()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "fixtures")},
    )
    assert done.stdout.strip() == "{'version': '1'} False", done.stderr

"""The listener under attack, with errors of the system, and with HTTPS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from portmapper.config.http_settings import HttpSettings
from portmapper.control import event_stream
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.http import application
from portmapper.http.server import serve_http
from portmapper.pluginhost.manager import Plugins
from portmapper.support import connection_guard, tls_server

ADDRESS = "127.0.0.1"


@contextlib.asynccontextmanager
async def connections(port: int, number: int, sent: bytes) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open connections that each send something; yield their readers."""
    pairs = []
    for _ in range(number):
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(ADDRESS, port)
            writer.write(sent)
            pairs.append((reader, writer))
    try:
        yield [reader for reader, _ in pairs]
    finally:
        for _, writer in pairs:
            writer.transport.abort()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n"])
async def test_connections_without_a_request_keep_no_client_out(site: Any, sent: bytes) -> None:
    """Their number is bounded, and a new request replaces the oldest of them (slowloris)."""
    async with connections(site.port, 300, sent) as readers:
        async with asyncio.timeout(60):
            for _ in range(5):
                assert (await site.get("/healthz")).status == 200
        closed = [reader for reader in readers if reader.at_eof() or reader.exception()]
        assert len(readers) - len(closed) <= application.PER_PEER


async def test_a_slow_request_ends(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is closed after a while, although it sends a header from time to time."""
    monkeypatch.setattr(connection_guard, "WAIT_LIMIT", 0.2)
    reader, writer = await asyncio.open_connection(ADDRESS, site.port)
    writer.write(b"GET / HTTP/1.1\r\n")
    closed = asyncio.create_task(_first_line(reader))
    async with asyncio.timeout(60):
        while not closed.done():
            writer.write(b"X-A: b\r\n")
            await asyncio.wait([closed], timeout=0.02)
    writer.close()
    assert (await site.get("/healthz")).status == 200


async def test_event_streams_are_bounded(site: Any) -> None:
    """Further ones get status 503, other requests an answer, and no listener is left."""
    request = f"GET /v1/events HTTP/1.1\r\nHost: {ADDRESS}\r\nAccept: text/event-stream\r\n\r\n".encode()
    async with connections(site.port, 200, request) as readers:
        firsts = [line for line in await asyncio.gather(*map(_first_line, readers)) if line]
        assert firsts.count(b"HTTP/1.1 200 OK\r\n") == event_stream.MAX_STREAMS_PER_PEER
        assert len(site.daemon.listeners) == event_stream.MAX_STREAMS_PER_PEER
        assert (await site.get("/v1/status")).status == 200
    async with asyncio.timeout(60):
        while site.daemon.listeners:
            await asyncio.sleep(0.01)


async def _first_line(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await reader.readline()
    return b""


@pytest.mark.parametrize(
    "sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nX: <script>\x00\r\n\r\n", b"\x16\x03\x01\r\n\r\n"]
)
async def test_what_is_not_http_is_a_problem_that_repeats_nothing(site: Any, sent: bytes) -> None:
    """The headers for browsers are there, too."""
    reader, writer = await asyncio.open_connection(ADDRESS, site.port)
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert b"Content-Type: application/problem+json" in answer
    assert b"X-Content-Type-Options: nosniff" in answer
    assert b"aiohttp" not in answer
    assert b"script" not in answer.lower().replace(b"script-src", b"")


async def test_large_requests_are_refused(site: Any) -> None:
    """A header of 64 KiB, and a body of 2 MiB."""
    answer = await site.get("/v1/status", x_large="x" * 65_536)
    assert (answer.status, answer.document["detail"]) == (400, "the request is not valid HTTP")
    answer = await site.send("POST", "/v1/open", b"x" * 2**21, authorization=site.bearer())
    assert (answer.status, answer.document["status"]) == (413, 413)


BODIES = ("[" * 100_000, '{"mappings":' * 5000, '{"mappings": ', "\x00", '{"a": 1}', "[]")


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_an_invalid_body_is_a_problem(site: Any, body: str) -> None:
    """Also if it is nested too deep."""
    answer = await site.send("POST", "/v1/open", body, authorization=site.bearer())
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_an_address_in_use_is_an_error_for_the_supervisor(tmp_path: Path) -> None:
    """It names the address; the daemon goes on and tries again."""
    with socket.create_server((ADDRESS, 0)) as other:
        port = other.getsockname()[1]
        settings = HttpSettings((ADDRESS, port))
        with pytest.raises(OSError, match=f"cannot listen at {ADDRESS}:{port}: "):
            await serve_http(None, settings, tmp_path, Plugins(), DoctorJobs())  # type: ignore[arg-type]


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Callable[[], dict[str, Path]]:
    """Write a new certificate, and return the settings that name it."""

    def write() -> dict[str, Path]:
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
        chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
        (tmp_path / "certificate.pem").write_bytes(chain)
        return {"certificate": tmp_path / "certificate.pem", "key": tmp_path / "key.pem"}

    return write


async def test_https(listening: Any, files: Any, authority: trustme.CA) -> None:
    """Cookies are then `Secure`, and a renewed certificate is used for the next connection."""
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with listening(**files()) as site:
        first = await _serial(site.port, client)
        files()
        assert await _serial(site.port, client) != first
        reader, writer = await asyncio.open_connection(
            ADDRESS, site.port, ssl=client, server_hostname="localhost"
        )
        token = site.bearer().split()[1]
        body = f"token={token}"
        writer.write(
            f"POST /login HTTP/1.0\r\nHost: localhost:{site.port}\r\nOrigin: https://localhost:{site.port}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.0 303")
        assert b"Set-Cookie: __Host-portmapper=" in answer
        assert b"; Secure" in answer


async def test_clients_without_a_handshake_keep_no_client_out(
    listening: Any, files: Any, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of handshakes of one address is bounded, and so is their time."""
    monkeypatch.setattr(tls_server, "HANDSHAKE_LIMIT", 0.5)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with listening(**files()) as site, connections(site.port, 200, b"\x16\x03"):
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    assert await _serial(site.port, client)
                    break
                await asyncio.sleep(0.05)


async def test_an_unusable_certificate_is_an_error_for_the_supervisor(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """It names the files."""
    (tmp_path / "bad.pem").write_text("no certificate")
    settings = HttpSettings((ADDRESS, free_port()), certificate=tmp_path / "bad.pem")
    with pytest.raises(OSError, match="cannot use the certificate"):
        await serve_http(None, settings, tmp_path, Plugins(), DoctorJobs())  # type: ignore[arg-type]


async def _serial(port: int, client: ssl.SSLContext) -> str:
    _, writer = await asyncio.open_connection(ADDRESS, port, ssl=client, server_hostname="localhost")
    serial = str(writer.get_extra_info("peercert")["serialNumber"])
    writer.close()
    return serial

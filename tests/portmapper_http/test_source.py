"""The `http` source, and hostile servers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from portmapper.api import FetchOptions, SourceError
from portmapper_http import source
from portmapper_http.headers import VARIABLE
from portmapper_http.source import HttpSource

CSV = b"port;protocol\n80;TCP\n"


async def test_a_document_with_its_hints(server: Any) -> None:
    """Content type without parameters, suffix of the path."""
    url = server.answers("/a/ports.JSON", body=b"[]", headers={"Content-Type": "Text/Plain; charset=x"})
    document = await HttpSource(f"{url}?version=1.csv#top").fetch()
    assert (document.content, document.content_type, document.suffix) == (b"[]", "text/plain", ".json")


async def test_no_content_type_is_no_hint(server: Any) -> None:
    """A minimal server sends none."""
    assert (await HttpSource(server.answers("/x", body=CSV)).fetch()).suffix == ""


async def test_an_unchanged_document_is_not_sent_again(server: Any) -> None:
    """The second request is conditional, and a 304 returns the cached document."""

    async def handler(request: web.Request) -> web.Response:
        headers = {"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        unchanged = request.headers.get("If-None-Match") == '"1"' and "If-Modified-Since" in request.headers
        return web.Response(status=304) if unchanged else web.Response(body=CSV, headers=headers)

    server.handlers["/ports.csv"] = handler
    url_source = HttpSource(server.url("/ports.csv"))
    assert await url_source.fetch() is await url_source.fetch()
    assert len(server.requests) == 2


async def test_an_unexpected_304_is_an_error(failure: Any, server: Any) -> None:
    """There is no cached document."""
    assert "304" in await failure(server.answers("/x", status=304))


@pytest.mark.parametrize("status", [204, 401, 404, 500])
async def test_another_status_is_an_error(failure: Any, server: Any, status: int) -> None:
    """The message names the status."""
    assert f"the server answered {status}" in await failure(server.answers("/x", status=status))


async def test_a_hostile_reason_is_escaped(failure: Any, server: Any) -> None:
    """The reason of a status may contain terminal escape sequences."""
    assert "500" in await failure(server.answers("/x", status=500, reason="<b>\u202e" + "x" * 500))


async def test_a_password_is_used_and_never_shown(failure: Any, server: Any) -> None:
    """Neither in the location nor in an error; a redirect to another server does not get it."""
    server.answers("/b.csv", body=CSV)
    server.redirects("/a", server.url("/b.csv"))
    located = HttpSource(server.url("/a", "me:secret@127.0.0.1"))
    await located.fetch()
    assert located.location.startswith(server.url("/a", "***@127.0.0.1") + "#")
    assert all(request.headers["Authorization"].startswith("Basic ") for request in server.requests)
    server.redirects("/c", f"ftp://other:secret@127.0.0.1:{server.port}/")
    assert "secret" not in await failure(server.url("/c", "me:secret@127.0.0.1"))
    server.redirects("/d", server.url("/b.csv", "localhost"))
    await HttpSource(server.url("/d", "me:secret@127.0.0.1")).fetch()
    assert "Authorization" not in server.requests[-1].headers


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("http://token@host/x", "http://***@host/x"),
        ("http://a:b@c:d@host?x@y", "http://***@host?***"),
        ("http://host/x@y", "http://host/x@y"),
        ("http://a:b@[bad", "http://***@[bad"),
    ],
)
def test_passwords_are_masked(location: str, shown: str) -> None:
    """Also in an invalid URL."""
    assert HttpSource(location).location.partition("#")[0] == shown


@pytest.mark.parametrize(
    "location", ["http://", "http://[::1", "http://host:99999/", "http://host:x/", "http:///p"]
)
async def test_an_invalid_url(failure: Any, location: str) -> None:
    """A one-line error."""
    assert await failure(location) == "not a valid URL, such as https://example.org/ports.csv"


async def test_a_closed_port(failure: Any) -> None:
    """A one-line error."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert (await failure(f"http://127.0.0.1:{bound.getsockname()[1]}/")).startswith("no connection: ")


async def test_a_name_without_address(failure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A one-line error."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert await failure("http://nowhere.test/") == "the host name cannot be resolved"


@pytest.mark.parametrize(
    "answer",
    [b"", b"\0\xff\x1b[31m\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx", b"220 ftp\r\n"],
)
async def test_an_answer_that_is_not_http(failure: Any, answer: bytes) -> None:
    """A one-line error in our own words."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        assert "answer" in await failure(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/")


async def test_tls_with_a_server_that_has_none(failure: Any, server: Any) -> None:
    """A one-line error."""
    assert await failure(server.url("/").replace("http:", "https:")) == "the TLS connection failed"


async def test_a_slow_drip_is_an_error(failure: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit is for the whole download."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.01)

    server.handlers["/x"] = handler
    monkeypatch.setattr(source, "_TOTAL_SECONDS", 0.2)
    assert await failure(server.url("/x")) == "not read within 0.2 seconds"


async def test_an_authority_that_is_not_trusted_is_an_error(failure: Any, tls_server: Any) -> None:
    """Without `ca_file`, only the system's authorities are trusted."""
    assert "certificate is not valid" in await failure(tls_server.answers("/a", body=CSV))


async def test_an_invalid_ca_file_is_an_error(server: Any, tmp_path: Path) -> None:
    """A missing file, and a file without certificates."""
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "missing.pem"):
        located = HttpSource(server.answers("/a", body=CSV))
        located.fetch_options = FetchOptions(ca_file=tmp_path / name)
        with pytest.raises(SourceError, match="ca_file: "):
            await located.fetch()


async def test_a_proxy_is_used(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may know hosts that this system does not know. `no_proxy` exempts hosts."""
    server.answers("/list.csv", body=CSV)
    monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{server.port}")
    assert (await HttpSource("http://internal.invalid/list.csv").fetch()).content == CSV
    (request,) = server.requests
    assert request.headers["Host"] == "internal.invalid"
    assert request.headers["Proxy-Authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "internal.invalid")
    with pytest.raises(SourceError, match="cannot be resolved"):
        await HttpSource("http://internal.invalid/list.csv").fetch()


async def test_headers_are_sent_only_to_their_server(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file, which is read again at each request, or from the environment."""
    server.answers("/a", body=CSV)
    headers = tmp_path / "headers"
    located = HttpSource(server.url("/a"))
    located.fetch_options = FetchOptions(headers_file=str(headers))
    for token in ("Bearer one", "Bearer two"):
        headers.write_text(f"# for the list\nAuthorization: {token}\n")
        await located.fetch()
        assert server.requests[-1].headers["Authorization"] == token
    monkeypatch.setenv(VARIABLE, "X-Key: three")
    await HttpSource(server.url("/a")).fetch()
    assert server.requests[-1].headers["X-Key"] == "three"
    server.answers("/b", body=CSV)
    await HttpSource(server.redirects("/c", server.url("/b", "localhost"))).fetch()
    assert "X-Key" not in server.requests[-1].headers

"""A web server on loopback with answers set by the test."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from portmapper.api.errors import SourceError
from portmapper_http.source import HttpSource

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """A server that answers each path with its handler, and keeps the requests."""

    scheme = "http"

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.requests: list[web.Request] = []
        self.port = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the URL of a path on this server."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def answers(self, path: str, **response: object) -> str:
        """Always answer a path with this response; return its URL."""

        async def handler(_: web.Request) -> web.StreamResponse:
            return web.Response(**response)  # type: ignore[arg-type]

        self.handlers[path] = handler
        return self.url(path)

    def redirects(self, path: str, location: str, status: int = 302) -> str:
        """Redirect a path; return its URL."""
        return self.answers(path, status=status, headers={"Location": location})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle one request."""
        self.requests.append(request)
        handler = self.handlers.get(request.path)
        return await handler(request) if handler else web.Response(status=404)


class TlsServer(Server):
    """A server with a certificate of an authority that no system trusts."""

    scheme = "https"
    authority: Path


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Run a server for one test."""
    async with running(Server()) as server:
        yield server


@pytest.fixture
async def tls_server(tmp_path: Path) -> AsyncIterator[TlsServer]:
    """Run a TLS server for one test."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = TlsServer()
    server.authority = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(server.authority))
    async with running(server, context):
        yield server


@contextlib.asynccontextmanager
async def running(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Run a server."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@pytest.fixture
def failure() -> Callable[[str], Awaitable[str]]:
    """Return a function that fetches a URL and returns the one-line error."""

    async def fetch(location: str) -> str:
        with pytest.raises(SourceError) as caught:
            await HttpSource(location).fetch()
        line = str(caught.value)
        assert line.isprintable()
        return line

    return fetch

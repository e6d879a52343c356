"""A web server on loopback with answers set by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from portmapper.api.errors import SourceError
from portmapper_http.source import HttpSource

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """A server that answers each path with its handler, and keeps the requests."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.requests: list[web.Request] = []
        self.port = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the URL of a path on this server."""
        return f"http://{host}:{self.port}{path}"

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


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Run a server for one test."""
    server = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
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

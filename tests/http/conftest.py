"""The real listener in front of a fake daemon, and a client that can send anything."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from fake_daemon import FakeDaemon
from running_program import gateway, ports, program
from status_documents import forty_one

from portmapper.config.http_settings import HttpSettings
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.http.server import serve_http
from portmapper.http.tokens import Tokens
from portmapper.pluginhost.manager import Plugins

__all__ = ["gateway", "ports", "program"]

FORM = "application/x-www-form-urlencoded"


@attrs.frozen
class Answer:
    """An answer of the listener.

    Attributes:
        status: the HTTP status.
        headers: the headers by lower-case name; the last one wins.
        body: the content.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """Name and value of the cookie that it sets."""
        return self.headers["set-cookie"].partition(";")[0]


@attrs.frozen
class Site:
    """A listener with its daemon.

    Attributes:
        daemon: the fake daemon.
        port: the port of the listener.
        tokens: the tokens.
    """

    daemon: FakeDaemon
    port: int
    tokens: Tokens

    async def send(
        self, method: str, path: str, body: bytes | str = b"", version: str = "1.1", **headers: str | None
    ) -> Answer:
        """Send a request; `x_name` is the header `X-Name`, and None omits a header."""
        content = body.encode() if isinstance(body, str) else body
        sent: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self.port}",
            "Connection": "close",
            "Content-Length": str(len(content)) if content or method == "POST" else None,
            **{name.replace("_", "-").title(): value for name, value in headers.items()},
        }
        lines = [f"{name}: {value}\r\n" for name, value in sent.items() if value is not None]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"{method} {path} HTTP/{version}\r\n{''.join(lines)}\r\n".encode() + content)
            return parse(await reader.read())
        finally:
            writer.close()

    async def get(self, path: str, **headers: str | None) -> Answer:
        """Send a GET request."""
        return await self.send("GET", path, **headers)

    async def post(self, path: str, document: object = None, **headers: str | None) -> Answer:
        """Send a POST request with JSON."""
        body = b"" if document is None else json.dumps(document)
        return await self.send("POST", path, body, **{"content_type": "application/json", **headers})

    async def log_in(self, token: str, **more: str | None) -> Answer:
        """Send the login form."""
        return await self.send("POST", "/login", f"token={token}", content_type=FORM, **more)

    def bearer(self, *, read_only: bool = False) -> str:
        """Return the header of a new token."""
        return f"Bearer {self.tokens.create(self.tokens.free_name(), read_only=read_only)}"


def parse(answer: bytes) -> Answer:
    """Return an answer from its bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)


Listening = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def listening(tmp_path: Path, free_port: Callable[[], int]) -> Listening:
    """Serve a fake daemon inside a block; `settings` are those of the table `[http]`."""

    @asynccontextmanager
    async def listening(
        address: str = "127.0.0.1", pages: tuple[type[Any], ...] = (), **settings: Any
    ) -> AsyncIterator[Site]:
        daemon, port, plugins = FakeDaemon(), free_port(), Plugins()
        daemon.document = {**forty_one(), "problems": [], "faults": [], "error": None}
        plugins._registered["web"] = list(pages)
        task = asyncio.create_task(
            serve_http(daemon, HttpSettings((address, port), **settings), tmp_path, plugins, DoctorJobs())
        )
        try:
            await _until_it_listens(port)
            yield Site(daemon, port, Tokens(tmp_path))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return listening


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            await asyncio.sleep(0.01)


@pytest.fixture
async def site(listening: Listening) -> AsyncIterator[Site]:
    """A listener on loopback, without pages."""
    async with listening() as site:
        yield site


@pytest.fixture
async def open_site(listening: Listening) -> AsyncIterator[Site]:
    """A listener on every address, which needs a login for everything."""
    async with listening("0.0.0.0") as site:
        yield site


@pytest.fixture
def csrf_of() -> Callable[[str], str]:
    """Return a function that returns the CSRF token for a cookie, as pages get it."""
    from portmapper.http.visit import csrf_token

    return lambda cookie: csrf_token(cookie.partition("=")[2])

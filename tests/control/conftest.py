"""A fake daemon behind the real server of the HTTP API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_daemon import FakeDaemon

from portmapper.control.client import call_daemon
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.control.loopback import NEEDED, PORT_FILE
from portmapper.control.server import serve
from portmapper.control.unix_socket import SOCKET_NAME

Served = Callable[..., AbstractAsyncContextManager[FakeDaemon]]


@pytest.fixture
def fake_daemon() -> FakeDaemon:
    """A fake daemon that no server serves yet."""
    return FakeDaemon()


@pytest.fixture
def served() -> Served:
    """Serve a fake daemon in a state directory inside a block."""

    @asynccontextmanager
    async def served(directory: Path, *, loopback: bool = NEEDED) -> AsyncIterator[FakeDaemon]:
        daemon = FakeDaemon()
        server = asyncio.create_task(serve(daemon, directory, loopback=loopback, jobs=DoctorJobs()))
        path = directory / (PORT_FILE if loopback else SOCKET_NAME)
        try:
            while not (path.is_file() if loopback else path.is_socket()):
                await asyncio.sleep(0.005)
            yield daemon
        finally:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)

    return served


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., Any]:
    """Send a request with the client, in a thread beside the event loop of the server."""

    async def call(path: str, method: str = "GET", body: object = None, directory: Path = tmp_path) -> Any:
        return await asyncio.to_thread(call_daemon, directory, path, method, body)

    return call

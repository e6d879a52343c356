"""The contracts' helpers detect leaks, wrong exceptions and ignored cancellations."""

from __future__ import annotations

import asyncio
import socket

import pytest

from portmapper.api.errors import BackendError, GatewayTimeout
from portmapper.testing import calls
from portmapper.testing.calls import cancelled, leaving_nothing, outcome


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short limit for what never happens."""
    monkeypatch.setattr(calls, "LONG", 0.3)


@pytest.mark.usefixtures("short")
async def test_an_open_socket_is_detected() -> None:
    """A socket is a file descriptor."""
    left: list[socket.socket] = []
    with pytest.raises(AssertionError, match="a socket or file is left open"):
        async with leaving_nothing():
            left.append(socket.socket())
    left[0].close()


@pytest.mark.usefixtures("short")
async def test_a_running_task_is_detected() -> None:
    """This includes a task that another task of the block started."""
    tasks: list[asyncio.Task[None]] = []

    async def start() -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(1000)))

    with pytest.raises(AssertionError, match="a task is left running"):
        async with leaving_nothing():
            await asyncio.create_task(start())
    tasks[0].cancel()


async def test_tasks_of_a_server_do_not_count() -> None:
    """A simulated router may take longer to close a connection."""
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await release.wait()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with leaving_nothing():
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.close()
        await writer.wait_closed()
    release.set()
    server.close()
    await server.wait_closed()


async def test_an_unexpected_exception_fails_the_test() -> None:
    """Only the expected error class is an outcome; everything else is a bug of the plugin."""

    async def fail(error: Exception) -> None:
        raise error

    assert isinstance(await outcome(fail(GatewayTimeout("late")), BackendError), GatewayTimeout)
    with pytest.raises(AssertionError, match="may only raise BackendError"):
        await outcome(fail(OSError("bad")), BackendError)
    with pytest.raises(AssertionError, match="more than one line"):
        await outcome(fail(GatewayTimeout("two\nlines")), BackendError)
    with pytest.raises(AssertionError, match="did not end within"):
        await outcome(asyncio.sleep(1000), BackendError, 0.1)


async def test_an_ignored_cancellation_is_detected() -> None:
    """Such a call would delay the exit of the program."""

    async def swallow() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            return

    await cancelled(asyncio.sleep(1000))
    with pytest.raises(AssertionError, match="must end with CancelledError"):
        await cancelled(swallow())

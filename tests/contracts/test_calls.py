"""What the contracts are made of finds what it looks for."""

from __future__ import annotations

import asyncio
import socket

import pytest

from portmapper.api.errors import BackendError, GatewayTimeout
from portmapper.testing import calls
from portmapper.testing.calls import cancelled, leaving_nothing, outcome


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for what never comes."""
    monkeypatch.setattr(calls, "LONG", 0.3)


@pytest.mark.usefixtures("short")
async def test_a_socket_that_is_left_open_is_found() -> None:
    """It counts as a descriptor."""
    left: list[socket.socket] = []
    with pytest.raises(AssertionError, match="a socket or file is left open"):
        async with leaving_nothing():
            left.append(socket.socket())
    left[0].close()


@pytest.mark.usefixtures("short")
async def test_a_task_that_is_left_running_is_found() -> None:
    """Also one that another task of the block started."""
    tasks: list[asyncio.Task[None]] = []

    async def start() -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(1000)))

    with pytest.raises(AssertionError, match="a task is left running"):
        async with leaving_nothing():
            await asyncio.create_task(start())
    tasks[0].cancel()


async def test_a_servers_tasks_do_not_count() -> None:
    """The double of a router may take its time."""
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


async def test_an_error_of_another_kind_is_no_outcome() -> None:
    """Typed errors are one, everything else is a bug of the plugin."""

    async def fail(error: Exception) -> None:
        raise error

    assert isinstance(await outcome(fail(GatewayTimeout("late")), BackendError), GatewayTimeout)
    with pytest.raises(AssertionError, match="may only raise BackendError"):
        await outcome(fail(OSError("bad")), BackendError)
    with pytest.raises(AssertionError, match="more than one line"):
        await outcome(fail(GatewayTimeout("two\nlines")), BackendError)
    with pytest.raises(AssertionError, match="did not end within"):
        await outcome(asyncio.sleep(1000), BackendError, 0.1)


async def test_a_call_that_swallows_its_cancellation_is_found() -> None:
    """It would hold up whoever wants to end."""

    async def swallow() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            return

    await cancelled(asyncio.sleep(1000))
    with pytest.raises(AssertionError, match="must end with CancelledError"):
        await cancelled(swallow())

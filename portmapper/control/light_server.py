"""Serves the control socket without `aiohttp.web`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

from portmapper.control.light_connection import Answer, Connection
from portmapper.support.connection_guard import ConnectionGuard
from portmapper.support.reasons import plain_reason

_log = logging.getLogger(__name__)


class _Client(asyncio.StreamReaderProtocol):
    """The protocol of one connection. The request under way is canceled when the client leaves."""

    def __init__(self, answer: Answer, clients: set[_Client]) -> None:
        super().__init__(asyncio.StreamReader(), self._connected)
        self._answer = answer
        self._clients = clients
        self.connection: Connection | None = None
        self.task: asyncio.Task[None] | None = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection = Connection(reader, writer, self._answer)
        self.task = asyncio.create_task(self._serve(self.connection, writer))
        self._clients.add(self)

    async def _serve(self, connection: Connection, writer: asyncio.StreamWriter) -> None:
        try:
            await connection.serve()
        except ConnectionError:
            _log.debug("a client left before it took its answer")
        except Exception as error:
            _log.error("the connection of a client failed: %s", plain_reason(error))
            _log.debug("it failed here", exc_info=True)
        finally:
            writer.close()
            self._clients.discard(self)

    def eof_received(self) -> bool:
        """Close the connection: a client that left would otherwise not be noticed on a Unix socket."""
        super().eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request under way."""
        super().connection_lost(exc)
        if self.task is not None:
            self.task.cancel()

    def end(self) -> None:
        """Close the connection, at once or after the request under way."""
        if self.task is not None and self.connection is not None:
            self.connection.ends = True
            if self.connection.is_idle:
                self.task.cancel()


@contextlib.asynccontextmanager
async def light_server(
    listener: socket.socket, answer: Answer, *, shutdown_limit: float
) -> AsyncIterator[None]:
    """Serve a listening socket inside the context, within the limits of `connection_guard`.

    Args:
        listener: the socket.
        answer: answers each request.
        shutdown_limit: seconds that running requests have to finish.
    """
    clients: set[_Client] = set()
    guard = ConnectionGuard(lambda: _Client(answer, clients))
    server = await asyncio.get_running_loop().create_server(guard, sock=listener)
    try:
        yield
    finally:
        server.close()
        await _end(clients, shutdown_limit)


async def _end(clients: set[_Client], limit: float) -> None:
    for client in clients:
        client.end()
    running = [client.task for client in clients if client.task is not None]
    if running:
        _, late = await asyncio.wait(running, timeout=limit)
        for task in late:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

"""One TCP probe: connect to the peer, hold the connection, and compare what arrives with the nonce."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Any

from portmapper.probe.wire import NONCE_SIZE, PortRequest, Result
from portmapper.probe_server.peer import Peer
from portmapper.support.reasons import number_of

CONNECT_LIMIT = 4.0
"""Seconds to connect: the system repeats a lost packet after 1 and 3 seconds."""

HOLD = 1.0
"""Seconds that the connection stays open, so that the peer finds it in its table of sockets."""

Report = Callable[[dict[str, Any]], None]
_RESULTS = {errno.ECONNREFUSED: Result.REFUSED, errno.ETIMEDOUT: Result.TIMEOUT}


async def probe_tcp(peer: Peer, request: PortRequest, report: Report) -> Result:
    """Connect, report the connection at once, and then whether the nonce came; send nothing."""
    connection = peer.socket(socket.SOCK_STREAM)
    name = _name(request, connection)
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            await asyncio.get_running_loop().sock_connect(connection, peer.endpoint(request.port))
    except OSError as error:
        connection.close()
        result = Result.TIMEOUT if isinstance(error, TimeoutError) else result_of(error)
        report({**name, "result": result.value})
        return result
    try:
        return await _hold(connection, request, lambda result: report({**name, "result": result.value}))
    finally:
        connection.close()


def result_of(error: OSError) -> Result:
    """Return what an error of a socket means."""
    return _RESULTS.get(number_of(error), Result.UNREACHABLE)


async def _hold(connection: socket.socket, request: PortRequest, report: Callable[[Result], None]) -> Result:
    report(Result.CONNECTED)
    received = bytearray()
    with contextlib.suppress(OSError):  # includes the timeout
        async with asyncio.timeout(HOLD):
            while len(received) < NONCE_SIZE and (part := await _receive(connection)):
                received += part
            if received != request.nonce:
                await asyncio.sleep(HOLD)
    if received != request.nonce:
        return Result.CONNECTED
    report(Result.ANSWERED)
    return Result.ANSWERED


async def _receive(connection: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(connection, NONCE_SIZE)


def _name(request: PortRequest, connection: socket.socket) -> dict[str, Any]:
    address, port = connection.getsockname()[:2]
    source = {"source": address.partition("%")[0], "source_port": port}
    return {"port": request.port, "protocol": request.protocol.value, **source}

"""Temporary listeners: they answer a probe with its nonce, on ports where no program listens."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from typing import Any

from portmapper.api.model import IPAddress, Protocol
from portmapper.probe.evidence import Listening, OpenPort
from portmapper.probe.wire import ANSWER, ORDER_SIZE, PROBE

MAX_CONNECTIONS = 8
"""Connections that a listener answers; strangers may connect too."""


class TemporaryListener:
    """Listens on one port while a probe runs.

    Attributes:
        listening: who listens on the port.
        received: the nonce arrived (UDP), or a connection was answered (TCP).
    """

    def __init__(self, port: OpenPort, nonce: bytes, local: IPAddress | None, version: int) -> None:
        """Listen on a port of a local address; None for all addresses of an IP version."""
        self.received = False
        self._nonce = nonce
        self._connections: list[socket.socket] = []
        self._socket: socket.socket | None = None
        self.listening = self._listen(port, local, version) if port.is_ours else Listening.ELSEWHERE

    def close(self) -> None:
        """Stop listening, so that a program can use the port at once.

        The probe server closes its connection first. A reset ends the others: a connection that this host
        closed would keep the port for a minute.
        """
        for connection in self._connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _listen(self, port: OpenPort, local: IPAddress | None, version: int) -> Listening:
        is_tcp = port.protocol is Protocol.TCP
        kind = socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        try:
            made = socket.socket(family, kind)
        except OSError:
            return Listening.DENIED
        try:
            _bind(made, local, port.internal_port, is_tcp)
        except OSError as error:
            made.close()
            return Listening.PROGRAM if error.errno == errno.EADDRINUSE else Listening.DENIED
        self._socket = made
        asyncio.get_running_loop().add_reader(made, self._accept if is_tcp else self._echo)
        return Listening.OURS

    def _accept(self) -> None:
        assert self._socket is not None, "it listens"
        with contextlib.suppress(OSError):
            connection, _ = self._socket.accept()
            if len(self._connections) >= MAX_CONNECTIONS:
                connection.close()
                return
            self._connections.append(connection)
            connection.setblocking(False)
            connection.send(self._nonce)
            self.received = True

    def _echo(self) -> None:
        assert self._socket is not None, "it listens"
        with contextlib.suppress(OSError):
            data, sender = self._socket.recvfrom(ORDER_SIZE)
            if data == PROBE + self._nonce:
                self.received = True
                self._socket.sendto(ANSWER + self._nonce, sender)


def _bind(made: socket.socket, address: IPAddress | None, port: int, is_tcp: bool) -> None:
    made.setblocking(False)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    elif is_tcp:
        # For connections of the last check that are still ending. With UDP, it would share a program's port.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    where: tuple[Any, ...] = (str(address) if address is not None else "", port)
    made.bind(where)
    if is_tcp:
        made.listen(MAX_CONNECTIONS)

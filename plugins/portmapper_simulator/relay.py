"""What a mapping does: moves TCP and UDP from the gateway's outside to a port inside."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import socket
import struct
import sys
from typing import Any, cast

import attrs

from portmapper.api import Protocol

MAX_CONNECTIONS = 64
"""TCP connections through one mapping at a time."""

MAX_FLOWS = 256
"""UDP peers of one mapping at a time."""

MAX_WAITING = 16
"""Datagrams kept while the socket of a new flow opens."""

CONNECT_TIMEOUT = 5.0
IDLE_TIMEOUT = 60.0
"""Seconds after which a silent UDP flow is forgotten."""

CHUNK = 65536

Address = tuple[str, int]


@attrs.define
class Traffic:
    """What went through all mappings, as WANCommonInterfaceConfig counts it."""

    bytes_in: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0

    def count_in(self, size: int) -> None:
        """Count one piece that came from outside."""
        self.bytes_in += size
        self.packets_in += 1

    def count_out(self, size: int) -> None:
        """Count one piece that went out."""
        self.bytes_out += size
        self.packets_out += 1


class Relay(abc.ABC):
    """The open external port of one mapping."""

    def __init__(self, outside: Address, inside: Address, traffic: Traffic) -> None:
        self.outside = outside
        self.inside = inside
        self.traffic = traffic

    @abc.abstractmethod
    async def open(self) -> None:
        """Open the external port. Raises `OSError` when it cannot be had."""

    def retarget(self, inside: Address) -> None:
        """Lead to another internal port from now on; what goes to the old one is cut."""
        self.inside = inside
        self.cut()

    @abc.abstractmethod
    def cut(self) -> None:
        """End what goes through the port, and keep it open."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the port and everything that goes through it."""


def make_relay(protocol: Protocol, outside: Address, inside: Address, traffic: Traffic) -> Relay:
    """Make the relay of a mapping, not yet open."""
    kind = TcpRelay if protocol is Protocol.TCP else UdpRelay
    return kind(outside, inside, traffic)


class TcpRelay(Relay):
    """Accepts outside and connects inside."""

    _server: asyncio.Server | None = None

    def __init__(self, outside: Address, inside: Address, traffic: Traffic) -> None:
        super().__init__(outside, inside, traffic)
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen outside."""
        self._server = await asyncio.start_server(self._accept, *self.outside, limit=CHUNK)

    def close(self) -> None:
        """Stop listening and cut the connections."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Cut the connections."""
        for connection in self._connections:
            connection.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            _reset(writer)
            return
        connection = asyncio.ensure_future(self._carry(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                inner_reader, inner_writer = await asyncio.open_connection(*self.inside, limit=CHUNK)
        except (OSError, asyncio.CancelledError):
            _reset(writer)  # nobody listens inside: what the outside sees of a real gateway, too
            return
        try:
            await asyncio.gather(
                _pump(reader, inner_writer, self.traffic.count_in),
                _pump(inner_reader, writer, self.traffic.count_out),
            )
            writer.close()
            inner_writer.close()
        except (OSError, asyncio.CancelledError):
            _reset(writer)
            _reset(inner_writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Cut a connection so that the other end notices: without the option it would look like its end."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Any) -> None:
    """Copy one direction to its end, and pass the end on."""
    while data := await reader.read(CHUNK):
        count(len(data))
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


class UdpRelay(Relay, asyncio.DatagramProtocol):
    """Receives outside; every peer there has a socket of its own inside."""

    _transport: asyncio.DatagramTransport | None = None

    def __init__(self, outside: Address, inside: Address, traffic: Traffic) -> None:
        super().__init__(outside, inside, traffic)
        self._flows: dict[Address, _Flow] = {}

    async def open(self) -> None:
        """Bind outside."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.outside)

    def close(self) -> None:
        """Close the port and forget the flows."""
        if self._transport is not None:
            self._transport.close()
        self.cut()

    def cut(self) -> None:
        """Forget the flows."""
        for flow in list(self._flows.values()):
            flow.close()

    def datagram_received(self, data: bytes, peer: Address) -> None:
        """Pass a datagram inside, through its sender's flow."""
        flow = self._flows.get(peer)
        if flow is None:
            if len(self._flows) >= MAX_FLOWS:
                return
            flow = self._flows[peer] = _Flow(self, peer)
        self.traffic.count_in(len(data))
        flow.send(data)

    def answer(self, data: bytes, peer: Address) -> None:
        """Pass what came from inside to the peer it is for."""
        if self._transport is not None and not self._transport.is_closing():
            self.traffic.count_out(len(data))
            self._transport.sendto(data, peer)

    def forget(self, peer: Address) -> None:
        """Drop a flow that is over."""
        self._flows.pop(peer, None)


class _Flow(asyncio.DatagramProtocol):
    """One outside peer's conversation with the inside."""

    def __init__(self, relay: UdpRelay, peer: Address) -> None:
        self._relay = relay
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._last = self._loop.time()
        self._timer = self._loop.call_later(IDLE_TIMEOUT, self._check)
        self._opening = self._loop.create_task(self._open())

    def send(self, data: bytes) -> None:
        self._last = self._loop.time()
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(data)

    def close(self) -> None:
        self._timer.cancel()
        self._opening.cancel()
        if self._transport is not None:
            self._transport.close()
        self._relay.forget(self._peer)

    async def _open(self) -> None:
        try:
            await self._loop.create_datagram_endpoint(lambda: self, remote_addr=self._relay.inside)
        except OSError:
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()

    def datagram_received(self, data: bytes, _: object) -> None:
        self._last = self._loop.time()
        self._relay.answer(data, self._peer)

    def error_received(self, _: Exception) -> None:
        """Ignore that nobody listens inside: somebody may in a moment."""

    def _check(self) -> None:
        left = self._last + IDLE_TIMEOUT - self._loop.time()
        if left <= 0:
            self.close()
        else:
            self._timer = self._loop.call_later(left, self._check)

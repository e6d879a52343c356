"""Forwards TCP and UDP from an external port of the gateway to an internal port."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import socket
import struct
import sys
from ipaddress import IPv4Address, IPv4Network
from typing import Any, cast

import attrs

from portmapper.api import Protocol

MAX_CONNECTIONS = 64
"""TCP connections through one mapping at a time."""

MAX_FLOWS = 256
"""UDP peers of one mapping at a time."""

MAX_WAITING = 16
"""Datagrams queued while the socket of a new flow opens."""

CONNECT_TIMEOUT = 5.0
IDLE_TIMEOUT = 60.0
"""Seconds after which an idle UDP flow is closed."""

CHUNK = 65536

Address = tuple[str, int]


@attrs.define
class Traffic:
    """Traffic counters of all mappings, as in WANCommonInterfaceConfig."""

    bytes_in: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0

    def count_in(self, size: int) -> None:
        """Count a packet from the external side."""
        self.bytes_in += size
        self.packets_in += 1

    def count_out(self, size: int) -> None:
        """Count a packet to the external side."""
        self.bytes_out += size
        self.packets_out += 1


class Relay(abc.ABC):
    """The open external port of a mapping."""

    def __init__(self, external: Address, internal: Address, traffic: Traffic) -> None:
        self.external = external
        self.internal = internal
        self.traffic = traffic
        self.remote: IPv4Network | None = None

    def admits(self, peer: Address) -> bool:
        """Return whether a peer may connect."""
        return self.remote is None or IPv4Address(peer[0]) in self.remote

    def restrict(self, remote: IPv4Network | None) -> None:
        """Change who may connect, and cut the connections of the others."""
        if remote != self.remote:
            self.remote = remote
            self.cut()

    @abc.abstractmethod
    async def open(self) -> None:
        """Open the external port. Raises `OSError` if that fails."""

    def retarget(self, internal: Address) -> None:
        """Change the internal port, and cut the connections to the old one."""
        self.internal = internal
        self.cut()

    @abc.abstractmethod
    def cut(self) -> None:
        """Cut all connections, and keep the port open."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the port, and cut all connections."""


def make_relay(protocol: Protocol, external: Address, internal: Address, traffic: Traffic) -> Relay:
    """Create the relay of a mapping without opening it."""
    kind = TcpRelay if protocol is Protocol.TCP else UdpRelay
    return kind(external, internal, traffic)


class TcpRelay(Relay):
    """Accepts connections on the external port, and connects to the internal port."""

    _server: asyncio.Server | None = None

    def __init__(self, external: Address, internal: Address, traffic: Traffic) -> None:
        super().__init__(external, internal, traffic)
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen on the external port."""
        self._server = await asyncio.start_server(self._accept, *self.external, limit=CHUNK)

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
        if len(self._connections) >= MAX_CONNECTIONS or not self.admits(writer.get_extra_info("peername")):
            _reset(writer)
            return
        connection = asyncio.ensure_future(self._carry(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                inner_reader, inner_writer = await asyncio.open_connection(*self.internal, limit=CHUNK)
        except (OSError, asyncio.CancelledError):
            _reset(writer)  # the same as with a real gateway if nothing listens on the internal port
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
    """Reset a connection; without SO_LINGER, the peer would see an orderly close."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Any) -> None:
    """Copy one direction until its end, and pass on the end of file."""
    while data := await reader.read(CHUNK):
        count(len(data))
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


class UdpRelay(Relay, asyncio.DatagramProtocol):
    """Receives datagrams on the external port; each peer has a separate internal socket."""

    _transport: asyncio.DatagramTransport | None = None

    def __init__(self, external: Address, internal: Address, traffic: Traffic) -> None:
        super().__init__(external, internal, traffic)
        self._flows: dict[Address, _Flow] = {}

    async def open(self) -> None:
        """Bind the external port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self.external)

    def close(self) -> None:
        """Close the port and all flows."""
        if self._transport is not None:
            self._transport.close()
        self.cut()

    def cut(self) -> None:
        """Close all flows."""
        for flow in list(self._flows.values()):
            flow.close()

    def datagram_received(self, data: bytes, peer: Address) -> None:
        """Forward a datagram to the internal port through the sender's flow."""
        flow = self._flows.get(peer)
        if flow is None:
            if len(self._flows) >= MAX_FLOWS or not self.admits(peer):
                return
            flow = self._flows[peer] = _Flow(self, peer)
        self.traffic.count_in(len(data))
        flow.send(data)

    def answer(self, data: bytes, peer: Address) -> None:
        """Send an answer from the internal port to its peer."""
        if self._transport is not None and not self._transport.is_closing():
            self.traffic.count_out(len(data))
            self._transport.sendto(data, peer)

    def forget(self, peer: Address) -> None:
        """Remove a closed flow."""
        self._flows.pop(peer, None)


class _Flow(asyncio.DatagramProtocol):
    """Socket to the internal port for one external peer."""

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
            await self._loop.create_datagram_endpoint(lambda: self, remote_addr=self._relay.internal)
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
        """Ignore an ICMP refusal, because a program may listen again later."""

    def _check(self) -> None:
        left = self._last + IDLE_TIMEOUT - self._loop.time()
        if left <= 0:
            self.close()
        else:
            self._timer = self._loop.call_later(left, self._check)

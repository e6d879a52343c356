"""UDP probes: one datagram with the nonce for each datagram with the cookie, from a new socket.

The cookie went to the peer over its TCP connection, so a datagram with a forged source address has none.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import Sequence
from typing import Any

from portmapper.api.model import IPAddress
from portmapper.probe.wire import (
    ANSWER,
    COOKIE_SIZE,
    ORDER_SIZE,
    PROBE,
    SESSION_SIZE,
    PortRequest,
    Result,
    parse_order,
)
from portmapper.probe_server.counts import Counts
from portmapper.probe_server.peer import Peer, canonical
from portmapper.probe_server.tcp import result_of

MAX_ORDERS = 3
"""Datagrams to one port in one request."""

WAIT = 3.0
"""Seconds to wait for orders and answers."""


class UdpProbe:
    """The probe of one UDP port in one request."""

    def __init__(self, peer: Peer, request: PortRequest) -> None:
        self._peer = peer
        self._request = request
        self._orders = 0
        self._socket: socket.socket | None = None
        self.result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    @property
    def port(self) -> int:
        """The port of the peer."""
        return self._request.port

    @property
    def source(self) -> tuple[str, int] | None:
        """Address and port that the datagrams come from; None before the first."""
        return self._socket.getsockname()[:2] if self._socket is not None else None

    def send(self) -> bool:
        """Send one datagram for an order; return whether one was sent."""
        if self._orders >= MAX_ORDERS or self.result.done():
            return False
        self._orders += 1
        try:
            connected = self._socket or self._connect()
            connected.send(PROBE + self._request.nonce)
        except OSError as error:
            self._settle(result_of(error))
            return False
        return True

    async def finish(self) -> Result:
        """Wait for an answer and return the result."""
        try:
            async with asyncio.timeout(WAIT):
                return await self.result
        except TimeoutError:
            return Result.TIMEOUT if self._orders else Result.NOT_ORDERED

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _connect(self) -> socket.socket:
        # A connected socket receives only from this port of the peer, and learns that it was refused.
        self._socket = self._peer.socket(socket.SOCK_DGRAM)
        self._socket.connect(self._peer.endpoint(self._request.port))
        asyncio.get_running_loop().add_reader(self._socket, self._receive)
        return self._socket

    def _receive(self) -> None:
        assert self._socket is not None, "it is connected"
        try:
            answer = self._socket.recv(ORDER_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._settle(result_of(error))
            return
        is_ours = answer == ANSWER + self._request.nonce
        self._settle(Result.ANSWERED if is_ours else Result.OTHER_ANSWER)

    def _settle(self, result: Result) -> None:
        if not self.result.done():
            self.result.set_result(result)


class Session:
    """The UDP probes of one request.

    Attributes:
        name: identifies the session.
        cookie: authorizes orders.
    """

    def __init__(self, peer: Peer, requests: Sequence[PortRequest]) -> None:
        self.name = secrets.token_bytes(SESSION_SIZE)
        self.cookie = secrets.token_bytes(COOKIE_SIZE)
        self.probes = {request.port: UdpProbe(peer, request) for request in requests}
        self._address = peer.address

    def probe_for(self, sender: IPAddress, cookie: bytes, port: int) -> UdpProbe | None:
        """Return the probe that an order is for; None if it is not authorized."""
        if sender != self._address or not hmac.compare_digest(cookie, self.cookie):
            return None
        return self.probes.get(port)


class OrderSocket(asyncio.DatagramProtocol):
    """Receives the orders of all sessions. It never answers."""

    def __init__(self, counts: Counts) -> None:
        self.sessions: dict[bytes, Session] = {}
        self._counts = counts

    def datagram_received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """Carry out an order of a session; ignore everything else."""
        order = parse_order(data)
        session = self.sessions.get(order[0]) if order else None
        if order is None or session is None:
            self._counts.add("datagrams", "ignored")
            return
        probe = session.probe_for(canonical(sender[0]), order[1], order[2])
        self._counts.add("datagrams", "sent" if probe is not None and probe.send() else "ignored")

    def error_received(self, error: Exception) -> None:
        """Ignore it: this socket sends nothing."""

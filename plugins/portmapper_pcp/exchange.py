"""Concurrent requests to one gateway over one UDP socket, each retransmitted until it is answered."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from portmapper.api import BackendError, GatewayTimeout, IPAddress, NetworkFailure
from portmapper.support.send_gate import check_before_sending
from portmapper_pcp.wire import Key, MalformedPacket, Reply

R = TypeVar("R", bound=Reply)

_LIKE_LOSS = frozenset({errno.EPERM, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN})
"""Errors for a packet that our own firewall or a full queue dropped: treated like a lost packet."""

_LATE = 0.1
"""Seconds by which a timer of a busy process may be late. If it is later, the process or host stood still,
and what arrived meanwhile waits in the socket."""

_log = logging.getLogger(__name__)


class _Request(Generic[R]):
    def __init__(
        self,
        packet: bytes,
        accepts: Callable[[R], bool],
        delays: Iterator[float],
        answer: asyncio.Future[R],
    ) -> None:
        self.packet = packet
        self.accepts = accepts
        self.delays = delays
        self.answer = answer
        self.timer: asyncio.TimerHandle | None = None
        self.due = math.inf

    def fail(self, error: BackendError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            # The caller may have been cancelled meanwhile: mark the exception as retrieved.
            self.answer.exception()


class Exchange(asyncio.DatagramProtocol, Generic[R]):
    """The pending requests to one gateway.

    The socket is connected, so that the system drops packets from any other address or port, and reports a
    refused port (ICMP). It is opened with the first request, and reopened after a failure.

    Args:
        local: our address; the socket is bound to it.
        gateway: the gateway's address.
        port: the gateway's UDP port.
        read: parses a packet into a reply. A `MalformedPacket` is ignored; any other error fails all
            requests, because it concerns the gateway as a whole.
        on_reply: called with each matching reply, before the request returns, and with whether it was read
            soon after it arrived.
        on_refused: called when the gateway refuses the port.
    """

    def __init__(
        self,
        local: IPAddress,
        gateway: IPAddress,
        port: int,
        *,
        read: Callable[[bytes], R],
        on_reply: Callable[[R, bool], None],
        on_refused: Callable[[], None],
    ) -> None:
        self._local = local
        self._gateway = gateway
        self._port = port
        self._read = read
        self._on_reply = on_reply
        self._on_refused = on_refused
        self._requests: dict[Key, _Request[R]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def request(
        self, packet: bytes, key: Key, delays: Iterator[float], accepts: Callable[[R], bool] = lambda _: True
    ) -> R:
        """Send a packet repeatedly until a reply matches the key and `accepts` returns true.

        Args:
            packet: the request.
            key: identifies the reply. A second request with the same key waits for the first to end.
            delays: seconds to wait after each send; the request times out when they are used up.
            accepts: a further check of a reply with the right key.

        Raises:
            GatewayTimeout: the gateway did not answer.
            NotLeading: another daemon may lead now.
            NetworkFailure: the gateway cannot be reached, or refuses the port.
            Unsupported: the gateway speaks another protocol or version.
        """
        while key in self._requests:
            await asyncio.wait((self._requests[key].answer,))
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        request = _Request(packet, accepts, delays, answer)
        self._requests[key] = request
        try:
            await self._open()
            self._send(request)
            return await answer
        finally:
            del self._requests[key]
            answer.cancel()
            if request.timer is not None:
                request.timer.cancel()

    def close(self) -> None:
        """Close the socket; fail pending requests with `NetworkFailure`."""
        self._closed = True
        self._give_up(NetworkFailure(f"the connection to {self._gateway} was closed"))

    # asyncio.DatagramProtocol

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        """Pass a reply to the request that it answers; drop everything else."""
        try:
            reply = self._read(data)
        except MalformedPacket as error:
            _log.debug("%s: ignored a malformed packet: %s", self._gateway, error)
            return
        except BackendError as error:
            self._fail_all(error)
            return
        request = self._find(reply.key)
        if request is None or request.answer.done() or not request.accepts(reply):
            _log.debug("%s: ignored a reply that matches no pending request", self._gateway)
            return
        request.answer.set_result(reply)
        self._on_reply(reply, not _is_late(request))

    def error_received(self, exc: Exception) -> None:
        """Fail all requests at once if the system reports that no answer can come."""
        if isinstance(exc, OSError) and exc.errno in _LIKE_LOSS:
            return
        self._give_up(NetworkFailure(f"{self._gateway} port {self._port}: {_reason(exc)}"))
        if isinstance(exc, ConnectionRefusedError | ConnectionResetError):
            self._on_refused()

    async def _open(self) -> None:
        if self._is_open():
            return
        async with self._opening:
            if self._closed:
                raise NetworkFailure(f"the connection to {self._gateway} was closed")
            if not self._is_open():
                self._transport = await self._connect()

    def _is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def _connect(self) -> asyncio.DatagramTransport:
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: self, local_addr=(str(self._local), 0), remote_addr=(str(self._gateway), self._port)
            )
        except OSError as error:
            raise NetworkFailure(f"cannot reach {self._gateway}: {_reason(error)}") from error
        if self._closed:
            transport.abort()
            raise NetworkFailure(f"the connection to {self._gateway} was closed")
        return transport

    def _send(self, request: _Request[R]) -> None:
        if request.answer.done():
            return
        try:
            check_before_sending()
        except BackendError as error:
            request.fail(error)
            return
        wait = next(request.delays, None)
        if wait is None or self._transport is None:
            request.fail(GatewayTimeout(f"{self._gateway} port {self._port} does not answer"))
            return
        loop = asyncio.get_running_loop()
        request.due = loop.time() + wait
        request.timer = loop.call_later(wait, self._send_again, request)
        self._transport.sendto(request.packet)

    def _send_again(self, request: _Request[R]) -> None:
        """Send again; after a standstill only once what waits in the socket was read.

        The loop reads one packet in each turn. A packet too many may open a lease that ran out meanwhile, and
        then the gateway knows another order of the leases than we do.
        """
        if _is_late(request):
            request.timer = asyncio.get_running_loop().call_later(_LATE, self._send, request)
        else:
            self._send(request)

    def _find(self, key: Key) -> _Request[R] | None:
        """Return the request with that key, or else the oldest one whose key starts with it."""
        request = self._requests.get(key)
        if request is not None:
            return request
        return next((found for known, found in self._requests.items() if known[: len(key)] == key), None)

    def _give_up(self, error: BackendError) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._fail_all(error)

    def _fail_all(self, error: BackendError) -> None:
        for request in tuple(self._requests.values()):
            request.fail(error)


def _is_late(request: _Request[R]) -> bool:
    return asyncio.get_running_loop().time() > request.due + _LATE


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError | ConnectionResetError):
        return "nothing listens there"
    return (isinstance(error, OSError) and error.strerror) or str(error)

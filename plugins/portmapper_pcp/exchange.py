"""Asking one gateway over one UDP socket: many questions at once, each sent again until answered."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import attrs

from portmapper.api import BackendError, GatewayTimeout, IPAddress, NetworkFailure
from portmapper_pcp.wire import Key, MalformedPacket, Reply

R = TypeVar("R", bound=Reply)

_LIKE_LOSS = frozenset({errno.EPERM, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN})
"""What the system says when our own firewall or a full queue dropped the packet: it is sent again."""

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class _Question(Generic[R]):
    packet: bytes
    accepts: Callable[[R], bool]
    waits: Iterator[float]
    answer: asyncio.Future[R]
    timer: asyncio.TimerHandle | None = None

    def fail(self, error: BackendError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            # Whoever asked may have been cancelled meanwhile; nobody else need complain of it.
            self.answer.exception()


class Exchange(asyncio.DatagramProtocol, Generic[R]):
    """The questions under way to one gateway.

    The socket is connected, so that the system drops what comes from any other address or port, and
    tells when the port is refused (ICMP). It is opened with the first question, and again after it failed.

    Args:
        local: our address; packets leave from it.
        gateway: the gateway's address.
        port: its UDP port.
        read: turns a packet into a reply; a `MalformedPacket` is ignored, any other error ends all
            questions, because it concerns the gateway as a whole.
        answered: told of each reply that answers a question, before the asker goes on.
        refused: called when the gateway refuses the port.
    """

    def __init__(
        self,
        local: IPAddress,
        gateway: IPAddress,
        port: int,
        *,
        read: Callable[[bytes], R],
        answered: Callable[[R], None],
        refused: Callable[[], None],
    ) -> None:
        self._local = local
        self._gateway = gateway
        self._port = port
        self._read = read
        self._answered = answered
        self._refused = refused
        self._questions: dict[Key, _Question[R]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def ask(
        self, packet: bytes, key: Key, waits: Iterator[float], accepts: Callable[[R], bool] = lambda _: True
    ) -> R:
        """Send until a reply with that key comes that `accepts` takes; others are ignored.

        Args:
            packet: the request.
            key: what the reply shares with it; a second question with the same key waits for the first.
            waits: seconds to wait after each send; the end of it is the end of the question.
            accepts: a finer look at the reply than the key allows.

        Raises:
            GatewayTimeout: no answer came.
            NetworkFailure: the gateway cannot be reached, or refuses the port.
            Unsupported: it speaks another protocol or version.
        """
        while key in self._questions:
            await asyncio.wait((self._questions[key].answer,))
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        question = _Question(packet, accepts, waits, answer)
        self._questions[key] = question
        try:
            await self._open()
            self._send(question)
            return await answer
        finally:
            del self._questions[key]
            answer.cancel()
            if question.timer is not None:
                question.timer.cancel()

    def close(self) -> None:
        """Free the socket; whoever waits gets a `NetworkFailure`."""
        self._closed = True
        self._give_up(NetworkFailure(f"the connection to {self._gateway} was closed"))

    # asyncio.DatagramProtocol

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        """Hand a reply to the question it answers; drop everything else."""
        try:
            reply = self._read(data)
        except MalformedPacket as error:
            _log.debug("%s: ignored: %s", self._gateway, error)
            return
        except BackendError as error:
            self._fail_all(error)
            return
        question = self._find(reply.key)
        if question is None or question.answer.done() or not question.accepts(reply):
            _log.debug("%s: ignored a reply that nobody waits for", self._gateway)
            return
        question.answer.set_result(reply)
        self._answered(reply)

    def error_received(self, exc: Exception) -> None:
        """Give up at once where the system knows that no answer can come."""
        if isinstance(exc, OSError) and exc.errno in _LIKE_LOSS:
            return
        self._give_up(NetworkFailure(f"{self._gateway} port {self._port}: {_reason(exc)}"))
        if isinstance(exc, ConnectionRefusedError | ConnectionResetError):
            self._refused()

    # Inside

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

    def _send(self, question: _Question[R]) -> None:
        if question.answer.done():
            return
        wait = next(question.waits, None)
        if wait is None or self._transport is None:
            question.fail(GatewayTimeout(f"{self._gateway} port {self._port} does not answer"))
            return
        question.timer = asyncio.get_running_loop().call_later(wait, self._send, question)
        self._transport.sendto(question.packet)

    def _find(self, key: Key) -> _Question[R] | None:
        """Return the question with that key, or the oldest whose key begins so."""
        question = self._questions.get(key)
        if question is not None:
            return question
        return next((q for k, q in self._questions.items() if k[: len(key)] == key), None)

    def _give_up(self, error: BackendError) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._fail_all(error)

    def _fail_all(self, error: BackendError) -> None:
        for question in tuple(self._questions.values()):
            question.fail(error)


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError | ConnectionResetError):
        return "nothing listens there"
    return (isinstance(error, OSError) and error.strerror) or str(error)

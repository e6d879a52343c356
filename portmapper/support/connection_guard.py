"""Limits for a listener: connections in total and per peer, and seconds per request.

Without them, idle connections of one host use every descriptor of the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any

MAX_CONNECTIONS = 64
MAX_PER_PEER = 16

WAIT_LIMIT = 10.0
"""Seconds for a client to send a request, from its connection or its last answer."""

REQUEST_LIMIT = 60.0
"""Seconds for a request and its answer, except for a stream."""

_log = logging.getLogger(__name__)


class ConnectionGuard:
    """Creates the protocol of each connection, as `factory` of `loop.create_server`."""

    def __init__(
        self,
        factory: Callable[[], Any],
        total: int = MAX_CONNECTIONS,
        per_peer: int = MAX_PER_PEER,
        *,
        replace_idle: bool = False,
    ):
        """Guard the protocols of `factory`.

        Args:
            factory: creates the protocol of a connection, such as aiohttp's server.
            total: the number of connections at one time.
            per_peer: the number of connections of one peer at one time.
            replace_idle: a peer with too many connections loses its oldest idle one instead of the new one.
        """
        self._factory = factory
        self._replace_idle = replace_idle
        self._total = total
        self._per_peer = per_peer
        self._open: dict[GuardedProtocol, None] = {}
        self._peers: Counter[object] = Counter()

    def __call__(self) -> GuardedProtocol:
        """Return the protocol of a new connection."""
        return GuardedProtocol(self, self._factory())

    def admit(self, connection: GuardedProtocol) -> bool:
        """Count a connection, and return whether it may stay; the oldest idle one may have to make room."""
        if self._peers[connection.peer] >= self._per_peer:
            own = (known for known in self._open if known.peer == connection.peer)
            if not self._replace_idle or not self._make_room(own):
                return False
        if len(self._open) >= self._total and not self._make_room(self._open):
            return False
        self._open[connection] = None
        self._peers[connection.peer] += 1
        return True

    def _make_room(self, connections: Iterable[GuardedProtocol]) -> bool:
        """Close the oldest idle one of these connections, and return whether there was one."""
        idle = next((known for known in connections if known.is_idle), None)
        if idle is None:
            return False
        idle.abort("other connections need its place")
        self.forget(idle)
        return True

    def forget(self, connection: GuardedProtocol) -> None:
        """Stop counting a connection."""
        if connection in self._open:
            del self._open[connection]
            self._peers[connection.peer] -= 1
            if not self._peers[connection.peer]:
                del self._peers[connection.peer]


class GuardedProtocol(asyncio.Protocol):
    """One connection with its deadline, in front of the protocol that does the work.

    Attributes:
        peer: identifies the other side.
        is_idle: no request is under way.
    """

    def __init__(self, guard: ConnectionGuard, inner: Any) -> None:
        self.peer: object = None
        self.is_idle = True
        self._guard = guard
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._admitted = False

    def connection_made(self, transport: Any) -> None:
        """Start to wait for a request, or close a connection that is one too many."""
        self._transport = transport
        self.peer = peer_of(transport)
        self._admitted = self._guard.admit(self)
        if not self._admitted:
            self.abort("too many connections")
            return
        self._set_deadline(WAIT_LIMIT)
        self._inner.connection_made(transport)

    def begin_request(self) -> None:
        """Limit the time of the request that has arrived."""
        self.is_idle = False
        self._set_deadline(REQUEST_LIMIT)

    def begin_stream(self) -> None:
        """Remove the limit: the answer is a stream."""
        self._set_deadline(None)

    def end_request(self) -> None:
        """Wait for the client to take the answer and to send another request."""
        self.is_idle = True
        self._set_deadline(WAIT_LIMIT)

    def abort(self, reason: str) -> None:
        """Close the connection at once."""
        _log.debug("closed a connection of %s: %s", self.peer, reason)
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass data on."""
        if self._admitted:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass the end of the client's data on."""
        return self._inner.eof_received() if self._admitted else None

    def pause_writing(self) -> None:
        """Pass flow control on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass flow control on."""
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Stop the timer and pass the end on."""
        self._set_deadline(None)
        self._guard.forget(self)
        if self._admitted:
            self._inner.connection_lost(error)

    def _set_deadline(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(seconds, self.abort, "it took too long")


def guard_of(transport: Any) -> GuardedProtocol | None:
    """Return the guard of a connection."""
    protocol = transport.get_protocol() if transport is not None else None
    return protocol if isinstance(protocol, GuardedProtocol) else None


def peer_of(transport: Any) -> Hashable:
    """Return what identifies the other side: a process, an IPv4 address, or an IPv6 network of one link."""
    name = transport.get_extra_info("peername")
    if isinstance(name, tuple) and name:
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(str(name[0]).partition("%")[0])
            return peer_key(address)
        return str(name[0])
    return _process_of(transport.get_extra_info("socket"))


def peer_key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Hashable:
    """Return what identifies a peer: its IPv4 address, or its IPv6 network of 64 bits."""
    return int(address) >> 64 if address.version == 6 else address


def _process_of(connection: Any) -> Hashable:
    if connection is None or not hasattr(socket, "SO_PEERCRED"):
        return None
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError:
        return None
    return f"process {struct.unpack('3i', credentials)[0]}"


class ClientLog:
    """Logger for a server library: what a client does wrong is one debug line, without a traceback."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, message: str, *arguments: object, **_: object) -> None:
        """Log one line."""
        self._logger.debug(message, *arguments)

    def exception(self, message: str, *arguments: object, exc_info: object = None, **_: object) -> None:
        """Log one line with the error instead of its traceback."""
        reason = f": {exc_info}" if isinstance(exc_info, BaseException) else ""
        self._logger.debug("%s%s", message % arguments if arguments else message, reason)

    error = warning = info = exception

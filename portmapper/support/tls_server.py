"""HTTPS: certificates that are read again when they change, and a bounded number of handshakes.

`loop.create_server` starts a handshake for each connection that it accepts, however many there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portmapper.support.connection_guard import MAX_CONNECTIONS, MAX_PER_PEER

HANDSHAKE_LIMIT = 10.0
"""Seconds for a client to complete the handshake."""

ACCEPT_PAUSE = 0.5
"""Seconds before another attempt, after the system had no descriptor left."""

_log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key, in two files."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both files.

        Raises:
            OSError: a file cannot be read, or they do not fit.
        """
        self._files = (certificate, key)
        self._seen = self._state()
        self._context = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """The context for a new connection; while changed files are invalid, the old ones stay in effect."""
        with contextlib.suppress(OSError):
            state = self._state()
            if state != self._seen:
                self._seen = state
                try:
                    self._context = self._load()
                except OSError as error:
                    _log.warning("%s; the old certificate stays in effect", error)
        return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        certificate, key = self._files
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            raise OSError(f"cannot use the certificate {certificate} with the key {key}: {error}") from error
        return context

    def _state(self) -> tuple[int, ...]:
        return tuple(_modified(file) for file in self._files)


def _modified(file: Path) -> int:
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):  # OpenSSL would wait for the end of a pipe
        raise OSError(errno.EINVAL, "it is not a regular file", str(file))
    return found.st_mtime_ns


class TlsServer:
    """Accepts connections and completes their handshakes."""

    def __init__(self, certificate: Certificate, factory: Callable[[], Any], sock: socket.socket) -> None:
        self._certificate = certificate
        self._factory = factory
        sock.setblocking(False)  # accepting would block the loop
        self._socket = sock
        self._peers: Counter[str] = Counter()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept no more connections."""
        for task in (self._task, *self._handshakes):
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._socket)
            except OSError as error:
                _log.debug("cannot accept a connection: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE)
                continue
            peer = str(address[0])
            if len(self._handshakes) >= MAX_CONNECTIONS or self._peers[peer] >= MAX_PER_PEER:
                connection.close()
                continue
            task = asyncio.create_task(self._handshake(connection, peer))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _handshake(self, connection: socket.socket, peer: str) -> None:
        self._peers[peer] += 1
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory,
                connection,
                ssl=self._certificate.context,
                ssl_handshake_timeout=HANDSHAKE_LIMIT,
                ssl_shutdown_timeout=HANDSHAKE_LIMIT,
            )
        except (OSError, TimeoutError) as error:
            _log.debug("a TLS handshake failed: %s", error)
            connection.close()
        finally:
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]


def listener_for(certificate: Certificate) -> Callable[..., Any]:
    """Return a function that serves connections of a listening socket over TLS, as `create_server` does."""

    async def listen(factory: Callable[[], Any], sock: socket.socket) -> TlsServer:
        return TlsServer(certificate, factory, sock)

    return listen

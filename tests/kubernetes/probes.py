"""Twenty queries per second from the WAN host, to find gaps in which a port is closed."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

from netlab.hosts import QUERY
from netlab.lab import WAN_GATEWAY
from netlab.namespaces import Namespace

PERIOD = 0.05
PATIENCE = 5.0
"""Seconds in which an answer may arrive: a busy machine delays answers, but loses none."""


class Probes:
    """Context that sends UDP queries, each from a new source port: connection tracking then hides nothing.

    Attributes:
        answered: whether each query was answered, in order; complete after the context has ended.
    """

    def __init__(self, wan: Namespace, port: int, host: Namespace, address: str) -> None:
        """Prepare; the namespace `host` has `address`, and answers there on `port`."""
        self.answered: list[bool] = []
        # A server on all addresses would answer from the host's main address.
        self._server = host.socket(socket.SOCK_DGRAM)
        self._server.bind((address, port))
        self._server.settimeout(PERIOD)
        self._wan = wan
        self._port = port
        self._sockets: list[socket.socket] = []
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._sender = threading.Thread(target=self._send, name="probes")
        self._answerer = threading.Thread(target=self._answer, name="answers to probes")

    def __enter__(self) -> Self:
        self._answerer.start()
        self._sender.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._sender.join()
        self._collect()
        self._ended.set()
        self._answerer.join()
        self._server.close()

    @property
    def longest_gap(self) -> int:
        """The most unanswered queries in a row."""
        longest = current = 0
        for answered in self.answered:
            current = 0 if answered else current + 1
            longest = max(longest, current)
        return longest

    def _send(self) -> None:
        while not self._stop.wait(PERIOD):
            query = self._wan.socket(socket.SOCK_DGRAM)
            query.setblocking(False)
            with contextlib.suppress(OSError):
                query.connect((WAN_GATEWAY, self._port))
                query.send(QUERY)
            self._sockets.append(query)

    def _answer(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                self._server.sendto(*self._server.recvfrom(200))

    def _collect(self) -> None:
        waiting = selectors.DefaultSelector()
        for query in self._sockets:
            waiting.register(query, selectors.EVENT_READ)
        received, until = set(), time.monotonic() + PATIENCE
        while waiting.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                with contextlib.suppress(OSError):
                    key.fileobj.recv(200)  # type: ignore[union-attr]
                    received.add(key.fd)
                waiting.unregister(key.fileobj)
        self.answered = [query.fileno() in received for query in self._sockets]
        waiting.close()
        for query in self._sockets:
            query.close()

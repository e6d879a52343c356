"""Servers on the LAN host, and queries from the WAN host."""

from __future__ import annotations

import contextlib
import errno
import functools
import http.server
import itertools
import selectors
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from netlab.namespaces import Namespace

QUERY = b"hello\n"
EXCHANGE_TIMEOUT = 0.5
LARGEST_REPLY = 200
BACKLOG = 64
_KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


def answer_text(protocol: str, port: int, peer: str) -> str:
    """Return the answer of the server on `port` to the address `peer`."""
    return f"portmapper lab: {protocol} {port} hears {peer}"


_source_ports = itertools.cycle(range(10_000, 60_000))
"""Source ports of queries, which are not reused within minutes. For as long, connection tracking forwards
packets with the same source port to their earlier target, possibly a former address of the host."""


def exchange(
    namespace: Namespace, protocol: str, address: str, port: int, timeout: float = EXCHANGE_TIMEOUT
) -> str | None:
    """Send a query from a namespace; return the answer, or None after `timeout` seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace.socket(_KINDS[protocol], family) as client:
        client.settimeout(timeout)
        try:
            _bind_new_port(client)
            client.connect((address, port))
            client.sendall(QUERY)
            return client.recv(LARGEST_REPLY).decode() or None
        except OSError:
            return None


def _bind_new_port(client: socket.socket) -> None:
    for port in _source_ports:
        try:
            client.bind(("", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return


class AnsweringHost:
    """Servers on any number of ports of a namespace, in one thread of the test."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self._ports: set[tuple[str, int, socket.AddressFamily]] = set()
        self._selector = selectors.DefaultSelector()
        self._stop, stopped = socket.socketpair()
        self._selector.register(stopped, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve, name=f"answers in {namespace.name}")
        self._thread.start()

    def listen(self, protocol: str, port: int, family: socket.AddressFamily = socket.AF_INET) -> None:
        """Start answering on a port, on all addresses of one family."""
        if (protocol, port, family) in self._ports:
            return
        server = self.namespace.socket(_KINDS[protocol], family)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setblocking(False)
        server.bind(("", port))
        answer: Callable[[socket.socket], None] = functools.partial(self._answer_datagram, port)
        if protocol == "TCP":
            server.listen(BACKLOG)
            answer = functools.partial(self._accept, port)
        self._selector.register(server, selectors.EVENT_READ, answer)
        self._ports.add((protocol, port, family))

    def close(self) -> None:
        """Stop answering, and close all sockets."""
        self._stop.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                # A disconnected client is not an error here; probers count failures.
                with contextlib.suppress(OSError):
                    key.data(key.fileobj)

    def _answer_datagram(self, port: int, server: socket.socket) -> None:
        _, peer = server.recvfrom(LARGEST_REPLY)
        server.sendto(answer_text("UDP", port, peer[0]).encode(), peer)

    def _accept(self, port: int, server: socket.socket) -> None:
        connection, peer = server.accept()
        connection.setblocking(False)
        answer = functools.partial(self._answer_stream, answer_text("TCP", port, peer[0]))
        self._selector.register(connection, selectors.EVENT_READ, answer)

    def _answer_stream(self, text: str, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        with connection:
            if connection.recv(LARGEST_REPLY):
                connection.sendall(text.encode())


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves the files of its `directory` without logging."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Discard the log line."""


Handler = Callable[..., http.server.BaseHTTPRequestHandler]


@contextlib.contextmanager
def serving(namespace: Namespace, address: str, handler: Handler) -> Iterator[str]:
    """Serve HTTP in a namespace on a free port; yield the URL without a trailing slash."""
    # HTTPServer is avoided, because it looks up its host name in the DNS.
    with socketserver.ThreadingTCPServer((address, 0), handler, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = namespace.socket(socket.SOCK_STREAM)
        server.server_bind()
        server.server_activate()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://{address}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def serving_files(namespace: Namespace, address: str, directory: Path) -> Iterator[str]:
    """Serve a directory over HTTP in a namespace; see `serving`."""
    with serving(namespace, address, functools.partial(QuietHandler, directory=str(directory))) as root:
        yield root

"""A tunnel from this host to a port of a namespace, for a browser that runs on this host."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from netlab.namespaces import Namespace

CHUNK = 65_536


class Tunnel:
    """Connects each client of a port of this host with a port of a namespace.

    Attributes:
        port: the port on loopback of this host.
    """

    def __init__(self, namespace: Namespace, target: int) -> None:
        self._namespace = namespace
        self._target = ("127.0.0.1", target)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name=f"tunnel {self.port}", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Closing alone does not wake the thread.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, self._namespace.socket(socket.SOCK_STREAM) as server:
            try:
                server.connect(self._target)
            except OSError:
                return  # the daemon does not run: the client sees a closed connection
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until one side ends, then end the other."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    for side in (source, target):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)

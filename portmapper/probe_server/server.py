"""Runs the probe server: one TCP port for HTTP, and the UDP port with the same number."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable

from portmapper.api.errors import PortmapperError
from portmapper.api.model import IPAddress
from portmapper.probe.wire import MAX_BODY, PATH
from portmapper.probe_server.counts import Counts
from portmapper.probe_server.limits import DEFAULT, Admission, Limits
from portmapper.probe_server.service import Service
from portmapper.probe_server.udp import OrderSocket
from portmapper.support.http_server import http_server, limited
from portmapper.support.text import endpoint
from portmapper.support.tls_server import Certificate, listener_for

BACKLOG = 64
SHUTDOWN_LIMIT = 0.5
PORT_ATTEMPTS = 10
COUNT_INTERVAL = 3600.0
"""Seconds between two lines of counts in the log."""

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def probe_server(
    address: IPAddress,
    port: int,
    token: str = "",
    limits: Limits = DEFAULT,
    counts: Counts | None = None,
    certificate: Certificate | None = None,
) -> AsyncIterator[int]:
    """Serve inside the context; yield the port, which the system chooses for port 0.

    With a certificate, it serves HTTPS only.

    Raises:
        PortmapperError: the address or port cannot be used.
    """
    from aiohttp import web

    counts = counts or Counts()
    tcp, udp = _sockets(address, port)
    orders = OrderSocket(counts)
    service = Service(web, Admission(limits, time.monotonic), orders, counts, token)
    service.udp_port = tcp.getsockname()[1]
    application = web.Application(middlewares=[limited], client_max_size=MAX_BODY)
    application.add_routes([web.post(PATH, service.probe), web.get("/metrics", service.metrics)])
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: orders, sock=udp)
    try:
        listen = listener_for(certificate) if certificate else None
        async with http_server(web, application, sock=tcp, shutdown_limit=SHUTDOWN_LIMIT, listen=listen):
            yield service.udp_port
    finally:
        tcp.close()
        transport.close()


async def serve(
    address: IPAddress,
    port: int,
    token: str,
    ready: Callable[[int], None],
    certificate: Certificate | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; call `ready` with the port.

    Raises:
        PortmapperError: the address or port cannot be used.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # not available on Windows
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    counts = Counts()
    async with probe_server(address, port, token, counts=counts, certificate=certificate) as chosen:
        ready(chosen)
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COUNT_INTERVAL):
                    await stopped.wait()
            _log.info("%s", counts.line())


def _sockets(address: IPAddress, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a listening TCP socket and a UDP socket on the same port."""
    for attempt in range(PORT_ATTEMPTS):
        try:
            return _pair(address, port)
        except OSError as error:
            is_last = port != 0 or attempt == PORT_ATTEMPTS - 1
            if is_last or error.errno != errno.EADDRINUSE:
                reason = error.strerror or str(error)
                raise PortmapperError(f"cannot listen on {endpoint(address, port)}: {reason}") from None
    raise AssertionError("the last attempt returns or raises")


def _pair(address: IPAddress, port: int) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with contextlib.ExitStack() as undo:
        tcp = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        udp = undo.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for made in (tcp, udp) if family == socket.AF_INET6 else ():
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        tcp.bind((str(address), port))
        udp.bind((str(address), tcp.getsockname()[1]))
        tcp.listen(BACKLOG)
        undo.pop_all()
        return tcp, udp

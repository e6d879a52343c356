"""UDP sockets of the gateway: its own address, and the multicast groups next to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable

TTL = 2

Address = tuple[str, int]


class Receiver(asyncio.DatagramProtocol):
    """Hands every datagram to a function."""

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, sender: Address) -> None:
        """Pass it on."""
        self._received(data, sender)

    def error_received(self, _: Exception) -> None:
        """Ignore that a client has gone: it will not read our answer."""


async def open_unicast(
    host: str, port: int, received: Callable[[bytes, Address], None]
) -> asyncio.DatagramTransport:
    """Bind the gateway's own address; multicast leaves from there. Raises `OSError`."""
    return await _endpoint(_bound(host, port, host), received)


async def open_group(
    group: str, port: int, host: str, received: Callable[[bytes, Address], None]
) -> asyncio.DatagramTransport:
    """Listen to a multicast group on the interface that has `host`. Raises `OSError`.

    Bound to the group's address the socket gets nothing else, which is how multicast and unicast
    searches are told apart. Windows cannot bind one, and hears both here.
    """
    address = "" if sys.platform == "win32" else group
    opened = _bound(address, port, host, shared=True)
    try:
        membership = socket.inet_aton(group) + socket.inet_aton(host)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError:
        opened.close()
        raise
    return await _endpoint(opened, received)


def send_from_other_port(host: str, data: bytes, receiver: Address) -> None:
    """Send one datagram from a port that is not the gateway's."""
    with _bound(host, 0, host) as other, contextlib.suppress(OSError):
        other.sendto(data, receiver)


def bound_port(transport: asyncio.BaseTransport) -> int:
    """Return the port that a socket got."""
    port: int = transport.get_extra_info("sockname")[1]
    return port


def _bound(address: str, port: int, interface: str, *, shared: bool = False) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, TTL)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        opened.bind((address, port))
    except OSError as error:
        opened.close()
        raise naming_port(error, f"{address}, UDP port {port}") from error
    return opened


def naming_port(error: OSError, port: str) -> OSError:
    """Return the error with the port in its text: the system's own names none."""
    return OSError(error.errno, f"{port}: {os.strerror(error.errno or 0)}")


async def _endpoint(
    opened: socket.socket, received: Callable[[bytes, Address], None]
) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Receiver(received), sock=opened)
    return transport

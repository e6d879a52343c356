"""UDP sockets of the gateway, for its own address and for multicast groups."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import cast

from portmapper.support.reasons import words_of

TTL = 2

CLOSING = 1.0
"""Seconds for the datagrams that a closing socket still has to send."""
Address = tuple[str, int]


class Receiver(asyncio.DatagramProtocol):
    """Passes every datagram to a function."""

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received
        self.closed, self.drained = asyncio.Event(), asyncio.Event()
        self.drained.set()

    def pause_writing(self) -> None:
        """Note that datagrams wait."""
        self.drained.clear()

    def resume_writing(self) -> None:
        """Note that none waits."""
        self.drained.set()

    def connection_lost(self, _: Exception | None) -> None:
        """Note that the socket is closed."""
        self.closed.set()

    def datagram_received(self, data: bytes, sender: Address) -> None:
        """Pass a datagram to the function."""
        self._received(data, sender)

    def error_received(self, _: Exception) -> None:
        """Ignore an ICMP refusal from a client that has closed its socket."""


CAN_BIND_GROUPS = sys.platform != "win32"
"""Whether a socket can have a group's address. On Windows, the gateway's two sockets share one address."""


async def open_unicast(
    host: str, port: int, received: Callable[[bytes, Address], None], *, beside_group: bool = False
) -> asyncio.DatagramTransport:
    """Bind the gateway's address, and send multicast from it.

    Args:
        host: the address.
        port: the port; 0 for any.
        received: called with each datagram.
        beside_group: the port will also be that of `open_group`.

    Raises:
        OSError: the port is in use.
    """
    shared = beside_group and not CAN_BIND_GROUPS
    return await _endpoint(_bound(host, port, host, shared=shared), received)


async def open_group(
    group: str, port: int, host: str, received: Callable[[bytes, Address], None]
) -> asyncio.DatagramTransport:
    """Listen to a multicast group on the interface with the address `host`. Raises `OSError`.

    A socket bound to the group's address receives nothing else, so multicast and unicast searches can be
    distinguished. Windows cannot bind a group's address, so there each socket may receive both.
    """
    opened = _bound(group if CAN_BIND_GROUPS else host, port, host, shared=True)
    try:
        membership = socket.inet_aton(group) + socket.inet_aton(host)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError:
        opened.close()
        raise
    return await _endpoint(opened, received)


async def close_endpoint(transport: asyncio.DatagramTransport) -> None:
    """Send what waits, and close the socket.

    On Windows, `close` of asyncio drops what waits, and then never closes the socket.
    """
    receiver = cast(Receiver, transport.get_protocol())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(receiver.drained.wait(), CLOSING)
    transport.abort()
    await receiver.closed.wait()


def send_from_other_port(host: str, data: bytes, receiver: Address) -> None:
    """Send one datagram from a port other than the gateway's."""
    with _bound(host, 0, host) as other, contextlib.suppress(OSError):
        other.sendto(data, receiver)


def bound_port(transport: asyncio.BaseTransport) -> int:
    """Return the local port of a socket."""
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
        raise with_address(error, f"{address}, UDP port {port}") from error
    return opened


def with_address(error: OSError, port: str) -> OSError:
    """Return the error with the address in its text, which the system's message lacks."""
    return OSError(error.errno, f"{port}: {words_of(error)}")


async def _endpoint(
    opened: socket.socket, received: Callable[[bytes, Address], None]
) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Receiver(received), sock=opened)
    cast(asyncio.WriteTransport, transport).set_write_buffer_limits(high=0)
    return transport

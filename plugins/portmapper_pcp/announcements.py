"""A listener for the gateway's announcements: multicast to 224.0.0.1 and ff02::1, UDP port 5350."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

from portmapper.api import IPAddress, NetworkFailure
from portmapper_pcp.wire import ANNOUNCEMENT_PORT, MAX_PACKET

GROUP = "224.0.0.1"
GROUP_IPV6 = "ff02::1"
"""The all-hosts groups (RFC 6886 section 3.2.1, RFC 6887 section 14.1.2); over IPv6 the link-local one."""

PAUSE = 0.25
"""Seconds between two packets that are processed. Faster packets wait in the system's short queue and
are dropped when it is full, so a flood costs at most four packets a second. Gateways repeat announcements."""

_QUEUE = 4096
"""Size of the system's receive queue in bytes."""

_log = logging.getLogger(__name__)


class Listener:
    """A listener for the announcements of one gateway; needs a running event loop.

    Args:
        local: our address on the gateway's side; the group is joined there.
        gateway: the gateway's address; packets from other addresses are ignored.
        server_port: the gateway's source port; packets from other ports are ignored.
        on_packet: awaited with each packet, one at a time; must not raise.

    Raises:
        NetworkFailure: the socket cannot be opened, for example because another program has the port.
    """

    def __init__(
        self,
        local: IPAddress,
        gateway: IPAddress,
        server_port: int,
        on_packet: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._source = (str(gateway).partition("%")[0], server_port)
        self._on_packet = on_packet
        try:
            self._socket = _open(local, gateway, server_port)
        except OSError as error:
            raise NetworkFailure(f"cannot listen for announcements: {error.strerror}") from error
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop listening and close the socket."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                packet, source = await loop.sock_recvfrom(self._socket, MAX_PACKET + 1)
            except OSError as error:
                _log.info("stopped listening for announcements of %s: %s", self._source[0], error)
                return
            if source[:2] == self._source:
                await self._on_packet(packet)
            await asyncio.sleep(PAUSE)


def _open(local: IPAddress, gateway: IPAddress, server_port: int) -> socket.socket:
    family = socket.AF_INET6 if local.version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "darwin":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _QUEUE)
        if isinstance(gateway, ipaddress.IPv6Address):
            _join_ipv6(opened, gateway, server_port)
        else:
            _bind(opened, (GROUP, ANNOUNCEMENT_PORT), (str(gateway), server_port))
            membership = socket.inet_aton(GROUP) + local.packed
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except BaseException:
        opened.close()
        raise
    return opened


def _join_ipv6(opened: socket.socket, gateway: ipaddress.IPv6Address, server_port: int) -> None:
    """Join the group on the gateway's link.

    A router sends announcements from its link-local address. If only its global address is known, they
    cannot be told apart from those of a third party.
    """
    if not gateway.scope_id:
        raise OSError(errno.EADDRNOTAVAIL, "the gateway's link-local address is not known")
    link = socket.if_nametoindex(gateway.scope_id)
    router = str(gateway).partition("%")[0]
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    _bind(opened, (GROUP_IPV6, ANNOUNCEMENT_PORT, 0, link), (router, server_port, 0, link))
    membership = socket.inet_pton(socket.AF_INET6, GROUP_IPV6) + struct.pack("@I", link)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)


def _bind(opened: socket.socket, group: tuple[object, ...], source: tuple[object, ...]) -> None:
    """Bind and connect, so that the system drops third-party packets and a flood of them costs nothing.

    Windows cannot bind to a group address, so there only `Listener` checks the source.
    """
    if sys.platform == "win32":
        opened.bind(("", *group[1:]))
        return
    opened.bind(group)
    opened.connect(source)

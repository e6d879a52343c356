"""Hearing what the gateway tells everybody: multicast to 224.0.0.1 and ff02::1, UDP port 5350."""

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
"""All hosts (RFC 6886 section 3.2.1, RFC 6887 section 14.1.2); on the link, over IPv6."""

PAUSE = 0.25
"""Seconds between two packets that are looked at. What comes faster waits in the system's short queue
and is lost there, so that a flood costs no more than four packets a second. Gateways repeat themselves."""

_QUEUE = 4096
"""Bytes that the system may keep for us."""

_log = logging.getLogger(__name__)


class Listener:
    """Hears one gateway; needs a running event loop.

    Args:
        local: our address on the gateway's side; the group is joined there.
        gateway: the only address that counts.
        server_port: and the only port that it speaks from.
        heard: awaited with each packet, one at a time; raises nothing.

    Raises:
        NetworkFailure: the socket cannot be had, such as when another program insists on the port.
    """

    def __init__(
        self,
        local: IPAddress,
        gateway: IPAddress,
        server_port: int,
        heard: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._source = (str(gateway).partition("%")[0], server_port)
        self._heard = heard
        try:
            self._socket = _open(local, gateway, server_port)
        except OSError as error:
            raise NetworkFailure(f"cannot hear announcements: {error.strerror}") from error
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                packet, source = await loop.sock_recvfrom(self._socket, MAX_PACKET + 1)
            except OSError as error:
                _log.info("no more announcements of %s: %s", self._source[0], error)
                return
            if source[:2] == self._source:
                await self._heard(packet)
            await asyncio.sleep(PAUSE)


def _open(local: IPAddress, gateway: IPAddress, server_port: int) -> socket.socket:
    family = socket.AF_INET6 if local.version == 6 else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "darwin":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _QUEUE)
        if isinstance(gateway, ipaddress.IPv6Address):
            _join_ipv6(listening, gateway, server_port)
        else:
            _bind(listening, (GROUP, ANNOUNCEMENT_PORT), (str(gateway), server_port))
            membership = socket.inet_aton(GROUP) + local.packed
            listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except BaseException:
        listening.close()
        raise
    return listening


def _join_ipv6(listening: socket.socket, gateway: ipaddress.IPv6Address, server_port: int) -> None:
    """Hear the gateway's link. A router announces itself there from its link-local address; where we know
    only a global one of it, its word could not be told from a stranger's."""
    if not gateway.scope_id:
        raise OSError(errno.EADDRNOTAVAIL, "the gateway's link-local address is not known")
    link = socket.if_nametoindex(gateway.scope_id)
    router = str(gateway).partition("%")[0]
    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    _bind(listening, (GROUP_IPV6, ANNOUNCEMENT_PORT, 0, link), (router, server_port, 0, link))
    membership = socket.inet_pton(socket.AF_INET6, GROUP_IPV6) + struct.pack("@I", link)
    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)


def _bind(listening: socket.socket, group: tuple[object, ...], source: tuple[object, ...]) -> None:
    """Let the system drop what strangers send: a flood of theirs then costs nothing.

    Windows binds to no group address, so there the source is checked in `Listener` alone.
    """
    if sys.platform == "win32":
        listening.bind(("", *group[1:]))
        return
    listening.bind(group)
    listening.connect(source)

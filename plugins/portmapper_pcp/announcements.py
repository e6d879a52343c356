"""Hearing what the gateway tells everybody: multicast to 224.0.0.1, UDP port 5350."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable

from portmapper.errors import NetworkFailure
from portmapper.model import IPAddress
from portmapper_pcp.wire import ANNOUNCEMENT_PORT, MAX_PACKET

GROUP = "224.0.0.1"
"""All hosts (RFC 6886 section 3.2.1, RFC 6887 section 14.1.2)."""

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
        self._source = (str(gateway), server_port)
        self._heard = heard
        try:
            self._socket = _open(local, self._source)
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


def _open(local: IPAddress, source: tuple[str, int]) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "darwin":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _QUEUE)
        _bind(listening, source)
        membership = socket.inet_aton(GROUP) + local.packed
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except BaseException:
        listening.close()
        raise
    return listening


def _bind(listening: socket.socket, source: tuple[str, int]) -> None:
    """Let the system drop what strangers send: a flood of theirs then costs nothing.

    Windows binds to no group address, so there the source is checked in `Listener` alone.
    """
    if sys.platform == "win32":
        listening.bind(("", ANNOUNCEMENT_PORT))
        return
    listening.bind((GROUP, ANNOUNCEMENT_PORT))
    listening.connect(source)

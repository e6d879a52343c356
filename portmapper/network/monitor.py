"""Reports changes of addresses, links and routes immediately. Linux only; elsewhere the interval applies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable

_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""rtnetlink(7): links, IPv4 addresses, IPv4 routes, IPv6 addresses, IPv6 routes."""

SETTLING = 0.1
"""Seconds to wait after the first message: one change causes a burst of messages."""

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def monitoring(changed: Callable[[], None]) -> AsyncIterator[None]:
    """Call `changed` shortly after each change of the host's network, inside the context."""
    link = _open() if sys.platform == "linux" else None
    if link is None:
        yield
        return
    loop = asyncio.get_running_loop()
    pending: list[asyncio.TimerHandle] = []

    def read() -> None:
        _drain(link)
        if not pending or pending[-1].when() <= loop.time():
            pending[:] = [loop.call_later(SETTLING, changed)]

    loop.add_reader(link, read)
    try:
        yield
    finally:
        loop.remove_reader(link)
        for timer in pending:
            timer.cancel()
        link.close()


def _open() -> socket.socket | None:
    try:
        link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        link.bind((0, _GROUPS))
    except OSError as error:
        _log.warning("cannot watch for network changes, checking once per interval instead: %s", error)
        return None
    return link


def _drain(link: socket.socket) -> None:
    # The messages are discarded: the new state is read from the system. A buffer overrun is a change, too.
    while True:
        try:
            link.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            continue

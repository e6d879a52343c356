"""Reports changes of addresses, links and routes immediately; on Windows, the interval applies."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable

from portmapper.network import linux, route_socket

_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""rtnetlink(7): links, IPv4 addresses, IPv4 routes, IPv6 addresses, IPv6 routes."""

SETTLING = 0.1 if sys.platform == "linux" else 1.0
"""Seconds to wait after the first message: one change causes a burst of messages.

Elsewhere than on Linux, reading the network starts programs, and messages about neighbors arrive, too.
"""

FIRST_PAUSE = 1.0
MAX_PAUSE = 300.0
"""Seconds before the socket is opened again after an error; the pause doubles each time."""

MAX_MESSAGES = 1000
"""Messages that are read at once; the event loop has other work, too."""

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def monitoring(changed: Callable[[], None]) -> AsyncIterator[None]:
    """Call `changed` shortly after each change of the host's network, inside the context."""
    if sys.platform == "win32":
        yield
        return
    monitor = _Monitor(changed)
    monitor.open()
    try:
        yield
    finally:
        monitor.close()


class _Monitor:
    """The socket of the kernel; after an error it is closed, and opened again after a pause."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._link: socket.socket | None = None
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._pause = FIRST_PAUSE
        self._logged = False

    def open(self) -> None:
        """Open the socket, now or later."""
        try:
            self._link = _announcements()
            self._loop.add_reader(self._link, self._read)
        except (OSError, MemoryError) as error:
            self._fail(error)

    def close(self) -> None:
        """Close the socket and cancel pending reports."""
        for timer in self._timers.values():
            timer.cancel()
        self._close_link()

    def _read(self) -> None:
        assert self._link is not None, "it is read only while it is open"
        try:
            has_changed = _drain(self._link)
            self._pause, self._logged = FIRST_PAUSE, False
        except (OSError, MemoryError) as error:
            self._fail(error)
            has_changed = True  # what was missed is read from the system
        if has_changed:
            self._later(SETTLING, self._changed)

    def _fail(self, error: BaseException) -> None:
        """Close the socket: with a lasting error, it would be readable again and again."""
        if not self._logged:
            _log.warning("cannot watch for network changes, checking once per interval instead: %s", error)
        self._logged = True
        self._close_link()
        self._later(self._pause, self.open)
        self._pause = min(2 * self._pause, MAX_PAUSE)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        pending = self._timers.get(call)
        if pending is None or pending.cancelled() or pending.when() <= self._loop.time():
            self._timers[call] = self._loop.call_later(seconds, call)

    def _close_link(self) -> None:
        if self._link is not None:
            self._loop.remove_reader(self._link)
            self._link.close()
            self._link = None


def _announcements() -> socket.socket:
    return linux.announcements(_GROUPS) if sys.platform == "linux" else route_socket.announcements()


def _drain(link: socket.socket) -> bool:
    """Read all messages, and return whether one is about a change; the new state is read from the system."""
    has_changed = False
    for _ in range(MAX_MESSAGES):
        try:
            message = link.recv(65536)
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            has_changed = True  # the buffer overran, so messages are lost
        else:
            has_changed = has_changed or sys.platform == "linux" or route_socket.is_change(message)
    return has_changed

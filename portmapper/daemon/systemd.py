"""Notifications to the service manager, in systemd's protocol (sd_notify(3)): lines in a datagram."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable

from portmapper.api.events import Event
from portmapper.support.clock import Clock

STATUS_INTERVAL = 1.0
"""Minimum number of seconds between two messages to the service manager."""

MAX_DIGITS = 20
"""Digits of 64 bits: what systemd writes."""


class ServiceManager:
    """The service manager that started this process, if it wants notifications.

    Attributes:
        is_present: a service manager listens.
        is_unattended: a service manager or a container engine started the process, and would only start it
            again after an error.
        ping_interval: seconds between two watchdog pings, half of the manager's timeout; None without a
            watchdog.
        owes_ready: the manager had no room for `READY=1`; it is sent with the next message.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self.is_present = address[:1] in ("/", "@")
        self.is_unattended = self.is_present or os.getpid() == 1
        # In the environment, a leading @ represents the zero byte of an abstract socket.
        self._address = f"\0{address[1:]}" if address[:1] == "@" else address
        self.ping_interval = _watchdog() if self.is_present else None
        self.owes_ready = False

    def notify(self, *lines: str) -> None:
        """Send lines such as `READY=1`; never wait for a manager that has gone or is busy."""
        if not self.is_present:
            return
        owed = ("READY=1",) if self.owes_ready and "READY=1" not in lines else ()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
                datagrams.setblocking(False)
                datagrams.sendto("\n".join((*owed, *lines)).encode(), self._address)
        except OSError:
            # Without it, systemd would end the service after a while.
            self.owes_ready = bool(owed) or "READY=1" in lines
        else:
            self.owes_ready = False

    def notify_reloading(self) -> None:
        """Announce a reload, which ends with `READY=1`; `Type=notify-reload` requires the time."""
        self.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def keep_notifying(
    service: ServiceManager,
    summary: Callable[[], str],
    listen: Callable[[Callable[[Event], None]], Callable[[], None]],
    clock: Clock,
    is_stuck: Callable[[], bool],
) -> None:
    """Notify the service manager of readiness, then of status changes, with regular watchdog pings.

    A daemon that is stuck sends no pings any more, so that the service manager starts it again.
    """
    changed, ping = asyncio.Event(), service.ping_interval
    interval = STATUS_INTERVAL if ping is None else min(STATUS_INTERVAL, ping / 2)
    remove_listener = listen(lambda _: changed.set())
    service.notify("READY=1")
    try:
        while True:
            pings = () if is_stuck() else ("WATCHDOG=1",)
            service.notify(*pings, f"STATUS={summary()}")
            await asyncio.sleep(interval)
            await clock.wait(changed, _pause(ping, interval, service.owes_ready))
            changed.clear()
    finally:
        remove_listener()


def _pause(ping: float | None, interval: float, owes_ready: bool) -> float | None:
    """Return the seconds until the next message if nothing changes; None if none is necessary."""
    if owes_ready:
        return STATUS_INTERVAL
    return None if ping is None else ping - interval


def _watchdog() -> float | None:
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    is_number = microseconds.isascii() and microseconds.isdigit() and len(microseconds) <= MAX_DIGITS
    if not (for_us and is_number and int(microseconds) > 0):
        return None
    return int(microseconds) / 2e6

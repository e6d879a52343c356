"""Tells a service manager how we are, in systemd's protocol (sd_notify(3)): lines in a datagram."""

from __future__ import annotations

import os
import socket
import time


class ServiceManager:
    """The manager that started us, if it asked to be told.

    Attributes:
        listens: somebody wants to be told.
        ping_interval: seconds between two signs of life, half of what its watchdog grants; None
            where it has none.
    """

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self.listens = address[:1] in ("/", "@")
        # A leading @ is how the environment spells the zero byte of an abstract socket.
        self._address = f"\0{address[1:]}" if address[:1] == "@" else address
        self.ping_interval = _watchdog() if self.listens else None

    def tell(self, *lines: str) -> None:
        """Send lines such as `READY=1`; a manager that is gone is no fault of ours."""
        if not self.listens:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            try:
                channel.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                return

    def tell_reloading(self) -> None:
        """Say that `READY=1` will follow; with the time, as `Type=notify-reload` wants it."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def _watchdog() -> float | None:
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not (for_us and microseconds.isascii() and microseconds.isdigit() and int(microseconds) > 0):
        return None
    return int(microseconds) / 2e6

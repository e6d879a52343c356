"""The guard that leads while this host carries an address, such as a virtual address of keepalived."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
import sys
import time
from collections.abc import Callable

from portmapper.api.errors import UsageError, quoted
from portmapper.api.guard import Guard
from portmapper.api.model import IPAddress
from portmapper.network.host import Network, read_network
from portmapper.network.linux import announcements, removed_addresses

INTERVAL = 0.5
"""Seconds between two checks on a system that announces no changes, and after an error."""

ANNOUNCES = sys.platform == "linux"
"""Whether the system announces changes of addresses."""

_GROUPS = 0x1 | 0x10 | 0x100
"""rtnetlink(7): links, IPv4 addresses, IPv6 addresses."""


class AddressGuard(Guard):
    """Leads while an interface of this host that is up has the address.

    On Linux, the kernel queues a message as soon as an address is removed. `may_act` reads this queue, so it
    is exact at every moment. If the address went away and came back while this process was suspended, another
    host may have led in between.
    """

    name = "address"

    def __init__(self, location: str = "", read: Callable[[], Network] = read_network) -> None:
        """Take an IPv4 or IPv6 address.

        Raises:
            UsageError: it is not an address.
        """
        super().__init__(location)
        self._address = parse_guard_address(location)
        self._read = read
        self._link: socket.socket | None = None
        self._has_address = False
        self._checked_at = float("-inf")

    async def run(self) -> None:
        """Follow the address until it was here and is gone."""
        try:
            while not self._carries():
                await self._changed()
            self.leading.set()
            while self._carries() and not self.lost.is_set():
                await self._changed()
            self.lost.set()
        finally:
            self._close()

    def may_act(self, margin: float = 0.0) -> bool:
        """Return whether this host carries the address now; no margin makes that more certain."""
        if self.leading.is_set() and not self._carries():
            self.lost.set()  # `run` may wait for a message that was read here
        return self.leading.is_set() and not self.lost.is_set()

    @property
    def leader(self) -> str | None:
        """The address: the host that carries it leads."""
        return str(self._address)

    async def close(self) -> None:
        """Step down."""
        await super().close()
        self._close()

    def _carries(self) -> bool:
        """Read the addresses again if the kernel announced a change. If that fails, do not lead."""
        try:
            if self._is_outdated():
                self._has_address = self._read().is_ours(self._address)
        except Exception:
            self._close()
            self._has_address = False
        return self._has_address

    def _is_outdated(self) -> bool:
        if not ANNOUNCES:
            now = time.monotonic()
            if now - self._checked_at < INTERVAL:
                return False
            self._checked_at = now
            return True
        if self._link is None:
            self._link = announcements(_GROUPS)  # before the addresses are read, so that no change is missed
            return True
        return self._drain(self._link)

    def _drain(self, link: socket.socket) -> bool:
        """Read the waiting messages and return whether there were any; a buffer overrun is a change, too."""
        changed = False
        while True:
            try:
                announcement = link.recv(65536)
            except BlockingIOError:
                return changed
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                announcement = b""
            changed = True
            if self.leading.is_set() and self._address in removed_addresses(announcement):
                self.lost.set()

    async def _changed(self) -> None:
        """Wait for the next change; without a socket, for a while."""
        if self._link is None:
            await asyncio.sleep(INTERVAL)
            return
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        link = self._link
        loop.add_reader(link, changed.set)
        try:
            await changed.wait()
        finally:
            with contextlib.suppress(ValueError, OSError):  # `may_act` may have closed it after an error
                loop.remove_reader(link)

    def _close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


def parse_guard_address(text: str) -> IPAddress:
    """Parse the address of `--lead-with-address`.

    Raises:
        UsageError: it is not an address of a host.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.is_unspecified or address.is_multicast or address.is_loopback:
        raise UsageError(
            f"{quoted(text)} is not an address that a host can carry: write one such as 192.168.88.50"
        )
    return address

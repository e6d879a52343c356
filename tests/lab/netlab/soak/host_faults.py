"""Faults of the host and its network."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from netlab.cpu_wait import mark, since
from netlab.firewalls import Rule
from netlab.lab import LAN_GATEWAY, LAN_HOST
from netlab.other_gateway import OTHER_GATEWAY, OTHER_HOST, OTHER_WAN
from netlab.soak.testbed import Testbed, set_routes

OTHER_ADDRESS = "192.168.88.7"
VPN = "10.8.0"
BLOCK = bytes(1 << 16)

MOVED = 2.0
"""Seconds within which the mappings must be open on another gateway."""


class HostFaults:
    """Faults of link, address, routes and disk, and suspension and crashes of the daemon."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._lan = testbed.lab.lan
        self._moved = True

    @contextlib.contextmanager
    def link(self) -> Iterator[None]:
        """Set the link down and up."""
        self._lan.ip("link", "set", "eth0", "down")
        self._testbed.pause(0.5, 2)
        self._lan.ip("link", "set", "eth0", "up")
        set_routes(self._testbed.lab, LAN_GATEWAY)
        self._testbed.mark_over()
        yield

    @contextlib.contextmanager
    def address(self) -> Iterator[None]:
        """Change the host's address, as DHCP does."""
        managed = self._testbed.managed
        before, managed.internal_address = (
            managed.internal_address,
            OTHER_ADDRESS if managed.internal_address == LAN_HOST else LAN_HOST,
        )
        steps = f"addr add {managed.internal_address}/24 dev eth0\naddr del {before}/24 dev eth0\n"
        self._lan.run("ip", "-batch", "-", stdin=steps)
        set_routes(self._testbed.lab, LAN_GATEWAY)
        self._testbed.mark_over()
        yield

    @contextlib.contextmanager
    def other_gateway(self) -> Iterator[None]:
        """Route through another gateway for a while."""
        testbed, managed = self._testbed, self._testbed.managed
        before, managed.external_address = managed.external_address, OTHER_WAN
        began = mark(testbed.pids())
        set_routes(testbed.lab, OTHER_GATEWAY)
        self._moved = False
        while not self._moved and since(began, testbed.pids()).net < MOVED:
            self._moved = self._all_is_there()
        testbed.pause(1, 4)
        managed.external_address = before
        set_routes(testbed.lab, LAN_GATEWAY)
        testbed.mark_over()
        yield

    def _all_is_there(self) -> bool:
        managed = self._testbed.managed
        desired = {Rule(*endpoint, OTHER_HOST, endpoint[1]) for endpoint in managed.endpoints}
        return self._testbed.other.rules() == desired and managed.all_answer()

    def is_back(self) -> bool:
        """Return whether the mappings moved in time, and are back on the first gateway only."""
        return self._moved and self._testbed.as_listed() and self._testbed.other.rules() == set()

    @contextlib.contextmanager
    def vpn(self) -> Iterator[None]:
        """Route through a VPN for a while, without a gateway behind it."""
        self._lan.ip("link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
        self._lan.ip("addr", "add", f"{VPN}.2/24", "dev", "vpn0")
        self._lan.ip("link", "set", "vpn0", "up")
        self._lan.ip("link", "set", "vpn1", "up")
        self._lan.ip("route", "add", "default", "via", f"{VPN}.1", "metric", "50")
        self._testbed.pause(1, 6)
        self._lan.ip("link", "del", "vpn0")
        self._testbed.mark_over()
        yield

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Suspend the daemon."""
        process = self._testbed.managed.running.process
        process.send_signal(signal.SIGSTOP)
        yield
        process.send_signal(signal.SIGCONT)
        self._testbed.mark_over()

    @contextlib.contextmanager
    def disk_full(self) -> Iterator[None]:
        """Fill the disk of the state directory."""
        filler = self._testbed.managed.state / "filler"
        with filler.open("wb") as full, contextlib.suppress(OSError):
            while True:
                os.write(full.fileno(), BLOCK)
        yield
        filler.unlink()
        self._testbed.mark_over()

    @contextlib.contextmanager
    def crash(self) -> Iterator[None]:
        """Kill the daemon, and start it again."""
        self._testbed.managed.kill()
        self._testbed.pause(0, 2)
        self._testbed.start()
        self._testbed.mark_over()
        yield

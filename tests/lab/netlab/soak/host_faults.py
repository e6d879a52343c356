"""What happens to the host of a soak, and to its network."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from netlab.gateway import Rule
from netlab.lab import LAN_GATEWAY, LAN_HOST
from netlab.other_gateway import OTHER_GATEWAY, OTHER_HOST, OTHER_WAN
from netlab.soak.lateness import moment, since
from netlab.soak.scene import Scene, lead_out

OTHER_ADDRESS = "192.168.88.7"
VPN = "10.8.0"
BLOCK = bytes(1 << 16)

MOVED = 2.0
"""Seconds within which the mappings are open at another gateway."""


class HostFaults:
    """Its link, its address, its routes, its disk; it sleeps, its program crashes."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._lan = scene.lab.lan
        self._moved = True

    @contextlib.contextmanager
    def link(self) -> Iterator[None]:
        """The cable is pulled and put back."""
        self._lan.ip("link", "set", "eth0", "down")
        self._scene.pause(0.5, 2)
        self._lan.ip("link", "set", "eth0", "up")
        lead_out(self._scene.lab, LAN_GATEWAY)
        self._scene.is_over()
        yield

    @contextlib.contextmanager
    def address(self) -> Iterator[None]:
        """DHCP gives it another address."""
        kept = self._scene.kept
        before, kept.internal = kept.internal, OTHER_ADDRESS if kept.internal == LAN_HOST else LAN_HOST
        steps = f"addr add {kept.internal}/24 dev eth0\naddr del {before}/24 dev eth0\n"
        self._lan.run("ip", "-batch", "-", stdin=steps)
        lead_out(self._scene.lab, LAN_GATEWAY)
        self._scene.is_over()
        yield

    @contextlib.contextmanager
    def other_gateway(self) -> Iterator[None]:
        """The default route leads to another gateway for a while, and back."""
        scene, kept = self._scene, self._scene.kept
        before, kept.asks = kept.asks, OTHER_WAN
        began = moment(scene.pids())
        lead_out(scene.lab, OTHER_GATEWAY)
        self._moved = False
        while not self._moved and since(began, scene.pids()).judged < MOVED:
            self._moved = self._all_is_there()
        scene.pause(1, 4)
        kept.asks = before
        lead_out(scene.lab, LAN_GATEWAY)
        scene.is_over()
        yield

    def _all_is_there(self) -> bool:
        kept = self._scene.kept
        desired = {Rule(*way, OTHER_HOST, way[1]) for way in kept.ways}
        return self._scene.other.rules() == desired and all(kept.answers(way) for way in kept.ways)

    def is_back(self) -> bool:
        """Tell whether everything was open there in time, and stands where it was and nowhere else."""
        return self._moved and self._scene.as_listed() and self._scene.other.rules() == set()

    @contextlib.contextmanager
    def vpn(self) -> Iterator[None]:
        """A VPN takes the default route for a while; nobody behind it maps ports."""
        self._lan.ip("link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1")
        self._lan.ip("addr", "add", f"{VPN}.2/24", "dev", "vpn0")
        self._lan.ip("link", "set", "vpn0", "up")
        self._lan.ip("link", "set", "vpn1", "up")
        self._lan.ip("route", "add", "default", "via", f"{VPN}.1", "metric", "50")
        self._scene.pause(1, 6)
        self._lan.ip("link", "del", "vpn0")
        self._scene.is_over()
        yield

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """It sleeps."""
        process = self._scene.kept.running.process
        process.send_signal(signal.SIGSTOP)
        yield
        process.send_signal(signal.SIGCONT)
        self._scene.is_over()

    @contextlib.contextmanager
    def disk_full(self) -> Iterator[None]:
        """Nothing can be written where the daemon's state is."""
        filler = self._scene.kept.state / "filler"
        with filler.open("wb") as full, contextlib.suppress(OSError):
            while True:
                os.write(full.fileno(), BLOCK)
        yield
        filler.unlink()
        self._scene.is_over()

    @contextlib.contextmanager
    def crash(self) -> Iterator[None]:
        """The program is killed, and started again."""
        self._scene.kept.kill()
        self._scene.pause(0, 2)
        self._scene.start()
        self._scene.is_over()
        yield

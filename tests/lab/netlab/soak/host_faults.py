"""What happens to the host of a soak, and to its network."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from netlab.lab import LAN_HOST
from netlab.soak.scene import Scene, lead_out

OTHER_ADDRESS = "192.168.88.7"
VPN = "10.8.0"
BLOCK = bytes(1 << 16)


class HostFaults:
    """Its link, its address, its routes, its disk; it sleeps, its program crashes."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._lan = scene.lab.lan

    @contextlib.contextmanager
    def link(self) -> Iterator[None]:
        """The cable is pulled and put back."""
        self._lan.ip("link", "set", "eth0", "down")
        self._scene.pause(0.5, 2)
        self._lan.ip("link", "set", "eth0", "up")
        lead_out(self._scene.lab)
        self._scene.is_over()
        yield

    @contextlib.contextmanager
    def address(self) -> Iterator[None]:
        """DHCP gives it another address."""
        kept = self._scene.kept
        before, kept.internal = kept.internal, OTHER_ADDRESS if kept.internal == LAN_HOST else LAN_HOST
        steps = f"addr add {kept.internal}/24 dev eth0\naddr del {before}/24 dev eth0\n"
        self._lan.run("ip", "-batch", "-", stdin=steps)
        lead_out(self._scene.lab)
        self._scene.is_over()
        yield

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

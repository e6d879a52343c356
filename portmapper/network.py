"""Facts about this host's network: interfaces with their addresses, and default gateways."""

from __future__ import annotations

import ipaddress
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

from portmapper.model import IPAddress, IPNetwork

IPInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@attrs.frozen
class DefaultRoute:
    """A way out.

    Attributes:
        interface: its name; empty where the system does not tell.
        gateway: the next hop.
        metric: lower is preferred.
    """

    interface: str
    gateway: IPAddress
    metric: int = 0


@attrs.frozen
class Interface:
    """One interface that is up.

    Attributes:
        name: as the system calls it.
        addresses: each with its network.
    """

    name: str
    addresses: tuple[IPInterface, ...]

    def address_in(self, network: IPNetwork) -> IPAddress | None:
        """Return our first address there that lies in `network`."""
        return next((a.ip for a in self.addresses if a.version == network.version and a.ip in network), None)

    def first_address(self, version: int) -> IPAddress | None:
        """Return our first address of that IP version."""
        return next((a.ip for a in self.addresses if a.version == version), None)


@attrs.frozen
class Network:
    """What the host's network looked like at one moment.

    Attributes:
        interfaces: those that are up, without loopback.
        routes: default routes, the preferred first.
    """

    interfaces: tuple[Interface, ...]
    routes: tuple[DefaultRoute, ...]

    def is_ours(self, address: IPAddress) -> bool:
        """Tell whether `address` is one of this host's."""
        return address.is_loopback or any(
            address == own.ip for interface in self.interfaces for own in interface.addresses
        )

    def default_gateway(self, interface: str, version: int = 4) -> IPAddress | None:
        """Return the gateway of that interface, None when no default route leaves by it."""
        return next(
            (r.gateway for r in self.routes if r.interface == interface and r.gateway.version == version),
            None,
        )

    def by_preference(self) -> list[Interface]:
        """Return the interfaces, those of default routes first, in the order of the routes."""
        order = [route.interface for route in self.routes]
        return sorted(self.interfaces, key=lambda i: order.index(i.name) if i.name in order else len(order))

    def local_address_towards(self, address: IPAddress) -> IPAddress | None:
        """Return the address that this host would send from to reach `address`; sends nothing."""
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((str(address), 9))
            except OSError:
                return None
            return ipaddress.ip_address(probe.getsockname()[0])


def read_network() -> Network:
    """Read interfaces and default routes as they are now."""
    return Network(tuple(_interfaces()), tuple(sorted(_default_routes(), key=lambda route: route.metric)))


def _interfaces() -> Iterator[Interface]:
    import psutil

    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    for name, addresses in psutil.net_if_addrs().items():
        if name in up:
            usable = tuple(_usable(addresses))
            if usable:
                yield Interface(name, usable)


def _usable(addresses: Iterable[object]) -> Iterator[IPInterface]:
    for entry in addresses:
        if getattr(entry, "family", None) not in (socket.AF_INET, socket.AF_INET6):
            continue
        address = str(getattr(entry, "address", "")).partition("%")[0]
        mask = getattr(entry, "netmask", None)
        interface = ipaddress.ip_interface(f"{address}/{_prefix_length(mask)}" if mask else address)
        if not interface.ip.is_loopback:
            yield interface


def _prefix_length(mask: str) -> int:
    return int(ipaddress.ip_address(mask.partition("%")[0])).bit_count()


def _default_routes() -> Iterable[DefaultRoute]:
    if sys.platform == "linux":
        return _linux_routes(Path("/proc/net/route"))
    return _asked_routes()


def _linux_routes(table: Path) -> Iterator[DefaultRoute]:
    """Parse the kernel's IPv4 table: addresses are hexadecimal in host byte order."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        interface, destination, gateway, flags, _, _, metric, mask, *_ = line.split()
        if destination == mask == "00000000" and int(flags, 16) & _RTF_GATEWAY:
            address = ipaddress.IPv4Address(int(gateway, 16).to_bytes(4, sys.byteorder))
            yield DefaultRoute(interface, address, int(metric))


_RTF_GATEWAY = 0x2


def _asked_routes() -> Iterator[DefaultRoute]:
    """Ask `route` on macOS and the BSDs, `route print` on Windows; neither has a table to read."""
    command = (
        ["route", "print", "-4", "0.0.0.0"] if sys.platform == "win32" else ["route", "-n", "get", "default"]
    )
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return
    yield from _windows_routes(answer) if sys.platform == "win32" else _bsd_route(answer)


def _bsd_route(answer: str) -> Iterator[DefaultRoute]:
    gateway = re.search(r"gateway: ([0-9.]+)\s", answer)
    interface = re.search(r"interface: (\S+)", answer)
    if gateway and interface:
        yield DefaultRoute(interface[1], ipaddress.ip_address(gateway[1]))


def _windows_routes(answer: str) -> Iterator[DefaultRoute]:
    """Each row: destination, mask, gateway, our address on that side, metric."""
    for row in re.finditer(
        r"^\s*0\.0\.0\.0\s+0\.0\.0\.0\s+([0-9.]+)\s+([0-9.]+)\s+(\d+)", answer, re.MULTILINE
    ):
        name = _interface_named(row[2])
        yield DefaultRoute(name, ipaddress.ip_address(row[1]), int(row[3]))


def _interface_named(address: str) -> str:
    import psutil

    for name, addresses in psutil.net_if_addrs().items():
        if any(entry.address == address for entry in addresses):
            return str(name)
    return ""

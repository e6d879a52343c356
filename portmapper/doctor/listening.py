"""Whether a program of this host listens where the packets will arrive."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs

from portmapper.api.findings import Finding
from portmapper.api.model import IPAddress, Protocol
from portmapper.doctor.desired import Desired


@attrs.frozen
class Listener:
    """One socket that takes packets.

    Attributes:
        protocol: TCP or UDP.
        address: where it is bound; the unspecified address for everywhere.
        port: its port.
    """

    protocol: Protocol
    address: IPAddress
    port: int

    @property
    def place(self) -> tuple[Protocol, int]:
        """Its protocol and port."""
        return self.protocol, self.port

    def hears(self, address: IPAddress) -> bool:
        """Tell whether packets to that address of ours reach it.

        A socket on `::` takes IPv4 too, unless its program said no, which nobody shows.
        """
        if self.address.is_unspecified:
            return self.address.version in (6, address.version)
        return int(self.address) == int(address) and self.address.version == address.version


def read_listeners() -> Sequence[Listener] | None:
    """Return the sockets of every program; None where the system does not tell (macOS without root)."""
    import psutil

    try:
        found = psutil.net_connections("inet")
    except (psutil.AccessDenied, OSError):
        return None
    kinds = {1: Protocol.TCP, 2: Protocol.UDP}
    return [
        Listener(kinds[entry.type], _address(entry.laddr.ip), entry.laddr.port)
        for entry in found
        if entry.laddr and entry.type in kinds and (entry.type == 2 or entry.status == psutil.CONN_LISTEN)
    ]


def listening_findings(
    desired: Iterable[Desired], listeners: Sequence[Listener], is_ours: Callable[[IPAddress], bool]
) -> Iterator[Finding]:
    """Tell of each port for this host whether somebody answers."""
    for port in desired:
        if is_ours(port.internal_address):
            there = (port.protocol, port.internal_port)
            yield _judged(port, [listener for listener in listeners if listener.place == there])


def _judged(port: Desired, there: Sequence[Listener]) -> Finding:
    name = f"{port.protocol} {port.internal_port}"
    if any(listener.hears(port.internal_address) for listener in there):
        return Finding.ok("nothing-listening", f"a program listens on {name}")
    if there and all(listener.address.is_loopback for listener in there):
        advice = f"let the program listen on {port.internal_address} or on every address"
        summary = f"the program on {name} listens on {there[0].address} only"
        return Finding.warning("listening-on-loopback", summary, advice)
    elsewhere = f" at {port.internal_address}" if there else ""
    summary = f"nothing listens on {name}{elsewhere}"
    return Finding.warning("nothing-listening", summary, "start the program that is to answer")


def _address(text: str) -> IPAddress:
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if address.version == 6 else address

"""Check whether a program of this host listens on the internal address and port."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs

from portmapper.api.findings import Finding
from portmapper.api.model import IPAddress, Protocol
from portmapper.doctor.desired import DesiredPort


@attrs.frozen
class Listener:
    """One socket that receives packets.

    Attributes:
        protocol: TCP or UDP.
        address: the address that it is bound to; the unspecified address for all.
        port: the port that it is bound to.
    """

    protocol: Protocol
    address: IPAddress
    port: int

    @property
    def endpoint(self) -> tuple[Protocol, int]:
        """The protocol and port of the socket."""
        return self.protocol, self.port

    def receives(self, address: IPAddress) -> bool:
        """Return whether the socket receives packets for that address of ours.

        A socket on `::` also receives IPv4, unless its program disabled that; the system does not show it.
        """
        if self.address.is_unspecified:
            return self.address.version in (6, address.version)
        return int(self.address) == int(address) and self.address.version == address.version


def read_listeners() -> Sequence[Listener] | None:
    """Return the sockets of all programs; None if the system does not list them (macOS without root)."""
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
    desired: Iterable[DesiredPort], listeners: Sequence[Listener], is_ours: Callable[[IPAddress], bool]
) -> Iterator[Finding]:
    """Report for each port of this host whether a program listens."""
    for port in desired:
        if is_ours(port.internal_address):
            endpoint = (port.protocol, port.internal_port)
            found = _listening_finding(port, [one for one in listeners if one.endpoint == endpoint])
            yield found.about(str(port))


def _listening_finding(port: DesiredPort, listeners: Sequence[Listener]) -> Finding:
    name = f"{port.internal_port}/{port.protocol.lower()}"
    if any(listener.receives(port.internal_address) for listener in listeners):
        return Finding.ok("nothing-listening", f"a program listens on {name}")
    if listeners and all(listener.address.is_loopback for listener in listeners):
        advice = f"configure the program to listen on {port.internal_address} or on all addresses"
        summary = f"the program on {name} listens on {listeners[0].address} only"
        return Finding.warning("listening-on-loopback", summary, advice)
    elsewhere = f" at {port.internal_address}" if listeners else ""
    summary = f"nothing listens on {name}{elsewhere}"
    return Finding.warning("nothing-listening", summary, "start the program that uses the port")


def _address(text: str) -> IPAddress:
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if address.version == 6 else address

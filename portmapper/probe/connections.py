"""This host's table of sockets: who listens on a port, and which connections are new."""

from __future__ import annotations

import ipaddress

from portmapper.api.model import IPAddress, Protocol
from portmapper.probe.evidence import Endpoint
from portmapper.support.values import frozen

Connection = tuple[int, Endpoint]
"""The local port of a TCP connection, and its remote end."""


@frozen
class SocketTable:
    """The table at one moment.

    Attributes:
        connections: TCP connections in any state.
        listeners: the sockets that receive: protocol, address and port.
    """

    connections: frozenset[Connection] = frozenset()
    listeners: frozenset[tuple[Protocol, IPAddress, int]] = frozenset()

    def new_since(self, before: SocketTable, port: int) -> frozenset[Endpoint]:
        """Return the remote ends of the connections to a local port that were not there before."""
        return frozenset(end for local, end in self.connections - before.connections if local == port)

    def listens_at(self, protocol: Protocol, port: int) -> tuple[IPAddress, ...]:
        """Return the addresses at which programs listen on a port."""
        found = {a for known, a, number in self.listeners if (known, number) == (protocol, port)}
        return tuple(sorted(found, key=lambda address: (address.version, int(address))))


def read_table() -> SocketTable | None:
    """Read the table; None if the system does not show it (macOS without root). This blocks."""
    import psutil

    try:
        entries = [entry for entry in psutil.net_connections("inet") if entry.laddr]
    except (psutil.Error, OSError):
        return None
    connections = {
        (entry.laddr.port, (parsed(entry.raddr.ip), entry.raddr.port))
        for entry in entries
        if entry.type == 1 and entry.raddr
    }
    listeners = {
        (Protocol.TCP if entry.type == 1 else Protocol.UDP, parsed(entry.laddr.ip), entry.laddr.port)
        for entry in entries
        if (entry.type == 1 and entry.status == psutil.CONN_LISTEN) or (entry.type == 2 and not entry.raddr)
    }
    return SocketTable(frozenset(connections), frozenset(listeners))


def parsed(text: str) -> IPAddress:
    """Parse an address without its zone; an IPv4-mapped IPv6 address is its IPv4 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address

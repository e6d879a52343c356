"""The sockets on which programs of this host wait for connections and datagrams."""

from __future__ import annotations

import ipaddress
import logging
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence

from portmapper.api.model import IPAddress, Protocol
from portmapper.network.linux import connected, dump
from portmapper.support.values import frozen

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_TCP_LISTEN, _UNCONNECTED = 10, 7
_PROTOCOLS = {int(socket.IPPROTO_TCP): Protocol.TCP, int(socket.IPPROTO_UDP): Protocol.UDP}
_TABLES = [
    (int(family), int(protocol), state)
    for protocol, state in ((socket.IPPROTO_TCP, _TCP_LISTEN), (socket.IPPROTO_UDP, _UNCONNECTED))
    for family in (socket.AF_INET, socket.AF_INET6)
]

_log = logging.getLogger(__name__)


@frozen
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
    if sys.platform == "linux":
        try:
            return [listener for table in _TABLES for listener in parse_sockets(_dump(*table), table[1])]
        except OSError as error:
            _log.debug("cannot read the kernel's tables of sockets: %s", error)
    return _listeners_by_psutil()


def parse_sockets(messages: Iterable[bytes], protocol: int) -> Iterator[Listener]:
    """Yield the sockets in the kernel's answers (struct inet_diag_msg of linux/inet_diag.h)."""
    for message in messages:
        size = 16 if message[0] == socket.AF_INET6 else 4
        address = ipaddress.ip_address(message[8 : 8 + size])
        port = int.from_bytes(message[4:6], "big")
        yield Listener(_PROTOCOLS[protocol], _plain(address), port)


def _dump(family: int, protocol: int, state: int) -> Iterator[bytes]:
    # struct inet_diag_req_v2: the kernel itself skips connections, of which there may be thousands.
    request = struct.pack("=BBxxI", family, protocol, 1 << state) + bytes(48)
    with connected(_NETLINK_SOCK_DIAG) as kernel:
        yield from dump(kernel, _SOCK_DIAG_BY_FAMILY, request)


def _listeners_by_psutil() -> Sequence[Listener] | None:
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


def _address(text: str) -> IPAddress:
    return _plain(ipaddress.ip_address(text.partition("%")[0]))


def _plain(address: IPAddress) -> IPAddress:
    return (address.ipv4_mapped or address) if address.version == 6 else address

"""The host that asked: the only host that the probe server sends anything to."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import attrs

from portmapper.api.model import IPAddress


@attrs.frozen
class Peer:
    """Both ends of the connection of a request.

    Attributes:
        address: the address that the request came from, and the only target of a probe.
        local: the address of this host that the request came to, and the source of a probe.
        scope: the link of a link-local IPv6 address.
    """

    address: IPAddress
    local: IPAddress
    scope: int = 0

    @classmethod
    def of(cls, transport: Any) -> Peer:
        """Return the peer of a connection; nothing that the client sent has an influence."""
        remote = transport.get_extra_info("peername")
        local = transport.get_extra_info("sockname")
        return cls(canonical(remote[0]), canonical(local[0]), remote[3] if len(remote) > 3 else 0)

    def socket(self, kind: socket.SocketKind) -> socket.socket:
        """Return a socket without blocking that is bound to a new port of the local address."""
        family = socket.AF_INET6 if self.address.version == 6 else socket.AF_INET
        made = socket.socket(family, kind)
        made.setblocking(False)
        try:
            made.bind(self._endpoint(self.local, 0))
        except OSError:
            made.close()
            raise
        return made

    def endpoint(self, port: int) -> tuple[Any, ...]:
        """Return a port of the peer as the address of a socket."""
        return self._endpoint(self.address, port)

    def _endpoint(self, address: IPAddress, port: int) -> tuple[Any, ...]:
        return (str(address), port, 0, self.scope) if address.version == 6 else (str(address), port)


def canonical(text: str) -> IPAddress:
    """Parse an address without its zone; an IPv4-mapped IPv6 address is its IPv4 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address

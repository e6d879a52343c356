"""Find stale entries in a gateway's table: their host is gone, or nothing listens on their port.

Only hosts in this host's own networks are probed, regardless of the table:

- A TCP connection to the internal address and port shows whether the host exists, for UDP entries too:
  "host unreachable" means that no host answered ARP.
- A refused TCP connection means that nothing listens. No answer proves nothing, because a firewall may drop
  the packets.
- For UDP, only this host's own sockets are known.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Sequence

from portmapper.actions.tables import TableRow
from portmapper.api.model import IPAddress, Protocol
from portmapper.network.host import Network
from portmapper.support.reasons import number_of

CONNECT_TIMEOUT = 4.0
"""Seconds to wait for a connection; Linux waits three seconds for ARP."""

MAX_CONCURRENT = 64
MAX_PROBES = 1024
"""Number of hosts and ports to probe; the rest of a larger table is not checked."""

NO_HOST = "no host answers at that address"
NOT_LISTENING = "nothing listens on that port"

Endpoint = tuple[IPAddress, int]


async def stale_rows(rows: Sequence[TableRow], network: Network) -> list[tuple[TableRow, str]]:
    """Return the stale rows, each with the reason."""
    checkable = [row for row in rows if _can_check(row, network)]
    endpoints = list(dict.fromkeys(_endpoint(row) for row in checkable))[:MAX_PROBES]
    limit = asyncio.Semaphore(MAX_CONCURRENT)
    found = await asyncio.gather(*(_probe(endpoint, limit) for endpoint in endpoints))
    errors = dict(zip(endpoints, found, strict=True))
    bound_ports = _bound_udp_ports()
    checked = [(row, _verdict(row, errors.get(_endpoint(row)), network, bound_ports)) for row in checkable]
    return [(row, reason) for row, reason in checked if reason]


def _can_check(row: TableRow, network: Network) -> bool:
    address = row.entry.internal_address
    if address is None or not row.entry.internal_port:
        return False
    attached = (own.network for interface in network.interfaces for own in interface.addresses)
    return network.is_ours(address) or any(
        address.version == lan.version
        and address in lan
        and address not in (lan.network_address, lan.broadcast_address)
        for lan in attached
    )


def _verdict(row: TableRow, error: int | None, network: Network, bound_ports: set[int]) -> str:
    address, entry = row.entry.internal_address, row.entry
    assert address is not None, "only such rows are checked"
    if error == errno.EHOSTUNREACH:
        return NO_HOST
    if entry.protocol is Protocol.TCP:
        return NOT_LISTENING if error == errno.ECONNREFUSED else ""
    return NOT_LISTENING if network.is_ours(address) and entry.internal_port not in bound_ports else ""


async def _probe(endpoint: Endpoint, limit: asyncio.Semaphore) -> int | None:
    """Return the error number of a connection attempt; 0 if it succeeded, None after a timeout."""
    address, port = endpoint
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    async with limit:
        with socket.socket(family, socket.SOCK_STREAM) as probe, contextlib.suppress(TimeoutError):
            probe.setblocking(False)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                try:
                    await asyncio.get_running_loop().sock_connect(probe, (str(address), port))
                except OSError as error:
                    return number_of(error)
                return 0
    return None


def _endpoint(row: TableRow) -> Endpoint:
    return (row.entry.internal_address or ipaddress.IPv4Address(0), row.entry.internal_port)


def _bound_udp_ports() -> set[int]:
    """Return the UDP ports that programs of this host have bound."""
    import psutil

    return {connection.laddr.port for connection in psutil.net_connections("udp") if connection.laddr}

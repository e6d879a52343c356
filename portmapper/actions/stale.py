"""Which entries of a gateway's table nobody answers for.

It is judged by asking, and only within this host's own networks, whatever the table says:

- A connection to the internal address and port (TCP, also for an entry of UDP) tells whether the host is
  there: where the network says that it is unreachable, nobody answered ARP for it.
- A TCP port that refuses has nothing listening. Silence is no proof: a firewall drops too.
- Of UDP only this host's own sockets can tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import Sequence

from portmapper.actions.tables import Listed
from portmapper.api.model import IPAddress, Protocol
from portmapper.network.host import Network

PATIENCE = 4.0
"""Seconds that a host has; Linux gives ARP three."""

AT_ONCE = 64
MOST = 1024
"""Hosts and ports asked; a table with more is not judged to its end."""

NO_HOST = "no host answers at that address"
NOBODY_LISTENS = "nothing listens on that port"

Place = tuple[IPAddress, int]


async def stale_rows(rows: Sequence[Listed], network: Network) -> list[tuple[Listed, str]]:
    """Return the rows that nobody answers for, each with the reason."""
    near = [row for row in rows if _can_be_judged(row, network)]
    places = list(dict.fromkeys(_place(row) for row in near))[:MOST]
    gate = asyncio.Semaphore(AT_ONCE)
    answers = dict(zip(places, await asyncio.gather(*(_ask(place, gate) for place in places)), strict=True))
    bound = _bound_udp_ports()
    judged = [(row, _verdict(row, answers.get(_place(row)), network, bound)) for row in near]
    return [(row, reason) for row, reason in judged if reason]


def _can_be_judged(row: Listed, network: Network) -> bool:
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


def _verdict(row: Listed, error: int | None, network: Network, bound: set[int]) -> str:
    address, entry = row.entry.internal_address, row.entry
    assert address is not None, "only such rows are judged"
    if error == errno.EHOSTUNREACH:
        return NO_HOST
    if entry.protocol is Protocol.TCP:
        return NOBODY_LISTENS if error == errno.ECONNREFUSED else ""
    return NOBODY_LISTENS if network.is_ours(address) and entry.internal_port not in bound else ""


async def _ask(place: Place, gate: asyncio.Semaphore) -> int | None:
    """Return the error number of a connection; 0 when it was taken, None when nothing was said in time."""
    address, port = place
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    async with gate:
        with socket.socket(family, socket.SOCK_STREAM) as probe, contextlib.suppress(TimeoutError):
            probe.setblocking(False)
            async with asyncio.timeout(PATIENCE):
                try:
                    await asyncio.get_running_loop().sock_connect(probe, (str(address), port))
                except OSError as error:
                    return error.errno
                return 0
    return None


def _place(row: Listed) -> Place:
    return (row.entry.internal_address or ipaddress.IPv4Address(0), row.entry.internal_port)


def _bound_udp_ports() -> set[int]:
    """Return the UDP ports that a program of this host has bound."""
    import psutil

    return {connection.laddr.port for connection in psutil.net_connections("udp") if connection.laddr}

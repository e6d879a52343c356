"""Stale entries: those whose host is gone, or on whose port nothing listens."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable

import pytest

from portmapper.actions.stale import NO_HOST, NOT_LISTENING, _verdict, stale_rows
from portmapper.actions.tables import TableRow
from portmapper.api.model import Protocol, TableEntry
from portmapper.network.host import Interface, Network
from portmapper.testing.fake_device import GATEWAY


@pytest.fixture
def network() -> Network:
    """A host whose only network is its loopback."""
    return Network((Interface("lo", (ipaddress.ip_interface("127.0.0.1/8"),)),), ())


def row(port: int, address: str = "127.0.0.1", protocol: Protocol = Protocol.TCP) -> TableRow:
    """Return an entry that leads to a port."""
    return TableRow(TableEntry(protocol, port, ipaddress.ip_address(address), port), "upnp", str(GATEWAY))


async def test_a_port_on_which_nothing_listens_is_stale(
    network: Network, free_port: Callable[[], int]
) -> None:
    """A port with a listener is not, over TCP and UDP."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(type=socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        unused = free_port()
        rows = [
            row(listening.getsockname()[1]),
            row(unused),
            row(bound.getsockname()[1], protocol=Protocol.UDP),
            row(unused, protocol=Protocol.UDP),
        ]
        found = await stale_rows(rows, network)
    assert found == [(rows[1], NOT_LISTENING), (rows[3], NOT_LISTENING)]


@pytest.mark.parametrize("address", ["203.0.113.9", "192.168.88.77", "2001:db8::1"])
async def test_only_hosts_in_our_own_networks_are_probed(network: Network, address: str) -> None:
    """A table must not make portmapper connect to any other host."""
    assert await stale_rows([row(80, address)], network) == []
    unnamed = TableRow(TableEntry(Protocol.TCP, 80), "upnp", str(GATEWAY))
    assert await stale_rows([unnamed], network) == []


@pytest.mark.parametrize("address", ["198.51.100.0", "198.51.100.255"])
async def test_network_and_broadcast_addresses_are_not_probed(address: str) -> None:
    """They belong to no host."""
    network = Network((Interface("eth0", (ipaddress.ip_interface("198.51.100.7/24"),)),), ())
    assert await stale_rows([row(80, address)], network) == []


@pytest.mark.parametrize(
    ("error", "protocol", "verdict"),
    [
        (errno.EHOSTUNREACH, Protocol.TCP, NO_HOST),
        (errno.EHOSTUNREACH, Protocol.UDP, NO_HOST),
        (errno.ECONNREFUSED, Protocol.TCP, NOT_LISTENING),
        (errno.ECONNREFUSED, Protocol.UDP, ""),
        (0, Protocol.TCP, ""),
        (None, Protocol.TCP, ""),
    ],
)
def test_a_timeout_proves_nothing(
    network: Network, error: int | None, protocol: Protocol, verdict: str
) -> None:
    """A firewall may drop the packets; and another host's UDP sockets are not known."""
    assert _verdict(row(80, "192.168.88.77", protocol), error, network, set()) == verdict

"""The sockets on which programs of this host wait."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterator

import pytest

from portmapper.api.model import Protocol
from portmapper.network import listeners
from portmapper.network.listeners import Listener, parse_sockets, read_listeners


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one way only")
def test_a_kernel_without_the_tables_is_read_in_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one without the module udp_diag."""

    def fail(*_: object) -> Iterator[bytes]:
        raise FileNotFoundError

    monkeypatch.setattr(listeners, "dump", fail)
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = read_listeners()
        assert found is not None
        port = server.getsockname()[1]
        assert Listener(Protocol.TCP, ipaddress.ip_address("127.0.0.1"), port) in found


def test_connections_are_not_read() -> None:
    """A server with thousands of clients has one entry."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        accepted = [server.accept()[0] for _ in clients]
        found = [listener for listener in read_listeners() or () if listener.port == port]
        for connection in (*clients, *accepted):
            connection.close()
    assert len(found) == 1


def test_an_ipv4_address_in_an_ipv6_socket_is_plain() -> None:
    """Programs bind `::ffff:192.0.2.7`."""
    address = ipaddress.ip_address("::ffff:192.0.2.7").packed
    message = bytes([socket.AF_INET6, 10, 0, 0]) + (8080).to_bytes(2, "big") + bytes(2) + address + bytes(44)
    (listener,) = parse_sockets([message], socket.IPPROTO_TCP)
    assert listener == Listener(Protocol.TCP, ipaddress.ip_address("192.0.2.7"), 8080)

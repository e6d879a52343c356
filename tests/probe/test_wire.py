"""Requests and datagrams are checked strictly."""

from __future__ import annotations

import pytest

from portmapper.api.errors import UsageError
from portmapper.api.model import Protocol
from portmapper.probe.wire import (
    MAX_PORTS,
    ORDER_SIZE,
    PROBE,
    PortRequest,
    order_datagram,
    parse_order,
    parse_request,
)

NONCE = "00" * 16
ROW = {"port": 8080, "protocol": "TCP", "nonce": NONCE}


def test_a_request_survives_the_way() -> None:
    """What the client writes is what the server reads."""
    request = PortRequest(Protocol.UDP, 27015, bytes(range(16)))
    assert parse_request({"ports": [request.document()]}) == [request]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"ports": []},
        {"ports": [ROW], "address": "192.0.2.1"},
        {"ports": [{**ROW, "address": "192.0.2.1"}]},
        {"ports": [{**ROW, "host": "192.0.2.1"}]},
        {"ports": [{**ROW, "port": 0}]},
        {"ports": [{**ROW, "port": 65536}]},
        {"ports": [{**ROW, "port": True}]},
        {"ports": [{**ROW, "port": "1-65535"}]},
        {"ports": [{**ROW, "port": [1, 2]}]},
        {"ports": [{**ROW, "port": 10**5000}]},
        {"ports": [{**ROW, "protocol": "ICMP"}]},
        {"ports": [{**ROW, "protocol": ["TCP"]}]},
        {"ports": [{**ROW, "nonce": "00"}]},
        {"ports": [{**ROW, "nonce": NONCE + "\n"}]},
        {"ports": [ROW, ROW]},
        {"ports": [{**ROW, "port": port} for port in range(1, MAX_PORTS + 2)]},
    ],
)
def test_everything_else_is_refused(document: object) -> None:
    """Addresses, ranges, and more ports than a request may have."""
    with pytest.raises(UsageError):
        parse_request(document)


def test_an_order_is_larger_than_what_it_causes() -> None:
    """The server never sends more than it received."""
    order = order_datagram(b"s" * 8, b"c" * 16, 27015)
    assert len(order) == ORDER_SIZE > len(PROBE) + 16
    assert parse_order(order) == (b"s" * 8, b"c" * 16, 27015)


@pytest.mark.parametrize("datagram", [b"", b"PMPO", b"x" * ORDER_SIZE, b"PMPO".ljust(ORDER_SIZE + 1, b"\0")])
def test_other_datagrams_are_no_orders(datagram: bytes) -> None:
    """A shorter one would cause more than it costs."""
    assert parse_order(datagram) is None

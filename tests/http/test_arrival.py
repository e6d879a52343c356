"""Where a request comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from portmapper.http.arrival import arrival_of

PROXIES = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))


class Request:
    """What `arrival_of` reads of a request."""

    secure = False

    def __init__(self, peer: str, headers: Mapping[str, str]) -> None:
        self.headers = CIMultiDict({"Host": "localhost", **headers})
        self.transport = self
        self._addresses = {"peername": (peer, 1), "sockname": ("192.0.2.1", 80)}

    def get_extra_info(self, name: str) -> Any:
        """Return an address of the connection."""
        return self._addresses[name]


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.6, 10.0.0.7", "10.0.0.6"),
        ("10.0.0.1", "1.1.1.1, junk", None),
        ("10.0.0.1", "1.1.1.1," + "10.0.0.7," * 5000 + "10.0.0.8", "10.0.0.7"),
        ("fd00::1", "[2001:db8::9]", "2001:db8::9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("203.0.113.1", "1.1.1.1", "203.0.113.1"),
        ("127.0.0.1", "1.1.1.1", "127.0.0.1"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy(
    peer: str, chain: str, client: str | None
) -> None:
    """A client can invent everything before it, and headers of others do not count."""
    arrival = arrival_of(Request(peer, {"X-Forwarded-For": chain}), PROXIES)
    assert arrival.client == (ipaddress.ip_address(client) if client else None)
    assert not arrival.is_local


def test_the_nearest_proxy_names_host_and_scheme() -> None:
    """It appends its values to those that it got."""
    headers = {"X-Forwarded-Host": "evil.example, a.example", "X-Forwarded-Proto": "http, HTTPS"}
    arrival = arrival_of(Request("10.0.0.1", headers), PROXIES)
    assert (arrival.host, arrival.is_encrypted, arrival.by_proxy) == ("a.example", True, True)
    stranger = arrival_of(Request("192.0.2.9", headers), PROXIES)
    assert (stranger.host, stranger.is_encrypted, stranger.by_proxy) == ("localhost", False, False)


@pytest.mark.parametrize(
    ("peer", "host", "is_local"),
    [
        ("127.0.0.1", "localhost:8080", True),
        ("::1", "[::1]:8080", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "ports.example.org", False),
        ("192.0.2.9", "localhost", False),
        ("127.0.0.1", "", False),
    ],
)
def test_a_local_request_names_this_host(peer: str, host: str, is_local: bool) -> None:
    """It comes from this host, too."""
    assert arrival_of(Request(peer, {"Host": host}), PROXIES).is_local is is_local

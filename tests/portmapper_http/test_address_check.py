"""Addresses that a redirect may lead to."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper_http.address_check import is_public


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("2002:a00:1::", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
    ],
)
def test_public_addresses(address: str, expected: bool) -> None:
    """An IPv6 address that embeds an IPv4 address is judged by that."""
    assert is_public(ipaddress.ip_address(address)) is expected

"""Addresses that cannot be an internal host on any network."""

from __future__ import annotations

import pytest

from portmapper.sources.address_syntax import parse_address
from portmapper.sources.internal_hosts import unusable


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("ff05::c", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.1", "reserved"),
        ("fe80::1", "link-local"),
        ("0.0.0.7", "not the address of a host"),
        ("0", "not the address of a host"),
    ],
)
def test_the_reason_names_the_kind_of_address(text: str, reason: str) -> None:
    """A gateway would refuse it, or forward the port to nothing."""
    assert reason in unusable(parse_address(text))


@pytest.mark.parametrize(
    "text", ["", "192.168.0.10", "192.168", "0.0.0.0/0", "127", "2001:db8::1", "10.0.0.0/8"]
)
def test_any_other_address_is_usable(text: str) -> None:
    """A network means this host in that network, unless no host can be in it."""
    assert unusable(parse_address(text)) == ""

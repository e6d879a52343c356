"""The names under which the listener answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.support.allowed_hosts import AllowedHosts, split_host


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Example.ORG", ("example.org", "")),
        ("example.org.:80", ("example.org", "80")),
        ("[FE80::1]:8080", ("fe80::1", "8080")),
        ("a b", ("", "")),
        ("user@example.org", ("", "")),
        ("example.org/x", ("", "")),
        ("example.org:80:80", ("", "")),
        ("x" * 301, ("", "")),
    ],
)
def test_a_header_is_a_name_and_a_port(header: str, expected: tuple[str, str]) -> None:
    """In lower case, without the final dot; anything else is invalid."""
    assert split_host(header) == expected


def test_configured_names_may_have_a_port() -> None:
    """Only the name counts."""
    hosts = AllowedHosts("192.0.2.1", ["Ports.example.org:8443", "[2001:db8::1]"])
    for header in ("ports.example.org", "ports.example.org:1", "[2001:db8::1]:80", "192.0.2.1"):
        assert hosts.allows(header, "127.0.0.1")
    assert not hosts.allows("example.org", "127.0.0.1")


def test_the_address_of_the_connection_is_allowed() -> None:
    """A listener on every address answers under each of them, but under no other."""
    hosts = AllowedHosts("0.0.0.0")
    assert hosts.allows("192.168.88.10:8080", "192.168.88.10")
    assert hosts.allows("192.168.88.10", "::ffff:192.168.88.10")
    assert not hosts.allows("192.168.88.11", "192.168.88.10")


@given(st.text(), st.text())
def test_no_header_is_an_error(header: str, local: str) -> None:
    """Whatever a client sends."""
    assert AllowedHosts("127.0.0.1").allows(header, local) in (True, False)

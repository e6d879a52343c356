"""Addresses to listen on."""

from __future__ import annotations

import pytest

from portmapper.support.listen_address import parse_listen_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("localhost:80", ("127.0.0.1", 80)),
    ],
)
def test_an_address_with_a_port_is_accepted(text: str, expected: tuple[str, int]) -> None:
    """IPv6 in brackets."""
    assert parse_listen_address(text) == expected


INVALID = (
    "",
    "80",
    ":80",
    "::1:80",
    "[127.0.0.1]:80",
    "[::1]",
    "a.b:80",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    80,
)


@pytest.mark.parametrize("value", [*INVALID, None, "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4: 1"])
def test_anything_else_is_refused(value: object) -> None:
    """With an example."""
    with pytest.raises(ValueError, match=r"is not ADDRESS:PORT, such as '127.0.0.1:8080'"):
        parse_listen_address(value)

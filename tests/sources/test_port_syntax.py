"""Ports and protocols as the user writes them."""

from __future__ import annotations

import pytest

from portmapper.api.errors import UsageError
from portmapper.api.model import Protocol
from portmapper.sources.port_syntax import ANY, parse_port_argument, parse_ports


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", range(80, 81)),
        ("2722-2723", range(2722, 2724)),
        ("1-65535", range(1, 65536)),
        ("2722 - 2723", range(2722, 2724)),
        ("2722\N{EN DASH}2723", range(2722, 2724)),
        ("any", ANY),
        ("ANY", ANY),
    ],
)
def test_a_port_a_range_or_any(text: str, ports: range) -> None:
    """A range includes both ends."""
    assert parse_ports(text) == ports


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither a port"),
        ("x", "neither a port"),
        ("80\n", "neither a port"),
        ("٨٠", "neither a port"),
        ("1-2-3", "neither a port"),
        ("0", r"not a port \(1-65535\)"),
        ("80-70000", r"not a range of ports \(1-65535\)"),
        ("90-80", "ends before it begins"),
    ],
)
def test_an_invalid_port_is_quoted_in_the_error(text: str, reason: str) -> None:
    """Only ASCII digits are valid."""
    with pytest.raises(ValueError, match=reason) as caught:
        parse_ports(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "ports", "protocols"),
    [
        ("8080/tcp", range(8080, 8081), (Protocol.TCP,)),
        ("2722-2723/UDP", range(2722, 2724), (Protocol.UDP,)),
        ("53/both", range(53, 54), (Protocol.TCP, Protocol.UDP)),
        ("any/tcp", ANY, (Protocol.TCP,)),
    ],
)
def test_a_port_argument(text: str, ports: range, protocols: tuple[Protocol, ...]) -> None:
    """`open` and `close` take such arguments."""
    assert parse_port_argument(text) == (ports, protocols)


@pytest.mark.parametrize("text", ["", "80/", "/tcp", "80/x", "x/tcp", "0/tcp", "80/tcp/udp", "9-8/tcp"])
def test_an_invalid_port_argument_is_a_usage_error(text: str) -> None:
    """A slash needs a protocol."""
    with pytest.raises(UsageError):
        parse_port_argument(text)

"""Permission rules."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper.api.model import Protocol
from portmapper_simulator.settings import Rule

RULE = Rule(
    allow=False,
    protocol=Protocol.TCP,
    external_ports=(80, 90),
    internal_ports=(8000, 8999),
    network=ipaddress.IPv4Network("192.168.0.0/24"),
)


@pytest.mark.parametrize("port", [80, 85, 90])
def test_a_rule_matches_a_mapping_within_all_its_ranges(port: int) -> None:
    """The first and the last port belong to a range."""
    assert RULE.matches(Protocol.TCP, port, "192.168.0.5", 8000)


@pytest.mark.parametrize(
    ("protocol", "external_port", "address", "internal_port"),
    [
        (Protocol.UDP, 80, "192.168.0.5", 8000),
        (Protocol.TCP, 91, "192.168.0.5", 8000),
        (Protocol.TCP, 80, "192.168.1.5", 8000),
        (Protocol.TCP, 80, "192.168.0.5", 7999),
    ],
)
def test_a_rule_does_not_match_if_one_condition_fails(
    protocol: Protocol, external_port: int, address: str, internal_port: int
) -> None:
    """All conditions apply together."""
    assert not RULE.matches(protocol, external_port, address, internal_port)


def test_a_rule_without_conditions_matches_everything() -> None:
    """Such a rule sets the default at the end of a list."""
    assert Rule(allow=True).matches(Protocol.UDP, 0, "10.0.0.1", 65535)

"""Values of the settings file are checked and converted."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.config import structure
from portmapper.api.errors import SettingError
from portmapper.api.model import Family, Protocol
from portmapper.config.schema import MAX_INTERVAL, RuleSettings, Settings
from portmapper.sources.policy import EVERY_PORT, Action, Rule


def test_a_rule_without_conditions_matches_everything() -> None:
    """Only the action is required."""
    assert structure(RuleSettings, {"action": "deny"}).rule == Rule(Action.DENY)


def test_the_conditions_of_a_rule_are_converted() -> None:
    """An address of one host is a network of one address."""
    table = {"action": "allow", "port": 80, "protocol": "UDP", "address": "192.168.1.7"}
    assert structure(RuleSettings, table).rule == Rule(
        Action.ALLOW, range(80, 81), EVERY_PORT, (Protocol.UDP,), ipaddress.ip_network("192.168.1.7/32")
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("interval", 1, 1.0),
        ("interval", MAX_INTERVAL, float(MAX_INTERVAL)),
        ("family", "BOTH", (Family.IPV4, Family.IPV6)),
        ("csv_delimiter", r"\t", "\t"),
        ("mapping", [{"port": 80}], ({"port": 80},)),
    ],
)
def test_a_valid_value_is_converted(key: str, value: object, expected: object) -> None:
    """Names are case-insensitive."""
    assert getattr(structure(Settings, {key: value}), key) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("interval", 0.5),
        ("interval", MAX_INTERVAL + 1),
        ("interval", float("nan")),
        ("family", 4),
        ("csv_delimiter", 5),
        ("mapping", [80]),
        ("gateway", "192.168.1.1"),
    ],
)
def test_an_invalid_value_is_rejected(key: str, value: Any) -> None:
    """The error contains the key."""
    with pytest.raises(SettingError) as caught:
        structure(Settings, {key: value})
    assert caught.value.path[0] == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", True),
        ("port", "any"),
        ("protocol", "sctp"),
        ("address", ""),
        ("address", 10),
        ("address", "*"),
    ],
)
def test_an_invalid_condition_is_rejected(key: str, value: object) -> None:
    """An empty address would match this host only by accident."""
    with pytest.raises(SettingError) as caught:
        structure(RuleSettings, {"action": "deny", key: value})
    assert caught.value.path == (key,)

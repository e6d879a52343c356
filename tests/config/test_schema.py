"""Values of the settings file are checked and converted."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.config import structure
from portmapper.api.errors import SettingError
from portmapper.api.model import ConflictPolicy, Family, Protocol
from portmapper.config.schema import MAX_INTERVAL, RuleSettings, Settings, SourceSettings
from portmapper.sources.policy import EVERY_PORT, Action, Rule
from portmapper.sources.trust import Limits, Trust


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
        ("interval", "15m", 900.0),
        ("conflict", "overwrite", ConflictPolicy.TAKE),
        ("conflict", "own", ConflictPolicy.OWN),
        ("source", [{"location": "a.csv"}], (SourceSettings("a.csv"),)),
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


def test_a_source_has_its_own_limits() -> None:
    """Without them, its kind decides what it may choose."""
    table = {"location": "x", "trust": ["take", "addresses"], "max_mappings": 5, "keep_share": 0.5}
    assert structure(SourceSettings, table).limits == Limits(frozenset(Trust), 5, 0.5)
    assert structure(SourceSettings, {"location": "x"}).limits == Limits()
    assert structure(SourceSettings, {"location": "x", "trust": []}).limits.trust == frozenset()


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("location", "", "is not a path or URL"),
        ("trust", ["all"], "is not one of take, addresses"),
        ("trust", [[]], "is not one of take, addresses"),
        ("max_mappings", 0, "is not a number in 1-65536"),
        ("max_mappings", True, "is not a number in 1-65536"),
        ("keep_share", 20, "is not a share, 0 to 1"),
        ("header_file", "x", "did you mean headers_file"),
    ],
)
def test_an_invalid_source_is_rejected(key: str, value: object, reason: str) -> None:
    """The message names the key and says what to write."""
    with pytest.raises(SettingError, match=reason):
        structure(SourceSettings, {"location": "x", key: value})

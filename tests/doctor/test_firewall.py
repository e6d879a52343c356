"""The firewall check reports a firewall only if its rules certainly drop the port."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.model import Protocol
from portmapper.doctor.desired import DesiredPort
from portmapper.doctor.firewall import parse_firewall

WEB = DesiredPort(Protocol.TCP, 8080, ipaddress.ip_address("192.0.2.7"), 8080)
DROP, ACCEPT = {"drop": None}, {"accept": None}


def port(value: Any, protocol: str = "tcp", op: str = "==") -> dict[str, Any]:
    """Return nft's condition on a destination port."""
    left = {"payload": {"protocol": protocol, "field": "dport"}}
    return {"match": {"op": op, "left": left, "right": value}}


def meta(key: str, value: Any, op: str = "==") -> dict[str, Any]:
    """Return nft's condition on another value of the packet."""
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": value}}


STATE = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
FROM = {
    "match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "192.0.2.9"}
}


def drops(*rules: list[dict[str, Any]], policy: str = "drop", family: str = "inet", **chains: Any) -> bool:
    """Return whether a firewall with these rules drops a connection from outside."""
    table = {"family": family, "table": "t"}
    entry = {**table, "name": "input", "hook": "input", "type": "filter", "policy": policy}
    objects: list[dict[str, Any]] = [{"metainfo": {}}, {"chain": entry}]
    objects += [{"rule": {**table, "chain": "input", "expr": rule}} for rule in rules]
    for name, inside in chains.items():
        objects.append({"chain": {**table, "name": name}})
        objects += [{"rule": {**table, "chain": name, "expr": rule}} for rule in inside]
    return parse_firewall(objects).drops(WEB, "eth0")


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [[STATE, ACCEPT]],
        [[meta("iifname", "lo"), ACCEPT]],
        [[port(22), ACCEPT], [port({"set": [80, 443, {"range": [1, 99]}]}), ACCEPT]],
        [[port(8080, "udp"), ACCEPT]],
        [[port(8080), DROP], [ACCEPT]],
        [[port(80, op="!="), {"reject": {}}]],
        [[meta("l4proto", "tcp"), {"counter": {}}, DROP]],
        [[{"match": {"left": {"payload": {"protocol": "udp", "field": "sport"}}, "right": 1900}}, ACCEPT]],
        [[{"jump": {"target": "web"}}]],
    ],
    ids=lambda rules: str(len(rules)),
)
def test_a_port_that_no_rule_accepts_is_dropped(rules: Any) -> None:
    """By the policy, or by a rule."""
    assert drops(*rules, web=[[port(80), ACCEPT], [{"return": None}], [ACCEPT]])


@pytest.mark.parametrize(
    "rules",
    [
        [[ACCEPT]],
        [[port(8080), ACCEPT]],
        [[port({"set": [{"range": [8000, 8100]}]}, "th"), ACCEPT]],
        [[meta("iifname", "eth*"), ACCEPT]],
        [[{"jump": {"target": "web"}}]],
        [[FROM, ACCEPT]],
        [[port("@open"), ACCEPT]],
        [[{"vmap": {}}]],
        [[{"jump": {"target": "loop"}}]],
    ],
    ids=lambda rules: str(len(rules)),
)
def test_a_port_that_a_rule_may_accept_is_not_reported(rules: Any) -> None:
    """A condition that cannot be evaluated may match."""
    assert not drops(*rules, web=[[port(8080), ACCEPT]], loop=[[{"jump": {"target": "loop"}}]])


def test_a_drop_that_may_not_match_is_not_reported() -> None:
    """It may be for one peer only."""
    assert not drops([FROM, DROP], policy="accept")


def test_a_firewall_of_the_other_family_does_not_count() -> None:
    """A firewall for IPv6 does not affect IPv4."""
    assert not drops(family="ip6")


def test_no_firewall_drops_nothing() -> None:
    """The ruleset is empty."""
    assert not parse_firewall([]).drops(WEB, "eth0")

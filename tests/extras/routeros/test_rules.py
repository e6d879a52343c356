"""Interpretation of dstnat rules."""

from __future__ import annotations

import ipaddress

import pytest
from portmapper_routeros import rules
from portmapper_routeros.rules import WanSide

from portmapper.api.model import MapRequest, Protocol, TableEntry

LISTS = {"WAN": {"ether1"}, "LAN": {"bridge"}}
BY_LIST = WanSide("", {"ether1"}, LISTS)
BY_NAME = WanSide("ether1", {"ether1"}, LISTS)


@pytest.mark.parametrize("wan", [BY_LIST, BY_NAME], ids=["list", "interface"])
@pytest.mark.parametrize(
    ("rule", "sees"),
    [
        ({}, True),
        ({"in-interface": "ether1"}, True),
        ({"in-interface": "!ether1"}, False),
        ({"in-interface": "bridge"}, False),
        ({"in-interface": "!bridge"}, True),
        ({"in-interface-list": "all"}, True),
        ({"in-interface-list": "!all"}, False),
        ({"in-interface-list": "WAN"}, True),
        ({"in-interface-list": "!WAN"}, False),
        ({"in-interface-list": "!LAN"}, True),
    ],
)
def test_a_rule_matches_wan_packets_by_interface_and_list(
    wan: WanSide, rule: dict[str, str], sees: bool
) -> None:
    """An exclamation mark negates the condition."""
    assert wan.sees(rule) is sees


@pytest.mark.parametrize(
    ("rule", "takes"),
    [
        ({}, True),
        ({"protocol": "tcp", "dst-port": "80,443,6000-6010"}, True),
        ({"protocol": "tcp", "dst-port": "!6005"}, False),
        ({"protocol": "17", "dst-port": "6005"}, False),
        ({"protocol": "!udp"}, True),
        ({"disabled": "true"}, False),
        ({"action": "passthrough"}, False),
    ],
)
def test_a_rule_takes_a_port(rule: dict[str, str], takes: bool) -> None:
    """A rule without a condition applies to every port."""
    assert rules.takes(rule, Protocol.TCP, 6005) is takes


def test_a_rule_for_a_single_port_is_a_table_entry() -> None:
    """The comment is shown without the tag."""
    rule = {
        "action": "dst-nat",
        "protocol": "tcp",
        "dst-port": "8080",
        "to-addresses": "192.168.88.20",
        "to-ports": "80",
        "comment": "portmapper: web",
    }
    address = ipaddress.ip_address("192.168.88.20")
    assert rules.entry(rule) == TableEntry(Protocol.TCP, 8080, address, 80, "web")
    assert rules.entry({**rule, "dst-port": "8080-8081"}) is None


def test_a_comment_is_cut_and_printable() -> None:
    """RouterOS stores the comment, and other tools print it."""
    address = ipaddress.ip_address("192.168.88.20")
    request = MapRequest(Protocol.TCP, address, 80, 8080, comment="a\nb" + "x" * 300)
    comment = rules.desired_rule(request, 8080, BY_NAME)["comment"]
    assert comment.startswith("portmapper: a?bx")
    assert len(comment) == len("portmapper: ") + 200

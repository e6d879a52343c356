"""The policy limits what any source can open."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.model import ANY_PORT, Family, Mapping, Protocol
from portmapper.api.source import FormatOptions
from portmapper.network.host import Interface, Network
from portmapper.sources.inline import InlineSource
from portmapper.sources.policy import Action, Policy, Rule
from portmapper.sources.reader import SourceReader

ALLOW, DENY = Action.ALLOW, Action.DENY
HOME = Network((Interface("eth0", (ipaddress.ip_interface("192.168.1.5/24"),)),), ())


def mapping(port: int = 8080, **more: Any) -> Mapping:
    """Return a mapping of this port."""
    return Mapping(**{"protocol": Protocol.TCP, "port": port, "internal_port": port or 1, **more})


def denied(rules: list[Rule], desired: Mapping, network: Network = HOME) -> bool:
    """Return whether these rules deny the mapping."""
    return bool(Policy(tuple(rules)).checker(lambda: network)(desired))


def test_a_mapping_that_no_rule_matches_is_allowed() -> None:
    """A policy without rules allows everything."""
    assert not denied([], mapping())
    assert not denied([Rule(DENY, port=range(1, 1024))], mapping())


def test_the_first_rule_that_matches_decides() -> None:
    """The order matters, as on routers."""
    web, rest = Rule(ALLOW, port=range(8000, 9000)), Rule(DENY)
    assert not denied([web, rest], mapping())
    assert denied([rest, web], mapping())
    assert denied([web, rest], mapping(80))


def test_all_conditions_of_a_rule_must_match() -> None:
    """Ports, protocol and internal port together."""
    rule = Rule(DENY, port=range(8080, 8081), internal_port=range(22, 23), protocol=(Protocol.TCP,))
    assert denied([rule], mapping(internal_port=22))
    assert not denied([rule], mapping())
    assert not denied([rule], mapping(protocol=Protocol.UDP, internal_port=22))


def test_a_pinhole_opens_its_internal_port() -> None:
    """IPv6 has no translation, so the internal port is also the external port."""
    low = [Rule(DENY, port=range(1, 1024))]
    assert denied(low, mapping(8080, internal_port=22, family=Family.IPV6))
    assert not denied(low, mapping(8080, internal_port=22))


def test_port_any_may_become_every_port() -> None:
    """A rule that denies some ports denies it. A rule that allows some ports does not allow it."""
    high = range(1024, 65536)
    assert denied([Rule(DENY, port=range(1, 1024))], mapping(ANY_PORT))
    assert denied([Rule(ALLOW, port=high), Rule(DENY)], mapping(ANY_PORT))
    assert not denied([Rule(ALLOW), Rule(DENY)], mapping(ANY_PORT))


@pytest.mark.parametrize(
    ("address", "is_denied"),
    [
        (None, True),
        ("192.168.1.7", True),
        ("10.0.0.1", False),
        ("192.168.1.0/25", True),
        ("10.0.0.0/8", True),
    ],
)
def test_the_address_of_a_rule_is_the_internal_address(address: str | None, is_denied: bool) -> None:
    """Without an address, this host's addresses count. If it has none there, the mapping is denied."""
    desired = (
        ipaddress.ip_network(address)
        if address and "/" in address
        else address and ipaddress.ip_address(address)
    )
    rule = Rule(DENY, address=ipaddress.ip_network("192.168.1.0/24"))
    assert denied([rule], mapping(address=desired)) is is_denied


def test_an_allow_rule_needs_a_known_address() -> None:
    """Without a network, the address is unknown."""
    rules = [Rule(ALLOW, address=ipaddress.ip_network("192.168.1.0/24")), Rule(DENY)]
    assert not denied(rules, mapping())
    assert denied(rules, mapping(), Network((), ()))


async def test_a_denied_row_is_rejected_with_place_and_reason() -> None:
    """If one port of a row is denied, the whole row is rejected; other rows stay."""
    tables = [
        {"port": "1022-1025", "protocol": "tcp"},
        {"port": 8080, "protocol": "both"},
    ]
    policy = Policy((Rule(DENY, port=range(1, 1024)),))
    reader = SourceReader(InlineSource("here", tables), (), "auto", FormatOptions(), policy)
    reading = await reader.read()
    assert [m.port for m in reading.mappings] == [8080, 8080]
    assert [(bad.where, bad.reason) for bad in reading.rejected] == [
        ("mapping[0]", "denied by policy[0] (deny port 1-1023)")
    ]


async def test_a_new_policy_applies_to_an_unchanged_list() -> None:
    """The next read uses the new rules."""
    reader = SourceReader(
        InlineSource("here", [{"port": 80, "protocol": "tcp"}]), (), "auto", FormatOptions()
    )
    assert len((await reader.read()).mappings) == 1
    reader.set_policy(Policy((Rule(DENY),)))
    assert len((await reader.read()).rejected) == 1


@pytest.mark.parametrize(
    ("action", "rule", "remote", "matches"),
    [
        ("deny", "any", None, True),
        ("deny", "any", "198.51.100.7/32", False),
        ("deny", "198.51.100.0/24", None, True),
        ("deny", "198.51.100.0/24", "198.51.0.0/16", True),
        ("deny", "198.51.100.0/24", "203.0.113.7/32", False),
        ("allow", "198.51.100.0/24", None, False),
        ("allow", "198.51.100.0/24", "198.51.100.7/32", True),
        ("allow", "198.51.100.0/24", "198.51.0.0/16", False),
        ("allow", "198.51.100.0/24", "2001:db8::/32", False),
    ],
)
def test_a_rule_for_remote_hosts(action: str, rule: str, remote: str | None, matches: bool) -> None:
    """`deny` matches if one of its hosts may connect, and `allow` only if no other host may."""
    network = rule if rule == "any" else ipaddress.ip_network(rule)
    mapping = Mapping(Protocol.TCP, 80, 80, remote=ipaddress.ip_network(remote) if remote else None)
    assert Rule(Action(action), remote=network).matches(mapping, ()) is matches

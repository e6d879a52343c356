"""The policy bounds what any source can open."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.errors import UsageError
from portmapper.api.model import ANY_PORT, Family, Mapping, Protocol
from portmapper.api.source import FormatOptions
from portmapper.network.host import Interface, Network
from portmapper.sources.adhoc import check_policy
from portmapper.sources.inline import InlineSource
from portmapper.sources.policy import Action, Policy, Rule
from portmapper.sources.reader import SourceReader

ALLOW, DENY = Action.ALLOW, Action.DENY
HOME = Network((Interface("eth0", (ipaddress.ip_interface("192.168.1.5/24"),)),), ())


def mapping(port: int = 8080, **more: Any) -> Mapping:
    """Return a mapping of that port."""
    return Mapping(**{"protocol": Protocol.TCP, "port": port, "internal_port": port or 1, **more})


def denied(rules: list[Rule], desired: Mapping, network: Network = HOME) -> bool:
    """Tell whether these rules deny it."""
    return bool(Policy(tuple(rules)).checker(lambda: network)(desired))


def test_what_no_rule_matches_is_allowed() -> None:
    """A policy without rules bounds nothing."""
    assert not denied([], mapping())
    assert not denied([Rule(DENY, port=range(1, 1024))], mapping())


def test_the_first_rule_that_matches_decides() -> None:
    """As on routers, the order counts."""
    web, rest = Rule(ALLOW, port=range(8000, 9000)), Rule(DENY)
    assert not denied([web, rest], mapping())
    assert denied([rest, web], mapping())
    assert denied([web, rest], mapping(80))


def test_a_rule_looks_at_all_that_it_names() -> None:
    """Ports, protocol and internal port must match together."""
    rule = Rule(DENY, port=range(8080, 8081), internal_port=range(22, 23), protocol=(Protocol.TCP,))
    assert denied([rule], mapping(internal_port=22))
    assert not denied([rule], mapping())
    assert not denied([rule], mapping(protocol=Protocol.UDP, internal_port=22))


def test_a_pinhole_opens_its_internal_port() -> None:
    """Over IPv6 nothing is translated, so that is the port outside."""
    low = [Rule(DENY, port=range(1, 1024))]
    assert denied(low, mapping(8080, internal_port=22, family=Family.IPV6))
    assert not denied(low, mapping(8080, internal_port=22))


def test_any_port_may_be_each_port() -> None:
    """A denial of some ports denies it, a permission of some does not allow it."""
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
def test_an_address_is_whom_the_mapping_is_for(address: str | None, is_denied: bool) -> None:
    """This host's addresses count where none is named; where it has none, what may be is denied."""
    desired = (
        ipaddress.ip_network(address)
        if address and "/" in address
        else address and ipaddress.ip_address(address)
    )
    rule = Rule(DENY, address=ipaddress.ip_network("192.168.1.0/24"))
    assert denied([rule], mapping(address=desired)) is is_denied


def test_a_permission_needs_an_address_that_is_known() -> None:
    """Without any network nothing can be sure."""
    rules = [Rule(ALLOW, address=ipaddress.ip_network("192.168.1.0/24")), Rule(DENY)]
    assert not denied(rules, mapping())
    assert denied(rules, mapping(), Network((), ()))


async def test_a_denied_row_is_rejected_with_place_and_reason() -> None:
    """A row of which one part is denied is rejected whole; the others stay."""
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


async def test_another_policy_is_applied_to_a_list_that_did_not_change() -> None:
    """The next read goes by the new rules."""
    reader = SourceReader(
        InlineSource("here", [{"port": 80, "protocol": "tcp"}]), (), "auto", FormatOptions()
    )
    assert len((await reader.read()).mappings) == 1
    reader.set_policy(Policy((Rule(DENY),)))
    assert len((await reader.read()).rejected) == 1


def test_what_open_asks_for_is_bounded_too() -> None:
    """The daemon refuses it, and says which rule it was."""
    with pytest.raises(UsageError, match=r"TCP 80: denied by policy\[0\] \(deny port 80\)"):
        check_policy([mapping(80)], Policy((Rule(DENY, port=range(80, 81)),)))

"""Rules are added, brought into line and removed, and nobody else's is touched."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import attrs
import pytest

from portmapper.api.errors import Conflict, NotAuthorized
from portmapper.api.model import MapRequest, Protocol

HOST = ipaddress.ip_address("192.168.88.20")
OTHER = ipaddress.ip_address("192.168.88.30")
WEB = MapRequest(Protocol.TCP, HOST, 80, 8080, comment="web", exact=True)


async def test_a_mapping_is_a_tagged_rule_for_packets_from_outside(gateway: Any, router: Any) -> None:
    """It names the outside, or LAN hosts would lose that port of the whole Internet."""
    lease = await gateway.map(WEB)
    (rule,) = router.rules
    assert {key: rule[key] for key in ("chain", "action", "protocol", "dst-port", "to-addresses")} == {
        "chain": "dstnat",
        "action": "dst-nat",
        "protocol": "tcp",
        "dst-port": "8080",
        "to-addresses": "192.168.88.20",
    }
    assert (rule["to-ports"], rule["comment"]) == ("80", "portmapper: web")
    assert rule["in-interface-list"] == "WAN"
    assert (lease.external_port, lease.permanent, lease.lifetime) == (8080, True, 0)
    assert str(lease.external_address) == "203.0.113.7"
    assert await gateway.holds(lease)


async def test_mapping_again_changes_nothing(gateway: Any, router: Any) -> None:
    """Renewal is the same verb, and writes nothing to the router's flash when nothing is to do."""
    lease = await gateway.map(WEB)
    before = [dict(rule) for rule in router.rules]
    await gateway.map(attrs.evolve(WEB, held=lease))
    assert router.rules == before
    assert sum(line.startswith(("PUT", "PATCH")) for line in router.requested) == 1


async def test_many_at_once_make_one_rule_each(gateway: Any, router: Any) -> None:
    """Nothing is added twice, however the requests cross."""
    requests = [attrs.evolve(WEB, external_port=9000 + i % 5) for i in range(20)]
    await asyncio.gather(*map(gateway.map, requests))
    assert sorted(rule["dst-port"] for rule in router.rules) == ["9000", "9001", "9002", "9003", "9004"]


async def test_our_rule_follows_our_address(gateway: Any, router: Any) -> None:
    """It is changed in place and never deleted first."""
    lease = await gateway.map(WEB)
    number = router.rules[0][".id"]
    await gateway.map(attrs.evolve(WEB, internal_address=OTHER, held=lease))
    assert [(rule[".id"], rule["to-addresses"]) for rule in router.rules] == [(number, str(OTHER))]


async def test_release_removes_our_rule_alone(gateway: Any, router: Any) -> None:
    """The administrator's rules stay, and a rule that is gone is no error."""
    theirs = router.rule(protocol="tcp", dst_port="25", to_addresses="192.168.88.9", to_ports="25")
    lease = await gateway.map(WEB)
    await gateway.unmap(lease)
    await gateway.unmap(lease)
    assert router.rules == [theirs]
    assert not await gateway.holds(lease)


async def test_an_untagged_twin_of_our_rule_is_not_removed(gateway: Any, router: Any) -> None:
    """What the administrator wrote by hand is theirs, though it does the same."""
    lease = await gateway.map(WEB)
    router.rules[0]["comment"] = "mine now"
    await gateway.unmap(lease)
    assert len(router.rules) == 1
    with pytest.raises(Conflict):
        await gateway.map(attrs.evolve(WEB, replace=True))


@pytest.mark.parametrize(
    "holding",
    [
        {"protocol": "tcp", "dst_port": "8080", "to_addresses": "192.168.88.9"},
        {"protocol": "tcp", "dst_port": "80,8000-8100", "in_interface_list": "WAN"},
        {"protocol": "tcp", "dst_port": "!22", "in_interface": "ether1"},
        {"protocol": "6", "dst_port": "8080", "in_interface_list": "!LAN"},
        {"to_addresses": "192.168.88.9", "in_interface": "ether1"},
        {"protocol": "tcp", "dst_port": "8080", "dynamic": "true", "comment": "portmapper: like ours"},
    ],
)
async def test_a_rule_that_takes_the_port_is_a_conflict(
    gateway: Any, router: Any, holding: dict[str, str]
) -> None:
    """However it is written; it stays as it is, and nothing is added."""
    router.rule(**holding)
    with pytest.raises(Conflict, match="8080/TCP is held by"):
        await gateway.map(attrs.evolve(WEB, replace=True))
    assert len(router.rules) == 1


@pytest.mark.parametrize(
    "harmless",
    [
        {"protocol": "udp", "dst_port": "8080"},
        {"protocol": "tcp", "dst_port": "80,443,9000-9100"},
        {"protocol": "tcp", "dst_port": "8080", "disabled": "true"},
        {"protocol": "tcp", "dst_port": "8080", "in_interface": "bridge"},
        {"protocol": "tcp", "dst_port": "8080", "in_interface_list": "LAN"},
        {"protocol": "tcp", "dst_port": "8080", "in_interface_list": "!WAN"},
        {"protocol": "tcp", "dst_port": "8080", "action": "log"},
        {"protocol": "tcp", "dst_port": "65-x,99999999999999-1"},
    ],
)
async def test_a_rule_that_lets_the_port_be_is_none(
    gateway: Any, router: Any, harmless: dict[str, str]
) -> None:
    """A redirection for the LAN, another protocol, a rule switched off."""
    router.rule(**harmless)
    assert (await gateway.map(WEB)).external_port == 8080


async def test_another_port_is_found_when_that_will_do(gateway: Any, router: Any) -> None:
    """The next one is tried first."""
    router.rule(protocol="tcp", dst_port="8080")
    lease = await gateway.map(attrs.evolve(WEB, exact=False))
    assert lease.external_port == 8081


async def test_any_port_keeps_the_one_it_had(gateway: Any) -> None:
    """The internal port at first, and that of the lease afterwards."""
    wish = attrs.evolve(WEB, external_port=0, exact=False)
    lease = await gateway.map(wish)
    assert lease.external_port == 80
    held = attrs.evolve(lease, external_port=8099)
    assert (await gateway.map(attrs.evolve(wish, held=held))).external_port == 8099


async def test_another_hosts_rule_of_portmapper_is_a_conflict_unless_taken(gateway: Any, router: Any) -> None:
    """Two hosts may run portmapper on one router."""
    await gateway.map(attrs.evolve(WEB, internal_address=OTHER))
    with pytest.raises(Conflict, match=str(OTHER)):
        await gateway.map(WEB)
    await gateway.map(attrs.evolve(WEB, replace=True))
    assert [rule["to-addresses"] for rule in router.rules] == [str(HOST)]


async def test_a_rule_of_ours_that_was_disabled_stays_so(gateway: Any, router: Any) -> None:
    """Whoever disabled it on the router meant it."""
    lease = await gateway.map(WEB)
    router.rules[0]["disabled"] = "true"
    assert not await gateway.holds(lease)
    with pytest.raises(NotAuthorized, match="disabled"):
        await gateway.map(attrs.evolve(WEB, held=lease))
    assert router.rules[0]["disabled"] == "true"


async def test_the_table_has_every_rule_that_opens_one_port(gateway: Any, router: Any) -> None:
    """The administrator's too; ranges and rules switched off are no entries."""
    router.rule(protocol="udp", dst_port="51820", to_addresses="192.168.88.2", comment="vpn")
    router.rule(protocol="tcp", dst_port="6000-6010", to_addresses="192.168.88.2")
    router.rule(protocol="tcp", dst_port="23", to_addresses="192.168.88.2", disabled="true")
    await gateway.map(WEB)
    entries = [
        (e.protocol, e.external_port, e.internal_port, e.comment) for e in await gateway.list_mappings()
    ]
    assert entries == [("UDP", 51820, 51820, "vpn"), ("TCP", 8080, 80, "web")]

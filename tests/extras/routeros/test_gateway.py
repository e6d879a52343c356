"""Adding, changing and removing rules; rules of others are not changed."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import attrs
import pytest
from aiohttp import web

from portmapper.api.errors import (
    Conflict,
    NetworkFailure,
    NotAuthorized,
)
from portmapper.api.model import MapRequest, Protocol

HOST = ipaddress.ip_address("192.168.88.20")


OTHER = ipaddress.ip_address("192.168.88.30")


WEB = MapRequest(Protocol.TCP, HOST, 80, 8080, comment="web", exact=True)


async def test_a_mapping_is_a_tagged_rule_for_packets_from_the_wan(gateway: Any, router: Any) -> None:
    """Without the WAN condition, LAN hosts could not reach this port on the Internet."""
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
    """A renewal without a change does not write to the router's flash."""
    lease = await gateway.map(WEB)
    before = [dict(rule) for rule in router.rules]
    await gateway.map(attrs.evolve(WEB, held=lease))
    assert router.rules == before
    assert sum(line.startswith(("PUT", "PATCH")) for line in router.requested) == 1


async def test_concurrent_requests_add_one_rule_per_port(gateway: Any, router: Any) -> None:
    """No rule is added twice."""
    requests = [attrs.evolve(WEB, external_port=9000 + i % 5) for i in range(20)]
    await asyncio.gather(*map(gateway.map, requests))
    assert sorted(rule["dst-port"] for rule in router.rules) == ["9000", "9001", "9002", "9003", "9004"]


async def test_our_rule_follows_our_address(gateway: Any, router: Any) -> None:
    """The rule is changed in place, never deleted and added."""
    lease = await gateway.map(WEB)
    number = router.rules[0][".id"]
    await gateway.map(attrs.evolve(WEB, internal_address=OTHER, held=lease))
    assert [(rule[".id"], rule["to-addresses"]) for rule in router.rules] == [(number, str(OTHER))]


async def test_a_release_removes_only_our_rule(gateway: Any, router: Any) -> None:
    """The administrator's rules stay, and a missing rule is not an error."""
    theirs = router.rule(protocol="tcp", dst_port="25", to_addresses="192.168.88.9", to_ports="25")
    lease = await gateway.map(WEB)
    await gateway.unmap(lease)
    await gateway.unmap(lease)
    assert router.rules == [theirs]
    assert not await gateway.holds(lease)


async def test_a_rule_without_the_tag_is_not_removed(gateway: Any, router: Any) -> None:
    """It belongs to the administrator, even if it does the same as ours."""
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
async def test_a_rule_that_redirects_the_port_is_a_conflict(
    gateway: Any, router: Any, holding: dict[str, str]
) -> None:
    """The rule stays unchanged, and none is added."""
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
async def test_a_rule_that_does_not_redirect_the_port_is_no_conflict(
    gateway: Any, router: Any, harmless: dict[str, str]
) -> None:
    """Examples are rules for the LAN, rules for another protocol, and disabled rules."""
    router.rule(**harmless)
    assert (await gateway.map(WEB)).external_port == 8080


async def test_another_port_is_used_if_the_request_is_not_exact(gateway: Any, router: Any) -> None:
    """The next port is tried first."""
    router.rule(protocol="tcp", dst_port="8080")
    lease = await gateway.map(attrs.evolve(WEB, exact=False))
    assert lease.external_port == 8081


async def test_any_port_keeps_the_one_it_had(gateway: Any) -> None:
    """The first choice is the internal port, later the port of the lease."""
    request = attrs.evolve(WEB, external_port=0, exact=False)
    lease = await gateway.map(request)
    assert lease.external_port == 80
    held = attrs.evolve(lease, external_port=8099)
    assert (await gateway.map(attrs.evolve(request, held=held))).external_port == 8099


async def test_our_rule_for_another_host_is_a_conflict_unless_replaced(gateway: Any, router: Any) -> None:
    """Two hosts may run portmapper on one router."""
    await gateway.map(attrs.evolve(WEB, internal_address=OTHER))
    with pytest.raises(Conflict, match=str(OTHER)):
        await gateway.map(WEB)
    await gateway.map(attrs.evolve(WEB, replace=True))
    assert [rule["to-addresses"] for rule in router.rules] == [str(HOST)]


async def test_a_disabled_rule_stays_disabled(gateway: Any, router: Any) -> None:
    """The administrator disabled it on purpose."""
    lease = await gateway.map(WEB)
    router.rules[0]["disabled"] = "true"
    assert not await gateway.holds(lease)
    with pytest.raises(NotAuthorized, match="disabled"):
        await gateway.map(attrs.evolve(WEB, held=lease))
    assert router.rules[0]["disabled"] == "true"


async def test_the_list_has_every_enabled_rule_for_a_single_port(gateway: Any, router: Any) -> None:
    """It includes the administrator's rules, but no ranges and no disabled rules."""
    router.rule(protocol="udp", dst_port="51820", to_addresses="192.168.88.2", comment="vpn")
    router.rule(protocol="tcp", dst_port="6000-6010", to_addresses="192.168.88.2")
    router.rule(protocol="tcp", dst_port="23", to_addresses="192.168.88.2", disabled="true")
    await gateway.map(WEB)
    entries = [
        (e.protocol, e.external_port, e.internal_port, e.comment) for e in await gateway.list_mappings()
    ]
    assert entries == [("UDP", 51820, 51820, "vpn"), ("TCP", 8080, 80, "web")]


PREFIX = "PORTMAPPER_ROUTEROS_"


async def test_the_router_reports_version_and_model(gateway: Any) -> None:
    """They are shown to the user."""
    assert (gateway.protocol, gateway.model) == ("RouterOS 7.12", "hAP ac^2")
    assert gateway.identity == "routeros:127.0.0.1"


async def test_the_external_address_can_come_from_the_cloud_service(gateway: Any, router: Any) -> None:
    """The interface list may be empty, or the address may be on another device."""
    router.menus["ip/address"].clear()
    assert await gateway.external_address() is None
    router.answer = lambda request: (
        web.json_response({"public-address": "198.51.100.4"}) if request.path.endswith("cloud") else None
    )
    assert str(await gateway.external_address()) == "198.51.100.4"


async def test_an_interface_setting_replaces_the_list(
    router: Any, backend: Any, here: Any, monkeypatch: pytest.MonkeyPatch, first: Any
) -> None:
    """It applies to the rules and to the external address."""
    monkeypatch.setenv(f"{PREFIX}INTERFACE", "pppoe-out1")
    router.put("ip/address", address="203.0.113.99/32", interface="pppoe-out1", disabled="false")
    lease = await (await first(backend, here)).map(WEB)
    assert router.rules[0]["in-interface"] == "pppoe-out1"
    assert str(lease.external_address) == "203.0.113.99"


async def test_an_answer_with_another_rule_is_rejected(gateway: Any, router: Any) -> None:
    """A rule for another port is not a lease."""
    router.answer = lambda request: (
        web.json_response({".id": "*1", "dst-port": "1"}, status=201) if request.method == "PUT" else None
    )
    with pytest.raises(NetworkFailure, match="another rule"):
        await gateway.map(WEB)

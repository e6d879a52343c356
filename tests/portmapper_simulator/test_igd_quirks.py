"""Quirks of WAN connections and of mappings over UPnP."""

from __future__ import annotations

import struct
from typing import Any

import pytest


def natpmp(external: int, lifetime: int = 600) -> bytes:
    """Write a NAT-PMP request to map TCP 8080."""
    return struct.pack("!BBHHHI", 0, 2, 0, 8080, external, lifetime)


@pytest.mark.parametrize(
    ("quirk", "changes", "code"),
    [
        ("M1", {}, "725"),
        ("M1", {"NewLeaseDuration": 0}, None),
        ("M1-402", {}, "402"),
        ("M2", {"NewLeaseDuration": 0}, "402"),
        ("M2", {}, None),
        ("M4", {}, "729"),
        ("M4-501", {}, "501"),
        ("M5", {"NewInternalPort": 9090}, "724"),
        ("M5", {}, None),
        ("M7-606", {}, "606"),
        ("M7-727", {}, "727"),
        ("M7-728", {}, "728"),
        ("M8", {"action": "AddAnyPortMapping"}, "401"),
        ("M12", {"client": "127.0.0.9"}, "606"),
        ("M12", {}, None),
        ("M12-718", {"client": "127.0.0.9"}, "718"),
    ],
)
async def test_a_mapping_is_refused(start: Any, add: Any, quirk: str, changes: Any, code: str | None) -> None:
    """The error is that of the quirk; without an error, the mapping is granted."""
    gateway = await start(quirk, relay=False)
    assert (await add(gateway, 8080, **changes)).value("errorCode") == code
    assert len(gateway.table) == (0 if code else 1)


@pytest.mark.parametrize(("quirk", "code"), [("M3", "718"), ("M13", "501")])
async def test_a_renewal_is_refused(start: Any, add: Any, quirk: str, code: str) -> None:
    """The first request is granted, and the mapping stays."""
    gateway = await start(quirk, relay=False)
    assert (await add(gateway, 8080)).status == 200
    assert (await add(gateway, 8080)).value("errorCode") == code
    assert len(gateway.table) == 1


async def test_m9_assigns_another_port(start: Any, add: Any) -> None:
    """The answer contains the assigned port."""
    gateway = await start("M9", relay=False)
    assert (await add(gateway, 8080, "AddAnyPortMapping")).value("NewReservedPort") == "9080"


@pytest.mark.parametrize(("quirk", "code"), [("M11-714", "714"), ("M11-402", "402"), ("M11-501", "501")])
async def test_m11_ends_a_listing_with_another_code(start: Any, soap: Any, quirk: str, code: str) -> None:
    """Other gateways answer 713."""
    gateway = await start(quirk)
    answer = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert answer.value("errorCode") == code


async def test_m14_moves_the_description(start: Any, fetch: Any) -> None:
    """The old URL does not exist after a restart."""
    gateway = await start("M14")
    before = gateway.location
    await gateway.restart()
    assert gateway.location != before
    assert (await fetch(gateway, "/rootDesc-1.xml")).status == 404
    assert (await fetch(gateway, "/rootDesc-2.xml")).status == 200


async def test_m15_keeps_only_permanent_leases(start: Any, add: Any) -> None:
    """It accepts finite ones too."""
    gateway = await start("M15", relay=False)
    assert (await add(gateway, 8080)).status == 200
    assert len(gateway.table) == 0
    await add(gateway, 8080, NewLeaseDuration=0)
    assert len(gateway.table) == 1


async def test_separate_tables_are_a_conflict_with_another_mechanism(
    start: Any, add: Any, soap: Any, client: Any
) -> None:
    """UPnP gets 729 for NAT-PMP's port and does not list it; the dummy rule is the only entry."""
    gateway = await start("tables-apart", "show-dummy-rule", relay=False)
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    await client.next()
    assert (await add(gateway, 8080)).value("errorCode") == "729"
    dummy = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert dummy.value("NewExternalPort") == "0"
    end = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=1)
    assert end.value("errorCode") == "713"


async def test_s1_has_a_disconnected_connection_first(start: Any, soap: Any) -> None:
    """Only the second one is connected."""
    gateway = await start("S1")
    for path, status in (("/ctl/WANIPConn1", "Disconnected"), ("/ctl/WANIPConn2", "Connected")):
        assert (await soap(gateway, "GetStatusInfo", path)).value("NewConnectionStatus") == status


@pytest.mark.parametrize(
    ("quirk", "address"),
    [("S2", "192.168.100.2"), ("S5", "0.0.0.0"), ("S5-empty", ""), ("S6-cgnat", "100.64.12.34")],
)
async def test_an_external_address_is_unusual(start: Any, soap: Any, quirk: str, address: str) -> None:
    """It is the one of the quirk."""
    gateway = await start(quirk)
    assert (await soap(gateway, "GetExternalIPAddress")).value("NewExternalIPAddress") == address


async def test_d8_describes_no_connection(start: Any, fetch: Any) -> None:
    """The description is otherwise complete."""
    gateway = await start("D8")
    text = (await fetch(gateway, "/rootDesc.xml")).text
    assert "InternetGatewayDevice" in text
    assert "WANIPConnection" not in text

"""Each quirk does what its line says; what is common to them is tested once."""

from __future__ import annotations

import asyncio
import re
import struct
from typing import Any

import pytest

from portmapper.api.model import Protocol
from portmapper_simulator import quirk_points
from portmapper_simulator.quirk_points import QuirkPoint
from portmapper_simulator.quirks import QUIRKS

SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\n'
    b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
)


def natpmp(external: int, lifetime: int = 600) -> bytes:
    """Write a NAT-PMP request to map TCP 8080."""
    return struct.pack("!BBHHHI", 0, 2, 0, 8080, external, lifetime)


def pcp(external: int) -> bytes:
    """Write a PCP request to map TCP 8080."""
    address = bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1])
    header = struct.pack("!BBHI16s", 2, 1, 0, 600, address)
    return header + struct.pack(
        "!12sB3xHH16s", bytes(12), 6, 8080, external, bytes(16)[:10] + b"\xff\xff" + bytes(4)
    )


def test_every_quirk_is_described_and_acts_somewhere() -> None:
    """No name without a behaviour, none without a line."""
    every = [point for point in vars(quirk_points).values() if isinstance(point, QuirkPoint)]
    acting = {name for point in every for name in (*point._changes, *point._bundles.values())}
    assert acting == set(QUIRKS)
    assert all(point._bundles.keys() <= point._changes.keys() for point in every)
    assert all(len(line) < 100 for line in QUIRKS.values())


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
    """With the error of the quirk, or not at all."""
    gateway = await start(quirk, relay=False)
    assert (await add(gateway, 8080, **changes)).value("errorCode") == code
    assert len(gateway.table) == (0 if code else 1)


@pytest.mark.parametrize(("quirk", "code"), [("M3", "718"), ("M13", "501")])
async def test_a_renewal_is_refused(start: Any, add: Any, quirk: str, code: str) -> None:
    """The first time it was granted, and it stands."""
    gateway = await start(quirk, relay=False)
    assert (await add(gateway, 8080)).status == 200
    assert (await add(gateway, 8080)).value("errorCode") == code
    assert len(gateway.table) == 1


async def test_m9_assigns_another_port(start: Any, add: Any) -> None:
    """And says which."""
    gateway = await start("M9", relay=False)
    assert (await add(gateway, 8080, "AddAnyPortMapping")).value("NewReservedPort") == "9080"


@pytest.mark.parametrize(("quirk", "code"), [("M11-714", "714"), ("M11-402", "402"), ("M11-501", "501")])
async def test_m11_ends_a_listing_oddly(start: Any, soap: Any, quirk: str, code: str) -> None:
    """Where others say 713."""
    gateway = await start(quirk)
    answer = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert answer.value("errorCode") == code


async def test_m14_moves_the_description(start: Any, fetch: Any) -> None:
    """The old place is gone after a restart."""
    gateway = await start("M14")
    before = gateway.location
    await gateway.restart()
    assert gateway.location != before
    assert (await fetch(gateway, "/rootDesc-1.xml")).status == 404
    assert (await fetch(gateway, "/rootDesc-2.xml")).status == 200


async def test_m15_forgets_finite_leases(start: Any, add: Any) -> None:
    """It accepts them, and holds only the permanent."""
    gateway = await start("M15", relay=False)
    assert (await add(gateway, 8080)).status == 200
    assert len(gateway.table) == 0
    await add(gateway, 8080, NewLeaseDuration=0)
    assert len(gateway.table) == 1


async def test_tables_apart_is_another_mechanism(start: Any, add: Any, soap: Any, client: Any) -> None:
    """UPnP gets 729 for NAT-PMP's port and does not list it; a dummy rule is all there is."""
    gateway = await start("tables-apart", "show-dummy-rule", relay=False)
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    await client.next()
    assert (await add(gateway, 8080)).value("errorCode") == "729"
    dummy = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=0)
    assert dummy.value("NewExternalPort") == "0"
    end = await soap(gateway, "GetGenericPortMappingEntry", NewPortMappingIndex=1)
    assert end.value("errorCode") == "713"


async def test_s1_has_a_disconnected_connection_first(start: Any, soap: Any) -> None:
    """Only the second is connected."""
    gateway = await start("S1")
    for path, status in (("/ctl/WANIPConn1", "Disconnected"), ("/ctl/WANIPConn2", "Connected")):
        assert (await soap(gateway, "GetStatusInfo", path)).value("NewConnectionStatus") == status


@pytest.mark.parametrize(
    ("quirk", "address"),
    [("S2", "192.168.100.2"), ("S5", "0.0.0.0"), ("S5-empty", ""), ("S6-cgnat", "100.64.12.34")],
)
async def test_an_external_address_is_odd(start: Any, soap: Any, quirk: str, address: str) -> None:
    """As the quirk says."""
    gateway = await start(quirk)
    assert (await soap(gateway, "GetExternalIPAddress")).value("NewExternalIPAddress") == address


@pytest.mark.parametrize(
    ("quirk", "found"),
    [
        ("S3-ppp", "WANPPPConnection:1"),
        ("H6-urlbase", "<URLBase>"),
        ("H4-dtd", "<!DOCTYPE"),
        ("H4-deep", "</a></a>"),
    ],
)
async def test_a_description_is_odd(start: Any, fetch: Any, quirk: str, found: str) -> None:
    """As the quirk says."""
    gateway = await start(quirk)
    assert found in (await fetch(gateway, "/rootDesc.xml")).text


async def test_d8_describes_no_connection(start: Any, fetch: Any) -> None:
    """The rest is there."""
    gateway = await start("D8")
    text = (await fetch(gateway, "/rootDesc.xml")).text
    assert "InternetGatewayDevice" in text
    assert "WANIPConnection" not in text


@pytest.mark.parametrize("quirk", ["H6-port", "H6-urlbase", "H6-urlbase-no-slash", "H6-query"])
async def test_h6_control_urls_lead_to_the_service(start: Any, fetch: Any, soap: Any, quirk: str) -> None:
    """However they are written."""
    gateway = await start(quirk)
    text = (await fetch(gateway, "/rootDesc.xml")).text
    url = next(url for url in re.findall("<controlURL>(.*?)</controlURL>", text) if "CmnIfCfg" not in url)
    path = {"http": "/ctl/WANIPConn1", "ctl/": f"/{url}", "?con": f"/rootDesc.xml{url}"}[url[:4]]
    assert (await soap(gateway, "GetStatusInfo", path)).value("NewConnectionStatus") == "Connected"


async def test_h1_is_sloppy_http(start: Any) -> None:
    """Chunked, bare line feeds, a wrong content type."""
    gateway = await start("H1")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
    writer.write(b"GET /rootDesc.xml HTTP/1.0\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\n\n")
    writer.close()
    assert b"\r" not in head
    assert b"Transfer-Encoding: chunked" in head
    assert b"application/octet-stream" in head
    assert body.endswith(b"\r\n0\r\n\r\n")


async def test_h2_and_h3_change_what_is_written(start: Any, add: Any) -> None:
    """No namespaces; faults in HTTP 200 without a description."""
    gateway = await start("H2", "H3", "H3-no-description", "M7-606")
    answer = await add(gateway, 8080)
    assert (answer.status, answer.value("errorCode")) == (200, "606")
    assert "errorDescription" not in answer.text
    assert "xmlns" not in answer.text


async def test_h7_demands_order(start: Any, soap: Any) -> None:
    """Arguments the other way round are refused, and so is a version that the service is not."""
    gateway = await start("H7", igd_version=1)
    key = {"NewRemoteHost": "", "NewExternalPort": 1, "NewProtocol": "TCP"}
    assert (await soap(gateway, "DeletePortMapping", **key)).value("errorCode") == "714"
    backwards = dict(reversed(key.items()))
    assert (await soap(gateway, "DeletePortMapping", **backwards)).value("errorCode") == "402"


@pytest.mark.parametrize(
    ("quirk", "answers"),
    [
        ("D1-multicast-only", 0),
        ("D1-unicast-only", 1),
        ("D2", 2),
        ("D3", 1),
        ("D4", 1),
        ("D5", 5),
        ("D10", 0),
    ],
)
async def test_a_unicast_search_gets_as_many_answers(
    start: Any, client: Any, quirk: str, answers: int
) -> None:
    """And no more."""
    gateway = await start(quirk)
    client.send(SEARCH, "127.0.0.1", gateway.ssdp_port)
    for _ in range(answers):
        assert b"rootDesc.xml" in await client.next() or quirk == "D2"
    assert await client.is_silent()


@pytest.mark.parametrize("quirk", [name for name in QUIRKS if name.startswith("D6")])
async def test_d6_misleads(start: Any, client: Any, quirk: str) -> None:
    """No LOCATION is the true one, but for loopback, where the test itself lives."""
    gateway = await start(quirk)
    client.send(SEARCH, "127.0.0.1", gateway.ssdp_port)
    misleads = gateway.location.encode() not in await client.next()
    assert misleads or quirk == "D6-loopback"


@pytest.mark.parametrize(
    ("quirk", "pcp_result", "natpmp_result"),
    [("P8", 8, 4), ("P9", 7, 3), ("P16", 2, 2), ("P17", 12, 3), ("S5", 7, 3)],
)
async def test_pcp_and_natpmp_refuse(
    start: Any, client: Any, quirk: str, pcp_result: int, natpmp_result: int
) -> None:
    """With the numbers of both."""
    gateway = await start(quirk, relay=False)
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[3] == pcp_result
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[3] == natpmp_result


@pytest.mark.parametrize(
    ("quirk", "port", "lifetime"),
    [("P6", 9080, 150), ("P6-port", 9080, 600), ("P6-lifetime", 8080, 150), ("P14", None, 60)],
)
async def test_natpmp_grants_something_else(
    start: Any, client: Any, quirk: str, port: int | None, lifetime: int
) -> None:
    """Another port, another lifetime."""
    gateway = await start(quirk, relay=False)
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    granted = struct.unpack("!HHI", (await client.next())[8:])
    assert granted[1:] == (port or granted[1], lifetime)
    assert gateway.table.get(Protocol.TCP, granted[1]) is not None


async def test_p15_refuses_port_0(start: Any, client: Any) -> None:
    """Over NAT-PMP; a concrete one is granted."""
    gateway = await start("P15", relay=False)
    client.send(natpmp(0), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[3] == 2
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[3] == 0


async def test_p4_is_silent_to_pcp_alone(start: Any, client: Any) -> None:
    """NAT-PMP answers."""
    gateway = await start("P4", relay=False)
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[0] == 0


async def test_p3_refuses_with_the_version_it_speaks(start: Any, client: Any) -> None:
    """Version 1, result 1."""
    gateway = await start("P3")
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[:4] == b"\x01\x81\x00\x01"


@pytest.mark.parametrize("quirk", [name for name in QUIRKS if name.startswith("P1-")])
async def test_p1_sends_the_true_answer_last(start: Any, client: Any, quirk: str) -> None:
    """What comes before differs from it, or comes from elsewhere."""
    gateway = await start(quirk, relay=False)
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    heard = [await asyncio.wait_for(client.received.get(), 5)]
    while heard[-1][0][:4] != b"\x02\x81\x00\x00" or len(heard) < 2:
        heard.append(await asyncio.wait_for(client.received.get(), 5))
    assert heard[0] != heard[-1]
    assert heard[-1][1][1] == gateway.pcp_port


async def test_p7_loses_and_repeats(start: Any, client: Any) -> None:
    """The first request is lost, the second answered twice, and there is one mapping."""
    gateway = await start("P7-loss", "P7-duplicate", relay=False)
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    assert await client.is_silent()
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    assert await client.next() == await client.next()
    assert len(gateway.table) == 1


async def test_p10_has_a_strange_clock(start: Any) -> None:
    """It stands still, or goes half as fast."""
    assert (await start("P10")).epoch == 1
    assert (await start("P10-lag")).epoch == 1800

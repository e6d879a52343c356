"""Quirks of PCP and NAT-PMP."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from portmapper.api.model import Protocol
from portmapper_simulator.quirks import QUIRKS


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


@pytest.mark.parametrize(
    ("quirk", "pcp_result", "natpmp_result"),
    [("P8", 8, 4), ("P9", 7, 3), ("P16", 2, 2), ("P17", 12, 3), ("S5", 7, 3)],
)
async def test_pcp_and_natpmp_refuse(
    start: Any, client: Any, quirk: str, pcp_result: int, natpmp_result: int
) -> None:
    """Each protocol has its own result code."""
    gateway = await start(quirk, relay=False)
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[3] == pcp_result
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[3] == natpmp_result


@pytest.mark.parametrize(
    ("quirk", "port", "lifetime"),
    [("P6", 9080, 150), ("P6-port", 9080, 600), ("P6-lifetime", 8080, 150), ("P14", None, 60)],
)
async def test_natpmp_grants_another_port_or_lifetime(
    start: Any, client: Any, quirk: str, port: int | None, lifetime: int
) -> None:
    """The table contains the granted mapping."""
    gateway = await start(quirk, relay=False)
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    granted = struct.unpack("!HHI", (await client.next())[8:])
    assert granted[1:] == (port or granted[1], lifetime)
    assert gateway.table.get(Protocol.TCP, granted[1]) is not None


async def test_p15_refuses_port_0(start: Any, client: Any) -> None:
    """A specific port is granted."""
    gateway = await start("P15", relay=False)
    client.send(natpmp(0), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[3] == 2
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[3] == 0


async def test_p4_does_not_answer_pcp(start: Any, client: Any) -> None:
    """NAT-PMP is answered."""
    gateway = await start("P4", relay=False)
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    client.send(natpmp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[0] == 0


async def test_p3_refuses_with_its_own_version(start: Any, client: Any) -> None:
    """The answer has version 1 and result 1."""
    gateway = await start("P3")
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    assert (await client.next())[:4] == b"\x01\x81\x00\x01"


@pytest.mark.parametrize("quirk", [name for name in QUIRKS if name.startswith("P1-")])
async def test_p1_sends_the_correct_answer_last(start: Any, client: Any, quirk: str) -> None:
    """Earlier answers differ, or come from another port."""
    gateway = await start(quirk, relay=False)
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    heard = [await asyncio.wait_for(client.received.get(), 60)]
    while heard[-1][0][:4] != b"\x02\x81\x00\x00" or len(heard) < 2:
        heard.append(await asyncio.wait_for(client.received.get(), 60))
    assert heard[0] != heard[-1]
    assert heard[-1][1][1] == gateway.pcp_port


async def test_p7_loses_and_repeats(start: Any, client: Any) -> None:
    """The first request is lost, the second is answered twice, and there is one mapping."""
    gateway = await start("P7-loss", "P7-duplicate", relay=False)
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    assert await client.is_silent()
    client.send(pcp(8080), "127.0.0.1", gateway.pcp_port)
    assert await client.next() == await client.next()
    assert len(gateway.table) == 1


async def test_p10_has_a_wrong_epoch(start: Any) -> None:
    """It does not advance, or runs at half speed."""
    assert (await start("P10")).epoch == 1
    assert (await start("P10-lag")).epoch == 1800


async def test_p14_forwards_to_the_port_number_that_it_granted(
    start: Any, client: Any, free_port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As VPN providers do; one number for both protocols, and it stays the same on renewal."""
    monkeypatch.setattr("random.randrange", lambda *_: free_port())
    gateway = await start("P14")
    client.send(natpmp(0), "127.0.0.1", gateway.pcp_port)
    internal, granted, lifetime = struct.unpack("!HHI", (await client.next())[8:])
    assert (internal, lifetime) == (8080, 60)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"the client")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", granted):
        reader, writer = await asyncio.open_connection(gateway.settings.external_host, granted)
        assert await reader.read() == b"the client"
        writer.close()
    for request in (natpmp(0), natpmp(0).replace(b"\x00\x02", b"\x00\x01", 1)):
        client.send(request, "127.0.0.1", gateway.pcp_port)
        assert struct.unpack("!HHI", (await client.next())[8:])[1] == granted


async def test_p14_does_not_forward_to_itself(
    start: Any, client: Any, free_port: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateway and client may have one address; the client's program has the port then."""
    monkeypatch.setattr("random.randrange", lambda *_: free_port())
    gateway = await start("P14", external_host="127.0.0.1")
    client.send(natpmp(0), "127.0.0.1", gateway.pcp_port)
    granted = struct.unpack("!HHI", (await client.next())[8:])[1]
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", granted):
        assert gateway.table.get(Protocol.TCP, granted) is not None

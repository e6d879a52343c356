"""Whatever comes in, the gateway goes on."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from portmapper_simulator.natpmp_server import answer_natpmp
from portmapper_simulator.pcp_server import answer_pcp

SEEDS = (
    b"\x02\x01\x00\x00\x00\x00\x02\x58" + bytes(10) + b"\xff\xff\x7f\x00\x00\x01"
    b"nonce-nonce-\x06\x00\x00\x00\x1f\x90\x1f\x90" + bytes(10) + b"\xff\xff\x00\x00\x00\x00"
    b"\x01\x00\x00\x10" + bytes(10) + b"\xff\xff\x7f\x00\x00\x05\x02\x00\x00\x00",
    b"\x00\x02\x00\x00\x1f\x90\x1f\x90\x00\x00\x02\x58",
)
"""A PCP request with two options, and a NAT-PMP request."""

ROUNDS = 2000


def mangled(chance: random.Random, data: bytes) -> bytes:
    """Change, cut and lengthen a packet."""
    changed = bytearray(data)
    for _ in range(chance.randrange(4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    end = chance.choice([len(changed), chance.randrange(len(changed) + 1)])
    return bytes(changed[:end]) + chance.randbytes(chance.choice([0, 0, 4, 33]))


@pytest.mark.parametrize("answer", [answer_pcp, answer_natpmp])
async def test_mangled_packets_are_answered_or_dropped(start: Any, answer: Any) -> None:
    """Never an exception, never an answer too long, and a table within its bound."""
    gateway = await start(relay=False, max_mappings=50)
    chance = random.Random(6887)
    for _ in range(ROUNDS):
        reply = await answer(gateway.state, mangled(chance, chance.choice(SEEDS)), "127.0.0.1")
        assert reply is None or len(reply) <= 1100
    assert 0 < len(gateway.table) <= 50


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"POST /ctl/WANIPConn1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /ctl/WANIPConn1 HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_turned_away(gateway: Any, request_bytes: bytes) -> None:
    """With status 400, and the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
    writer.write(request_bytes)
    try:
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    except ConnectionResetError:
        assert len(request_bytes) > 10_000  # what it did not read resets the connection
    writer.close()


@pytest.mark.parametrize(
    "body",
    [
        b"<",
        b"<a/>",
        b"<a><Body/></a>",
        b"<a><Body><b/><c/></Body></a>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a><Body><d>&b;</d></Body></a>',
        b"<a>" * 5000,
        b"\xff\xfe\x00",
    ],
)
async def test_what_is_no_soap_is_a_fault(gateway: Any, body: bytes) -> None:
    """Error 402 for all of it, but for a call of no known action."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
    head = f"POST /ctl/WANIPConn1 HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert b"<errorCode>402</errorCode>" in await reader.read()
    writer.close()

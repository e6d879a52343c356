"""Slow, large and packed bodies, and peers over IPv6: the server reads no more than it must."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import pytest

from portmapper.probe.wire import MAX_BODY, PATH
from portmapper.probe_server import service
from portmapper.probe_server.peer import Peer
from portmapper.probe_server.server import probe_server

HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server."""
    async with probe_server(ip_address("127.0.0.1"), 0) as chosen:
        yield chosen


async def answer_to(port: int, *parts: bytes) -> bytes:
    """Send the parts of a request, and return the first line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    line = await reader.readline()
    writer.close()
    return line.strip()


async def test_a_slow_body_ends_the_request(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is free again for others."""
    monkeypatch.setattr(service, "BODY_LIMIT", 0.05)
    begun = f"{HEAD}Content-Length: 100\r\n\r\n{{".encode()
    assert await answer_to(port, begun) == b"HTTP/1.1 400 Bad Request"


async def test_a_body_without_a_length_is_limited(port: int) -> None:
    """Chunks add up."""
    head = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    line = await answer_to(port, head, *[chunk] * (MAX_BODY // 1024 + 1))
    assert line.startswith(b"HTTP/1.1 413 ")  # Python 3.13 changed the phrase


async def test_a_packed_body_is_limited_unpacked(port: int) -> None:
    """A few bytes may become megabytes."""
    packed = gzip.compress(b" " * 1_000_000)
    assert len(packed) < MAX_BODY
    head = f"{HEAD}Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    assert (await answer_to(port, head + packed)).split()[1] in (b"400", b"413")


async def test_two_lengths_are_refused(port: int) -> None:
    """A proxy could see another request than the server."""
    body = json.dumps({"ports": []}).encode()
    head = f"{HEAD}Content-Length: {len(body)}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert (await answer_to(port, head + body)).endswith(b"400 Bad Request")


class Transport:
    """A connection between two addresses."""

    def __init__(self, remote: tuple[Any, ...], local: tuple[Any, ...]) -> None:
        self.names = {"peername": remote, "sockname": local}

    def get_extra_info(self, name: str) -> tuple[Any, ...]:
        """Return an end."""
        return self.names[name]


@pytest.mark.parametrize(
    ("remote", "target"),
    [
        (("fe80::1%eth0", 5, 0, 3), ("fe80::1", 80, 0, 3)),
        (("::ffff:192.0.2.1", 5, 0, 0), ("192.0.2.1", 80)),
        (("2001:db8::1", 5, 0, 0), ("2001:db8::1", 80, 0, 0)),
        (("192.0.2.1", 5), ("192.0.2.1", 80)),
    ],
)
def test_the_target_is_the_peer_on_its_link(remote: tuple[Any, ...], target: tuple[Any, ...]) -> None:
    """A link-local address keeps its link, and a mapped one is IPv4."""
    assert Peer.of(Transport(remote, remote)).endpoint(80) == target


async def test_a_malformed_request_gets_a_short_answer(port: int) -> None:
    """The answer does not quote it: the server must not send more than it was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\0" * 2000 + b"\r\n\r\n")
    answer = await reader.read(-1)
    writer.close()
    assert answer.startswith(b"HTTP/1.0 400 Bad Request")
    assert len(answer) < 500

"""NAT-PMP with raw packets."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from portmapper.api.model import Protocol

REPLY = struct.Struct("!BBHIHHI")


def map_request(internal: int, external: int, *, lifetime: int = 600, opcode: int = 2) -> bytes:
    """Return a mapping request; opcode 2 is TCP."""
    return struct.pack("!BBHHHI", 0, opcode, 0, internal, external, lifetime)


@pytest.fixture
def exchange(client: Any, gateway: Any) -> Any:
    """Return a function that sends a request to the gateway and returns the answer."""

    async def exchange(data: bytes) -> bytes:
        client.send(data, "127.0.0.1", gateway.pcp_port)
        answer: bytes = await client.next()
        return answer

    return exchange


async def test_the_external_address_is_reported(exchange: Any) -> None:
    """The answer has twelve bytes and ends with the address."""
    answer = await exchange(b"\x00\x00")
    assert answer[:4] == b"\x00\x80\x00\x00"
    assert answer[8:] == bytes([11, 22, 33, 44])


async def test_a_port_is_opened_renewed_and_closed(gateway: Any, exchange: Any, free_port: Any) -> None:
    """A renewal keeps the port (RFC 6886, section 3.3); lifetime 0 closes it (section 3.4)."""
    port = free_port()
    assert REPLY.unpack(await exchange(map_request(8080, port)))[4:] == (8080, port, 600)
    assert REPLY.unpack(await exchange(map_request(8080, free_port(), lifetime=900)))[4:] == (8080, port, 900)
    assert gateway.table.get(Protocol.TCP, port).internal_address == "127.0.0.1"
    assert REPLY.unpack(await exchange(map_request(8080, 0, lifetime=0)))[4:] == (8080, 0, 0)
    assert len(gateway.table) == 0


async def test_one_request_closes_all_of_a_protocol(gateway: Any, exchange: Any, free_port: Any) -> None:
    """Internal port 0 means all ports; those of the other protocol stay."""
    for internal, opcode in ((8080, 2), (9090, 2), (8080, 1)):
        await exchange(map_request(internal, free_port(), opcode=opcode))
    await exchange(map_request(0, 0, lifetime=0))
    assert [entry.protocol for entry in gateway.table] == [Protocol.UDP]


async def test_another_hosts_mapping_is_protected(
    gateway: Any, exchange: Any, udp_client: Any, free_port: Any
) -> None:
    """A host gets another port instead, and cannot close mappings of other hosts."""
    port = free_port()
    await exchange(map_request(8080, port))
    other = await udp_client("127.0.0.3")
    other.send(map_request(8080, port), "127.0.0.1", gateway.pcp_port)
    assert REPLY.unpack(await other.next())[5] != port
    other.send(map_request(0, 0, lifetime=0), "127.0.0.1", gateway.pcp_port)
    await other.next()
    assert [entry.external_port for entry in gateway.table] == [port]


async def test_an_unknown_opcode_is_refused(exchange: Any) -> None:
    """The result code is 5."""
    assert (await exchange(b"\x00\x07"))[:4] == b"\x00\x87\x00\x05"

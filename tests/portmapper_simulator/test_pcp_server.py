"""PCP with raw packets."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import pytest

from portmapper.api.model import Protocol

NONCE = bytes(range(12))
HEADER = struct.Struct("!BBxBII12x")
BODY = struct.Struct("!12sB3xHH16s")
PREFER_FAILURE = b"\x02\x00\x00\x00"
UNKNOWN = b"\x04\x00\x00\x00"


def mapped(address: str) -> bytes:
    """Return an IPv4 address in PCP's format."""
    return ipaddress.IPv6Address(f"::ffff:{address}").packed


def third_party(address: str) -> bytes:
    """Return a THIRD_PARTY option."""
    return b"\x01\x00\x00\x10" + mapped(address)


def map_request(
    internal: int,
    external: int = 0,
    *,
    lifetime: int = 600,
    nonce: bytes = NONCE,
    client: str = "127.0.0.1",
    protocol: int = 6,
    options: bytes = b"",
) -> bytes:
    """Return a MAP request."""
    header = struct.pack("!BBHI16s", 2, 1, 0, lifetime, mapped(client))
    return header + BODY.pack(nonce, protocol, internal, external, mapped("0.0.0.0")) + options


@pytest.fixture
def exchange(client: Any, gateway: Any) -> Any:
    """Return a function that sends a request to the gateway and returns the answer."""

    async def exchange(data: bytes) -> bytes:
        client.send(data, "127.0.0.1", gateway.pcp_port)
        answer: bytes = await client.next()
        return answer

    return exchange


@pytest.fixture
def result(exchange: Any) -> Any:
    """Return a function that sends a request and returns the result code."""

    async def result(data: bytes) -> int:
        answer: int = HEADER.unpack_from(await exchange(data))[2]
        return answer

    return result


async def test_map_opens_a_port(gateway: Any, exchange: Any, free_port: Any) -> None:
    """The answer contains the granted mapping, which is in the table."""
    port = free_port()
    answer = await exchange(map_request(8080, port))
    version, opcode, result, lifetime, epoch = HEADER.unpack_from(answer)
    nonce, protocol, internal, external, address = BODY.unpack_from(answer, 24)
    assert (version, opcode, result, lifetime) == (2, 0x81, 0, 600)
    assert (nonce, protocol, internal, external) == (NONCE, 6, 8080, port)
    assert address == mapped("11.22.33.44")
    assert abs(epoch - gateway.epoch) <= 1
    entry = gateway.table.get(Protocol.TCP, port)
    assert (entry.internal_address, entry.internal_port) == ("127.0.0.1", 8080)


async def test_a_renewal_keeps_its_port_and_needs_its_nonce(
    gateway: Any, exchange: Any, result: Any, free_port: Any
) -> None:
    """RFC 6887, section 11.3: a client with another nonce changes nothing."""
    port = free_port()
    await exchange(map_request(8080, port))
    renewed = await exchange(map_request(8080, free_port()))
    assert BODY.unpack_from(renewed, 24)[3] == port
    other_nonce = bytes(12)
    assert await result(map_request(8080, port, nonce=other_nonce)) == 2
    assert await result(map_request(8080, 0, lifetime=0, nonce=other_nonce)) == 2
    assert len(gateway.table) == 1


async def test_lifetime_0_closes(gateway: Any, exchange: Any, result: Any, free_port: Any) -> None:
    """Closing again is not an error."""
    await exchange(map_request(8080, free_port()))
    assert await result(map_request(8080, lifetime=0)) == 0
    assert await result(map_request(8080, lifetime=0)) == 0
    assert len(gateway.table) == 0


async def test_a_port_in_use_is_replaced_or_refused(exchange: Any, result: Any, free_port: Any) -> None:
    """PREFER_FAILURE decides (section 13.2)."""
    port = free_port()
    await exchange(map_request(8080, port))
    other = await exchange(map_request(9090, port, nonce=bytes(12)))
    assert BODY.unpack_from(other, 24)[3] != port
    assert await result(map_request(7070, port, options=PREFER_FAILURE)) == 11


async def test_third_party_maps_for_another_host(
    gateway: Any, exchange: Any, result: Any, free_port: Any
) -> None:
    """The reply repeats the option; with the client's own address it is malformed (section 13.1)."""
    port = free_port()
    answer = await exchange(map_request(8080, port, options=third_party("127.0.0.5")))
    assert answer.endswith(third_party("127.0.0.5"))
    assert gateway.table.get(Protocol.TCP, port).internal_address == "127.0.0.5"
    assert await result(map_request(8081, options=third_party("127.0.0.1"))) == 3


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x01" + map_request(80)[1:], 1),
        (map_request(80)[:40], 3),
        (map_request(80) + b"\x00", 3),
        (map_request(80) + bytes(1100), 3),
        (map_request(80)[:1] + b"\x02" + map_request(80)[2:], 4),
        (map_request(80, options=UNKNOWN), 5),
        (map_request(80, options=b"\x03\x00\x00\x14" + bytes([0, 32, 0, 0]) + bytes(16)), 6),
        (map_request(80, options=b"\x03\x00\x00\x14" + bytes([0, 128, 0, 80]) + bytes(16)), 6),
        (map_request(80, options=PREFER_FAILURE * 2), 6),
        (map_request(80, options=b"\x01\x00\x00\x10"), 6),
        (map_request(80, protocol=132), 9),
        (map_request(0), 9),
        (map_request(80, client="10.0.0.1"), 12),
    ],
)
async def test_bad_requests_get_their_result(result: Any, data: bytes, code: int) -> None:
    """Each has the result code of RFC 6887."""
    assert await result(data) == code


def remote_filter(length: int, address: str) -> bytes:
    """Return a FILTER option for every remote port."""
    return b"\x03\x00\x00\x14" + bytes([0, length, 0, 0]) + mapped(address)


@pytest.mark.parametrize(
    ("length", "remote"), [(128, "198.51.100.7/32"), (120, "198.51.100.0/24"), (0, "None")]
)
async def test_a_filter_is_kept_with_the_entry(
    result: Any, gateway: Any, free_port: Any, length: int, remote: str
) -> None:
    """Prefix length 0 is no filter."""
    port = free_port()
    assert await result(map_request(8080, port, options=remote_filter(length, "198.51.100.7"))) == 0
    assert str(gateway.table.get(Protocol.TCP, port).remote) == remote


async def test_a_filter_can_be_refused_or_ignored(start: Any, client: Any, free_port: Any) -> None:
    """As by real gateways."""
    for quirk, code in (("no-filter", 5), ("filter-ignored", 0)):
        gateway, port = await start(quirk), free_port()
        client.send(
            map_request(8080, port, options=remote_filter(128, "198.51.100.7")), "127.0.0.1", gateway.pcp_port
        )
        assert (await client.next())[3] == code
        assert [entry.remote for entry in gateway.table] == [None] * (code == 0)


async def test_an_unknown_optional_option_is_ignored(result: Any, free_port: Any) -> None:
    """Codes from 128 are optional (section 7.3)."""
    assert await result(map_request(8080, free_port(), options=b"\x80\x00\x00\x00")) == 0


async def test_announce_is_answered(exchange: Any, gateway: Any) -> None:
    """The answer contains the epoch (section 14.1)."""
    answer = await exchange(struct.pack("!BBHI16s", 2, 0, 0, 0, mapped("127.0.0.1")))
    assert HEADER.unpack_from(answer)[:4] == (2, 0x80, 0, 0)


async def test_answers_and_junk_are_not_answered(gateway: Any, client: Any) -> None:
    """Otherwise two servers could answer each other endlessly."""
    for data in (b"", b"\x02", b"\x02\x81" + bytes(58)):
        client.send(data, "127.0.0.1", gateway.pcp_port)
    assert await client.is_silent()

"""NAT-PMP packets, byte by byte as in RFC 6886."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import Unsupported
from portmapper.api.model import Protocol
from portmapper_pcp import natpmp_codec
from portmapper_pcp.natpmp_codec import Reply
from portmapper_pcp.wire import MalformedPacket


def test_address_request() -> None:
    """The request is two zero bytes (section 3.2)."""
    assert natpmp_codec.address_request() == b"\0\0"


@pytest.mark.parametrize(("protocol", "opcode"), [(Protocol.UDP, "01"), (Protocol.TCP, "02")])
def test_map_request(protocol: Protocol, opcode: str) -> None:
    """Twelve bytes; UDP is opcode 1 and TCP is opcode 2 (section 3.3)."""
    packet = natpmp_codec.map_request(protocol, 80, 8080, 7200)
    assert packet.hex() == "00" + opcode + "000000501f9000001c20"


def test_address_reply() -> None:
    """Twelve bytes with epoch and address."""
    reply = natpmp_codec.read_reply(bytes.fromhex("0080000000000064cb007107"))
    assert reply == Reply(0, 0, 100, ipaddress.IPv4Address("203.0.113.7"))
    assert reply.key == natpmp_codec.ADDRESS_KEY


def test_map_reply() -> None:
    """Sixteen bytes with internal port, external port and lifetime."""
    reply = natpmp_codec.read_reply(bytes.fromhex("008200000000006400501f9100000e10"))
    assert reply == Reply(2, 0, 100, internal_port=80, external_port=8081, lifetime=3600)
    assert reply.key == natpmp_codec.map_key(Protocol.TCP, 80)


@pytest.mark.parametrize("opcode", [0, 1, 2])
def test_an_error_may_end_after_the_header(opcode: int) -> None:
    """Some gateways send an error in eight bytes, which py-natpmp alone cannot parse."""
    reply = natpmp_codec.read_reply(bytes([0, 0x80 | opcode, 0, 2]) + bytes(4))
    assert reply.result == 2
    assert reply.key == (opcode,)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(7),
        bytes.fromhex("0000000000000000"),
        bytes.fromhex("0082000000000000"),
        b"\x09\x80" + bytes(10),
    ],
    ids=["empty", "7", "a request", "success without a body", "version 9"],
)
def test_what_is_no_response_is_malformed(packet: bytes) -> None:
    """Such packets are dropped."""
    with pytest.raises(MalformedPacket):
        natpmp_codec.read_reply(packet)


def test_a_pcp_only_gateway_is_unsupported() -> None:
    """It answers with its own version and UNSUPP_VERSION (RFC 6887 section 9)."""
    with pytest.raises(Unsupported, match="PCP only"):
        natpmp_codec.read_reply(bytes([2, 0x80, 0, 1]) + bytes(20))


@given(st.binary(max_size=40))
def test_any_bytes_are_parsed_or_rejected(packet: bytes) -> None:
    """The parser raises only our own errors."""
    with contextlib.suppress(MalformedPacket, Unsupported):
        natpmp_codec.read_reply(packet)

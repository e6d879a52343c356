"""PCP packets, byte by byte as in RFC 6887."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import Unsupported
from portmapper_pcp import pcp_codec
from portmapper_pcp.pcp_codec import MapData
from portmapper_pcp.wire import MalformedPacket

CLIENT = ipaddress.ip_address("192.168.1.5")
ANY = ipaddress.ip_address("0.0.0.0")
NONCE = bytes(range(12))
MAPPED_CLIENT = "00000000000000000000ffffc0a80105"
MAP_HEADER = "0201000000000e10" + MAPPED_CLIENT
MAP_BODY = "000102030405060708090a0b0600000000501f9000000000000000000000ffff00000000"
DATA = MapData(NONCE, 6, 80, 8080, ANY)
MAP_REPLY = bytes.fromhex(
    "02810000"
    "00000708"
    "00000064" + "00" * 12 + "000102030405060708090a0b"
    "06000000"
    "0050"
    "1f91"
    "00000000000000000000ffffcb007107"
)


def test_announce_request() -> None:
    """An ANNOUNCE request is only a header with lifetime 0 (section 14.1)."""
    assert pcp_codec.announce_request(CLIENT).hex() == "0200000000000000" + MAPPED_CLIENT


def test_map_request() -> None:
    """A MAP request is header and body, 60 bytes (section 11.1)."""
    assert pcp_codec.map_request(CLIENT, DATA, 3600).hex() == MAP_HEADER + MAP_BODY


def test_options_follow_the_body_and_pad_to_four_bytes() -> None:
    """THIRD_PARTY contains an address, PREFER_FAILURE nothing (sections 13.1, 13.2)."""
    packet = pcp_codec.map_request(
        CLIENT, DATA, 3600, third_party=ipaddress.ip_address("192.168.1.9"), prefer_failure=True
    )
    options = "0100001000000000000000000000ffffc0a8010902000000"
    assert packet.hex() == MAP_HEADER + MAP_BODY + options
    assert len(packet) % 4 == 0


@pytest.mark.parametrize(
    ("remote", "option"),
    [
        ("198.51.100.7", "03000014" + "00800000" + "00000000000000000000ffffc6336407"),
        ("198.51.100.0/24", "03000014" + "00780000" + "00000000000000000000ffffc6336400"),
        ("2001:db8::/32", "03000014" + "00200000" + "20010db8000000000000000000000000"),
    ],
)
def test_a_filter_names_the_remote_hosts(remote: str, option: str) -> None:
    """The prefix length counts the bits of the v4-mapped form, and the port is any (section 13.3)."""
    packet = pcp_codec.map_request(CLIENT, DATA, 3600, remote=ipaddress.ip_network(remote))
    assert packet.hex() == MAP_HEADER + MAP_BODY + option


def test_map_reply() -> None:
    """A granted mapping has lifetime, epoch, and the assigned port and address."""
    reply = pcp_codec.read_reply(MAP_REPLY)
    assert (reply.opcode, reply.result, reply.lifetime, reply.epoch) == (1, 0, 1800, 100)
    assert reply.mapping == MapData(NONCE, 6, 80, 8081, ipaddress.ip_address("203.0.113.7"))
    assert reply.key == DATA.key


def test_ipv6_addresses_keep_their_sixteen_bytes() -> None:
    """Both families use the same packet; only IPv4 is mapped."""
    for text in ("2001:db8::1", "192.0.2.1", "::", "0.0.0.0"):
        address = ipaddress.ip_address(text)
        assert pcp_codec.unpack_address(pcp_codec.pack_address(address)) == address


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        MAP_REPLY[:3],
        MAP_REPLY[:23],
        MAP_REPLY[:43],
        MAP_REPLY + bytes(2000),
        b"\x02\x01" + MAP_REPLY[2:],
        b"\x07" + MAP_REPLY[1:],
    ],
    ids=["empty", "3", "23", "no whole body", "too long", "a request", "version 7"],
)
def test_what_is_no_response_is_malformed(packet: bytes) -> None:
    """Section 8.3 requires to drop such packets."""
    with pytest.raises(MalformedPacket):
        pcp_codec.read_reply(packet)


def test_p20_a_cut_or_padded_reply_is_read() -> None:
    """The address may be missing, and an error may be the header alone."""
    cut = pcp_codec.read_reply(MAP_REPLY[:44])
    assert cut.key == DATA.key
    assert cut.mapping is not None
    assert cut.mapping.external_port == 8081
    assert cut.mapping.external_address.is_unspecified
    assert pcp_codec.read_reply(MAP_REPLY + bytes(1101)) == pcp_codec.read_reply(MAP_REPLY)
    assert pcp_codec.read_reply(b"\x02\x81\0\x02" + bytes(20)).key == (1,)


def test_p2_version_0_means_nat_pmp_only() -> None:
    """NAT-PMP refuses PCP with eight bytes of version 0 and result 1."""
    with pytest.raises(Unsupported, match="NAT-PMP only"):
        pcp_codec.read_reply(bytes.fromhex("0080000100000005"))


@pytest.mark.parametrize("offered", [1, 3])
def test_p3_another_version_is_unsupported(offered: int) -> None:
    """UNSUPP_VERSION names the version of the gateway (section 9); we speak only version 2."""
    with pytest.raises(Unsupported, match=f"offers {offered}"):
        pcp_codec.read_reply(bytes([offered, 0x80, 0, 1]) + bytes(20))


@given(st.binary(max_size=1200))
def test_any_bytes_are_parsed_or_rejected(packet: bytes) -> None:
    """The parser raises only our own errors."""
    _read(packet)


@given(st.binary(min_size=58, max_size=100))
def test_any_body_is_parsed_or_rejected(rest: bytes) -> None:
    """The same with a valid header."""
    _read(b"\x02\x81" + rest)


def _read(packet: bytes) -> None:
    with contextlib.suppress(MalformedPacket, Unsupported):
        pcp_codec.read_reply(packet)

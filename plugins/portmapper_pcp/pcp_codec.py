"""PCP packets (RFC 6887 sections 7, 11, 13, 14): bytes to values and back. No input or output."""

from __future__ import annotations

import enum
import ipaddress
import struct

import attrs

from portmapper.api import IPAddress, Protocol, Unsupported
from portmapper_pcp.wire import MAX_PACKET, RESPONSE_BIT, Key, MalformedPacket

VERSION = 2
NONCE_LENGTH = 12
NUMBERS = {Protocol.TCP: 6, Protocol.UDP: 17}
"""IANA's protocol numbers."""

_REQUEST = struct.Struct("!BBxxI16s")
_RESPONSE = struct.Struct("!BBxBII12x")
_MAP = struct.Struct("!12sB3xHH16s")
_OPTION = struct.Struct("!BxH")
_V4_MAPPED = bytes(10) + b"\xff\xff"


class Opcode(enum.IntEnum):
    """The opcodes we send."""

    ANNOUNCE = 0
    MAP = 1


class Result(enum.IntEnum):
    """Result codes, section 7.4."""

    SUCCESS = 0
    UNSUPP_VERSION = 1
    NOT_AUTHORIZED = 2
    MALFORMED_REQUEST = 3
    UNSUPP_OPCODE = 4
    UNSUPP_OPTION = 5
    MALFORMED_OPTION = 6
    NETWORK_FAILURE = 7
    NO_RESOURCES = 8
    UNSUPP_PROTOCOL = 9
    USER_EX_QUOTA = 10
    CANNOT_PROVIDE_EXTERNAL = 11
    ADDRESS_MISMATCH = 12
    EXCESSIVE_REMOTE_PEERS = 13


class Option(enum.IntEnum):
    """The options we send; codes below 128 must be obeyed or refused."""

    THIRD_PARTY = 1
    PREFER_FAILURE = 2


@attrs.frozen
class MapData:
    """The body of a MAP request or response.

    Attributes:
        nonce: 12 bytes, the same for one mapping's whole life.
        protocol: IANA number; 6 is TCP, 17 is UDP.
        internal_port: port on the internal host.
        external_port: suggested in a request, assigned in a response; 0 for any.
        external_address: likewise; the unspecified address for any.
    """

    nonce: bytes
    protocol: int
    internal_port: int
    external_port: int
    external_address: IPAddress

    @property
    def key(self) -> Key:
        """What a response has in common with its request (section 11.4)."""
        return (Opcode.MAP, self.nonce, self.protocol, self.internal_port)


@attrs.frozen
class Reply:
    """A response of version 2.

    Attributes:
        opcode: without the response bit.
        result: a `Result`, or a number that this page does not know.
        lifetime: seconds granted, or on an error how long it is expected to last.
        epoch: the server's seconds since it last lost its state.
        mapping: what was mapped, None unless the opcode is MAP.
    """

    opcode: int
    result: int
    lifetime: int
    epoch: int
    mapping: MapData | None = None

    @property
    def key(self) -> Key:
        """The key of the request that it answers."""
        return self.mapping.key if self.mapping else (self.opcode,)


ANNOUNCE_KEY: Key = (Opcode.ANNOUNCE,)


def announce_request(client: IPAddress) -> bytes:
    """Write an ANNOUNCE request: no data, and the server answers with its epoch (section 14.1)."""
    return _REQUEST.pack(VERSION, Opcode.ANNOUNCE, 0, pack_address(client))


def map_request(
    client: IPAddress,
    data: MapData,
    lifetime: int,
    *,
    third_party: IPAddress | None = None,
    prefer_failure: bool = False,
) -> bytes:
    """Write a MAP request.

    Args:
        client: the address that the request is sent from.
        data: what to map.
        lifetime: seconds; 0 deletes (section 15.1).
        third_party: the host to map for, when that is not the client (section 13.1).
        prefer_failure: refuse rather than assign another port than suggested (section 13.2).
    """
    packet = _REQUEST.pack(VERSION, Opcode.MAP, lifetime, pack_address(client)) + _MAP.pack(
        data.nonce,
        data.protocol,
        data.internal_port,
        data.external_port,
        pack_address(data.external_address),
    )
    if third_party is not None:
        packet += _OPTION.pack(Option.THIRD_PARTY, 16) + pack_address(third_party)
    if prefer_failure:
        packet += _OPTION.pack(Option.PREFER_FAILURE, 0)
    return packet


def read_reply(packet: bytes) -> Reply:
    """Read a response. Options are not looked at: none of them changes what was granted.

    Raises:
        MalformedPacket: it is no response; section 8.3 has it dropped.
        Unsupported: the gateway speaks another version (section 9).
    """
    if not 4 <= len(packet) <= MAX_PACKET or not packet[1] & RESPONSE_BIT:
        raise MalformedPacket("no PCP response")
    _check_version(packet)
    if len(packet) < _RESPONSE.size or len(packet) % 4:
        raise MalformedPacket(f"a PCP response of {len(packet)} bytes")
    _, opcode, result, lifetime, epoch = _RESPONSE.unpack_from(packet)
    opcode &= ~RESPONSE_BIT
    mapping = _read_map(packet) if opcode == Opcode.MAP else None
    return Reply(opcode, result, lifetime, epoch, mapping)


def is_announcement(reply: Reply) -> bool:
    """Tell whether a multicast reply says that the server lost its state (section 14.1.2)."""
    return reply.opcode == Opcode.ANNOUNCE and reply.result == Result.SUCCESS


def pack_address(address: IPAddress) -> bytes:
    """Write an address as 16 bytes, an IPv4 one as v4-mapped (section 5)."""
    return _V4_MAPPED + address.packed if address.version == 4 else address.packed


def unpack_address(packed: bytes) -> IPAddress:
    """Read what `pack_address` wrote."""
    if packed.startswith(_V4_MAPPED):
        return ipaddress.IPv4Address(packed[12:])
    return ipaddress.IPv6Address(packed)


def _check_version(packet: bytes) -> None:
    """A gateway that answers in another version does not speak ours; it never falls back unasked.

    NAT-PMP only gateways answer with version 0: most with result 1 in 8 bytes, some take the opcode at
    its word and answer as if the request had been their own.
    """
    version, result = packet[0], packet[3]
    if version == 0:
        raise Unsupported("the gateway speaks NAT-PMP only, not PCP", code=result)
    if result == Result.UNSUPP_VERSION:
        raise Unsupported(f"the gateway refuses PCP version {VERSION} and offers {version}", code=result)
    if version != VERSION:
        raise MalformedPacket(f"a response of version {version}")


def _read_map(packet: bytes) -> MapData:
    if len(packet) < _RESPONSE.size + _MAP.size:
        raise MalformedPacket(f"a MAP response of {len(packet)} bytes")
    nonce, protocol, internal, external, address = _MAP.unpack_from(packet, _RESPONSE.size)
    return MapData(nonce, protocol, internal, external, unpack_address(address))

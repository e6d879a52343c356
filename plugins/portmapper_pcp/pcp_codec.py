"""PCP packets (RFC 6887 sections 7, 11, 13, 14): conversion between bytes and values. No I/O."""

from __future__ import annotations

import enum
import ipaddress
import struct

from portmapper.api import IPAddress, IPNetwork, Protocol, Unsupported
from portmapper.support.values import frozen
from portmapper_pcp.wire import MAX_PACKET, PCP_VERSION, RESPONSE_BIT, Key, MalformedPacket

NONCE_LENGTH = 12
NUMBERS = {Protocol.TCP: 6, Protocol.UDP: 17}
"""IANA protocol numbers."""

_REQUEST = struct.Struct("!BBxxI16s")
_RESPONSE = struct.Struct("!BBxBII12x")
_MAP = struct.Struct("!12sB3xHH16s")
_MAP_WITHOUT_ADDRESS = _MAP.size - 16
_OPTION = struct.Struct("!BxH")
_FILTER = struct.Struct("!xBH16s")
_V4_MAPPED = bytes(10) + b"\xff\xff"


class Opcode(enum.IntEnum):
    """The opcodes that are sent."""

    ANNOUNCE = 0
    MAP = 1


class Result(enum.IntEnum):
    """The result codes of section 7.4."""

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
    """The options that are sent; a server must process or refuse codes below 128."""

    THIRD_PARTY = 1
    PREFER_FAILURE = 2
    FILTER = 3


@frozen
class MapData:
    """The body of a MAP request or response.

    Attributes:
        nonce: 12 bytes, constant for the whole life of a mapping.
        protocol: IANA number; 6 is TCP, 17 is UDP.
        internal_port: port on the internal host.
        external_port: suggested in a request, assigned in a response; 0 for any port.
        external_address: suggested or assigned likewise; the unspecified address for any address.
    """

    nonce: bytes
    protocol: int
    internal_port: int
    external_port: int
    external_address: IPAddress

    @property
    def key(self) -> Key:
        """The fields that a response shares with its request (section 11.4)."""
        return (Opcode.MAP, self.nonce, self.protocol, self.internal_port)


@frozen
class Reply:
    """A response of version 2.

    Attributes:
        opcode: the opcode without the response bit.
        result: a `Result`, or an unknown number.
        lifetime: the granted seconds; for an error, how long the error is expected to last.
        epoch: seconds since the server last lost its state.
        mapping: the mapping, None unless the opcode is MAP; an error may omit it (P20).
    """

    opcode: int
    result: int
    lifetime: int
    epoch: int
    mapping: MapData | None = None

    @property
    def external_port(self) -> int:
        """The assigned external port, 0 without a mapping."""
        return self.mapping.external_port if self.mapping else 0

    @property
    def key(self) -> Key:
        """The key of the matching request."""
        return self.mapping.key if self.mapping else (self.opcode,)


ANNOUNCE_KEY: Key = (Opcode.ANNOUNCE,)


def announce_request(client: IPAddress) -> bytes:
    """Build an ANNOUNCE request; it has no data, and the server answers with its epoch (section 14.1)."""
    return _REQUEST.pack(PCP_VERSION, Opcode.ANNOUNCE, 0, pack_address(client))


def map_request(
    client: IPAddress,
    data: MapData,
    lifetime: int,
    *,
    third_party: IPAddress | None = None,
    prefer_failure: bool = False,
    remote: IPNetwork | None = None,
) -> bytes:
    """Build a MAP request.

    Args:
        client: the address that the request is sent from.
        data: the mapping.
        lifetime: seconds; 0 deletes the mapping (section 15.1).
        third_party: the host to map to, if it is not the client (section 13.1).
        prefer_failure: ask for a refusal instead of another port than suggested (section 13.2).
        remote: the only hosts that may connect (section 13.3).
    """
    packet = _REQUEST.pack(PCP_VERSION, Opcode.MAP, lifetime, pack_address(client)) + _MAP.pack(
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
    return packet + (_filter(remote) if remote is not None else b"")


def _filter(remote: IPNetwork) -> bytes:
    """Return the option; port 0 is every remote port.

    The prefix length counts all 128 bits, also of a v4-mapped address. Each request repeats the filter: the
    server adds it only once, and a server that lost its table needs it.
    """
    prefix = remote.prefixlen + (96 if remote.version == 4 else 0)
    return _OPTION.pack(Option.FILTER, _FILTER.size) + _FILTER.pack(
        prefix, 0, pack_address(remote.network_address)
    )


def read_reply(packet: bytes) -> Reply:
    """Parse a response; ignore options, because none of them changes the grant.

    Some servers cut or pad their responses, to other lengths than multiples of four (P20).

    Raises:
        MalformedPacket: it is no response; section 8.3 requires to drop it.
        Unsupported: the gateway speaks another version (section 9).
    """
    if not 4 <= len(packet) <= MAX_PACKET or not packet[1] & RESPONSE_BIT:
        raise MalformedPacket("no PCP response")
    _check_version(packet)
    if len(packet) < _RESPONSE.size:
        raise MalformedPacket(f"a PCP response of {len(packet)} bytes")
    _, opcode, result, lifetime, epoch = _RESPONSE.unpack_from(packet)
    opcode &= ~RESPONSE_BIT
    is_bare_error = result != Result.SUCCESS and len(packet) < _RESPONSE.size + _MAP_WITHOUT_ADDRESS
    mapping = _read_map(packet) if opcode == Opcode.MAP and not is_bare_error else None
    return Reply(opcode, result, lifetime, epoch, mapping)


def is_announcement(reply: Reply) -> bool:
    """Tell whether a multicast reply announces that the server lost its state (section 14.1.2)."""
    return reply.opcode == Opcode.ANNOUNCE and reply.result == Result.SUCCESS


def pack_address(address: IPAddress) -> bytes:
    """Encode an address in 16 bytes, an IPv4 address as v4-mapped (section 5)."""
    return _V4_MAPPED + address.packed if address.version == 4 else address.packed


def unpack_address(packed: bytes) -> IPAddress:
    """Decode an address that `pack_address` encoded."""
    if packed.startswith(_V4_MAPPED):
        return ipaddress.IPv4Address(packed[12:])
    return ipaddress.IPv6Address(packed)


def _check_version(packet: bytes) -> None:
    """Check the version: a gateway that answers with another version does not speak ours.

    NAT-PMP-only gateways answer with version 0. Most send result 1 in 8 bytes; some interpret the opcode
    and answer as if the request were NAT-PMP.
    """
    version, result = packet[0], packet[3]
    if version == 0:
        raise Unsupported("the gateway speaks NAT-PMP only, not PCP", code=result)
    if result == Result.UNSUPP_VERSION:
        raise Unsupported(f"the gateway refuses PCP version {PCP_VERSION} and offers {version}", code=result)
    if version != PCP_VERSION:
        raise MalformedPacket(f"a response of version {version}")


def _read_map(packet: bytes) -> MapData:
    if len(packet) < _RESPONSE.size + _MAP_WITHOUT_ADDRESS:
        raise MalformedPacket(f"a MAP response of {len(packet)} bytes")
    padded = packet.ljust(_RESPONSE.size + _MAP.size, b"\0")
    nonce, protocol, internal, external, address = _MAP.unpack_from(padded, _RESPONSE.size)
    return MapData(nonce, protocol, internal, external, unpack_address(address))

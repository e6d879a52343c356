"""NAT-PMP packets (RFC 6886 section 3), based on py-natpmp's classes, which do not check any length."""

from __future__ import annotations

import ipaddress

from portmapper.api import Protocol, Unsupported
from portmapper.support.values import frozen
from portmapper_pcp.natpmp_library import natpmp
from portmapper_pcp.wire import MAX_PACKET, NATPMP_VERSION, RESPONSE_BIT, Key, MalformedPacket

ADDRESS_OPCODE = 0
MAP_OPCODES = {Protocol.UDP: natpmp.NATPMP_PROTOCOL_UDP, Protocol.TCP: natpmp.NATPMP_PROTOCOL_TCP}
ADDRESS_KEY: Key = (ADDRESS_OPCODE,)

_PCP_VERSIONS = (1, 2)
_HEADER_LENGTH = 8
_ADDRESS_LENGTH = 12
_MAP_LENGTH = 16


@frozen
class Reply:
    """A response to either kind of request; missing fields are zero or None.

    Attributes:
        opcode: the opcode without the response bit.
        result: the result code, 0 for success.
        epoch: seconds since the gateway last lost its table.
        address: the external address.
        internal_port: the internal port, None if the server omits it.
        external_port: the granted external port.
        lifetime: the granted lifetime in seconds.
    """

    opcode: int
    result: int
    epoch: int
    address: ipaddress.IPv4Address | None = None
    internal_port: int | None = None
    external_port: int = 0
    lifetime: int = 0

    @property
    def key(self) -> Key:
        """The key of the matching request, or only its start if the port is missing."""
        return (self.opcode,) if self.internal_port is None else (self.opcode, self.internal_port)


def address_request() -> bytes:
    """Build a request for the external address."""
    return bytes(natpmp.PublicAddressRequest().toBytes())


def map_request(protocol: Protocol, internal_port: int, external_port: int, lifetime: int) -> bytes:
    """Build a mapping request; lifetime 0 and external port 0 delete the mapping (section 3.4)."""
    request = natpmp.PortMapRequest(MAP_OPCODES[protocol], internal_port, external_port, lifetime)
    return bytes(request.toBytes())


def map_key(protocol: Protocol, internal_port: int) -> Key:
    """Return the key of a mapping request."""
    return (MAP_OPCODES[protocol], internal_port)


def read_reply(packet: bytes) -> Reply:
    """Parse a response; an error response may end after the header.

    Raises:
        MalformedPacket: it is no response.
        Unsupported: the gateway speaks PCP only.
    """
    if not _HEADER_LENGTH <= len(packet) <= MAX_PACKET or not packet[1] & RESPONSE_BIT:
        raise MalformedPacket("no NAT-PMP response")
    if packet[0] in _PCP_VERSIONS:
        raise Unsupported("the gateway speaks PCP only, not NAT-PMP")
    if packet[0] != NATPMP_VERSION:
        raise MalformedPacket(f"a response of version {packet[0]}")
    opcode = packet[1] & ~RESPONSE_BIT
    if opcode == ADDRESS_OPCODE and len(packet) >= _ADDRESS_LENGTH:
        response = natpmp.PublicAddressResponse(packet)
        address = ipaddress.IPv4Address(response.ip_int)
        return Reply(opcode, response.result, response.sec_since_epoch, address)
    if opcode in MAP_OPCODES.values() and len(packet) >= _MAP_LENGTH:
        made = natpmp.PortMapResponse(packet)
        return Reply(
            opcode,
            made.result,
            made.sec_since_epoch,
            internal_port=made.private_port or None,  # some servers always answer with 0 (P23)
            external_port=made.public_port,
            lifetime=made.lifetime,
        )
    return _read_error(packet, opcode)


def _read_error(packet: bytes, opcode: int) -> Reply:
    result = int.from_bytes(packet[2:4], "big")
    if result == natpmp.NATPMP_RESULT_SUCCESS:
        raise MalformedPacket(f"a NAT-PMP response of {len(packet)} bytes")
    return Reply(opcode, result, int.from_bytes(packet[4:8], "big"))

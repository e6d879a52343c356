"""PCP server: one request in, one answer out (RFC 6887)."""

from __future__ import annotations

import ipaddress
import struct

import attrs

from portmapper.api import Protocol
from portmapper_simulator import udp_points
from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.mapping import delete_mapping, grant_mapping
from portmapper_simulator.state import State
from portmapper_simulator.udp_points import MappingRequest

VERSION = 2
RESPONSE = 0x80
ANNOUNCE, MAP = 0, 1
THIRD_PARTY, PREFER_FAILURE, FILTER = 1, 2, 3
OPTIONAL = 128
"""First option code that a server may ignore (section 7.3)."""

MAX_MESSAGE = 1100
HEADER = struct.Struct("!BBHI16s")
REPLY_HEADER = struct.Struct("!BBBBII12x")
MAP_BODY = struct.Struct("!12sB3xHH16s")
OPTION = struct.Struct("!BxH")
FILTER_BODY = struct.Struct("!xBH16s")

PROTOCOLS = {6: Protocol.TCP, 17: Protocol.UDP}

RESULTS = {
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.NOT_AUTHORIZED: 2,
    Reason.MALFORMED: 3,
    Reason.UNSUPPORTED_OPCODE: 4,
    Reason.UNSUPPORTED_OPTION: 5,
    Reason.MALFORMED_OPTION: 6,
    Reason.NETWORK_FAILURE: 7,
    Reason.NO_RESOURCES: 8,
    Reason.UNSUPPORTED_PROTOCOL: 9,
    Reason.CANNOT_PROVIDE_EXTERNAL: 11,
    Reason.ADDRESS_MISMATCH: 12,
}

SHORT_ERROR, LONG_ERROR = 30, 1800
"""Lifetimes of errors in seconds (section 7.4); short ones are for temporary conditions."""

SHORT_ERRORS = {Reason.NETWORK_FAILURE, Reason.NO_RESOURCES, Reason.CANNOT_PROVIDE_EXTERNAL}


@attrs.frozen
class _Map:
    """A well-formed MAP request."""

    nonce: bytes
    protocol: Protocol
    internal_port: int
    external_port: int
    external_address: ipaddress.IPv4Address
    internal_address: str
    exact: bool
    remote: ipaddress.IPv4Network | None
    options: bytes


async def answer_pcp(state: State, data: bytes, sender: str) -> bytes | None:
    """Return the answer to a datagram, or None if it is not a request."""
    if len(data) < 2 or data[1] & RESPONSE:
        return None
    try:
        lifetime, body = await _handle(state, data, sender)
    except Refused as refused:
        return _refusal(state, data, refused)
    return _header(state, data[1], 0, lifetime) + body


def announcement(state: State) -> bytes:
    """Return the ANNOUNCE message for a restart (section 14.1.1)."""
    return _header(state, ANNOUNCE, 0, 0)


def unsupported_version(state: State, data: bytes) -> bytes:
    """Return the refusal of an unsupported version, with the supported one (section 9)."""
    return _refusal(state, data, Refused(Reason.UNSUPPORTED_VERSION))


async def _handle(state: State, data: bytes, sender: str) -> tuple[int, bytes]:
    if data[0] != udp_points.PCP_VERSION.apply(state.quirks, VERSION):
        raise Refused(Reason.UNSUPPORTED_VERSION)
    if not HEADER.size <= len(data) <= MAX_MESSAGE or len(data) % 4:
        raise Refused(Reason.MALFORMED)
    _, opcode, _, lifetime, client = HEADER.unpack_from(data)
    if _ipv4(client) != ipaddress.IPv4Address(sender):
        raise Refused(Reason.ADDRESS_MISMATCH)
    if opcode == ANNOUNCE:
        state.log_request("pcp", "ANNOUNCE", sender)
        return 0, b""
    if opcode != MAP:
        raise Refused(Reason.UNSUPPORTED_OPCODE)
    return await _map(state, _read_map(state, data, sender), lifetime, sender)


async def _map(state: State, requested: _Map, lifetime: int, sender: str) -> tuple[int, bytes]:
    state.log_request("pcp", "MAP", sender, lifetime=lifetime, **attrs.asdict(requested))
    request = MappingRequest(
        mechanism="pcp",
        caller=sender,
        protocol=requested.protocol,
        internal_address=requested.internal_address,
        internal_port=requested.internal_port,
        external_port=requested.external_port,
        lifetime=lifetime,
        exact=requested.exact,
        remote=requested.remote,
        nonce=requested.nonce,
    )
    if lifetime == 0:
        delete_mapping(state, request)
        return 0, _map_body(requested, requested.external_port, requested.external_address)
    address = ipaddress.IPv4Address(state.external_address)
    if address.is_unspecified:
        raise Refused(Reason.NETWORK_FAILURE)
    if (
        requested.exact
        and not requested.external_address.is_unspecified
        and requested.external_address != address
    ):
        raise Refused(Reason.CANNOT_PROVIDE_EXTERNAL)
    entry = await grant_mapping(state, request)
    return state.nat.table.remaining(entry), _map_body(requested, entry.external_port, address)


def _read_map(state: State, data: bytes, sender: str) -> _Map:
    if len(data) < HEADER.size + MAP_BODY.size:
        raise Refused(Reason.MALFORMED)
    nonce, protocol, internal_port, external_port, external = MAP_BODY.unpack_from(data, HEADER.size)
    understood = udp_points.OPTIONS.apply(state.quirks, frozenset({THIRD_PARTY, PREFER_FAILURE, FILTER}))
    options = _read_options(data[HEADER.size + MAP_BODY.size :], understood)
    if protocol not in PROTOCOLS or not internal_port:
        # Protocol 0 and port 0 mean all traffic, which a relay cannot forward (section 11.1).
        raise Refused(Reason.UNSUPPORTED_PROTOCOL)
    internal = sender
    if (third_party := options.get(THIRD_PARTY)) is not None:
        internal = str(_ipv4(third_party))
        if internal == sender:
            raise Refused(Reason.MALFORMED)  # section 13.1
    return _Map(
        nonce=nonce,
        protocol=PROTOCOLS[protocol],
        internal_port=internal_port,
        external_port=external_port,
        external_address=_ipv4(external),
        internal_address=internal,
        exact=PREFER_FAILURE in options,
        remote=_remote(options.get(FILTER)),
        options=b"".join(OPTION.pack(code, len(value)) + value for code, value in options.items()),
    )


def _read_options(data: bytes, understood: frozenset[int]) -> dict[int, bytes]:
    """Return the processed options; their lengths are all multiples of four."""
    lengths = {THIRD_PARTY: 16, PREFER_FAILURE: 0, FILTER: FILTER_BODY.size}
    found: dict[int, bytes] = {}
    while data:
        code, length = OPTION.unpack_from(data)
        value = data[OPTION.size : OPTION.size + length]
        data = data[OPTION.size + length + -length % 4 :]
        if code not in understood:
            if code < OPTIONAL:
                raise Refused(Reason.UNSUPPORTED_OPTION)
        elif code in found or len(value) != length or length != lengths[code]:
            raise Refused(Reason.MALFORMED_OPTION)
        else:
            found[code] = value
    return found


def _remote(data: bytes | None) -> ipaddress.IPv4Network | None:
    """Read a filter (section 13.3). One is supported, for every remote port; prefix length 0 is no filter."""
    if data is None:
        return None
    length, port, address = FILTER_BODY.unpack(data)
    if port or not (length == 0 or 96 <= length <= 128):
        raise Refused(Reason.MALFORMED_OPTION)
    return ipaddress.IPv4Network((_ipv4(address), length - 96), strict=False) if length else None


def _map_body(requested: _Map, external_port: int, external_address: ipaddress.IPv4Address) -> bytes:
    number = next(number for number, protocol in PROTOCOLS.items() if protocol is requested.protocol)
    address = _mapped(external_address)
    body = MAP_BODY.pack(requested.nonce, number, requested.internal_port, external_port, address)
    return body + requested.options


def _refusal(state: State, data: bytes, refused: Refused) -> bytes:
    """Return an error reply: the header, then the rest of the request (section 8.2)."""
    usual = SHORT_ERROR if refused.reason in SHORT_ERRORS else LONG_ERROR
    lifetime = usual if refused.lifetime is None else refused.lifetime
    rest = data[HEADER.size : MAX_MESSAGE]
    padded = rest + bytes(-len(rest) % 4)
    return _header(state, data[1], RESULTS[refused.reason], lifetime) + padded


def _header(state: State, opcode: int, result: int, lifetime: int) -> bytes:
    version = udp_points.PCP_VERSION.apply(state.quirks, VERSION)
    return REPLY_HEADER.pack(version, opcode | RESPONSE, 0, result, lifetime, state.epoch)


def _ipv4(packed: bytes) -> ipaddress.IPv4Address:
    """Read an IPv4-mapped address; this gateway does not support IPv6."""
    mapped = ipaddress.IPv6Address(packed).ipv4_mapped
    if mapped is None:
        raise Refused(Reason.ADDRESS_MISMATCH)
    return mapped


def _mapped(address: ipaddress.IPv4Address) -> bytes:
    return bytes(10) + b"\xff\xff" + address.packed

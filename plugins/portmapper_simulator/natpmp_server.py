"""NAT-PMP server: one request in, one answer out (RFC 6886)."""

from __future__ import annotations

import ipaddress
import struct

from portmapper.api import Protocol
from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.mapping import delete_mapping, grant_mapping
from portmapper_simulator.state import State
from portmapper_simulator.udp_points import MappingRequest

VERSION = 0
RESPONSE = 0x80
EXTERNAL_ADDRESS = 0
PROTOCOLS = {1: Protocol.UDP, 2: Protocol.TCP}

MAP = struct.Struct("!BBHHHI")
HEAD = struct.Struct("!BBHI")
MAP_REPLY = struct.Struct("!HHI")

RESULTS = {
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.NOT_AUTHORIZED: 2,
    Reason.NETWORK_FAILURE: 3,
    Reason.ADDRESS_MISMATCH: 3,
    Reason.NO_RESOURCES: 4,
    Reason.CANNOT_PROVIDE_EXTERNAL: 4,
    Reason.UNSUPPORTED_OPCODE: 5,
}


async def answer_natpmp(state: State, data: bytes, sender: str) -> bytes | None:
    """Return the answer to a datagram, or None if it is not a request."""
    if len(data) < 2 or data[1] & RESPONSE:
        return None
    opcode = data[1]
    try:
        if opcode == EXTERNAL_ADDRESS:
            state.log_request("natpmp", "external address", sender)
            return external_address_reply(state)
        if opcode not in PROTOCOLS:
            raise Refused(Reason.UNSUPPORTED_OPCODE)
        if len(data) < MAP.size:
            return None
        return _head(state, opcode, 0) + MAP_REPLY.pack(*await _map(state, data, sender))
    except Refused as refused:
        # A mapping's error reply contains its ports, but no lifetime (section 3.5).
        tail = data[4:8] + bytes(4) if len(data) >= MAP.size else b""
        return _head(state, opcode, RESULTS.get(refused.reason, RESULTS[Reason.NOT_AUTHORIZED])) + tail


def external_address_reply(state: State) -> bytes:
    """Return the external address reply, which also announces a restart (section 3.2.1)."""
    address = ipaddress.IPv4Address(state.external_address)
    result = RESULTS[Reason.NETWORK_FAILURE] if address.is_unspecified else 0
    return _head(state, EXTERNAL_ADDRESS, result) + address.packed


def unsupported_version(state: State) -> bytes:
    """Return the refusal of a version other than 0, as from a gateway without PCP (section 3.5)."""
    return _head(state, EXTERNAL_ADDRESS, RESULTS[Reason.UNSUPPORTED_VERSION])


async def _map(state: State, data: bytes, sender: str) -> tuple[int, int, int]:
    """Handle a mapping request; return the internal port, the external port and the lifetime."""
    _, opcode, _, internal_port, external_port, lifetime = MAP.unpack_from(data)
    protocol = PROTOCOLS[opcode]
    ports = {"internal_port": internal_port, "external_port": external_port}
    state.log_request("natpmp", "MAP", sender, protocol=protocol, lifetime=lifetime, **ports)
    request = MappingRequest("natpmp", sender, protocol, sender, internal_port, external_port, lifetime)
    if lifetime == 0:
        delete_mapping(state, request)
        return internal_port, 0, 0
    if not internal_port:
        raise Refused(Reason.NOT_AUTHORIZED)
    if ipaddress.IPv4Address(state.external_address).is_unspecified:
        raise Refused(Reason.NETWORK_FAILURE)
    entry = await grant_mapping(state, request)
    return internal_port, entry.external_port, state.nat.table.remaining(entry)


def _head(state: State, opcode: int, result: int) -> bytes:
    return HEAD.pack(VERSION, opcode | RESPONSE, result, state.epoch)

"""NAT-PMP, the gateway's side: one request in, one answer out (RFC 6886)."""

from __future__ import annotations

import ipaddress
import struct

from portmapper.api import Protocol
from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.mapping import ask_mapping, forget_mapping
from portmapper_simulator.points import MapAsk
from portmapper_simulator.state import State

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
    """Answer one datagram; None when it is no request at all."""
    if len(data) < 2 or data[1] & RESPONSE:
        return None
    opcode = data[1]
    try:
        if opcode == EXTERNAL_ADDRESS:
            state.note("natpmp", "external address", sender)
            return external_address_reply(state)
        if opcode not in PROTOCOLS:
            raise Refused(Reason.UNSUPPORTED_OPCODE)
        if len(data) < MAP.size:
            return None
        return _head(state, opcode, 0) + MAP_REPLY.pack(*await _map(state, data, sender))
    except Refused as refused:
        # An error of a mapping repeats its ports, and no lifetime (section 3.5).
        tail = data[4:8] + bytes(4) if len(data) >= MAP.size else b""
        return _head(state, opcode, RESULTS.get(refused.reason, RESULTS[Reason.NOT_AUTHORIZED])) + tail


def external_address_reply(state: State) -> bytes:
    """Write the outside address: an answer, and also the announcement after a restart (section 3.2.1)."""
    address = ipaddress.IPv4Address(state.external_address)
    result = RESULTS[Reason.NETWORK_FAILURE] if address.is_unspecified else 0
    return _head(state, EXTERNAL_ADDRESS, result) + address.packed


def unsupported_version(state: State) -> bytes:
    """Refuse whatever is not version 0, as a gateway without PCP does (section 3.5)."""
    return _head(state, EXTERNAL_ADDRESS, RESULTS[Reason.UNSUPPORTED_VERSION])


async def _map(state: State, data: bytes, sender: str) -> tuple[int, int, int]:
    """Do what is asked; return the internal port, the external port and the lifetime."""
    _, opcode, _, internal_port, external_port, lifetime = MAP.unpack_from(data)
    protocol = PROTOCOLS[opcode]
    ports = {"internal_port": internal_port, "external_port": external_port}
    state.note("natpmp", "MAP", sender, protocol=protocol, lifetime=lifetime, **ports)
    ask = MapAsk("natpmp", sender, protocol, sender, internal_port, external_port, lifetime)
    if lifetime == 0:
        forget_mapping(state, ask)
        return internal_port, 0, 0
    if not internal_port:
        raise Refused(Reason.NOT_AUTHORIZED)
    if ipaddress.IPv4Address(state.external_address).is_unspecified:
        raise Refused(Reason.NETWORK_FAILURE)
    entry = await ask_mapping(state, ask)
    return internal_port, entry.external_port, state.nat.table.remaining(entry)


def _head(state: State, opcode: int, result: int) -> bytes:
    return HEAD.pack(VERSION, opcode | RESPONSE, result, state.epoch)

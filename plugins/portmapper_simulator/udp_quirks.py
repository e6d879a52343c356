"""Quirks P: PCP and NAT-PMP."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.gateway_points import FORWARD, PROTOCOLS, Forwarding
from portmapper_simulator.quirk_points import Change
from portmapper_simulator.udp_points import (
    EPOCH,
    MAP,
    OPTIONS,
    PCP_VERSION,
    REPLIES,
    REQUEST,
    MappingRequest,
    Replies,
    Reply,
    Request,
)

ERROR_LIFETIME = 5
SHORT = 60
STEP = 1000
DELAY = 0.3

_NONCE = slice(24, 36)
_OPCODE, _RESULT = 1, 3


@REQUEST.quirk("P4", "does not answer PCP")
def _silent_to_pcp(request: Request) -> Request:
    return attrs.evolve(request, ignored=request.ignored or request.mechanism == "pcp")


@REQUEST.quirk("P18", "does not answer ANNOUNCE over PCP, only MAP")
def _silent_to_announce(request: Request) -> Request:
    return _ignoring(request, "pcp")


@REQUEST.quirk("P19", "does not answer the request for its external address over NAT-PMP")
def _silent_about_its_address(request: Request) -> Request:
    return _ignoring(request, "natpmp")


def _ignoring(request: Request, mechanism: str) -> Request:
    """Ignore opcode 0 of a protocol."""
    is_it = request.mechanism == mechanism and request.data[_OPCODE : _OPCODE + 1] == b"\0"
    return attrs.evolve(request, ignored=request.ignored or is_it)


@REQUEST.quirk("P7-loss", "loses every second request")
def _losing(request: Request) -> Request:
    return attrs.evolve(request, ignored=request.ignored or request.number % 2 == 1)


PROTOCOLS.quirk("P2", "answers PCP with version 0 and result 1: it supports NAT-PMP only")(
    lambda on: on - {"pcp"}
)
PROTOCOLS.quirk("P5", "closes the port of PCP and NAT-PMP")(lambda on: on - {"pcp", "natpmp"})
PCP_VERSION.quirk("P3", "supports PCP version 1 only, and refuses version 2")(lambda _: 1)


def _true(replies: Replies) -> bytes:
    """Return the correct answer, which follows every forgery."""
    return replies.replies[-1].data


def _forged(replies: Replies, *forgeries: Reply) -> Replies:
    """Insert forgeries before the correct answer."""
    return attrs.evolve(replies, replies=forgeries + replies.replies)


def _changed(data: bytes, position: int) -> bytes:
    """Return the data with one byte changed."""
    if position >= len(data):
        return data
    return data[:position] + bytes([data[position] ^ 0x7F]) + data[position + 1 :]


@REPLIES.quirk("P1-nonce", "sends a reply with a wrong nonce before the correct one")
def _wrong_nonce(replies: Replies) -> Replies:
    data = _true(replies)
    return _forged(replies, Reply(_changed(data, _NONCE.start))) if len(data) > _NONCE.stop else replies


@REPLIES.quirk("P1-port", "sends a reply with a wrong result from another port before the correct one")
def _wrong_port(replies: Replies) -> Replies:
    return _forged(replies, Reply(_changed(_true(replies), _RESULT), other_port=True))


@REPLIES.quirk("P1-opcode", "sends a reply with a wrong opcode before the correct one")
def _wrong_opcode(replies: Replies) -> Replies:
    return _forged(replies, Reply(_changed(_true(replies), _OPCODE)))


@REPLIES.quirk("P1-internal-port", "sends a reply for another internal port before the correct one")
def _wrong_internal_port(replies: Replies) -> Replies:
    position = 9 if replies.request.mechanism == "natpmp" else 41
    return _forged(replies, Reply(_changed(_true(replies), position)))


@REPLIES.quirk("P1-garbage", "sends empty, short and invalid datagrams before the correct reply")
def _garbage(replies: Replies) -> Replies:
    data = _true(replies)
    return _forged(replies, *(Reply(junk) for junk in (b"", b"\x02", data[:7], bytes(range(200, 240)))))


@REPLIES.quirk("P7-duplicate", "sends every reply twice")
def _duplicating(replies: Replies) -> Replies:
    return attrs.evolve(replies, replies=replies.replies * 2)


@REPLIES.quirk("P7-reorder", "delays every second reply until after the next one")
def _reordering(replies: Replies) -> Replies:
    return _delayed(replies) if replies.request.number % 2 else replies


@REPLIES.quirk("P7-delay", "delays every reply by 300 ms")
def _delayed(replies: Replies) -> Replies:
    late = tuple(attrs.evolve(reply, delay=reply.delay + DELAY) for reply in replies.replies)
    return attrs.evolve(replies, replies=late)


def _changing(mechanism: str, opcode: int, change: Callable[[bytes], bytes]) -> Change[Replies]:
    """Return a quirk that changes every reply of a protocol with this opcode and a later one."""

    def change_all(replies: Replies) -> Replies:
        if replies.request.mechanism != mechanism or replies.request.data[_OPCODE] < opcode:
            return replies
        changed = (attrs.evolve(reply, data=change(reply.data)) for reply in replies.replies)
        return attrs.evolve(replies, replies=tuple(changed))

    return change_all


REPLIES.quirk("P20", "cuts replies to MAP over PCP after 44 bytes, without the external address")(
    _changing("pcp", 1, lambda data: data[:44])
)
REPLIES.quirk("P20-padded", "pads replies over PCP to 1,501 bytes")(
    _changing("pcp", 0, lambda data: data.ljust(1501, b"\0"))
)
REPLIES.quirk("P22", "grants a lifetime of 0 over PCP")(
    _changing("pcp", 1, lambda data: data[:4] + bytes(4) + data[8:])
)
REPLIES.quirk("P23", "answers with internal port 0 over NAT-PMP")(
    _changing("natpmp", 1, lambda data: data[:8] + bytes(2) + data[10:])
)

REPLIES.bundle(
    "P1",
    "sends all false replies of P1-... before the correct one",
    *("P1-nonce", "P1-port", "P1-opcode", "P1-internal-port", "P1-garbage"),
)
REQUEST.bundle("P7", "loses every second request; repeats and reorders replies", "P7-loss")
REPLIES.bundle("P7", "loses every second request; repeats and reorders replies", "P7-duplicate", "P7-reorder")


@MAP.quirk("P6", "grants a different port than suggested, and a quarter of the lifetime")
def _own_ideas(request: MappingRequest) -> MappingRequest:
    return _shorter(_other_port(request))


@MAP.quirk("P6-port", "grants a different port than suggested")
def _other_port(request: MappingRequest) -> MappingRequest:
    if request.exact and request.external_port:
        raise Refused(Reason.CANNOT_PROVIDE_EXTERNAL)
    port = request.external_port or request.internal_port
    return attrs.evolve(request, external_port=port % (65535 - STEP) + STEP)


@MAP.quirk("P6-lifetime", "grants a quarter of the lifetime")
def _shorter(request: MappingRequest) -> MappingRequest:
    return attrs.evolve(request, lifetime=max(request.lifetime // 4, 1))


@MAP.quirk("P14", "grants a random port for 60 seconds for every request, and forwards to that port number")
def _random_port(request: MappingRequest) -> MappingRequest:
    # Providers grant the same number for both protocols.
    port = request.sibling_port or random.randrange(32768, 61000)
    return attrs.evolve(request, external_port=port, lifetime=SHORT)


@FORWARD.quirk("P14")
def _granted_number(forwarding: Forwarding) -> Forwarding:
    return attrs.evolve(forwarding, internal_port=forwarding.external_port)


@MAP.quirk("P15", "refuses external port 0 over NAT-PMP")
def _no_wildcard(request: MappingRequest) -> MappingRequest:
    if request.mechanism == "natpmp" and not request.external_port:
        raise Refused(Reason.NOT_AUTHORIZED)
    return request


@MAP.quirk("P21", "refuses every suggested port over NAT-PMP, and chooses one itself")
def _no_suggestion(request: MappingRequest) -> MappingRequest:
    if request.mechanism == "natpmp" and request.external_port:
        raise Refused(Reason.NOT_AUTHORIZED)
    return request


def _refuse(name: str, description: str, reason: Reason, lifetime: int | None = None) -> None:
    """Register a quirk that refuses every mapping."""

    @MAP.quirk(name, description)
    def refuse(_: MappingRequest) -> MappingRequest:
        raise Refused(reason, lifetime=lifetime)


_refuse(
    "P8", "reports no resources, with an error lifetime of 5 seconds", Reason.NO_RESOURCES, ERROR_LIFETIME
)
_refuse("P9", "has no external address (NAT-PMP 3, PCP 7)", Reason.NETWORK_FAILURE)
_refuse("P16", "authorizes no mapping (NAT-PMP 2, PCP 2)", Reason.NOT_AUTHORIZED)
_refuse("P17", "reports ADDRESS_MISMATCH, as behind another NAT", Reason.ADDRESS_MISMATCH)

EPOCH.quirk("P10", "has an epoch that never advances")(lambda _: 1)
EPOCH.quirk("P10-lag", "has an epoch that runs at half speed")(lambda epoch: epoch // 2)

OPTIONS.quirk("no-third-party", "does not support the option THIRD_PARTY")(lambda known: known - {1})
OPTIONS.quirk("no-filter", "does not support the option FILTER")(lambda known: known - {3})
MAP.quirk("filter-ignored", "grants the option FILTER, and lets every host connect")(
    lambda request: attrs.evolve(request, remote=None)
)

"""The PCP backend against a scripted gateway."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from portmapper.backend import GatewayEvent, MapsOtherHosts, Target, WatchesGateway
from portmapper.errors import BackendError, Conflict, NetworkFailure, NoResources, NotAuthorized, Unsupported
from portmapper.model import ANY_PORT, Lease, MapRequest, Protocol
from portmapper_pcp.pcp import PcpBackend, PcpGateway

LOCAL = ipaddress.ip_address("127.0.0.1")
OTHER_HOST = ipaddress.ip_address("127.0.0.9")
PREFER_FAILURE = bytes.fromhex("02000000")


@pytest.fixture
async def gateway(peer: Any) -> AsyncIterator[PcpGateway]:
    """The scripted gateway as this backend sees it; it grants everything."""
    peer.answer = lambda request: [peer.pcp(request)]
    opened = PcpGateway(peer.target)
    yield opened
    await opened.close()


async def _discover(target: Target) -> list[PcpGateway]:
    found = [gateway async for gateway in PcpBackend().discover(target)]
    for gateway in found:
        await gateway.close()
    assert all(isinstance(gateway, PcpGateway) for gateway in found)
    return found  # type: ignore[return-value]


# Discovery


@pytest.mark.parametrize("result", [0, 4])
async def test_any_answer_of_version_2_is_a_gateway(peer: Any, result: int) -> None:
    """A server may refuse ANNOUNCE (UNSUPP_OPCODE) and yet speak PCP."""
    peer.answer = lambda request: [peer.pcp(request, result=result)]
    (gateway,) = await _discover(peer.target)
    assert gateway.identity == "pcp:127.0.0.1"
    assert gateway.protocol == "PCP 2"
    assert gateway.latency > 0
    assert isinstance(gateway, WatchesGateway)
    assert isinstance(gateway, MapsOtherHosts)


async def test_p2_a_gateway_of_nat_pmp_alone_is_told_at_once(peer: Any) -> None:
    """Version 0 and result 1 end the search with the reason."""
    peer.answer = lambda _: [bytes.fromhex("0080000100000005")]
    with pytest.raises(Unsupported, match="NAT-PMP only"):
        await _discover(peer.target)
    assert len(peer.requests) == 1


async def test_p3_a_gateway_of_another_version_is_unsupported(peer: Any) -> None:
    """We speak version 2 alone, and never take an unasked version for an answer."""
    peer.answer = lambda _: [bytes([1, 0x80, 0, 1]) + bytes(20)]
    with pytest.raises(Unsupported, match="offers 1"):
        await _discover(peer.target)


@pytest.mark.usefixtures("fast")
async def test_p4_silence_is_no_gateway_and_no_error(peer: Any) -> None:
    """The search ends, after it asked more than once."""
    assert await _discover(peer.target) == []
    assert len(peer.requests) > 2


async def test_p5_a_refused_port_ends_the_search_at_once(closed_port: int) -> None:
    """ICMP is an answer too."""
    with pytest.raises(NetworkFailure):
        await _discover(Target(LOCAL, "lo", LOCAL, port=closed_port))


@pytest.mark.parametrize(
    "target",
    [Target(LOCAL), Target(LOCAL, gateway=LOCAL, url="http://127.0.0.1/")],
    ids=["no gateway", "a URL"],
)
async def test_where_there_is_nobody_to_ask_there_is_no_gateway(target: Target) -> None:
    """A description URL is for UPnP alone."""
    assert await _discover(target) == []


# Mapping


async def test_a_mapping_is_granted(peer: Any, gateway: PcpGateway, request_80: MapRequest) -> None:
    """The lease has what the gateway said, and the address becomes known."""
    assert await gateway.external_address() is None
    lease = await gateway.map(request_80)
    assert (lease.external_port, lease.lifetime, lease.permanent) == (80, 3600, False)
    assert str(lease.external_address) == "203.0.113.7"
    assert (lease.backend, lease.gateway, lease.token) == ("pcp", "pcp:127.0.0.1", request_80.token)
    assert await gateway.external_address() == lease.external_address


async def test_p1_a_reply_with_wrong_nonce_opcode_or_port_is_ignored(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """Each wrong one would grant port 666; the right one comes last."""
    peer.answer = lambda request: [
        peer.pcp(request, nonce=bytes(12), port=666),
        peer.pcp(request, internal_port=81, port=666),
        peer.pcp(request, opcode=2, port=666),
        peer.pcp(request),
    ]
    assert (await gateway.map(request_80)).external_port == 80


async def test_p6_another_port_and_lifetime_are_taken_as_granted(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """Whether they will do is for the scheduler to judge."""
    peer.answer = lambda request: [peer.pcp(request, port=4711, lifetime=120)]
    lease = await gateway.map(request_80)
    assert (lease.external_port, lease.lifetime) == (4711, 120)


async def test_p7_a_lost_answer_is_asked_for_again_with_the_same_nonce(
    peer: Any, gateway: PcpGateway, request_80: MapRequest, fast: None
) -> None:
    """Two requests, bit for bit the same, are one mapping."""
    peer.answer = lambda request: [peer.pcp(request)] if len(peer.requests) == 2 else []
    await gateway.map(request_80)
    assert peer.requests[0] == peer.requests[1]


async def test_renewal_suggests_what_is_held(peer: Any, gateway: PcpGateway, request_80: MapRequest) -> None:
    """Same nonce, held port and address, and never PREFER_FAILURE (section 13.2)."""
    peer.answer = lambda request: [peer.pcp(request, port=4711)]
    lease = await gateway.map(request_80)
    await gateway.map(attrs.evolve(request_80, held=lease))
    renewal = peer.requests[1]
    assert renewal[24:36] == request_80.token
    assert renewal[42:44] == (4711).to_bytes(2, "big")
    assert renewal[44:60].endswith(b"\xff\xff" + lease.external_address.packed)
    exact = attrs.evolve(request_80, held=attrs.evolve(lease, external_port=80), exact=True)
    await gateway.map(exact)
    assert len(peer.requests[2]) == 60


async def test_a_lease_of_another_gateway_is_no_suggestion(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """What UPnP granted elsewhere means nothing here."""
    lease = attrs.evolve(await gateway.map(request_80), gateway="upnp:192.0.2.1", external_port=9)
    await gateway.map(attrs.evolve(request_80, held=lease))
    assert peer.requests[1] == peer.requests[0]


async def test_an_exact_port_asks_for_prefer_failure(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """But there is nothing to insist on without a port."""
    await gateway.map(attrs.evolve(request_80, exact=True))
    await gateway.map(attrs.evolve(request_80, exact=True, external_port=ANY_PORT))
    assert peer.requests[0][60:] == PREFER_FAILURE
    assert peer.requests[1][60:] == b""


async def test_a_gateway_without_prefer_failure_is_asked_without_it(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """It is remembered, so that the next mapping costs one request."""
    peer.answer = lambda request: [peer.pcp(request, result=5 if request[60:] else 0)]
    for port in (80, 81):
        assert await gateway.map(attrs.evolve(request_80, exact=True, internal_port=port))
    assert [len(request) for request in peer.requests] == [64, 60, 60]


async def test_another_host_is_mapped_as_third_party(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The option names it, the client address stays ours."""
    lease = await gateway.map(attrs.evolve(request_80, internal_address=OTHER_HOST))
    await gateway.unmap(lease)
    for packet in peer.requests:
        assert packet[20:24] == LOCAL.packed
        assert packet[60:64].hex() == "01000010"
        assert packet[76:80] == OTHER_HOST.packed


@pytest.mark.parametrize("result", [2, 5])
async def test_a_gateway_that_maps_for_the_asker_alone_says_who_must_ask(
    peer: Any, gateway: PcpGateway, request_80: MapRequest, result: int
) -> None:
    """The refusal tells the user what to do."""
    peer.answer = lambda request: [peer.pcp(request, result=result)]
    with pytest.raises(BackendError, match=r"127\.0\.0\.9 itself has to ask"):
        await gateway.map(attrs.evolve(request_80, internal_address=OTHER_HOST))


async def test_lifetime_0_asks_for_long_and_deletes_nothing(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """On the wire 0 would be a deletion."""
    await gateway.map(attrs.evolve(request_80, lifetime=0))
    assert int.from_bytes(peer.requests[0][4:8], "big") == 604800


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (2, NotAuthorized),
        (3, Unsupported),
        (4, Unsupported),
        (6, Unsupported),
        (7, NetworkFailure),
        (8, NoResources),
        (9, Unsupported),
        (10, NoResources),
        (11, Conflict),
        (12, NetworkFailure),
        (13, NoResources),
        (77, Unsupported),
    ],
)
async def test_p8_a_refusal_is_typed_and_tells_for_how_long(
    peer: Any, gateway: PcpGateway, request_80: MapRequest, result: int, kind: type[BackendError]
) -> None:
    """The error lifetime is when asking again makes sense, at most half an hour."""
    peer.answer = lambda request: [peer.pcp(request, result=result, lifetime=40)]
    with pytest.raises(kind) as refusal:
        await gateway.map(request_80)
    assert (refusal.value.code, refusal.value.retry_after) == (result, 40)
    peer.answer = lambda request: [peer.pcp(request, result=result, lifetime=2**32 - 1)]
    with pytest.raises(kind) as refusal:
        await gateway.map(request_80)
    assert refusal.value.retry_after == 1800


async def test_p9_p17_an_address_mismatch_is_another_nat(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """Result 12 is told in words that help."""
    peer.answer = lambda request: [peer.pcp(request, result=12)]
    with pytest.raises(NetworkFailure, match="another NAT stands between"):
        await gateway.map(request_80)


async def test_p16_not_authorized_is_a_typed_refusal(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """So that the mapping moves to the next backend."""
    peer.answer = lambda request: [peer.pcp(request, result=2)]
    with pytest.raises(NotAuthorized, match="rules do not allow"):
        await gateway.map(request_80)


async def test_a_mapping_without_a_nonce_is_not_sent(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """A typed error, not a packet that no gateway can read."""
    with pytest.raises(Unsupported, match="nonce"):
        await gateway.map(attrs.evolve(request_80, token=b""))
    assert peer.requests == []


async def test_p3_a_gateway_that_loses_pcp_says_so(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """An update may leave it with NAT-PMP alone; the pending mapping fails at once."""
    peer.answer = lambda _: [bytes.fromhex("0081000100000005")]
    with pytest.raises(Unsupported, match="NAT-PMP only"):
        await gateway.map(request_80)


# Releasing


async def test_p13_delete_is_lifetime_0_with_the_same_nonce(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """External port and address are zero (section 15.1)."""
    await gateway.unmap(await gateway.map(request_80))
    packet = peer.requests[1]
    assert packet[4:8] == bytes(4)
    assert packet[24:36] == request_80.token
    assert packet[40:].hex() == "0050000000000000000000000000ffff00000000"


async def test_p7_a_late_grant_does_not_pass_for_a_deletion(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The second copy of a MAP's answer has the nonce of the deletion too."""
    lease = await gateway.map(request_80)
    deleted = asyncio.Event()

    def answer(request: bytes) -> list[bytes]:
        deleted.set()
        return [peer.pcp(request, lifetime=3600), peer.pcp(request)]

    peer.answer = answer
    await gateway.unmap(lease)
    assert deleted.is_set()


@pytest.mark.parametrize("result", [0, 8])
async def test_what_is_gone_already_is_released(
    peer: Any, gateway: PcpGateway, request_80: MapRequest, result: int
) -> None:
    """The RFC wants success for it, miniupnpd says NO_RESOURCES."""
    lease = await gateway.map(request_80)
    peer.answer = lambda request: [peer.pcp(request, result=result)]
    await gateway.unmap(lease)


async def test_a_refused_deletion_is_told(peer: Any, gateway: PcpGateway, request_80: MapRequest) -> None:
    """Another nonce owns it."""
    lease = await gateway.map(request_80)
    peer.answer = lambda request: [peer.pcp(request, result=2)]
    with pytest.raises(NotAuthorized):
        await gateway.unmap(lease)


# Events


async def test_p10_an_epoch_that_goes_back_is_told_at_the_reply(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The mapping just made stands; the others must be renewed."""
    events: list[GatewayEvent] = []
    await gateway.watch(events.append)
    await gateway.map(request_80)
    peer.epoch = 3
    assert isinstance(await gateway.map(request_80), Lease)
    await gateway.map(request_80)
    assert events == [GatewayEvent.RESTARTED]


async def test_an_error_without_an_epoch_is_no_restart(
    peer: Any, gateway: PcpGateway, request_80: MapRequest
) -> None:
    """Servers that put 0 into errors would have everything renewed for ever."""
    events: list[GatewayEvent] = []
    await gateway.watch(events.append)
    await gateway.map(request_80)
    peer.epoch = 0
    peer.answer = lambda request: [peer.pcp(request, result=8)]
    with pytest.raises(NoResources):
        await gateway.map(request_80)
    assert events == []


async def test_a_gateway_that_refuses_the_port_is_gone(closed_port: int, request_80: MapRequest) -> None:
    """It is told, so that the search begins anew."""
    gateway = PcpGateway(Target(LOCAL, "lo", LOCAL, port=closed_port))
    events: list[GatewayEvent] = []
    await gateway.watch(events.append)
    with pytest.raises(NetworkFailure):
        await gateway.map(request_80)
    assert events == [GatewayEvent.GONE]
    await gateway.close()


async def test_many_mappings_at_once(peer: Any, gateway: PcpGateway, request_80: MapRequest) -> None:
    """Each finds its own answer over the one socket."""
    requests = [
        MapRequest(Protocol.UDP, LOCAL, port, port, token=os.urandom(12)) for port in range(1000, 1100)
    ]
    leases = await asyncio.gather(*map(gateway.map, requests))
    assert [lease.external_port for lease in leases] == list(range(1000, 1100))


async def test_closing_ends_a_pending_mapping(peer: Any, gateway: PcpGateway, request_80: MapRequest) -> None:
    """With a typed error, at once."""
    peer.answer = lambda _: []
    pending = asyncio.create_task(gateway.map(request_80))
    while not peer.requests:
        await asyncio.sleep(0)
    await gateway.close()
    with pytest.raises(NetworkFailure):
        await pending

"""Mapping over PCP: grants, renewals, refusals."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from portmapper.api.errors import (
    BackendError,
    Conflict,
    NetworkFailure,
    NoResources,
    NotAuthorized,
    Unsupported,
)
from portmapper.api.model import ANY_PORT, MapRequest, Trait
from portmapper_pcp import pcp, retransmission
from portmapper_pcp.pcp import PcpGateway

LOCAL = ipaddress.ip_address("127.0.0.1")
OTHER_HOST = ipaddress.ip_address("127.0.0.9")
FRIEND = ipaddress.ip_network("198.51.100.7/32")
FILTER = bytes.fromhex("03000014")
PREFER_FAILURE = bytes.fromhex("02000000")


async def test_a_mapping_is_granted(peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest) -> None:
    """The lease has the granted values, and the external address becomes known."""
    assert await pcp_gateway.external_address() is None
    lease = await pcp_gateway.map(request_80)
    assert (lease.external_port, lease.lifetime, lease.permanent) == (80, 3600, False)
    assert str(lease.external_address) == "203.0.113.7"
    assert (lease.backend, lease.gateway, lease.token) == ("pcp", "pcp:127.0.0.1", request_80.token)
    assert await pcp_gateway.external_address() == lease.external_address


async def test_p1_a_reply_with_wrong_nonce_opcode_or_port_is_ignored(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """Each wrong reply would grant port 666; the right one comes last."""
    peer.answer = lambda request: [
        peer.pcp(request, nonce=bytes(12), port=666),
        peer.pcp(request, internal_port=81, port=666),
        peer.pcp(request, opcode=2, port=666),
        peer.pcp(request),
    ]
    assert (await pcp_gateway.map(request_80)).external_port == 80


async def test_p6_another_port_and_lifetime_are_accepted(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The scheduler judges whether they are acceptable."""
    peer.answer = lambda request: [peer.pcp(request, port=4711, lifetime=120)]
    lease = await pcp_gateway.map(request_80)
    assert (lease.external_port, lease.lifetime) == (4711, 120)


@pytest.mark.parametrize("external", ["::", "::ffff:0.0.0.0", "cb00:7107::"])
async def test_p6_an_invalid_external_address_is_not_shown(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, external: str
) -> None:
    """Zeros, or an IPv4 address without its prefix; the port is valid anyway."""
    packed = ipaddress.IPv6Address(external).packed
    peer.answer = lambda request: [peer.pcp(request)[:44] + packed]
    lease = await pcp_gateway.map(request_80)
    assert (lease.external_port, lease.external_address) == (80, None)


async def test_p7_a_request_without_answer_is_repeated_with_the_same_nonce(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, fast: None
) -> None:
    """Two identical requests are one mapping."""
    peer.answer = lambda request: [peer.pcp(request)] if len(peer.requests) == 2 else []
    await pcp_gateway.map(request_80)
    assert peer.requests[0] == peer.requests[1]


async def test_a_mapping_that_may_be_closed_is_requested_urgently(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other requests have the usual delays."""
    requested: list[bool] = []

    def delays(limit: float, jitter: float = 0.0, *, urgent: bool = False) -> Iterator[float]:
        requested.append(urgent)
        return retransmission.delays(limit, jitter, urgent=urgent)

    monkeypatch.setattr(pcp, "delays", delays)
    peer.answer = lambda request: [peer.pcp(request)]
    await pcp_gateway.map(request_80)
    await pcp_gateway.map(attrs.evolve(request_80, urgent=True))
    assert requested == [False, True]


async def test_renewal_suggests_what_is_held(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """Same nonce, held port and address, and never PREFER_FAILURE (section 13.2)."""
    peer.answer = lambda request: [peer.pcp(request, port=4711)]
    lease = await pcp_gateway.map(request_80)
    await pcp_gateway.map(attrs.evolve(request_80, held=lease))
    renewal = peer.requests[1]
    assert renewal[24:36] == request_80.token
    assert renewal[42:44] == (4711).to_bytes(2, "big")
    assert renewal[44:60].endswith(b"\xff\xff" + lease.external_address.packed)
    exact = attrs.evolve(request_80, held=attrs.evolve(lease, external_port=80), exact=True)
    await pcp_gateway.map(exact)
    assert len(peer.requests[2]) == 60


async def test_a_lease_of_another_gateway_is_no_suggestion(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """A lease that UPnP granted elsewhere is irrelevant here."""
    lease = attrs.evolve(await pcp_gateway.map(request_80), gateway="upnp:192.0.2.1", external_port=9)
    await pcp_gateway.map(attrs.evolve(request_80, held=lease))
    assert peer.requests[1] == peer.requests[0]


async def test_an_exact_port_uses_prefer_failure(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """But not if the request names no port."""
    await pcp_gateway.map(attrs.evolve(request_80, exact=True))
    await pcp_gateway.map(attrs.evolve(request_80, exact=True, external_port=ANY_PORT))
    assert peer.requests[0][60:] == PREFER_FAILURE
    assert peer.requests[1][60:] == b""


async def test_a_gateway_without_prefer_failure_gets_requests_without_it(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """It is remembered, so that the next mapping needs only one request."""
    peer.answer = lambda request: [peer.pcp(request, result=5 if request[60:] else 0)]
    for port in (80, 81):
        assert await pcp_gateway.map(attrs.evolve(request_80, exact=True, internal_port=port))
    assert [len(request) for request in peer.requests] == [64, 60, 60]


async def test_another_host_is_mapped_as_third_party(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The option names the host; the client address is ours."""
    lease = await pcp_gateway.map(attrs.evolve(request_80, internal_address=OTHER_HOST))
    await pcp_gateway.unmap(lease)
    for packet in peer.requests:
        assert packet[20:24] == LOCAL.packed
        assert packet[60:64].hex() == "01000010"
        assert packet[76:80] == OTHER_HOST.packed


@pytest.mark.parametrize("result", [2, 5])
async def test_a_refused_third_party_must_send_its_own_request(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, result: int
) -> None:
    """The refusal tells the user what to do."""
    peer.answer = lambda request: [peer.pcp(request, result=result)]
    with pytest.raises(BackendError, match=r"127\.0\.0\.9 must send the request"):
        await pcp_gateway.map(attrs.evolve(request_80, internal_address=OTHER_HOST))


async def test_lifetime_0_requests_the_maximum_and_deletes_nothing(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """On the wire, 0 would be a deletion."""
    await pcp_gateway.map(attrs.evolve(request_80, lifetime=0))
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
async def test_p8_a_refusal_is_typed_and_has_a_retry_time(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, result: int, kind: type[BackendError]
) -> None:
    """The error lifetime is the time to retry, at most half an hour."""
    peer.answer = lambda request: [peer.pcp(request, result=result, lifetime=40)]
    with pytest.raises(kind) as refusal:
        await pcp_gateway.map(request_80)
    assert (refusal.value.code, refusal.value.retry_after) == (result, 40)
    peer.answer = lambda request: [peer.pcp(request, result=result, lifetime=2**32 - 1)]
    with pytest.raises(kind) as refusal:
        await pcp_gateway.map(request_80)
    assert refusal.value.retry_after == 1800


@pytest.mark.parametrize("result", [7, 8])
async def test_p8_an_error_that_is_over_in_seconds_is_waited_for(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, monkeypatch: pytest.MonkeyPatch, result: int
) -> None:
    """The request is repeated once; a longer error, or a second one, is a refusal."""
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(pcp.asyncio, "sleep", wait)
    answers = [(result, 1), (0, 3600), (result, 2), (result, 2)]
    peer.answer = lambda request: [peer.pcp(request, result=answers[0][0], lifetime=answers.pop(0)[1])]
    assert (await pcp_gateway.map(request_80)).lifetime == 3600
    with pytest.raises((NetworkFailure, NoResources)):
        await pcp_gateway.map(request_80)
    assert waits == [1, 2]


async def test_p9_p17_an_address_mismatch_is_another_nat(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The message explains result 12."""
    peer.answer = lambda request: [peer.pcp(request, result=12)]
    with pytest.raises(NetworkFailure, match="another NAT between"):
        await pcp_gateway.map(request_80)


async def test_p16_not_authorized_is_a_typed_refusal(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The mapping can then move to the next backend."""
    peer.answer = lambda request: [peer.pcp(request, result=2)]
    with pytest.raises(NotAuthorized, match="rules do not allow"):
        await pcp_gateway.map(request_80)


async def test_a_mapping_without_a_nonce_is_not_sent(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The request fails with a typed error before any packet is sent."""
    with pytest.raises(Unsupported, match="nonce"):
        await pcp_gateway.map(attrs.evolve(request_80, token=b""))
    assert peer.requests == []


async def test_p3_a_gateway_that_loses_pcp_fails_pending_requests(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """After an update it may speak only NAT-PMP."""
    peer.answer = lambda _: [bytes.fromhex("0081000100000005")]
    with pytest.raises(Unsupported, match="NAT-PMP only"):
        await pcp_gateway.map(request_80)


async def test_a_restricted_mapping_is_requested_with_a_filter(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """Also when it is renewed: a server that lost its table needs the filter."""
    restricted = attrs.evolve(request_80, remote=FRIEND)
    lease = await pcp_gateway.map(restricted)
    await pcp_gateway.map(attrs.evolve(restricted, held=lease))
    assert lease.remote == FRIEND
    assert all(FILTER in packet for packet in peer.requests)


async def test_a_server_without_filters_refuses_a_restricted_mapping(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """It is never opened to every host instead."""
    peer.answer = lambda request: [peer.pcp(request, result=5 if FILTER in request else 0)]
    with pytest.raises(Unsupported):
        await pcp_gateway.map(attrs.evolve(request_80, remote=FRIEND))
    assert all(FILTER in packet for packet in peer.requests)


async def test_a_device_that_ignores_filters_gets_no_restricted_request(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """A quirk says so."""
    traits = frozenset({Trait.IGNORES_FILTER})
    with pytest.raises(Unsupported, match=r"to every host, and not only to 198\.51\.100\.7"):
        await pcp_gateway.map(attrs.evolve(request_80, remote=FRIEND, traits=traits))
    assert peer.requests == []


def test_only_hosts_of_the_gateways_family_can_be_named(pcp_gateway: PcpGateway) -> None:
    """A pinhole's remote hosts have IPv6 addresses."""
    assert pcp_gateway.can_restrict_to(FRIEND)
    assert not pcp_gateway.can_restrict_to(ipaddress.ip_network("2001:db8::/32"))

"""The NAT-PMP backend against a scripted gateway."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import pytest

from portmapper.api.backend import GatewayEvent, MapsOtherHosts, Target, WatchesGateway
from portmapper.api.errors import BackendError, NetworkFailure, NoResources, NotAuthorized, Unsupported
from portmapper.api.model import ANY_PORT, MapRequest, Protocol
from portmapper_pcp import nat_pmp, retransmission
from portmapper_pcp.backends import NatPmpBackend
from portmapper_pcp.nat_pmp import NatPmpGateway

LOCAL = ipaddress.ip_address("127.0.0.1")


@pytest.fixture
async def gateway(peer: Any) -> AsyncIterator[NatPmpGateway]:
    """Return the NAT-PMP gateway for the scripted peer, which grants everything."""
    peer.answer = lambda request: [peer.natpmp(request)]
    opened = NatPmpGateway(peer.target)
    yield opened
    await opened.close()


async def _discover(target: Target) -> list[NatPmpGateway]:
    found = [gateway async for gateway in NatPmpBackend().discover(target)]
    for gateway in found:
        await gateway.close()
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("result", [0, 3, 5])
async def test_p4_p9_a_gateway_with_or_without_address_is_found(peer: Any, result: int) -> None:
    """Both answers prove that it speaks NAT-PMP."""
    peer.answer = lambda request: [peer.natpmp(request, result=result)]
    (gateway,) = await _discover(peer.target)
    assert gateway.identity == "natpmp:127.0.0.1"
    assert gateway.protocol == "NAT-PMP 0"
    assert isinstance(gateway, WatchesGateway)
    assert not isinstance(gateway, MapsOtherHosts)


async def test_a_pcp_only_gateway_is_unsupported_at_once(peer: Any) -> None:
    """It answers with its own version."""
    peer.answer = lambda _: [bytes([2, 0x80, 0, 1]) + bytes(20)]
    with pytest.raises(Unsupported, match="PCP only"):
        await _discover(peer.target)


async def test_p16_disabled_nat_pmp_is_reported(peer: Any) -> None:
    """Result 2 in eight bytes, which py-natpmp alone cannot parse."""
    peer.answer = lambda _: [bytes.fromhex("0080000200000005")]
    with pytest.raises(NotAuthorized, match="switched off"):
        await _discover(peer.target)


@pytest.mark.usefixtures("fast")
async def test_silence_is_no_gateway_and_no_error(peer: Any) -> None:
    """The search ends after several requests."""
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
async def test_a_target_without_gateway_or_with_a_url_is_skipped(target: Target) -> None:
    """A description URL is for UPnP only."""
    assert await _discover(target) == []


async def test_a_mapping_is_granted(peer: Any, gateway: NatPmpGateway, request_80: MapRequest) -> None:
    """The lease has the last known external address."""
    await gateway.probe()
    lease = await gateway.map(request_80)
    assert (lease.external_port, lease.lifetime, lease.permanent) == (80, 3600, False)
    assert str(lease.external_address) == "203.0.113.7"
    assert (lease.backend, lease.gateway) == ("natpmp", "natpmp:127.0.0.1")


async def test_p1_a_reply_with_wrong_opcode_or_port_is_ignored(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """The right one comes last."""
    peer.answer = lambda request: [
        peer.natpmp(b"\0\1" + request[2:], port=666),
        peer.natpmp(request, internal_port=81, port=666),
        peer.natpmp(request),
    ]
    assert (await gateway.map(request_80)).external_port == 80


async def test_p6_p14_another_port_and_a_short_lifetime_are_accepted(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """VPN providers grant such mappings; the scheduler judges the port."""
    peer.answer = lambda request: [peer.natpmp(request, port=54321, lifetime=60)]
    lease = await gateway.map(request_80)
    assert (lease.external_port, lease.lifetime) == (54321, 60)


async def test_p7_a_request_without_answer_is_repeated(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest, fast: None
) -> None:
    """The same bytes again give the same mapping."""
    peer.answer = lambda request: [peer.natpmp(request)] if len(peer.requests) == 3 else []
    await gateway.map(request_80)
    assert len(set(peer.requests)) == 1


async def test_a_mapping_that_may_be_closed_is_requested_urgently(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other requests have the usual delays."""
    requested: list[bool] = []

    def delays(limit: float, *, urgent: bool = False) -> Iterator[float]:
        requested.append(urgent)
        return retransmission.delays(limit, urgent=urgent)

    monkeypatch.setattr(nat_pmp, "delays", delays)
    await gateway.map(request_80)
    await gateway.map(attrs.evolve(request_80, urgent=True))
    assert requested == [False, True]


async def test_p15_a_specific_port_is_always_suggested(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """RouterOS refuses 0, so the held or the internal port is suggested."""
    anything = attrs.evolve(request_80, external_port=ANY_PORT, internal_port=8080)
    lease = await gateway.map(anything)
    assert lease.external_port == 8080
    await gateway.map(attrs.evolve(anything, held=attrs.evolve(lease, external_port=4711)))
    assert peer.requests[1][6:8] == (4711).to_bytes(2, "big")


async def test_another_host_must_send_its_own_request(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """NAT-PMP cannot map other hosts, and nothing is sent."""
    with pytest.raises(Unsupported, match=r"192\.0\.2\.9 must send"):
        await gateway.map(attrs.evolve(request_80, internal_address=ipaddress.ip_address("192.0.2.9")))
    assert peer.requests == []


async def test_lifetime_0_requests_the_maximum_and_deletes_nothing(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """On the wire, 0 would be a deletion."""
    await gateway.map(attrs.evolve(request_80, lifetime=0))
    assert int.from_bytes(peer.requests[0][8:12], "big") == 604800


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (1, Unsupported),
        (2, NotAuthorized),
        (3, NetworkFailure),
        (4, NoResources),
        (5, Unsupported),
        (9, Unsupported),
    ],
)
@pytest.mark.parametrize("short", [False, True])
async def test_p9_p16_a_refusal_is_typed(
    peer: Any,
    gateway: NatPmpGateway,
    request_80: MapRequest,
    result: int,
    kind: type[BackendError],
    short: bool,
) -> None:
    """Also if the gateway sends only its header."""
    peer.answer = lambda request: [peer.natpmp(request, result=result)[: 8 if short else 16]]
    with pytest.raises(kind) as refusal:
        await gateway.map(request_80)
    assert refusal.value.code == result


async def test_short_errors_refuse_the_pending_mappings_in_order(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """They name no port; gateways answer in order, so the oldest request is meant."""
    peer.answer = lambda request: [peer.natpmp(request, result=request[5] - 78)[:8]]
    requests = [attrs.evolve(request_80, internal_port=port, exact=True) for port in (80, 81, 82)]
    refusals = await asyncio.gather(*map(gateway.map, requests), return_exceptions=True)
    assert [type(refusal) for refusal in refusals] == [NotAuthorized, NetworkFailure, NoResources]


@pytest.mark.parametrize(
    ("result", "external", "expected"),
    [(0, "203.0.113.7", "203.0.113.7"), (3, "0.0.0.0", None), (5, "0.0.0.0", None), (0, "0.0.0.0", None)],
)
async def test_p9_the_external_address_is_queried(
    peer: Any, gateway: NatPmpGateway, result: int, external: str, expected: str | None
) -> None:
    """None if the gateway has none."""
    peer.answer = lambda request: [
        peer.natpmp(request, result=result, external=ipaddress.ip_address(external))
    ]
    address = await gateway.external_address()
    assert (str(address) if address else None) == expected


@pytest.mark.parametrize(("protocol", "opcode"), [(Protocol.TCP, "02"), (Protocol.UDP, "01")])
async def test_p13_delete_is_lifetime_0_and_external_port_0(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest, protocol: Protocol, opcode: str
) -> None:
    """For one protocol; the other mapping stays."""
    await gateway.unmap(await gateway.map(attrs.evolve(request_80, protocol=protocol)))
    assert peer.requests[1].hex() == "00" + opcode + "00000050000000000000"


async def test_p7_a_late_grant_does_not_pass_for_a_deletion(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """NAT-PMP has no nonce; only the lifetime distinguishes the two."""
    lease = await gateway.map(request_80)
    peer.answer = lambda request: [peer.natpmp(request, lifetime=3600), peer.natpmp(request, result=2)]
    with pytest.raises(NotAuthorized):
        await gateway.unmap(lease)


async def test_p10_an_epoch_that_lags_is_reported(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """It is reported once."""
    events: list[GatewayEvent] = []
    await gateway.watch(events.append)
    await gateway.map(request_80)
    peer.epoch = 2
    await gateway.map(request_80)
    await gateway.map(request_80)
    assert events == [GatewayEvent.RESTARTED]


async def test_a_new_external_address_is_reported(peer: Any, gateway: NatPmpGateway) -> None:
    """When a reply shows it."""
    await gateway.probe()
    events: list[GatewayEvent] = []
    await gateway.watch(events.append)
    peer.answer = lambda request: [peer.natpmp(request, external=ipaddress.ip_address("203.0.113.9"))]
    assert str(await gateway.external_address()) == "203.0.113.9"
    assert events == [GatewayEvent.EXTERNAL_ADDRESS_CHANGED]


async def test_closing_ends_a_pending_mapping(
    peer: Any, gateway: NatPmpGateway, request_80: MapRequest
) -> None:
    """It fails at once, with a typed error."""
    peer.answer = lambda _: []
    pending = asyncio.create_task(gateway.map(request_80))
    while not peer.requests:
        await asyncio.sleep(0)
    await gateway.close()
    with pytest.raises(NetworkFailure):
        await pending

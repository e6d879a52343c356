"""Releasing over PCP."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Target
from portmapper.api.errors import NotAuthorized
from portmapper.api.model import MapRequest
from portmapper_pcp.pcp import PcpGateway

LOCAL_IPV6 = ipaddress.ip_address("::1")
OTHER_HOST = ipaddress.ip_address("127.0.0.9")
PREFER_FAILURE = bytes.fromhex("02000000")


async def test_p13_delete_is_lifetime_0_with_the_same_nonce(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """External port and address are zero (section 15.1)."""
    await pcp_gateway.unmap(await pcp_gateway.map(request_80))
    packet = peer.requests[1]
    assert packet[4:8] == bytes(4)
    assert packet[24:36] == request_80.token
    assert packet[40:].hex() == "0050000000000000000000000000ffff00000000"


async def test_p7_a_late_grant_does_not_pass_for_a_deletion(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """A late duplicate of the reply to a MAP also has the nonce of the deletion."""
    lease = await pcp_gateway.map(request_80)
    deleted = asyncio.Event()

    def answer(request: bytes) -> list[bytes]:
        deleted.set()
        return [peer.pcp(request, lifetime=3600), peer.pcp(request)]

    peer.answer = answer
    await pcp_gateway.unmap(lease)
    assert deleted.is_set()


async def test_a_pinhole_that_cannot_be_deleted_is_shortened(
    peer_over_ipv6: Any, request_80: MapRequest
) -> None:
    """miniupnpd refuses to delete a renewed pinhole; the caller learns when to retry."""
    peer, requested = peer_over_ipv6, list[int]()

    def answer(request: bytes) -> list[bytes]:
        requested.append(int.from_bytes(request[4:8], "big"))
        lifetime = {0: 0, 1: 120}.get(requested[-1], requested[-1])
        return [peer.pcp(request, result=0 if requested[-1] else 2, lifetime=lifetime, external=LOCAL_IPV6)]

    peer.answer = answer
    gateway = PcpGateway(Target(LOCAL_IPV6, "lo", LOCAL_IPV6, port=peer.port))
    try:
        lease = await gateway.map(attrs.evolve(request_80, internal_address=LOCAL_IPV6))
        with pytest.raises(NotAuthorized, match="ends by itself in 120 s") as refused:
            await gateway.unmap(lease)
    finally:
        await gateway.close()
    assert (requested[1:], refused.value.retry_after) == ([0, 1], 121)


@pytest.mark.parametrize("result", [0, 8])
async def test_a_missing_mapping_is_released(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, result: int
) -> None:
    """The RFC requires success for it, miniupnpd answers NO_RESOURCES."""
    lease = await pcp_gateway.map(request_80)
    peer.answer = lambda request: [peer.pcp(request, result=result)]
    await pcp_gateway.unmap(lease)


async def test_a_refused_deletion_is_an_error(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The mapping has another nonce."""
    lease = await pcp_gateway.map(request_80)
    peer.answer = lambda request: [peer.pcp(request, result=2)]
    with pytest.raises(NotAuthorized):
        await pcp_gateway.unmap(lease)

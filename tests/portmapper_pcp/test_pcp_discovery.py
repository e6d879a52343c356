"""Discovery of PCP gateways."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
from typing import Any

import pytest

from portmapper.api.backend import MapsOtherHosts, Target, WatchesGateway
from portmapper.api.errors import NetworkFailure, Unsupported
from portmapper_pcp.backends import PcpBackend
from portmapper_pcp.pcp import PcpGateway

LOCAL = ipaddress.ip_address("127.0.0.1")
OTHER_HOST = ipaddress.ip_address("127.0.0.9")
PREFER_FAILURE = bytes.fromhex("02000000")


async def _discover(target: Target) -> list[PcpGateway]:
    found = [gateway async for gateway in PcpBackend().discover(target)]
    for gateway in found:
        await gateway.close()
    assert all(isinstance(gateway, PcpGateway) for gateway in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("result", [0, 4])
async def test_any_answer_of_version_2_is_a_gateway(peer: Any, result: int) -> None:
    """A server may refuse ANNOUNCE (UNSUPP_OPCODE) but still speak PCP."""
    peer.answer = lambda request: [peer.pcp(request, result=result)]
    (gateway,) = await _discover(peer.target)
    assert gateway.identity == "pcp:127.0.0.1"
    assert gateway.protocol == "PCP 2"
    assert gateway.latency > 0
    assert isinstance(gateway, WatchesGateway)
    assert isinstance(gateway, MapsOtherHosts)


async def test_p2_a_nat_pmp_only_gateway_is_unsupported_at_once(peer: Any) -> None:
    """Version 0 and result 1 end the search with the reason."""
    peer.answer = lambda _: [bytes.fromhex("0080000100000005")]
    with pytest.raises(Unsupported, match="NAT-PMP only"):
        await _discover(peer.target)
    assert len(peer.requests) == 1


async def test_p3_a_gateway_of_another_version_is_unsupported(peer: Any) -> None:
    """We speak only version 2, and accept no other version as an answer."""
    peer.answer = lambda _: [bytes([1, 0x80, 0, 1]) + bytes(20)]
    with pytest.raises(Unsupported, match="offers 1"):
        await _discover(peer.target)


@pytest.mark.usefixtures("fast")
async def test_p4_silence_is_no_gateway_and_no_error(peer: Any) -> None:
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


@pytest.mark.parametrize("rounds", range(5))
async def test_a_cancelled_search_leaks_nothing(peer: Any, rounds: int) -> None:
    """Its socket is closed; an open one would warn, and fail the test."""
    searching = asyncio.create_task(_discover(peer.target))
    for _ in range(rounds):
        await asyncio.sleep(0)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    del searching
    gc.collect()

"""The base of the PCP and NAT-PMP gateways: events, concurrency, close."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.api.backend import GatewayEvent, Target
from portmapper.api.errors import NetworkFailure, NoResources
from portmapper.api.model import Lease, MapRequest, Protocol
from portmapper_pcp.pcp import PcpGateway

LOCAL = ipaddress.ip_address("127.0.0.1")


async def test_p10_an_epoch_that_goes_back_is_reported_with_the_reply(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """The new mapping is valid; the others must be renewed."""
    events: list[GatewayEvent] = []
    await pcp_gateway.watch(events.append)
    await pcp_gateway.map(request_80)
    peer.epoch = 3
    assert isinstance(await pcp_gateway.map(request_80), Lease)
    await pcp_gateway.map(request_80)
    assert events == [GatewayEvent.RESTARTED]


@pytest.mark.parametrize(("epoch", "passed", "age"), [(3, 3, 3), (3, 2, 3), (3, 1, None), (10**9, 3, None)])
async def test_the_age_of_the_table_is_told_with_a_restart(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, epoch: int, passed: int, age: int | None
) -> None:
    """Unless the clock of the gateway jumped: it then began before the last reply."""
    ages: list[float | None] = []
    await pcp_gateway.watch(lambda event: ages.append(pcp_gateway.table_age))
    peer.epoch = 100
    await pcp_gateway.map(request_80)
    now = pcp_gateway._clock()
    pcp_gateway._clock = lambda: now + passed
    peer.epoch = epoch
    await pcp_gateway.map(request_80)
    assert ages == [age]


async def test_an_epoch_that_was_read_late_is_not_compared(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest, stand_still: Callable[[float], None]
) -> None:
    """After a standstill of the process, nothing tells when the answer came; the next one is compared."""

    def late(request: bytes) -> list[bytes]:
        stand_still(0.5)
        return [peer.pcp(request)]

    events: list[GatewayEvent] = []
    await pcp_gateway.watch(events.append)
    await pcp_gateway.map(request_80)
    peer.epoch, peer.answer = 3, late
    await pcp_gateway.map(request_80)
    assert events == []
    peer.answer = lambda request: [peer.pcp(request)]
    await pcp_gateway.map(request_80)
    assert events == [GatewayEvent.RESTARTED]


async def test_an_error_without_an_epoch_is_no_restart(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """Otherwise servers that send 0 in errors would cause endless renewals."""
    events: list[GatewayEvent] = []
    await pcp_gateway.watch(events.append)
    await pcp_gateway.map(request_80)
    peer.epoch = 0
    peer.answer = lambda request: [peer.pcp(request, result=8)]
    with pytest.raises(NoResources):
        await pcp_gateway.map(request_80)
    assert events == []


async def test_a_gateway_that_refuses_the_port_is_gone(closed_port: int, request_80: MapRequest) -> None:
    """The event starts a new search."""
    pcp_gateway = PcpGateway(Target(LOCAL, "lo", LOCAL, port=closed_port))
    events: list[GatewayEvent] = []
    await pcp_gateway.watch(events.append)
    with pytest.raises(NetworkFailure):
        await pcp_gateway.map(request_80)
    assert events == [GatewayEvent.GONE]
    await pcp_gateway.close()


async def test_many_mappings_at_once(peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest) -> None:
    """Each request gets its own answer over the one socket."""
    requests = [
        MapRequest(Protocol.UDP, LOCAL, port, port, token=os.urandom(12)) for port in range(1000, 1100)
    ]
    leases = await asyncio.gather(*map(pcp_gateway.map, requests))
    assert [lease.external_port for lease in leases] == list(range(1000, 1100))


async def test_closing_ends_a_pending_mapping(
    peer: Any, pcp_gateway: PcpGateway, request_80: MapRequest
) -> None:
    """It fails at once, with a typed error."""
    peer.answer = lambda _: []
    pending = asyncio.create_task(pcp_gateway.map(request_80))
    while not peer.requests:
        await asyncio.sleep(0)
    await pcp_gateway.close()
    with pytest.raises(NetworkFailure):
        await pending

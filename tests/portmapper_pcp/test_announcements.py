"""Announcements of the gateway, and forged ones."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portmapper.api.backend import GatewayEvent
from portmapper.api.errors import NetworkFailure
from portmapper.api.model import MapRequest
from portmapper_pcp import announcements, gateway
from portmapper_pcp.announcements import Listener
from portmapper_pcp.nat_pmp import NatPmpGateway
from portmapper_pcp.pcp import PcpGateway

LOCAL = ipaddress.ip_address("127.0.0.1")
ANNOUNCE = bytes.fromhex("0200000000000000" + "00" * 16)
ADDRESS_REQUEST = bytes(2)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process packets without the pause between them."""
    monkeypatch.setattr(announcements, "PAUSE", 0.0)


class EventRecorder:
    """The events that a gateway reported."""

    def __init__(self) -> None:
        self.events: list[GatewayEvent] = []
        self.bell = asyncio.Event()

    def __call__(self, event: GatewayEvent) -> None:
        """Record an event."""
        self.events.append(event)
        self.bell.set()

    async def next(self) -> GatewayEvent:
        """Wait for the next event and return it."""
        await self.bell.wait()
        self.bell.clear()
        return self.events[-1]


@pytest.fixture
async def pcp(peer: Any, request_80: MapRequest) -> AsyncIterator[PcpGateway]:
    """Return a PCP gateway with one mapping, so that its epoch and address are known."""
    peer.answer = lambda request: [peer.pcp(request)]
    opened = PcpGateway(peer.target)
    await opened.map(request_80)
    yield opened
    await opened.close()


@pytest.fixture
async def nat_pmp(peer: Any) -> AsyncIterator[NatPmpGateway]:
    """Return a NAT-PMP gateway with one mapping."""
    peer.answer = lambda request: [peer.natpmp(request)]
    opened = NatPmpGateway(peer.target)
    await opened.probe()
    yield opened
    await opened.close()


async def _settled(peer: Any, count: int) -> None:
    """Wait until the gateway was queried so often and its answer was processed."""
    while len(peer.requests) < count:
        await asyncio.sleep(0.001)
    for _ in range(5):
        await asyncio.sleep(0)


async def test_p12_a_restart_is_announced_over_pcp(peer: Any, pcp: PcpGateway) -> None:
    """The gateway confirms it, and it is reported once."""
    recorder = EventRecorder()
    await pcp.watch(recorder)
    peer.epoch = 0
    peer.announce(peer.pcp(ANNOUNCE))
    assert await recorder.next() is GatewayEvent.RESTARTED
    peer.announce(peer.pcp(ANNOUNCE))
    peer.epoch = 0
    peer.announce(peer.natpmp(ADDRESS_REQUEST))
    await asyncio.sleep(0.02)
    assert recorder.events == [GatewayEvent.RESTARTED]


async def test_p12_a_restart_is_announced_over_nat_pmp(peer: Any, nat_pmp: NatPmpGateway) -> None:
    """An announcement in NAT-PMP's own form."""
    recorder = EventRecorder()
    await nat_pmp.watch(recorder)
    peer.epoch = 0
    peer.announce(peer.natpmp(ADDRESS_REQUEST))
    assert await recorder.next() is GatewayEvent.RESTARTED


async def test_p12_nat_pmp_accepts_the_pcp_announcement(peer: Any, nat_pmp: NatPmpGateway) -> None:
    """miniupnpd announces its restart in the PCP form only."""
    recorder = EventRecorder()
    await nat_pmp.watch(recorder)
    peer.epoch = 0
    peer.announce(peer.pcp(ANNOUNCE))
    assert await recorder.next() is GatewayEvent.RESTARTED


async def test_a_new_external_address_is_announced(peer: Any, nat_pmp: NatPmpGateway) -> None:
    """The lease stays, only the address changes."""
    recorder = EventRecorder()
    await nat_pmp.watch(recorder)
    other = ipaddress.ip_address("203.0.113.9")
    peer.answer = lambda request: [peer.natpmp(request, external=other)]
    peer.announce(peer.natpmp(ADDRESS_REQUEST, external=other))
    assert await recorder.next() is GatewayEvent.EXTERNAL_ADDRESS_CHANGED
    assert len(recorder.events) == 1


async def test_pcp_renews_when_a_new_external_address_is_announced(peer: Any, pcp: PcpGateway) -> None:
    """PCP has no request for the address, so a renewal is needed to learn it."""
    recorder = EventRecorder()
    await pcp.watch(recorder)
    peer.announce(peer.natpmp(ADDRESS_REQUEST, external=ipaddress.ip_address("203.0.113.9")))
    assert await recorder.next() is GatewayEvent.RESTARTED


async def test_p12_a_third_party_flood_changes_nothing(peer: Any, pcp: PcpGateway, third_party: Any) -> None:
    """Valid packets from the wrong port are dropped, mostly by the system, without any query."""
    recorder = EventRecorder()
    await pcp.watch(recorder)
    requested = len(peer.requests)
    peer.epoch = 0
    for _ in range(300):
        peer.announce(peer.pcp(ANNOUNCE), third_party)
    await asyncio.sleep(0.02)
    assert recorder.events == []
    assert len(peer.requests) == requested


async def test_p12_a_forged_epoch_is_reported_rarely_and_never_stored(peer: Any, pcp: PcpGateway) -> None:
    """A packet with the gateway's address that its own reply does not confirm."""
    recorder = EventRecorder()
    await pcp.watch(recorder)
    for round_ in range(5):
        requested = len(peer.requests)
        forged = bytearray(peer.pcp(ANNOUNCE))
        forged[8:12] = round_.to_bytes(4, "big")
        peer.announce(bytes(forged))
        await _settled(peer, requested + 1)
    assert recorder.events == [GatewayEvent.RESTARTED]


async def test_p11_an_address_announced_with_a_steady_epoch_changes_nothing(
    peer: Any, nat_pmp: NatPmpGateway
) -> None:
    """Some gateways announce their address periodically."""
    recorder = EventRecorder()
    await nat_pmp.watch(recorder)
    requested = len(peer.requests)
    peer.announce(peer.natpmp(ADDRESS_REQUEST))
    await asyncio.sleep(0.02)
    assert recorder.events == []
    assert len(peer.requests) == requested


async def test_a_restart_is_reported_although_the_epoch_continues(peer: Any, pcp: PcpGateway) -> None:
    """With `system_uptime=yes` miniupnpd loses its table but keeps its epoch; only ANNOUNCE shows it."""
    recorder = EventRecorder()
    await pcp.watch(recorder)
    peer.announce(peer.pcp(ANNOUNCE))
    assert await recorder.next() is GatewayEvent.RESTARTED


async def test_garbage_from_the_gateway_changes_nothing(peer: Any, pcp: PcpGateway) -> None:
    """Later packets are still processed."""
    recorder = EventRecorder()
    await pcp.watch(recorder)
    for garbage in (b"", b"\x02", b"\0" * 3, bytes([9]) * 60, bytes(2000), b"\0\x80\0\1" + bytes(8)):
        peer.announce(garbage)
    await asyncio.sleep(0.01)
    peer.epoch = 0
    peer.announce(peer.pcp(ANNOUNCE))
    assert await recorder.next() is GatewayEvent.RESTARTED


@given(packet=st.binary(max_size=64))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=100)
async def test_no_announcement_breaks_a_gateway(packet: bytes, peer: Any) -> None:
    """Any bytes give an event or nothing."""
    peer.answer = lambda request: [peer.pcp(request) if request[:1] == b"\2" else peer.natpmp(request)]
    for opened in (PcpGateway(peer.target), NatPmpGateway(peer.target)):
        await opened._on_announcement(packet)
        await opened.close()


async def test_a_flood_is_processed_slowly(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand packets only a few are processed; the system drops what exceeds its short queue."""
    monkeypatch.setattr(announcements, "PAUSE", 3600.0)
    received: list[bytes] = []

    async def receive(packet: bytes) -> None:
        received.append(packet)

    listener = Listener(LOCAL, LOCAL, peer.port, receive)
    for _ in range(1000):
        peer.announce(b"flood")
    await asyncio.sleep(0.02)
    assert received == [b"flood"]
    await listener.close()


async def test_a_gateway_works_without_the_announcement_port(
    peer: Any, pcp: PcpGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replies still reveal restarts."""

    def refuse(*_: object) -> None:
        raise NetworkFailure("cannot listen for announcements: address already in use")

    monkeypatch.setattr(gateway, "Listener", refuse)
    recorder = EventRecorder()
    await pcp.watch(recorder)
    peer.epoch = 0
    await pcp.probe()
    assert recorder.events == [GatewayEvent.RESTARTED]


async def test_a_group_that_cannot_be_joined_is_a_typed_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address belongs to no interface; the socket is closed."""
    unassigned = ipaddress.ip_address("192.0.2.1")

    async def receive(_: bytes) -> None:
        raise AssertionError

    with pytest.raises(NetworkFailure, match="cannot listen for announcements"):
        Listener(unassigned, LOCAL, 5351, receive)


async def test_two_programs_on_one_host_receive_announcements(peer: Any) -> None:
    """Other NAT-PMP clients and the other backend share the port."""
    bells = [asyncio.Event(), asyncio.Event()]

    async def receive(bell: asyncio.Event, _: bytes) -> None:
        bell.set()

    listeners = [
        Listener(LOCAL, LOCAL, peer.port, lambda packet, bell=bell: receive(bell, packet)) for bell in bells
    ]
    peer.announce(b"hello")
    for bell in bells:
        await bell.wait()
    for listener in listeners:
        await listener.close()


def test_the_listening_socket_is_not_blocking() -> None:
    """A blocking socket would stop the whole program between two announcements."""
    listening = announcements._open(LOCAL, LOCAL, 5351)
    with listening:
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        with pytest.raises(BlockingIOError):
            listening.recv(1)


async def test_a_repeated_announcement_of_a_known_start_is_no_restart(peer: Any, pcp: PcpGateway) -> None:
    """The gateway started shortly before the first reply, and repeats its announcement for two minutes."""
    recorder = EventRecorder()
    peer.epoch = 3
    await pcp.probe()
    await pcp.watch(recorder)
    recorder.events.clear()
    peer.announce(peer.pcp(ANNOUNCE))
    await asyncio.sleep(0.02)
    assert recorder.events == []

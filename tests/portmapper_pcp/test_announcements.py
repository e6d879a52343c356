"""What the gateway, and others, say to everybody."""

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
ASK_ADDRESS = bytes(2)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at packets one after the other, without the pause between them."""
    monkeypatch.setattr(announcements, "PAUSE", 0.0)


class Ears:
    """The events a gateway told of."""

    def __init__(self) -> None:
        self.events: list[GatewayEvent] = []
        self.bell = asyncio.Event()

    def __call__(self, event: GatewayEvent) -> None:
        """Hear one."""
        self.events.append(event)
        self.bell.set()

    async def next(self) -> GatewayEvent:
        """Wait for one more."""
        await self.bell.wait()
        self.bell.clear()
        return self.events[-1]


@pytest.fixture
async def pcp(peer: Any, request_80: MapRequest) -> AsyncIterator[PcpGateway]:
    """A PCP gateway with one mapping, so that its epoch and address are known."""
    peer.answer = lambda request: [peer.pcp(request)]
    opened = PcpGateway(peer.target)
    await opened.map(request_80)
    yield opened
    await opened.close()


@pytest.fixture
async def nat_pmp(peer: Any) -> AsyncIterator[NatPmpGateway]:
    """A NAT-PMP gateway, likewise."""
    peer.answer = lambda request: [peer.natpmp(request)]
    opened = NatPmpGateway(peer.target)
    await opened.probe()
    yield opened
    await opened.close()


async def _settled(peer: Any, count: int) -> None:
    """Wait until the gateway was asked so often, and its answer was heard."""
    while len(peer.requests) < count:
        await asyncio.sleep(0.001)
    for _ in range(5):
        await asyncio.sleep(0)


async def test_p12_a_restart_is_announced_over_pcp(peer: Any, pcp: PcpGateway) -> None:
    """The gateway confirms it, and it is told once."""
    ears = Ears()
    await pcp.watch(ears)
    peer.epoch = 0
    peer.announce(peer.pcp(ANNOUNCE))
    assert await ears.next() is GatewayEvent.RESTARTED
    peer.announce(peer.pcp(ANNOUNCE))
    peer.epoch = 0
    peer.announce(peer.natpmp(ASK_ADDRESS))
    await asyncio.sleep(0.02)
    assert ears.events == [GatewayEvent.RESTARTED]


async def test_p12_a_restart_is_announced_over_nat_pmp(peer: Any, nat_pmp: NatPmpGateway) -> None:
    """In NAT-PMP's own form."""
    ears = Ears()
    await nat_pmp.watch(ears)
    peer.epoch = 0
    peer.announce(peer.natpmp(ASK_ADDRESS))
    assert await ears.next() is GatewayEvent.RESTARTED


async def test_p12_nat_pmp_also_hears_the_pcp_form(peer: Any, nat_pmp: NatPmpGateway) -> None:
    """The form in which miniupnpd announces its restart."""
    ears = Ears()
    await nat_pmp.watch(ears)
    peer.epoch = 0
    peer.announce(peer.pcp(ANNOUNCE))
    assert await ears.next() is GatewayEvent.RESTARTED


async def test_another_outside_address_is_announced(peer: Any, nat_pmp: NatPmpGateway) -> None:
    """The lease stays, the address is another."""
    ears = Ears()
    await nat_pmp.watch(ears)
    other = ipaddress.ip_address("203.0.113.9")
    peer.answer = lambda request: [peer.natpmp(request, external=other)]
    peer.announce(peer.natpmp(ASK_ADDRESS, external=other))
    assert await ears.next() is GatewayEvent.EXTERNAL_ADDRESS_CHANGED
    assert len(ears.events) == 1


async def test_pcp_renews_when_another_outside_address_is_announced(peer: Any, pcp: PcpGateway) -> None:
    """PCP has no question for the address: renewing is how it is learnt."""
    ears = Ears()
    await pcp.watch(ears)
    peer.announce(peer.natpmp(ASK_ADDRESS, external=ipaddress.ip_address("203.0.113.9")))
    assert await ears.next() is GatewayEvent.RESTARTED


async def test_p12_a_strangers_flood_changes_nothing(peer: Any, pcp: PcpGateway, stranger: Any) -> None:
    """The right packets from the wrong port are dropped, mostly by the system; nobody is even asked."""
    ears = Ears()
    await pcp.watch(ears)
    requested = len(peer.requests)
    peer.epoch = 0
    for _ in range(300):
        peer.announce(peer.pcp(ANNOUNCE), stranger)
    await asyncio.sleep(0.02)
    assert ears.events == []
    assert len(peer.requests) == requested


async def test_p12_a_forged_epoch_is_believed_once_in_a_while_and_never_kept(
    peer: Any, pcp: PcpGateway
) -> None:
    """With the gateway's own address on it; the gateway says otherwise, so little comes of it."""
    ears = Ears()
    await pcp.watch(ears)
    for round_ in range(5):
        requested = len(peer.requests)
        forged = bytearray(peer.pcp(ANNOUNCE))
        forged[8:12] = round_.to_bytes(4, "big")
        peer.announce(bytes(forged))
        await _settled(peer, requested + 1)
    assert ears.events == [GatewayEvent.RESTARTED]


async def test_p11_an_address_announced_with_a_steady_epoch_changes_nothing(
    peer: Any, nat_pmp: NatPmpGateway
) -> None:
    """Some gateways announce their address every now and then."""
    ears = Ears()
    await nat_pmp.watch(ears)
    requested = len(peer.requests)
    peer.announce(peer.natpmp(ASK_ADDRESS))
    await asyncio.sleep(0.02)
    assert ears.events == []
    assert len(peer.requests) == requested


async def test_a_restart_is_believed_though_the_epoch_goes_on(peer: Any, pcp: PcpGateway) -> None:
    """With `system_uptime=yes` miniupnpd loses its table and not its epoch; ANNOUNCE is all that tells."""
    ears = Ears()
    await pcp.watch(ears)
    peer.announce(peer.pcp(ANNOUNCE))
    assert await ears.next() is GatewayEvent.RESTARTED


async def test_garbage_from_the_gateway_changes_nothing(peer: Any, pcp: PcpGateway) -> None:
    """And what comes after it is heard."""
    ears = Ears()
    await pcp.watch(ears)
    for garbage in (b"", b"\x02", b"\0" * 3, bytes([9]) * 60, bytes(2000), b"\0\x80\0\1" + bytes(8)):
        peer.announce(garbage)
    await asyncio.sleep(0.01)
    peer.epoch = 0
    peer.announce(peer.pcp(ANNOUNCE))
    assert await ears.next() is GatewayEvent.RESTARTED


@given(packet=st.binary(max_size=64))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
async def test_no_announcement_breaks_a_gateway(packet: bytes, peer: Any) -> None:
    """Whatever the bytes, at most an event comes of them."""
    peer.answer = lambda request: [peer.pcp(request) if request[:1] == b"\2" else peer.natpmp(request)]
    for opened in (PcpGateway(peer.target), NatPmpGateway(peer.target)):
        await opened._on_announcement(packet)
        await opened.close()


async def test_a_flood_waits_between_two_packets(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand packets are not a thousand looks; the system drops what its short queue cannot hold."""
    monkeypatch.setattr(announcements, "PAUSE", 3600.0)
    heard: list[bytes] = []

    async def hear(packet: bytes) -> None:
        heard.append(packet)

    listener = Listener(LOCAL, LOCAL, peer.port, hear)
    for _ in range(1000):
        peer.announce(b"flood")
    await asyncio.sleep(0.02)
    assert heard == [b"flood"]
    await listener.close()


async def test_a_port_that_cannot_be_had_is_no_failure_of_the_gateway(
    peer: Any, pcp: PcpGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replies still tell of restarts."""

    def refuse(*_: object) -> None:
        raise NetworkFailure("cannot listen for announcements: address already in use")

    monkeypatch.setattr(gateway, "Listener", refuse)
    ears = Ears()
    await pcp.watch(ears)
    peer.epoch = 0
    await pcp.probe()
    assert ears.events == [GatewayEvent.RESTARTED]


async def test_a_group_that_cannot_be_joined_is_a_typed_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is no interface's; the socket is not leaked."""
    nobody = ipaddress.ip_address("192.0.2.1")

    async def hear(_: bytes) -> None:
        raise AssertionError

    with pytest.raises(NetworkFailure, match="cannot listen for announcements"):
        Listener(nobody, LOCAL, 5351, hear)


async def test_two_programs_on_one_host_hear_the_same(peer: Any) -> None:
    """The port is shared: other NAT-PMP clients and our other backend listen there too."""
    bells = [asyncio.Event(), asyncio.Event()]

    async def hear(bell: asyncio.Event, _: bytes) -> None:
        bell.set()

    listeners = [
        Listener(LOCAL, LOCAL, peer.port, lambda packet, bell=bell: hear(bell, packet)) for bell in bells
    ]
    peer.announce(b"hello")
    for bell in bells:
        await bell.wait()
    for listener in listeners:
        await listener.close()


def test_the_listening_socket_is_not_blocking() -> None:
    """A blocking one would stop the whole program between two announcements."""
    listening = announcements._open(LOCAL, LOCAL, 5351)
    with listening:
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        with pytest.raises(BlockingIOError):
            listening.recv(1)

"""Ports that were opened from a former address of this host."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from platforms import not_on_wine

from portmapper.api.backend import Target
from portmapper.api.errors import GatewayTimeout, NetworkFailure
from portmapper.api.model import IPAddress, Lease, Protocol
from portmapper_pcp import former_address, gateway, nat_pmp
from portmapper_pcp.nat_pmp import NatPmpGateway
from portmapper_pcp.pcp import PcpGateway

FORMER = ipaddress.ip_address("192.0.2.77")
LOCAL = ipaddress.ip_address("127.0.0.1")
NONCE = b"twelve bytes"

pytestmark = not_on_wine("binds addresses that the host does not have")

SentPackets = list[tuple[bytes, IPAddress]]


@pytest.fixture
def sent_packets(monkeypatch: pytest.MonkeyPatch) -> SentPackets:
    """Record the packets sent from former addresses, as if the system permitted them."""
    packets: SentPackets = []

    async def send_from(packet: bytes, former: IPAddress, to: IPAddress, port: int) -> None:
        packets.append((packet, former))

    monkeypatch.setattr(gateway, "send_from", send_from)
    return packets


def lease(backend: str) -> Lease:
    """Return a lease that the former address was granted."""
    return Lease(Protocol.TCP, FORMER, 80, 8080, None, 3600, False, backend, f"{backend}:{LOCAL}", NONCE)


def test_an_address_of_no_interface_is_unassigned() -> None:
    """The loopback address is assigned."""
    assert former_address.is_unassigned(FORMER)
    assert former_address.is_unassigned(ipaddress.ip_address("2001:db8::77"))
    assert not former_address.is_unassigned(LOCAL)


async def test_pcp_releases_from_the_former_address(sent_packets: SentPackets, peer: Any) -> None:
    """The nonce protects the mappings of another host that has the address now."""
    speaking = PcpGateway(Target(FORMER, "lo", LOCAL, port=peer.port))
    with pytest.raises(GatewayTimeout, match="this host no longer has"):
        await speaking.unmap(lease("pcp"))
    await speaking.close()
    ((packet, former),) = sent_packets
    assert former == FORMER
    assert packet[4:8] == bytes(4)
    assert packet[8:24] == bytes(10) + b"\xff\xff" + FORMER.packed
    assert packet[24:36] == NONCE


async def test_pcp_releases_from_the_former_address_without_third_party(
    sent_packets: SentPackets, peer: Any
) -> None:
    """Such a gateway granted the lease to that address; a LAN device that is alive is left alone."""
    peer.answer = lambda request: [peer.pcp(request, result=5)]
    speaking = PcpGateway(peer.target)
    with pytest.raises(GatewayTimeout):
        await speaking.unmap(lease("pcp"))
    await speaking.close()
    assert [former for _, former in sent_packets] == [FORMER]


async def test_nat_pmp_releases_only_shortly_after_the_address_was_lost(
    sent_packets: SentPackets, peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no nonce: later, both address and mapping may belong to another host."""
    now = 1000.0
    speaking = NatPmpGateway(Target(FORMER, "lo", LOCAL, port=peer.port))
    monkeypatch.setattr(speaking, "_clock", lambda: now)
    with pytest.raises(NetworkFailure):
        await speaking.unmap(lease("natpmp"))
    speaking._epoch.accept(1, now)
    with pytest.raises(GatewayTimeout):
        await speaking.unmap(lease("natpmp"))
    assert [packet.hex() for packet, _ in sent_packets] == ["000200000050000000000000"]
    now += nat_pmp.ADDRESS_REUSE_TIME
    with pytest.raises(NetworkFailure):
        await speaking.unmap(lease("natpmp"))
    await speaking.close()


async def test_without_the_capability_it_is_a_network_failure(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system rejects the socket option."""
    monkeypatch.setattr(former_address, "_TRANSPARENT", {4: (0, 9999)})
    speaking = PcpGateway(Target(FORMER, "lo", LOCAL, port=peer.port))
    with pytest.raises(NetworkFailure, match="this host no longer has"):
        await speaking.unmap(lease("pcp"))
    await speaking.close()
    assert peer.requests == []

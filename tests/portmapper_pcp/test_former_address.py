"""Ports that an address holds which this host has lost."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.backend import Target
from portmapper.api.errors import GatewayTimeout, NetworkFailure
from portmapper.api.model import IPAddress, Lease, Protocol
from portmapper_pcp import former_address, gateway, nat_pmp
from portmapper_pcp.nat_pmp import NatPmpGateway
from portmapper_pcp.pcp import PcpGateway

FORMER = ipaddress.ip_address("192.0.2.77")
LOCAL = ipaddress.ip_address("127.0.0.1")
NONCE = b"twelve bytes"

Said = list[tuple[bytes, IPAddress]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What would be sent from addresses that are not ours; the system lets us."""
    packets: Said = []

    async def send_from(packet: bytes, former: IPAddress, to: IPAddress, port: int) -> None:
        packets.append((packet, former))

    monkeypatch.setattr(gateway, "send_from", send_from)
    return packets


def lease(backend: str) -> Lease:
    """Return what the former address was granted."""
    return Lease(Protocol.TCP, FORMER, 80, 8080, None, 3600, False, backend, f"{backend}:{LOCAL}", NONCE)


def test_an_address_that_nobody_here_has_is_lost() -> None:
    """Loopback's is not."""
    assert former_address.is_unassigned(FORMER)
    assert former_address.is_unassigned(ipaddress.ip_address("2001:db8::77"))
    assert not former_address.is_unassigned(LOCAL)


async def test_pcp_releases_from_the_former_address_itself(said: Said, peer: Any) -> None:
    """With the nonce, so it can close nothing of another host that has the address now."""
    speaking = PcpGateway(Target(FORMER, "lo", LOCAL, port=peer.port))
    with pytest.raises(GatewayTimeout, match="this host no longer has"):
        await speaking.unmap(lease("pcp"))
    await speaking.close()
    ((packet, former),) = said
    assert former == FORMER
    assert packet[4:8] == bytes(4)
    assert packet[8:24] == bytes(10) + b"\xff\xff" + FORMER.packed
    assert packet[24:36] == NONCE


async def test_pcp_does_so_after_a_restart_too_where_a_gateway_lets_nobody_ask_for_others(
    said: Said, peer: Any
) -> None:
    """Such a gateway granted it to the very address; a device of the LAN that is alive is left alone."""
    peer.answer = lambda request: [peer.pcp(request, result=5)]
    speaking = PcpGateway(peer.target)
    with pytest.raises(GatewayTimeout):
        await speaking.unmap(lease("pcp"))
    await speaking.close()
    assert [former for _, former in said] == [FORMER]


async def test_nat_pmp_does_so_only_shortly_after_the_address_was_lost(
    said: Said, peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no nonce: later the address may be another host's, and so may be the mapping."""
    now = 1000.0
    speaking = NatPmpGateway(Target(FORMER, "lo", LOCAL, port=peer.port))
    monkeypatch.setattr(speaking, "_clock", lambda: now)
    with pytest.raises(NetworkFailure):
        await speaking.unmap(lease("natpmp"))
    speaking._epoch.accept(1, now)
    with pytest.raises(GatewayTimeout):
        await speaking.unmap(lease("natpmp"))
    assert [packet.hex() for packet, _ in said] == ["000200000050000000000000"]
    now += nat_pmp.ADDRESS_REUSE_TIME
    with pytest.raises(NetworkFailure):
        await speaking.unmap(lease("natpmp"))
    await speaking.close()


async def test_where_the_system_does_not_let_us_it_is_a_network_failure(
    peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is without the capability for it."""
    monkeypatch.setattr(former_address, "_TRANSPARENT", {4: (0, 9999)})
    speaking = PcpGateway(Target(FORMER, "lo", LOCAL, port=peer.port))
    with pytest.raises(NetworkFailure, match="this host no longer has"):
        await speaking.unmap(lease("pcp"))
    await speaking.close()
    assert peer.requests == []

"""A scripted gateway on loopback."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from portmapper.api.backend import Target
from portmapper.api.model import MapRequest, Protocol
from portmapper_pcp.pcp import PcpGateway

LOCAL = ipaddress.ip_address("127.0.0.1")
OUTSIDE = ipaddress.ip_address("203.0.113.7")
V4_MAPPED = bytes(10) + b"\xff\xff"


class Peer(asyncio.DatagramProtocol):
    """A scripted gateway.

    Attributes:
        answer: converts a request to the packets to send back.
        requests: the received requests, in order.
        epoch: the epoch in its replies.
    """

    def __init__(self) -> None:
        self.answer: Callable[[bytes], list[bytes]] = lambda _: []
        self.requests: list[bytes] = []
        self.epoch = 1000
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer as scripted."""
        self.requests.append(data)
        for packet in self.answer(data):
            self.transport.sendto(packet, addr)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.transport.get_extra_info("sockname")[1])

    def announce(self, packet: bytes, transport: Any = None) -> None:
        """Multicast a packet over loopback; pass `transport` to send it from a third party."""
        transport = transport or self.transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, LOCAL.packed)
        transport.sendto(packet, ("224.0.0.1", 5350))

    @property
    def target(self) -> Target:
        """The target for a backend."""
        return Target(LOCAL, "lo", LOCAL, port=self.port)

    def pcp(
        self,
        request: bytes,
        *,
        result: int = 0,
        lifetime: int | None = None,
        port: int | None = None,
        nonce: bytes | None = None,
        internal_port: int | None = None,
        opcode: int | None = None,
        external: ipaddress.IPv4Address | ipaddress.IPv6Address = OUTSIDE,
    ) -> bytes:
        """Build the answer to a PCP request; by default, that of a well-behaved gateway."""
        requested = struct.unpack_from("!I", request, 4)[0]
        header = struct.pack(
            "!BBxBII12x",
            2,
            0x80 | (request[1] if opcode is None else opcode),
            result,
            requested if lifetime is None else lifetime,
            self.epoch,
        )
        if request[1] == 0:
            return header
        internal, suggested = struct.unpack_from("!HH", request, 40)
        return (
            header
            + (nonce or request[24:36])
            + request[36:40]
            + struct.pack("!HH", internal_port or internal, suggested if port is None else port)
            + (V4_MAPPED if external.version == 4 else b"")
            + external.packed
        )

    def natpmp(
        self,
        request: bytes,
        *,
        result: int = 0,
        lifetime: int | None = None,
        port: int | None = None,
        internal_port: int | None = None,
        external: ipaddress.IPv4Address | ipaddress.IPv6Address = OUTSIDE,
    ) -> bytes:
        """Build the answer to a NAT-PMP request in the same way."""
        header = struct.pack("!BBHI", 0, 0x80 | request[1], result, self.epoch)
        if request[1] == 0:
            return header + external.packed
        internal, suggested, requested = struct.unpack_from("!HHI", request, 4)
        return header + struct.pack(
            "!HHI",
            internal_port or internal,
            suggested if port is None else port,
            requested if lifetime is None else lifetime,
        )


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """Return a silent gateway; set its `answer`."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        Peer, local_addr=(str(LOCAL), 0)
    )
    yield protocol
    transport.abort()  # `close` waits for packets that were not sent yet; on Windows, sending takes a moment
    await asyncio.sleep(0)


@pytest.fixture
async def peer_over_ipv6() -> AsyncIterator[Peer]:
    """Return a silent gateway on `::1`; its `target` is for IPv4, so build another one."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        Peer, local_addr=("::1", 0)
    )
    yield protocol
    transport.abort()
    await asyncio.sleep(0)


@pytest.fixture
def closed_port(free_port: Callable[[], int]) -> int:
    """Return a loopback port that no program listens on."""
    return free_port()


@pytest.fixture
async def third_party() -> AsyncIterator[Any]:
    """Return the transport of another program on this host: right address, wrong port."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=(str(LOCAL), 0)
    )
    yield transport
    transport.abort()
    await asyncio.sleep(0)


@pytest.fixture
def request_80() -> MapRequest:
    """Return a request for TCP port 80 of this host."""
    return MapRequest(Protocol.TCP, LOCAL, 80, 80, 3600, token=b"twelve bytes")


@pytest.fixture
async def pcp_gateway(peer: Any) -> AsyncIterator[PcpGateway]:
    """Return the PCP gateway for the scripted peer, which grants everything."""
    peer.answer = lambda request: [peer.pcp(request)]
    opened = PcpGateway(peer.target)
    yield opened
    await opened.close()


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run retransmissions twenty-five times as fast."""
    from portmapper_pcp import nat_pmp, pcp, retransmission

    def delays(limit: float, jitter: float = 0.0, *, urgent: bool = False) -> Any:
        return (wait / 25 for wait in retransmission.delays(limit, jitter, urgent=urgent))

    monkeypatch.setattr(pcp, "delays", delays)
    monkeypatch.setattr(nat_pmp, "delays", delays)

"""The embedded gateway for our own backends, and a neighbour that talks nonsense in its place."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from portmapper.api.backend import Backend, Target
from portmapper.testing import BackendSubject, embedded_gateway

LOCAL = ipaddress.ip_address("127.0.0.1")
NOISE = b"\x00\xff\x02\x81 no protocol at all \r\n\r\n<<<" * 8


class Babbler(asyncio.DatagramProtocol):
    """Answers every datagram with noise."""

    def connection_made(self, transport: Any) -> None:
        """Keep the way back."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Say something: short, long, and what was asked."""
        for packet in (b"", NOISE[:8], NOISE, data):
            self.transport.sendto(packet, addr)


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a connection with noise, and close it."""
    try:
        await reader.read(4096)
        writer.write(NOISE)
        await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take all that a connection sends, and say nothing."""
    try:
        while await reader.read(4096):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def datagrams_to(kind: type[asyncio.DatagramProtocol], port: int) -> AsyncIterator[None]:
    """Stand in for a gateway at a UDP port of loopback."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(kind, local_addr=(str(LOCAL), port))
    yield
    transport.close()
    await asyncio.sleep(0)


@asynccontextmanager
async def connections_to(serve: Callable[..., Awaitable[None]], port: int) -> AsyncIterator[None]:
    """Stand in for a gateway at a TCP port of loopback."""
    server = await asyncio.start_server(serve, str(LOCAL), port)
    yield
    server.close()
    await server.wait_closed()


@pytest.fixture
async def port_5351(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[str, Backend], Awaitable[BackendSubject]]]:
    """Make the subject for a protocol of that UDP port: the embedded gateway speaks nothing else."""
    async with AsyncExitStack() as stack:

        async def make(protocol: str, backend: Backend) -> BackendSubject:
            port = free_port()
            gateway = await stack.enter_async_context(
                embedded_gateway(protocols=frozenset({protocol}), pcp_port=port)
            )

            def silence() -> None:
                gateway.mute(protocol)
                hasten(monkeypatch)

            async def garble() -> None:
                await gateway.stop_protocol(protocol)
                hasten(monkeypatch)
                await stack.enter_async_context(datagrams_to(Babbler, port))

            return BackendSubject(
                backend=backend,
                target=Target(LOCAL, "lo", LOCAL, port=port),
                open_ports=lambda: {entry.key for entry in gateway.table},
                silence=silence,
                garble=garble,
                ports=[free_port() for _ in range(8)],
            )

        yield make


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retransmission run ten times as fast, once no answer is to be waited for."""
    from portmapper_pcp import nat_pmp, pcp, retransmission

    def delays(limit: float, jitter: float = 0.0, *, urgent: bool = False) -> Any:
        return (wait / 10 for wait in retransmission.delays(limit, jitter, urgent=urgent))

    for module in (pcp, nat_pmp):
        monkeypatch.setattr(module, "delays", delays)


@pytest.fixture
async def igd(
    free_port: Callable[[], int],
) -> AsyncIterator[Callable[[Backend, int], Awaitable[BackendSubject]]]:
    """Make the subject for UPnP: an embedded IGD of that version."""
    async with AsyncExitStack() as stack:

        async def make(backend: Backend, version: int) -> BackendSubject:
            port = free_port()
            gateway = await stack.enter_async_context(
                embedded_gateway(
                    protocols=frozenset({"upnp"}),
                    http_port=port,
                    ssdp_port=free_port(),
                    igd_version=version,
                )
            )

            async def replace(serve: Callable[..., Awaitable[None]]) -> None:
                await gateway.stop_protocol("upnp")
                await stack.enter_async_context(connections_to(serve, port))

            return BackendSubject(
                backend=backend,
                target=Target(LOCAL, "lo", LOCAL, url=gateway.location),
                open_ports=lambda: {entry.key for entry in gateway.table},
                silence=lambda: replace(swallow),
                garble=lambda: replace(babble),
                ports=[free_port() for _ in range(8)],
            )

        yield make

"""The software gateway for portmapper's own backends, and servers that replace it with noise or silence."""

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


class NoiseServer(asyncio.DatagramProtocol):
    """Answers every datagram with noise."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport for answers."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer with empty, short and long packets, and with the request itself."""
        for packet in (b"", NOISE[:8], NOISE, data):
            self.transport.sendto(packet, addr)


async def send_noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a connection with noise and close it."""
    try:
        await reader.read(4096)
        writer.write(NOISE)
        await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything from a connection and answer nothing."""
    try:
        while await reader.read(4096):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def datagrams_to(kind: type[asyncio.DatagramProtocol], port: int) -> AsyncIterator[None]:
    """Replace a gateway on a UDP port of the loopback interface."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(kind, local_addr=(str(LOCAL), port))
    yield
    transport.abort()
    await asyncio.sleep(0)


@asynccontextmanager
async def connections_to(serve: Callable[..., Awaitable[None]], port: int) -> AsyncIterator[None]:
    """Replace a gateway on a TCP port of the loopback interface."""
    server = await asyncio.start_server(serve, str(LOCAL), port)
    yield
    server.close()
    await server.wait_closed()


@pytest.fixture
async def port_5351(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[str, Backend], Awaitable[BackendSubject]]]:
    """A function that makes the subject for PCP or NAT-PMP; its gateway supports only this protocol."""
    async with AsyncExitStack() as stack:

        async def make(protocol: str, backend: Backend) -> BackendSubject:
            port = free_port()
            gateway = await stack.enter_async_context(
                embedded_gateway(protocols=frozenset({protocol}), pcp_port=port)
            )

            def silence() -> None:
                gateway.mute(protocol)
                shorten_retries(monkeypatch)

            async def garble() -> None:
                await gateway.stop_protocol(protocol)
                shorten_retries(monkeypatch)
                await stack.enter_async_context(datagrams_to(NoiseServer, port))

            return BackendSubject(
                backend=backend,
                target=Target(LOCAL, "lo", LOCAL, port=port),
                open_ports=lambda: {entry.key for entry in gateway.table},
                silence=silence,
                garble=garble,
                ports=[free_port() for _ in range(8)],
            )

        yield make


def shorten_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retransmit ten times as fast, because no answer will come."""
    from portmapper_pcp import nat_pmp, pcp, retransmission

    def delays(limit: float, jitter: float = 0.0, *, urgent: bool = False) -> Any:
        return (wait / 10 for wait in retransmission.delays(limit, jitter, urgent=urgent))

    for module in (pcp, nat_pmp):
        monkeypatch.setattr(module, "delays", delays)


@pytest.fixture
async def igd(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[Backend, int], Awaitable[BackendSubject]]]:
    """A function that makes the subject for UPnP; its gateway is an IGD of the given version."""
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

            async def silence() -> None:
                await replace(stay_silent)
                # Version 2 shows that the real limits end a call; they are the same for both.
                if version == 1:
                    monkeypatch.setattr("portmapper_upnp.requester.REQUEST_TIME", 1.0)

            return BackendSubject(
                backend=backend,
                target=Target(LOCAL, "lo", LOCAL, url=gateway.location),
                open_ports=lambda: {entry.key for entry in gateway.table},
                silence=silence,
                garble=lambda: replace(send_noise),
                ports=[free_port() for _ in range(8)],
            )

        yield make

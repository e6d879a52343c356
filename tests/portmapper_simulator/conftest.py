"""An embedded gateway, and clients of its protocols that share no code with the plugins."""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from portmapper_simulator.gateway import EmbeddedGateway
from portmapper_simulator.settings import Settings

PATIENCE = 60.0
SILENCE = 0.15
EXTERNAL_HOST = "127.0.0.2"


class UdpClient(asyncio.DatagramProtocol):
    """UDP socket that queues received datagrams."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        """Store the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        """Queue a datagram."""
        self.received.put_nowait((data, sender))

    def error_received(self, error: Exception) -> None:
        """Queue an ICMP refusal, which only a connected socket receives."""
        self.received.put_nowait((b"refused", ("", 0)))

    def send(self, data: bytes, host: str, port: int) -> None:
        """Send a datagram."""
        self.transport.sendto(data, (host, port))

    async def next(self) -> bytes:
        """Return the next datagram."""
        return (await asyncio.wait_for(self.received.get(), PATIENCE))[0]

    async def is_silent(self) -> bool:
        """Return whether no datagram arrives for a moment."""
        try:
            await asyncio.wait_for(self.received.get(), SILENCE)
        except TimeoutError:
            return True
        return False


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """An exit stack that is closed at the end of the test."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start(stack: AsyncExitStack, free_port: Callable[[], int]) -> Callable[..., Awaitable[EmbeddedGateway]]:
    """Return a function that starts a gateway on fixed ports, which a restart keeps."""

    async def start(*quirks: str, **settings: Any) -> EmbeddedGateway:
        ports = {name: free_port() for name in ("pcp_port", "http_port", "ssdp_port")}
        chosen = Settings(**{"quirks": frozenset(quirks), **ports, **settings})
        return await stack.enter_async_context(EmbeddedGateway(chosen))

    return start


@pytest.fixture
async def gateway(start: Callable[..., Awaitable[EmbeddedGateway]]) -> EmbeddedGateway:
    """A gateway without quirks."""
    return await start()


@pytest.fixture
def udp_client(stack: AsyncExitStack) -> Callable[..., Awaitable[UdpClient]]:
    """Return a function that opens a UDP socket on a loopback address."""

    async def open_client(host: str = "127.0.0.1", **options: Any) -> UdpClient:
        loop = asyncio.get_running_loop()
        options = options or {"local_addr": (host, 0)}
        transport, client = await loop.create_datagram_endpoint(UdpClient, **options)
        stack.callback(transport.abort)
        return client

    return open_client


@pytest.fixture
async def client(udp_client: Callable[..., Awaitable[UdpClient]]) -> UdpClient:
    """A UDP socket on 127.0.0.1."""
    return await udp_client()


class Answer:
    """An HTTP response: status, headers and text."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def value(self, name: str) -> str | None:
        """Return the text of the first element with this name."""
        found = re.search(rf"<{name}>(.*?)</{name}>", self.text, re.DOTALL)
        return found[1] if found else None


def _request(port: int, method: str, path: str, body: str, headers: dict[str, str]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture
def fetch() -> Callable[..., Awaitable[Answer]]:
    """Return a function that fetches a path of a gateway's HTTP server."""

    async def fetch(gateway: EmbeddedGateway, path: str, method: str = "GET") -> Answer:
        return await asyncio.to_thread(_request, gateway.http_port, method, path, "", {})

    return fetch


@pytest.fixture
def soap() -> Callable[..., Awaitable[Answer]]:
    """Return a function that calls a SOAP action."""

    async def call(
        gateway: EmbeddedGateway, action: str, path: str = "/ctl/WANIPConn1", **arguments: object
    ) -> Answer:
        kind = "urn:schemas-upnp-org:service:WANIPConnection:1"
        content = "".join(f"<{name}>{value}</{name}>" for name, value in arguments.items())
        body = (
            '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<u:{action} xmlns:u="{kind}">{content}</u:{action}></s:Body></s:Envelope>'
        )
        headers = {"SOAPAction": f'"{kind}#{action}"', "Content-Type": "text/xml"}
        return await asyncio.to_thread(_request, gateway.http_port, "POST", path, body, headers)

    return call


@pytest.fixture
def add(soap: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    """Return a function that requests a port mapping over UPnP."""

    async def add(
        gateway: EmbeddedGateway,
        port: int,
        action: str = "AddPortMapping",
        client: str = "127.0.0.1",
        path: str = "/ctl/WANIPConn1",
        **changes: object,
    ) -> Answer:
        arguments = {
            "NewRemoteHost": "",
            "NewExternalPort": port,
            "NewProtocol": "TCP",
            "NewInternalPort": port,
            "NewInternalClient": client,
            "NewEnabled": 1,
            "NewPortMappingDescription": "a test",
            "NewLeaseDuration": 600,
        } | changes
        return await soap(gateway, action, path, **arguments)

    return add


@pytest.fixture
async def tcp_echo(stack: AsyncExitStack) -> int:
    """Port of a TCP server on 127.0.0.1 that echoes data until the end of file."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
            writer.write_eof()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    stack.callback(server.close)
    port: int = server.sockets[0].getsockname()[1]
    return port


class _Echo(UdpClient):
    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        self.transport.sendto(data, sender)


@pytest.fixture
async def udp_echo(stack: AsyncExitStack) -> int:
    """Port of a UDP server on 127.0.0.1 that echoes datagrams."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Echo, local_addr=("127.0.0.1", 0))
    stack.callback(transport.abort)
    port: int = transport.get_extra_info("sockname")[1]
    return port

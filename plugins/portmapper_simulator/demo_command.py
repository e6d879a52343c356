"""`portmapper demo`: see it work without a router."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api import Command, PortmapperError

if TYPE_CHECKING:
    from portmapper.daemon.daemon import Daemon
    from portmapper_simulator.gateway import EmbeddedGateway

HOST = "127.0.0.1"
OPEN_LIMIT = 10.0
ANSWER_LIMIT = 5.0
PORT_TRIES = 20
GATEWAYS = {"pcp": "PCP", "natpmp": "NAT-PMP", "upnp": "UPnP IGD"}


class Demo(Command):
    """Simulate a gateway, run the daemon against it over each protocol, connect through each port."""

    name = "demo"
    help = "see it work: a software gateway, every protocol, a connection through each port"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """There is nothing to choose."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Show each protocol in turn; exit status 0 when every opened port answered."""
        return asyncio.run(_demonstrate())


async def _demonstrate() -> int:
    from portmapper_simulator.gateway import EmbeddedGateway
    from portmapper_simulator.settings import Settings

    settings = Settings(host=HOST, external_host=HOST)
    async with EmbeddedGateway(settings) as gateway:
        print(
            f"A software gateway is up at {HOST}: PCP and NAT-PMP on UDP port {gateway.pcp_port}, UPnP at\n"
            f"{gateway.location}. It says that its outside address is {settings.external_address}, and\n"
            f"relays what arrives at its outside ports, which it opens on {settings.external_host}."
        )
        for backend, title in GATEWAYS.items():
            print(f"\n--- {title} ---")
            await _one_protocol(gateway, backend)
    print("\nEvery port that was opened answered. On a real router: portmapper run ports.csv")
    return 0


async def _one_protocol(gateway: EmbeddedGateway, backend: str) -> None:
    from portmapper.daemon.temporary import temporary_daemon

    async with AsyncExitStack() as stack:
        tcp = await stack.enter_async_context(_TCPServer(f"hello over TCP, opened by {backend}"))
        udp = await stack.enter_async_context(_UDPServer(f"hello over UDP, opened by {backend}"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portmapper-demo-")))
        desired = folder / "ports.csv"
        desired.write_text(
            "protocol;port;internal_port;comment\n"
            f"tcp;{_free_port()};{tcp.port};a web server\n"
            f"udp;{_free_port()};{udp.port};a game server\n"
        )
        url = gateway.location if backend == "upnp" else f"{HOST}:{gateway.pcp_port}"
        daemon = temporary_daemon(str(desired), gateway=url, backend=backend)
        running = asyncio.create_task(daemon.run())
        try:
            document = await _when_open(daemon, running)
            _show(document)
            for mapping in document["mappings"]:
                await _connect(mapping, gateway)
        finally:
            daemon.stop()
            await running


async def _when_open(daemon: Daemon, running: asyncio.Task[None]) -> dict[str, Any]:
    """Wait until every mapping is open; what ends the daemon first is what went wrong."""
    deadline = asyncio.get_running_loop().time() + OPEN_LIMIT
    while not running.done():
        document = daemon.status()
        if document["mappings"] and all(m["state"] == "active" for m in document["mappings"]):
            return document
        if asyncio.get_running_loop().time() > deadline:
            errors = "; ".join(str(mapping["error"]) for mapping in document["mappings"])
            raise PortmapperError(f"the software gateway did not open the ports: {errors}")
        await asyncio.sleep(0.02)
    await running
    raise KeyboardInterrupt


def _show(document: dict[str, Any]) -> None:
    for mapping in document["mappings"]:
        inside = f"{mapping['internal_address']}:{mapping['internal_port']}"
        port = f"{mapping['external_port']}/{mapping['protocol'].lower()}"
        print(f"{port} → {inside} is open over {mapping['backend']}: {mapping['comment']}")


async def _connect(mapping: dict[str, Any], gateway: EmbeddedGateway) -> None:
    """Be somebody outside: connect to the opened port, and print what comes back."""
    outside, port = gateway.settings.external_host, mapping["external_port"]
    ask = _ask_tcp if mapping["protocol"] == "TCP" else _ask_udp
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            answer = await ask(outside, port)
    except (OSError, TimeoutError) as error:
        raise PortmapperError(f"{mapping['protocol']} {outside}:{port} did not answer: {error}") from error
    print(f"{mapping['protocol']} {outside}:{port} answers: {answer}")


async def _ask_tcp(host: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return (await reader.read(200)).decode()
    finally:
        writer.close()
        await writer.wait_closed()


async def _ask_udp(host: str, port: int) -> str:
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Once(answer), remote_addr=(host, port)
    )
    try:
        transport.sendto(b"hello?")
        return (await answer).decode()
    finally:
        transport.close()


class _Once(asyncio.DatagramProtocol):
    """Keeps the first datagram that arrives."""

    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, address: object) -> None:
        if not self._answer.done():
            self._answer.set_result(data)


class _TCPServer:
    """The program whose port is opened: greets whoever connects."""

    def __init__(self, greeting: str) -> None:
        self._greeting = greeting.encode()

    async def __aenter__(self) -> _TCPServer:
        self._server = await asyncio.start_server(self._greet, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._greeting)
        writer.close()


class _UDPServer(asyncio.DatagramProtocol):
    """The same for UDP: greets whoever asks."""

    def __init__(self, greeting: str) -> None:
        self._greeting = greeting.encode()

    async def __aenter__(self) -> _UDPServer:
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(HOST, 0)
        )
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._transport.sendto(self._greeting, address)


def _free_port() -> int:
    """Return an outside port that nothing holds at the moment, for either protocol.

    Raises:
        PortmapperError: every port that was tried is taken.
    """
    import socket

    for _ in range(PORT_TRIES):
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((HOST, 0))
            port: int = udp.getsockname()[1]
            try:
                tcp.bind((HOST, port))
            except OSError:
                continue
            return port
    raise PortmapperError(f"no free port was found on {HOST}")

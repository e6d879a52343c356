"""The command `portmapper demo`, which shows port mapping without a router."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmapper.api import Command, PortmapperError
from portmapper.support.fitted import fitted, width_of
from portmapper.support.wording import protocol_name

if TYPE_CHECKING:
    from portmapper.daemon.daemon import Daemon
    from portmapper_simulator.gateway import EmbeddedGateway

HOST = "127.0.0.1"
OPEN_LIMIT = 10.0
ANSWER_LIMIT = 5.0
PORT_TRIES = 20
GATEWAYS = {"pcp": "PCP", "natpmp": "NAT-PMP", "upnp": "UPnP"}


class Demo(Command):
    """Runs a daemon against a software gateway over each protocol, and connects through each port."""

    name = "demo"
    help = "show port mapping with a software gateway, over every protocol"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add no arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Show each protocol in turn; the exit status is 0 if every opened port answered."""
        return asyncio.run(_run_demo())


async def _run_demo() -> int:
    from portmapper_simulator.gateway import EmbeddedGateway
    from portmapper_simulator.settings import Settings

    settings = Settings(host=HOST, external_host=HOST)
    async with EmbeddedGateway(settings) as gateway:
        _say(f"A software gateway is up at {HOST}, with the external address {settings.external_address}:")
        _say(f"  PCP and NAT-PMP  UDP port {gateway.pcp_port}")
        _say(f"  UPnP             {gateway.location}")
        _say(f"It opens external ports on {settings.external_host}, and forwards connections from them.")
        for backend, title in GATEWAYS.items():
            _say(f"\n--- {title} ---")
            await _one_protocol(gateway, backend, title)
    _say("\nEvery port that was opened answered. On a real router: portmapper run ports.csv")
    return 0


def _say(text: str) -> None:
    print(fitted(text, width_of(sys.stdout)))


async def _one_protocol(gateway: EmbeddedGateway, backend: str, title: str) -> None:
    from portmapper.daemon.temporary import temporary_daemon

    async with AsyncExitStack() as stack:
        tcp = await stack.enter_async_context(_TCPServer(f"hello over TCP, opened over {title}"))
        udp = await stack.enter_async_context(_UDPServer(f"hello over UDP, opened over {title}"))
        import tempfile  # imports all compression libraries

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
    """Wait until every mapping is open; if the daemon ends first, raise its error."""
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
        internal = f"{mapping['internal_address']}:{mapping['internal_port']}"
        port = f"{mapping['external_port']}/{mapping['protocol'].lower()}"
        _say(f"{port} → {internal} is open over {protocol_name(mapping['backend'])}: {mapping['comment']}")


async def _connect(mapping: dict[str, Any], gateway: EmbeddedGateway) -> None:
    """Connect to the opened port from the external side, and print the answer."""
    external_host, port = gateway.settings.external_host, mapping["external_port"]
    query = _query_tcp if mapping["protocol"] == "TCP" else _query_udp
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            answer = await query(external_host, port)
    except (OSError, TimeoutError) as error:
        raise PortmapperError(
            f"{mapping['protocol']} {external_host}:{port} did not answer: {error}"
        ) from error
    _say(f"{mapping['protocol']} {external_host}:{port} answers: {answer}")


async def _query_tcp(host: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return (await reader.read(200)).decode()
    finally:
        writer.close()
        await writer.wait_closed()


async def _query_udp(host: str, port: int) -> str:
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _FirstDatagram(answer), remote_addr=(host, port)
    )
    try:
        transport.sendto(b"hello?")
        return (await answer).decode()
    finally:
        transport.close()


class _FirstDatagram(asyncio.DatagramProtocol):
    """Keeps the first datagram that arrives."""

    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, address: object) -> None:
        if not self._answer.done():
            self._answer.set_result(data)


class _TCPServer:
    """TCP server whose port is opened; sends a greeting to each client."""

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
    """UDP server whose port is opened; answers each datagram with a greeting."""

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
    """Return an external port that is free for both protocols.

    Raises:
        PortmapperError: no free port was found.
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

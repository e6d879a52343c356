"""Whole checks on loopback: temporary listeners, programs, and servers that do not behave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest
from aiohttp import web

from portmapper.api.model import Protocol
from portmapper.probe import attempt
from portmapper.probe.check import check_ports
from portmapper.probe.connections import SocketTable
from portmapper.probe.evidence import Cause, OpenPort, State
from portmapper.probe.exchange import ProbeServer
from portmapper.probe.packets import PacketWatch
from portmapper.probe_server.limits import Limits, Rate
from portmapper.probe_server.server import probe_server

MakePort = Callable[[Protocol], OpenPort]


@contextlib.contextmanager
def program_on(port: OpenPort, kind: socket.SocketKind) -> Any:
    """Occupy a port as a program."""
    with socket.socket(socket.AF_INET, kind) as program:
        program.bind(("127.0.0.1", port.internal_port))
        if kind is socket.SOCK_STREAM:
            program.listen()
        yield program


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deny watching packets, as for a user without privileges."""
    monkeypatch.setattr(PacketWatch, "__enter__", lambda self: self)


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_a_temporary_listener_proves_a_port(
    server: ProbeServer, loopback_port: MakePort, protocol: Protocol
) -> None:
    """Nothing listens before, and nothing after."""
    port = loopback_port(protocol)
    [(checked, verdict)] = await check_ports(server, [port])
    assert checked is port
    assert (verdict.state, verdict.cause) == (State.YES, Cause.NO_PROGRAM), verdict.reason
    assert str(verdict.seen_from) == "127.0.0.1"
    kind = socket.SOCK_STREAM if protocol is Protocol.TCP else socket.SOCK_DGRAM
    with program_on(port, kind):
        pass


@pytest.mark.usefixtures("blind")
async def test_a_program_is_proven_by_its_connection(server: ProbeServer, loopback_port: MakePort) -> None:
    """The program says nothing; the system's table shows the connection."""
    port = loopback_port(Protocol.TCP)
    with program_on(port, socket.SOCK_STREAM):
        [(_, verdict)] = await check_ports(server, [port])
    assert (verdict.state, verdict.cause) == (State.YES, Cause.ANSWERED), verdict.reason


@pytest.mark.usefixtures("blind")
async def test_a_connection_that_was_there_before_is_no_proof(
    server: ProbeServer, loopback_port: MakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table shows the same connections before and during the probe."""
    port = loopback_port(Protocol.TCP)
    everything = frozenset((port.internal_port, (ip_address("127.0.0.1"), n)) for n in range(1024, 65536))
    monkeypatch.setattr(attempt, "read_table", lambda: SocketTable(everything))
    with program_on(port, socket.SOCK_STREAM):
        [(_, verdict)] = await check_ports(server, [port])
    assert (verdict.state, verdict.cause) == (State.NO, Cause.ANOTHER_HOST)


@pytest.mark.usefixtures("blind")
async def test_a_stranger_that_answers_is_no_yes(server: ProbeServer, loopback_port: MakePort) -> None:
    """Another program has the external port, as another customer behind a shared address."""
    port, stranger = loopback_port(Protocol.TCP), loopback_port(Protocol.TCP)
    with program_on(stranger, socket.SOCK_STREAM):
        [(_, verdict)] = await check_ports(server, [attrs.evolve(port, port=stranger.port)])
    assert (verdict.state, verdict.cause) == (State.NO, Cause.ANOTHER_HOST)


@pytest.mark.usefixtures("blind")
async def test_a_silent_udp_program_stays_unknown(server: ProbeServer, loopback_port: MakePort) -> None:
    """The port stays with the program: the check shares no socket."""
    port = loopback_port(Protocol.UDP)
    with program_on(port, socket.SOCK_DGRAM) as program:
        [(_, verdict)] = await check_ports(server, [port])
        assert program.recv(100).startswith(b"PMPP")
    assert (verdict.state, verdict.cause) == (State.UNKNOWN, Cause.NOT_PROVEN)


async def test_a_program_on_another_address_is_named(server: ProbeServer, loopback_port: MakePort) -> None:
    """The path works, but the program does not get the packets."""
    port = loopback_port(Protocol.TCP)
    with socket.socket() as program:
        program.bind(("127.0.0.2", port.internal_port))
        program.listen()
        [(_, verdict)] = await check_ports(server, [port])
    assert (verdict.state, verdict.cause) == (State.NO, Cause.WRONG_LISTENER)
    assert "127.0.0.2" in verdict.reason


async def test_many_ports_take_several_requests(server: ProbeServer, loopback_port: MakePort) -> None:
    """The results keep the order, and a port of another family needs no request."""
    ports = [loopback_port(Protocol.TCP) for _ in range(20)]
    ports.insert(3, OpenPort(Protocol.TCP, 80, 80, ip_address("::1")))
    outcomes = await check_ports(server, ports)
    assert [port for port, _ in outcomes] == ports
    assert [verdict.cause for _, verdict in outcomes].count(Cause.NO_PROGRAM) == 20
    assert outcomes[3][1].cause is Cause.WRONG_FAMILY


async def test_the_client_waits_if_the_server_has_too_many_requests(loopback_port: MakePort) -> None:
    """It repeats the request once."""
    limits = Limits(requests=Rate(1, 1.5))
    async with probe_server(ip_address("127.0.0.1"), 0, limits=limits) as port:
        server = ProbeServer(f"http://127.0.0.1:{port}")
        for _ in range(2):
            [(_, verdict)] = await check_ports(server, [loopback_port(Protocol.TCP)])
            assert verdict.state is State.YES


async def test_a_wrong_token_is_one_clear_line(loopback_port: MakePort) -> None:
    """The server accepts the right one."""
    async with probe_server(ip_address("127.0.0.1"), 0, "right") as port:
        for token, state in (("right", State.YES), ("wrong", State.UNKNOWN), ("", State.UNKNOWN)):
            server = ProbeServer(f"http://127.0.0.1:{port}", token)
            [(_, verdict)] = await check_ports(server, [loopback_port(Protocol.TCP)])
            assert verdict.state is state
        assert "token" in verdict.reason


async def test_no_server_leaves_the_ports_unknown(loopback_port: MakePort) -> None:
    """The reason names the server."""
    url = f"http://127.0.0.1:{loopback_port(Protocol.TCP).port}"
    [(_, verdict)] = await check_ports(ProbeServer(url), [loopback_port(Protocol.TCP)])
    assert (verdict.state, verdict.cause) == (State.UNKNOWN, Cause.NO_PROBE)
    assert url in verdict.reason


@contextlib.asynccontextmanager
async def answering(handler: Callable[[web.Request], Any]) -> AsyncIterator[ProbeServer]:
    """Run a server that is no probe server."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield ProbeServer(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


GREETING = {"peer": "127.0.0.1", "udp_port": 9, "session": "00" * 8, "cookie": "00" * 16}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]\n",
        "{}\n",
        "x" * 100_000,
        json.dumps(GREETING),
        json.dumps({**GREETING, "peer": "example.org"}) + "\n",
        json.dumps({**GREETING, "udp_port": 10**9}) + "\n",
        json.dumps(GREETING) + "\n" + '{"port": 1, "protocol": "TCP", "result": "great"}\n',
        json.dumps(GREETING) + "\n" + '{"port": 1, "protocol": "TCP", "result": "answered"}\n',
        json.dumps(GREETING) + "\n" + "[" * 1000 + "\n",
    ],
)
async def test_an_invalid_answer_leaves_the_port_unknown(loopback_port: MakePort, body: str) -> None:
    """Nothing that a server sends raises an error or makes a yes."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=body)

    async with answering(handler) as server:
        [(_, verdict)] = await check_ports(server, [loopback_port(Protocol.TCP)])
    assert (verdict.state, verdict.cause) == (State.UNKNOWN, Cause.NO_PROBE)


async def test_redirects_are_not_followed(loopback_port: MakePort, server: ProbeServer) -> None:
    """Otherwise one server could send all its clients to another."""

    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(server.url + request.path)

    async with answering(handler) as redirecting:
        [(_, verdict)] = await check_ports(redirecting, [loopback_port(Protocol.TCP)])
    assert verdict.cause is Cause.NO_PROBE
    assert "redirects" in verdict.reason


async def test_a_lying_server_gets_no_yes(loopback_port: MakePort) -> None:
    """It claims an answer that this host did not give."""

    async def handler(request: web.Request) -> web.Response:
        asked = (await request.json())["ports"][0]
        report = {**asked, "result": "answered", "source": "198.51.100.7", "source_port": 1}
        lines = [GREETING, report, {"done": True}]
        return web.Response(text="".join(json.dumps(line) + "\n" for line in lines))

    async with answering(handler) as server:
        [(_, verdict)] = await check_ports(server, [loopback_port(Protocol.TCP)])
    assert (verdict.state, verdict.cause) == (State.NO, Cause.ANOTHER_HOST)


async def test_a_canceled_check_stops_listening(loopback_port: MakePort) -> None:
    """A program can use the port at once."""
    port = loopback_port(Protocol.TCP)
    asked = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        asked.set()
        await asyncio.sleep(30)
        return web.Response()

    async with answering(handler) as server:
        check = asyncio.create_task(check_ports(server, [port]))
        await asked.wait()
        check.cancel()
        await asyncio.gather(check, return_exceptions=True)
        with program_on(port, socket.SOCK_STREAM):
            pass

"""The gateway as a whole: forwarding, restart, and switching protocols."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from platforms import WINDOWS, not_on_wine

from portmapper.api.errors import PortmapperError
from portmapper.api.model import Protocol
from portmapper_simulator.gateway import EmbeddedGateway
from portmapper_simulator.settings import Rule, Settings

IN_USE = "." if WINDOWS else ".*in use"  # Windows says it in the language of the system


async def send_through(port: int) -> bytes:
    """Send data to an external port, and return the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.2", port)
    try:
        writer.write(b"ping")
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


async def test_an_opened_port_answers_until_it_expires(
    gateway: Any, add: Any, tcp_echo: int, free_port: Any
) -> None:
    """Connections pass only while the entry exists."""
    port = free_port()
    await add(gateway, port, NewInternalPort=tcp_echo)
    assert await send_through(port) == b"ping"
    await add(gateway, port, NewInternalPort=tcp_echo, NewLeaseDuration=1)
    async with asyncio.timeout(60):
        while len(gateway.table):
            await asyncio.sleep(0.02)
    with pytest.raises(ConnectionRefusedError):
        await send_through(port)


async def test_a_restart_closes_every_port(gateway: Any, add: Any, tcp_echo: int, free_port: Any) -> None:
    """The table is empty, the epoch is reset, and the port can be mapped again immediately."""
    port = free_port()
    await add(gateway, port, NewInternalPort=tcp_echo)
    await gateway.restart()
    assert (len(gateway.table), gateway.epoch) == (0, 0)
    with pytest.raises(ConnectionRefusedError):
        await send_through(port)
    await add(gateway, port, NewInternalPort=tcp_echo)
    assert await send_through(port) == b"ping"


@not_on_wine("lets a connection to a closed port wait")
async def test_a_stopped_protocol_refuses_and_restarts_on_its_port(
    gateway: Any, udp_client: Any, fetch: Any
) -> None:
    """PCP and NAT-PMP share a port, which closes when both are stopped."""
    client = await udp_client(remote_addr=("127.0.0.1", gateway.pcp_port))
    await gateway.stop_protocol("pcp")
    client.transport.sendto(b"\x02\x00" + bytes(22))
    assert (await client.next())[:4] == b"\x00\x80\x00\x01"
    await gateway.stop_protocol("natpmp")
    client.transport.sendto(b"\x00\x00")
    assert await client.next() == b"refused"
    await gateway.start_protocol("natpmp")
    client.transport.sendto(b"\x00\x00")
    assert len(await client.next()) == 12
    await gateway.stop_protocol("upnp", goodbye=True)
    with pytest.raises(ConnectionRefusedError):
        await fetch(gateway, "/rootDesc.xml")
    await gateway.start_protocol("upnp")
    assert (await fetch(gateway, "/rootDesc.xml")).status == 200


async def test_a_muted_protocol_does_not_answer(gateway: Any, client: Any) -> None:
    """The other protocol on the same port still answers."""
    gateway.mute("natpmp")
    client.send(b"\x00\x00", "127.0.0.1", gateway.pcp_port)
    assert await client.is_silent()
    gateway.unmute("natpmp")
    client.send(b"\x00\x00", "127.0.0.1", gateway.pcp_port)
    assert len(await client.next()) == 12


async def test_the_first_rule_that_matches_decides(start: Any, add: Any) -> None:
    """Rules are checked in order, and no match allows the request."""
    rules = (
        Rule(allow=True, protocol=Protocol.TCP, external_ports=(80, 80)),
        Rule(allow=False, external_ports=(1, 1023)),
    )
    gateway = await start(relay=False, rules=rules)
    assert (await add(gateway, 80)).status == 200
    assert (await add(gateway, 80, NewProtocol="UDP")).value("errorCode") == "606"
    assert (await add(gateway, 443)).value("errorCode") == "606"
    assert (await add(gateway, 8080)).status == 200


async def test_the_latest_requests_are_recorded(gateway: Any, client: Any) -> None:
    """The record contains the action and the sender."""
    client.send(b"\x00\x00", "127.0.0.1", gateway.pcp_port)
    await client.next()
    assert (gateway.requests[-1].protocol, gateway.requests[-1].action) == ("natpmp", "external address")
    assert gateway.requests[-1].sender == "127.0.0.1"
    assert gateway.requests.maxlen == 1000


@pytest.mark.parametrize("option", ["pcp_port", "http_port", "ssdp_port"])
async def test_a_port_in_use_is_a_clear_error(option: str, stack: Any) -> None:
    """The error contains the address and the port, and open sockets are closed."""
    kind = socket.SOCK_STREAM if option == "http_port" else socket.SOCK_DGRAM
    held = stack.enter_context(socket.socket(socket.AF_INET, kind))
    held.bind(("127.0.0.1", 0))
    if option == "http_port":
        held.listen()
    port = held.getsockname()[1]
    with pytest.raises(PortmapperError, match=f"127.0.0.1, (UDP|TCP) port {port}: {IN_USE}"):
        async with EmbeddedGateway(Settings(**{option: port})):
            pass


async def test_a_gateway_without_upnp_restarts_too(start: Any) -> None:
    """It sends no SSDP announcement."""
    gateway = await start(protocols=frozenset({"natpmp"}))
    await gateway.restart()
    assert (gateway.epoch, gateway.http_port, gateway.location) == (0, 0, "")


async def test_a_port_in_use_at_a_restart_of_a_protocol_is_a_clear_error(gateway: Any, stack: Any) -> None:
    """Another program may take the port while the protocol is stopped."""
    await gateway.stop_protocol("upnp")
    stack.enter_context(socket.create_server(("127.0.0.1", gateway.http_port)))
    with pytest.raises(PortmapperError, match=rf"TCP port \d+: {IN_USE}"):
        await gateway.start_protocol("upnp")


async def test_an_unknown_quirk_is_rejected() -> None:
    """A test with a misspelled quirk would prove nothing."""
    with pytest.raises(PortmapperError, match="unknown quirk or protocol: M99"):
        async with EmbeddedGateway(Settings(quirks=frozenset({"M99"}))):
            pass


@not_on_wine("binds addresses that the host does not have")
async def test_an_external_host_of_another_machine_is_a_clear_error() -> None:
    """Otherwise every mapping would fail later."""
    with pytest.raises(PortmapperError, match=r"192\.0\.2\.1"):
        async with EmbeddedGateway(Settings(external_host="192.0.2.1")):
            pass

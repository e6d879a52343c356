"""Forwarding through an open port."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import pytest

from portmapper.api.model import Protocol
from portmapper_simulator import relay as relay_module
from portmapper_simulator.relay import Relay, Traffic, make_relay

EXTERNAL_HOST = "127.0.0.2"


@pytest.fixture
async def open_relay(stack: Any, free_port: Any) -> Any:
    """Return a function that opens a relay to an internal port."""

    async def open_relay(protocol: Protocol, internal_port: int) -> Relay:
        relay = make_relay(protocol, (EXTERNAL_HOST, free_port()), ("127.0.0.1", internal_port), Traffic())
        await relay.open()
        stack.callback(relay.close)
        return relay

    return open_relay


async def test_tcp_passes_in_both_directions_to_its_end(open_relay: Any, tcp_echo: int) -> None:
    """Data is echoed, and the end of file passes through."""
    relay = await open_relay(Protocol.TCP, tcp_echo)
    reader, writer = await asyncio.open_connection(*relay.external)
    writer.write(b"hello" * 50_000)
    writer.write_eof()
    assert await reader.read(-1) == b"hello" * 50_000
    assert relay.traffic.bytes_in == relay.traffic.bytes_out == 250_000
    writer.close()


async def test_udp_peers_are_separate(open_relay: Any, udp_echo: int, udp_client: Any) -> None:
    """Each external peer gets only its own answers."""
    relay = await open_relay(Protocol.UDP, udp_echo)
    first, second = await udp_client(), await udp_client()
    first.send(b"one", *relay.external)
    second.send(b"two", *relay.external)
    assert await first.next() == b"one"
    assert await second.next() == b"two"


async def test_a_port_without_a_listener_is_a_reset(open_relay: Any, free_port: Any) -> None:
    """The connection does not hang."""
    relay = await open_relay(Protocol.TCP, free_port())
    reader, writer = await asyncio.open_connection(*relay.external)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_closing_cuts_connections_and_frees_the_port(open_relay: Any, tcp_echo: int) -> None:
    """A closed mapping forwards nothing, not even on existing connections."""
    relay = await open_relay(Protocol.TCP, tcp_echo)
    reader, writer = await asyncio.open_connection(*relay.external)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    relay.close()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*relay.external)
    writer.close()


async def test_connections_are_limited(open_relay: Any, tcp_echo: int, monkeypatch: Any) -> None:
    """A connection above the limit is refused, and the others stay."""
    monkeypatch.setattr(relay_module, "MAX_CONNECTIONS", 1)
    relay = await open_relay(Protocol.TCP, tcp_echo)
    reader, writer = await asyncio.open_connection(*relay.external)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    refused, other_writer = await asyncio.open_connection(*relay.external)
    with pytest.raises(ConnectionResetError):
        await refused.read()
    writer.write(b"y")
    assert await reader.readexactly(1) == b"y"
    for end in (writer, other_writer):
        end.close()


async def test_udp_flows_are_limited(
    open_relay: Any, udp_echo: int, udp_client: Any, monkeypatch: Any
) -> None:
    """A peer above the limit is ignored, and the others stay."""
    monkeypatch.setattr(relay_module, "MAX_FLOWS", 1)
    relay = await open_relay(Protocol.UDP, udp_echo)
    first, second = await udp_client(), await udp_client()
    first.send(b"one", *relay.external)
    assert await first.next() == b"one"
    second.send(b"too many", *relay.external)
    assert await second.is_silent()
    first.send(b"again", *relay.external)
    assert await first.next() == b"again"


async def test_an_idle_udp_flow_is_closed(
    open_relay: Any, udp_echo: int, udp_client: Any, monkeypatch: Any
) -> None:
    """Another peer can then use its place."""
    monkeypatch.setattr(relay_module, "MAX_FLOWS", 1)
    monkeypatch.setattr(relay_module, "IDLE_TIMEOUT", 0.05)
    relay = await open_relay(Protocol.UDP, udp_echo)
    for _ in range(2):
        client = await udp_client()
        async with asyncio.timeout(60):
            answer = asyncio.ensure_future(client.next())
            while not answer.done():
                client.send(b"hello", *relay.external)
                await asyncio.sleep(0.03)
        assert await answer == b"hello"


async def test_only_the_named_hosts_can_connect(open_relay: Any, tcp_echo: int) -> None:
    """Others are reset, also those that were connected before."""
    relay = await open_relay(Protocol.TCP, tcp_echo)
    relay.restrict(ipaddress.IPv4Network("127.0.0.1/32"))
    reader, writer = await asyncio.open_connection(*relay.external)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    relay.restrict(ipaddress.IPv4Network("198.51.100.0/24"))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    other, closing = await asyncio.open_connection(*relay.external)
    with pytest.raises(ConnectionResetError):
        await other.read()
    writer.close()
    closing.close()


async def test_datagrams_of_other_hosts_are_dropped(open_relay: Any, udp_echo: int, udp_client: Any) -> None:
    """The named host gets its answer."""
    relay = await open_relay(Protocol.UDP, udp_echo)
    relay.restrict(ipaddress.IPv4Network("127.0.0.3/32"))
    stranger, friend = await udp_client(), await udp_client("127.0.0.3")
    stranger.send(b"one", *relay.external)
    friend.send(b"two", *relay.external)
    assert await friend.next() == b"two"
    assert relay.traffic.packets_in == 1

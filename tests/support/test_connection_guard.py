"""Limits of a listener: connections, and time."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from portmapper.support import connection_guard
from portmapper.support.connection_guard import ClientLog, ConnectionGuard, GuardedProtocol, guard_of, peer_of


class Transport:
    """A connection of one peer."""

    def __init__(self, peer: object) -> None:
        self.peer = peer
        self.aborted = False
        self.protocol: object = None

    def get_extra_info(self, name: str) -> object:
        """Return the peer's address."""
        return self.peer if name == "peername" else None

    def get_protocol(self) -> object:
        """Return the protocol."""
        return self.protocol

    def abort(self) -> None:
        """Remember that the connection was closed."""
        self.aborted = True


def connected(guard: ConnectionGuard, address: str) -> tuple[GuardedProtocol, Transport]:
    """Connect a peer."""
    protocol, transport = guard(), Transport((address, 1))
    transport.protocol = protocol
    protocol.connection_made(transport)
    return protocol, transport


class Inner(asyncio.Protocol):
    """The protocol that does the work."""


async def test_one_peer_has_only_some_connections() -> None:
    """Another peer can still connect; a closed connection makes room."""
    guard = ConnectionGuard(Inner, total=10, per_peer=2)
    (first, _), (_, second), (_, third) = [connected(guard, "192.0.2.1") for _ in range(3)]
    assert (second.aborted, third.aborted) == (False, True)
    assert not connected(guard, "192.0.2.2")[1].aborted
    first.connection_lost(None)
    assert not connected(guard, "192.0.2.1")[1].aborted


async def test_the_oldest_idle_connection_makes_room_for_another_peer() -> None:
    """One with a request under way stays; if all have one, the new connection is refused."""
    guard = ConnectionGuard(Inner, total=2, per_peer=2)
    busy, busy_transport = connected(guard, "192.0.2.1")
    busy.begin_request()
    _, idle_transport = connected(guard, "192.0.2.2")
    new, new_transport = connected(guard, "192.0.2.3")
    assert (busy_transport.aborted, idle_transport.aborted, new_transport.aborted) == (False, True, False)
    new.begin_request()
    assert connected(guard, "192.0.2.4")[1].aborted


async def test_a_connection_without_a_request_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that is no complete request does not extend its time."""
    monkeypatch.setattr(connection_guard, "WAIT_LIMIT", 0.01)
    protocol, transport = connected(ConnectionGuard(Inner), "192.0.2.1")
    protocol.data_received(b"G")
    async with asyncio.timeout(60):
        while not transport.aborted:
            await asyncio.sleep(0.001)


async def test_a_stream_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request does."""
    monkeypatch.setattr(connection_guard, "REQUEST_LIMIT", 0.01)
    guard = ConnectionGuard(Inner)
    (stream, stream_transport), (request, request_transport) = [connected(guard, "192.0.2.1") for _ in "12"]
    stream.begin_request()
    stream.begin_stream()
    request.begin_request()
    async with asyncio.timeout(60):
        while not request_transport.aborted:
            await asyncio.sleep(0.001)
    assert not stream_transport.aborted
    assert guard_of(stream_transport) is stream


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_a_host_is_one_peer_with_all_its_ipv6_addresses(one: str, other: str, same: bool) -> None:
    """It may have as many as it likes in its network."""
    assert (peer_of(Transport((one, 1))) == peer_of(Transport((other, 1)))) is same


def test_what_a_client_does_wrong_is_one_debug_line(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever level the library uses."""
    caplog.set_level(logging.DEBUG)
    log: Any = ClientLog(logging.getLogger("portmapper"))
    log.exception("Error handling request from %s", "192.0.2.1", exc_info=ValueError("bad"))
    log.error("Error 100% wrong")
    assert [record.levelname for record in caplog.records] == ["DEBUG", "DEBUG"]
    assert "bad" in caplog.text
    assert "Traceback" not in caplog.text

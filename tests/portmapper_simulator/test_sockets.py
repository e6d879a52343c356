"""UDP sockets of the gateway."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper_simulator import sockets
from portmapper_simulator.sockets import (
    bound_port,
    close_endpoint,
    open_unicast,
    send_from_other_port,
    with_address,
)

HOST = "127.0.0.1"


def test_an_error_contains_the_address() -> None:
    """The system's message alone does not identify the port."""
    error = with_address(OSError(98, "in use"), "127.0.0.1, UDP port 5351")
    assert error.errno == 98
    assert str(error.strerror).startswith("127.0.0.1, UDP port 5351: ")


async def test_a_port_in_use_is_reported_with_its_number(stack: Any) -> None:
    """The error is raised, and no socket stays open."""
    first = await open_unicast(HOST, 0, lambda *_: None)
    stack.callback(first.close)
    with pytest.raises(OSError, match=f"{HOST}, UDP port {bound_port(first)}"):
        await open_unicast(HOST, bound_port(first), lambda *_: None)


async def test_a_closed_socket_has_sent_its_datagrams_and_frees_its_port(client: Any) -> None:
    """On Windows, a goodbye would be lost, and a restart on the same port would fail."""
    transport = await open_unicast(HOST, 0, lambda *_: None)
    port = bound_port(transport)
    for number in range(5):
        transport.sendto(bytes([number]), (HOST, bound_port(client.transport)))
    await close_endpoint(transport)
    assert [await client.next() for _ in range(5)] == [bytes([number]) for number in range(5)]
    await close_endpoint(await open_unicast(HOST, port, lambda *_: None))


async def test_a_socket_that_cannot_send_is_closed_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of its datagrams is dropped."""
    monkeypatch.setattr(sockets, "CLOSING", 0.0)
    transport = await open_unicast(HOST, 0, lambda *_: None)
    port = bound_port(transport)
    transport.get_protocol().pause_writing()
    await close_endpoint(transport)
    await close_endpoint(await open_unicast(HOST, port, lambda *_: None))


async def test_a_datagram_can_come_from_another_port(stack: Any, client: Any) -> None:
    """Some gateways answer from a port other than the one that received the request."""
    transport = await open_unicast(HOST, 0, lambda *_: None)
    stack.callback(transport.close)
    send_from_other_port(HOST, b"answer", (HOST, bound_port(client.transport)))
    data, sender = await client.received.get()
    assert data == b"answer"
    assert sender[1] != bound_port(transport)


async def test_without_group_addresses_both_sockets_share_one(
    stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows cannot bind a group's address."""
    monkeypatch.setattr(sockets, "CAN_BIND_GROUPS", False)
    unicast = await open_unicast(HOST, 0, lambda *_: None, beside_group=True)
    stack.callback(unicast.close)
    group = await sockets.open_group("239.255.255.250", bound_port(unicast), HOST, lambda *_: None)
    stack.callback(group.close)
    assert group.get_extra_info("sockname") == unicast.get_extra_info("sockname")

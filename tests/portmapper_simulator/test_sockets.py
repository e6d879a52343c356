"""UDP sockets of the gateway."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper_simulator import sockets
from portmapper_simulator.sockets import bound_port, open_unicast, send_from_other_port, with_address

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

"""The description and the calls of a WAN connection."""

from __future__ import annotations

import pytest

from portmapper.api import Protocol


async def test_a_disabled_entry_is_found_only_on_request(router, connected):
    """A port may be taken by a disabled entry, but a lease needs an enabled entry."""
    router.entry(80, "127.0.0.1", NewEnabled="0")
    connection = (await connected())._connection
    assert await connection.entry(Protocol.TCP, 80) is not None
    assert await connection.entry(Protocol.TCP, 80, enabled_only=True) is None
    assert await connection.entry(Protocol.UDP, 80) is None


@pytest.mark.parametrize(
    ("status", "external", "hidden"),
    [("Connected", "", True), ("Connected", "0.0.0.0", False), ("Disconnected", "", False)],
)
async def test_a_connected_gateway_without_address_hides_it(router, connected, status, external, hidden):
    """miniupnpd behind another NAT reports no address at all; 0.0.0.0 is an answer."""
    connection = (await connected())._connection
    router.status["/control"], router.external["/control"] = status, external
    assert await connection.hides_address() is hidden

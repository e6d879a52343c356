"""The description and the calls of a WAN connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api import Protocol
from portmapper_upnp.connection import read_entry
from portmapper_upnp.soap_call import read_address, read_number


@given(st.dictionaries(st.sampled_from(["NewExternalPort", "NewProtocol", "NewInternalClient"]), st.text()))
def test_any_entry_is_parsed_or_none(answer):
    """Numbers and addresses in any spelling."""
    read_entry(answer)
    for text in answer.values():
        assert 0 <= read_number(text, 65535) <= 65535
        read_address(text)


def test_an_entry_is_read_with_its_older_names():
    """Some routers name description and lease time differently in a listing."""
    entry = read_entry(
        {
            "NewExternalPort": "8080",
            "NewProtocol": " tcp ",
            "NewInternalClient": "192.168.1.2",
            "NewInternalPort": "80",
            "NewDescription": "web",
            "NewLeaseTime": "600",
        }
    )
    assert entry is not None
    assert (entry.protocol, entry.external_port, entry.internal_port) == (Protocol.TCP, 8080, 80)
    assert (str(entry.internal_address), entry.comment, entry.lifetime) == ("192.168.1.2", "web", 600)


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

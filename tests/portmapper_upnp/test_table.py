"""Reading a gateway's complete table."""

from __future__ import annotations

import pytest

from portmapper.api.backend import PartialTable
from portmapper.api.errors import GatewayTimeout
from portmapper.api.model import Protocol
from portmapper.gateways.bounded import CALL_LIMIT, TABLE_LIMIT
from portmapper_upnp import device, igd, table

OTHER = "192.168.7.7"


@pytest.mark.parametrize("code", [713, 714, 402, 501])
async def test_m11_the_list_ends_with_any_of_its_codes(router, connected, code):
    """Each of the four codes ends the table."""
    router.entry(80, OTHER)
    router.entry(53, OTHER, protocol="UDP")
    router.faults["GetGenericPortMappingEntry"] = lambda arguments: (
        code if arguments["NewPortMappingIndex"] == "2" else None
    )
    entries = await (await connected()).list_mappings()
    assert [(entry.protocol, entry.external_port, entry.comment) for entry in entries] == [
        (Protocol.TCP, 80, "theirs"),
        (Protocol.UDP, 53, "theirs"),
    ]


async def test_m11_an_endless_list_is_stopped(router, connected, build):
    """A repeated entry ends the table too."""
    entry = "<NewExternalPort>80</NewExternalPort><NewProtocol>TCP</NewProtocol>"
    answer = f"<GetGenericPortMappingEntryResponse>{entry}</GetGenericPortMappingEntryResponse>"
    router.replies["GetGenericPortMappingEntry"] = build.http(build.ENVELOPE.format(answer))
    assert len(await (await connected()).list_mappings()) == 1
    assert len(router.named("GetGenericPortMappingEntry")) == 2


async def test_no_listing_is_requested_if_single_entries_work(router, connected, build):
    """miniupnpd 2.3.1 on nftables crashes on a listing with more than 128 entries."""
    router.description = build.description(build.service("WANIPConnection:2"), version=2)
    router.entry(80, OTHER)
    assert len(await (await connected()).list_mappings()) == 1
    assert not router.named("GetListOfPortMappings")


async def test_a_v2_table_is_read_as_a_listing(router, connected, build):
    """Without single entries they come from GetListOfPortMappings, in any namespace."""
    router.faults["GetGenericPortMappingEntry"] = 606
    router.description = build.description(build.service("WANIPConnection:2"), version=2)
    row = (
        "&lt;p:PortMappingEntry&gt;&lt;p:NewExternalPort&gt;443&lt;/p:NewExternalPort&gt;"
        "&lt;p:NewProtocol&gt;TCP&lt;/p:NewProtocol&gt;&lt;p:NewInternalPort&gt;4430&lt;/p:NewInternalPort&gt;"
        f"&lt;p:NewInternalClient&gt;{OTHER}&lt;/p:NewInternalClient&gt;&lt;/p:PortMappingEntry&gt;"
    )
    listing = f"<NewPortListing>&lt;p:list&gt;{row}&lt;/p:list&gt;</NewPortListing>"
    answer = f"<u:GetListOfPortMappingsResponse>{listing}</u:GetListOfPortMappingsResponse>"
    router.replies["GetListOfPortMappings"] = build.http(build.ENVELOPE.format(answer))
    entries = await (await connected()).list_mappings()
    assert [(entry.external_port, entry.internal_port) for entry in entries] == [(443, 4430)]


@pytest.mark.parametrize("code", [401, 606])
async def test_m20_a_list_that_ends_with_an_error_is_kept(router, connected, code):
    """What was read is returned, and marked as partial."""
    router.entry(80, "192.168.7.7")
    router.faults["GetGenericPortMappingEntry"] = lambda arguments: (
        code if arguments["NewPortMappingIndex"] != "0" else None
    )
    entries = await (await connected()).list_mappings()
    assert len(entries) == 1
    assert isinstance(entries, PartialTable)


async def test_a_slow_gateway_gives_a_partial_table(router, connected, monkeypatch):
    """What was read in the time for a table is returned."""
    monkeypatch.setattr(table, "READ_TIME", -1.0)
    with pytest.raises(GatewayTimeout):
        await (await connected()).list_mappings()
    router.entry(80, "192.168.7.7")
    router.entry(81, "192.168.7.7")
    times = iter([0.0, -2.0, 0.0])
    gateway = await connected()
    monkeypatch.setattr(table, "_now", lambda: next(times))
    entries = await gateway.list_mappings()
    assert isinstance(entries, PartialTable)
    assert len(entries) == 1


def test_the_limits_of_the_backend_end_before_those_of_the_core():
    """Otherwise the core would cancel a call that still has time, and lose what it has read."""
    assert device.CALL_TIME < CALL_LIMIT
    assert table.READ_TIME < igd.LIST_TIME < TABLE_LIMIT

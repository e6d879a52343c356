"""Finding the entry of one port on gateways that do not find it by the usual key."""

from __future__ import annotations

import pytest

from portmapper.api import Protocol
from portmapper_upnp.entry_lookup import MAX_LISTED, EntryLookup
from portmapper_upnp.soap_fault import Fault


class Table:
    """A gateway that finds no entry by its key unless the remote host is written as `any_host`."""

    def __init__(self, any_host, *rows, first=0):
        self.any_host = any_host
        self.rows = rows
        self.first = first
        self.calls = []

    async def call(self, action, **arguments):
        """Answer a query."""
        self.calls.append(action)
        if action == "GetGenericPortMappingEntry":
            index = int(arguments["NewPortMappingIndex"]) - self.first
            if not 0 <= index < len(self.rows):
                raise Fault(713, "")
            return self.rows[index]
        if arguments["NewRemoteHost"] == self.any_host:
            return {"NewInternalClient": "192.168.1.2", "NewInternalPort": "80"}
        raise Fault(714, "")


def row(remote, port=8080, protocol="TCP"):
    """Return a row of the listing."""
    return {
        "NewRemoteHost": remote,
        "NewExternalPort": str(port),
        "NewProtocol": protocol,
        "NewInternalClient": "192.168.1.2",
    }


@pytest.mark.parametrize("any_host", ["*", "0.0.0.0", "ANY"])
@pytest.mark.parametrize("first", [0, 1])
async def test_m29_the_listing_shows_how_every_host_is_written(any_host, first):
    """From then on the key is written in the same way; a specific remote host stays as it is."""
    table = Table(any_host, row("", 53, "UDP"), row("198.51.100.7"), row(any_host), first=first)
    lookup = EntryLookup(table.call)
    assert await lookup.find(Protocol.TCP, 8080, "") is None
    assert await lookup.learn(Protocol.TCP, 8080)
    assert await lookup.find(Protocol.TCP, 8080, "") is not None
    assert lookup.key(Protocol.TCP, 8080, "198.51.100.7")["NewRemoteHost"] == "198.51.100.7"


async def test_m29_entries_that_are_only_listed_are_found_in_the_listing():
    """The gateway has no lookup by the key; its keys are the usual ones."""
    table = Table(None, row("", 53, "UDP"), row(""))
    lookup = EntryLookup(table.call)
    assert await lookup.learn(Protocol.TCP, 8080)
    table.calls.clear()
    assert await lookup.find(Protocol.TCP, 8080, "") == row("")
    assert await lookup.find(Protocol.TCP, 8081, "") is None
    assert set(table.calls) == {"GetGenericPortMappingEntry"}
    assert lookup.key(Protocol.TCP, 8080, "")["NewRemoteHost"] == ""


async def test_m29_the_listing_is_not_read_if_entries_are_found():
    """A missing entry is then not there."""
    table = Table("", row(""))
    lookup = EntryLookup(table.call)
    assert await lookup.find(Protocol.TCP, 8080, "") is not None
    assert not await lookup.learn(Protocol.TCP, 8081)
    assert table.calls == ["GetSpecificPortMappingEntry"]


async def test_m29_an_endless_listing_is_not_read_to_its_end():
    """It is a hostile one."""
    table = Table(None, *[row("", 53, "UDP")] * (2 * MAX_LISTED))
    assert not await EntryLookup(table.call).learn(Protocol.TCP, 8080)
    assert len(table.calls) == MAX_LISTED

"""Mappings for one remote host."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.errors import Unsupported

FRIEND = ipaddress.ip_network("198.51.100.7/32")
HOST = "198.51.100.7"
OTHER = "192.168.7.7"


class Table:
    """A table whose entries differ by remote host, as the standard allows.

    Attributes:
        ignores: the gateway stores each entry for every host.
    """

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str, str], dict[str, str]] = {}
        self.ignores = False

    def add(self, arguments: dict[str, str]) -> dict[str, str]:
        """Store an entry."""
        remote = "" if self.ignores else arguments["NewRemoteHost"]
        key = (remote, arguments["NewExternalPort"], arguments["NewProtocol"])
        self.entries[key] = {name: arguments[name] for name in list(arguments)[3:]}
        return {}

    def find(self, arguments: dict[str, str]) -> dict[str, str] | int:
        """Return an entry."""
        return self.entries.get(_key(arguments), 714)

    def delete(self, arguments: dict[str, str]) -> dict[str, str] | int:
        """Delete an entry."""
        return {} if self.entries.pop(_key(arguments), None) else 714


def _key(arguments: dict[str, str]) -> tuple[str, str, str]:
    return (arguments["NewRemoteHost"], arguments["NewExternalPort"], arguments["NewProtocol"])


@pytest.fixture
def table(router: Any) -> Table:
    """Give the router a table with remote hosts."""
    table = Table()
    router.more = {
        "AddPortMapping": table.add,
        "GetSpecificPortMappingEntry": table.find,
        "DeletePortMapping": table.delete,
    }
    return table


async def test_the_entry_names_the_host_until_it_is_closed(
    table: Table, connected: Any, request_for: Any
) -> None:
    """It is verified, renewed and deleted under that name."""
    gateway = await connected()
    lease = await gateway.map(request_for(remote=FRIEND))
    assert list(table.entries) == [(HOST, "80", "TCP")]
    assert lease.remote == FRIEND
    assert await gateway.holds(lease)
    renewed = await gateway.map(request_for(remote=FRIEND, held=lease))
    assert list(table.entries) == [(HOST, "80", "TCP")]
    await gateway.unmap(renewed)
    assert table.entries == {}


async def test_a_gateway_that_ignores_the_host_gets_its_entry_back(
    table: Table, connected: Any, request_for: Any
) -> None:
    """Nothing stays open to every host."""
    table.ignores = True
    gateway = await connected()
    with pytest.raises(Unsupported, match=f"ignores that only {HOST} may connect"):
        await gateway.map(request_for(remote=FRIEND))
    assert table.entries == {}


async def test_a_gateway_that_accepts_only_the_wildcard_refuses(
    router: Any, connected: Any, request_for: Any
) -> None:
    """726 moves the mapping to the next backend; the port is not opened to every host."""
    router.faults["AddPortMapping"] = lambda arguments: 726 if arguments["NewRemoteHost"] else 0
    gateway = await connected()
    with pytest.raises(Unsupported):
        await gateway.map(request_for(remote=FRIEND))
    assert router.table == {}


async def test_a_gateway_that_shows_no_entries_is_trusted(
    router: Any, connected: Any, request_for: Any
) -> None:
    """Its answer to the request is all there is."""
    router.faults["GetSpecificPortMappingEntry"] = 401
    gateway = await connected()
    assert (await gateway.map(request_for(remote=FRIEND))).remote == FRIEND


async def test_another_hosts_entry_for_every_host_is_a_conflict(
    table: Table, connected: Any, request_for: Any
) -> None:
    """The port would not be ours alone."""
    arguments = {
        "NewRemoteHost": "",
        "NewExternalPort": "80",
        "NewProtocol": "TCP",
        "NewInternalPort": "80",
        "NewInternalClient": OTHER,
        "NewEnabled": "1",
        "NewPortMappingDescription": "theirs",
        "NewLeaseDuration": "0",
    }
    table.add(arguments)
    gateway = await connected()
    with pytest.raises(Exception, match=OTHER):
        await gateway.map(request_for(remote=FRIEND, exact=True))
    assert [entry["NewInternalClient"] for entry in table.entries.values()] == [OTHER]


async def test_only_one_ipv4_address_can_be_named(connected: Any) -> None:
    """RemoteHost has no networks."""
    gateway = await connected()
    assert gateway.can_restrict_to(FRIEND)
    assert not gateway.can_restrict_to(ipaddress.ip_network("198.51.100.0/24"))
    assert not gateway.can_restrict_to(ipaddress.ip_network("2001:db8::1/128"))

"""The gateways' tables, with our leases."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from portmapper.actions.tables import GatewayTables
from portmapper.api.backend import Target
from portmapper.api.errors import GatewayTimeout
from portmapper.api.model import Family, Protocol, TableEntry
from portmapper.support.clock import Clock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")
OTHER = ipaddress.ip_address("192.168.88.77")
TARGET = Target(LOCAL, "eth0", GATEWAY)


@pytest.fixture
def device() -> FakeDevice:
    """A gateway with a table, on the real clock."""
    return FakeDevice(Clock())


def shown(tables: GatewayTables) -> list[tuple[int, str, str, bool]]:
    """Return external port, internal address, backend, and whether the mapping is ours."""
    return [
        (row.entry.external_port, str(row.entry.internal_address), row.backend, row.stored is not None)
        for row in tables.rows
    ]


async def test_a_table_shows_our_mappings_and_others(device: FakeDevice, tables_of: Any, stored: Any) -> None:
    """Ours regardless of the protocol that opened them; sorted by port."""
    device.occupy(Protocol.TCP, 8080, OTHER)
    device.occupy(Protocol.TCP, 80, LOCAL)
    async with tables_of(stored(80, "pcp")) as tables:
        assert shown(tables) == [(80, str(LOCAL), "upnp", True), (8080, str(OTHER), "upnp", False)]
        assert tables.readable == {f"upnp:{GATEWAY}"}


async def test_leases_of_gateways_that_cannot_list_are_added(tables_of: Any, stored: Any) -> None:
    """A lease that is missing in a table which was read is not added: it no longer exists."""
    async with tables_of(stored(80, "pcp"), stored(81, "upnp")) as tables:
        assert shown(tables) == [(80, str(LOCAL), "pcp", True)]
        assert tables.rows[0].entry.comment == "web"
        assert 0 < tables.rows[0].entry.lifetime <= 3600


async def test_expired_and_unconfirmed_leases_are_omitted(tables_of: Any, stored: Any) -> None:
    """The gateway may have granted an unconfirmed one or not."""
    async with tables_of(stored(80, "pcp"), now=datetime.now(UTC) + timedelta(hours=2)) as tables:
        assert tables.rows == []
    async with tables_of(attrs.evolve(stored(81, "pcp"), confirmed=False)) as tables:
        assert tables.rows == []


async def test_an_unreadable_table_is_reported(device: FakeDevice, stored: Any) -> None:
    """Our leases on that gateway are shown instead."""

    class Refusing(FakeListingGateway):
        async def list_mappings(self) -> list[TableEntry]:
            raise GatewayTimeout("no answer")

    backend = FakeBackend("upnp", device, kind=Refusing)
    async with GatewayTables([backend], [TARGET], [stored(80)], datetime.now(UTC)) as tables:
        assert [str(error) for error in tables.failures.values()] == ["no answer"]
        assert shown(tables) == [(80, str(LOCAL), "upnp", True)]
    assert backend.closed
    assert all(gateway.closed for gateway in backend.found)


async def test_a_backend_that_finds_no_gateway_is_reported(device: FakeDevice) -> None:
    """With its reason."""
    backend = FakeBackend("pcp", device)
    backend.error = GatewayTimeout("no answer on port 5351")
    async with GatewayTables([backend], [TARGET], [], datetime.now(UTC)) as tables:
        assert tables.gateways == []
        assert str(tables.search_failures["pcp"]) == "no answer on port 5351"


async def test_each_of_our_addresses_reaches_its_own_pinholes(device: FakeDevice, stored: Any) -> None:
    """Over IPv6, a gateway lets a host close only its own pinholes."""

    class OverIPv6(FakeBackend):
        families = frozenset(Family)

    device.address = ipaddress.ip_address("fe80::1%eth0")
    first, second = ipaddress.ip_address("2001:db8::10"), ipaddress.ip_address("2001:db8::11")
    pinhole = stored(80, "pcp", internal_address=second, gateway="pcp:fe80::1%eth0")
    target = Target(first, "eth0", device.address)
    now = datetime.now(UTC)
    async with GatewayTables([OverIPv6("pcp", device)], [target], [pinhole], now) as tables:
        assert len(tables.gateways) == 1
        found = [tables.gateway("pcp:fe80::1%eth0", host) for host in (first, second)]
        assert [gateway.local_address for gateway in found if gateway] == [first, second]
        assert tables.gateway("upnp:fe80::1%eth0", first) is None

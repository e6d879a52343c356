"""The gateways' own tables, what closes single ports there, and what nobody answers for."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from portmapper.actions.close import CloseResult, PortCloser
from portmapper.actions.stale import NO_HOST, NOT_LISTENING, _verdict, stale_rows
from portmapper.actions.tables import GatewayTables, TableRow
from portmapper.api.backend import Target
from portmapper.api.errors import GatewayTimeout, NotAuthorized
from portmapper.api.model import Family, Lease, Protocol, TableEntry
from portmapper.network.host import Interface, Network
from portmapper.store.leases import Store, StoredLease
from portmapper.support.clock import Clock
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

ME = ipaddress.ip_address("192.168.88.10")
OTHER = ipaddress.ip_address("192.168.88.77")
LOOPBACK = ipaddress.ip_address("127.0.0.1")
TARGET = Target(ME, "eth0", GATEWAY)
NOW = datetime.now(UTC)
WEB, DNS = (Protocol.TCP, 80), (Protocol.UDP, 53)


@pytest.fixture
def device() -> FakeDevice:
    """A gateway with a table."""
    return FakeDevice(Clock())


def stored(port: int, backend: str = "upnp", **changes: object) -> StoredLease:
    """Return a lease of ours for a TCP port, an hour long."""
    lease = Lease(
        protocol=Protocol.TCP,
        internal_address=ME,
        internal_port=port,
        external_port=port,
        external_address=None,
        lifetime=3600,
        permanent=False,
        backend=backend,
        gateway=f"{backend}:{GATEWAY}",
        token=port.to_bytes(12),
    )
    return StoredLease(attrs.evolve(lease, **changes), port, NOW, comment="web")


def listing(device: FakeDevice, *leases: StoredLease, now: datetime = NOW) -> GatewayTables:
    """Read the device's table over `upnp`, which lists, and `pcp`, which does not."""
    backends = [FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)]
    return GatewayTables(backends, [TARGET], leases, now)


def shown(tables: GatewayTables) -> list[tuple[int, str, str, bool]]:
    """Return external port, internal address, who told, and whether it is ours."""
    return [
        (row.entry.external_port, str(row.entry.internal_address), row.backend, row.stored is not None)
        for row in tables.rows
    ]


async def test_a_table_shows_ours_and_others(device: FakeDevice) -> None:
    """Ours whatever protocol opened it, sorted by port."""
    device.occupy(Protocol.TCP, 8080, OTHER)
    device.occupy(Protocol.TCP, 80, ME)
    async with listing(device, stored(80, "pcp")) as tables:
        assert shown(tables) == [(80, str(ME), "upnp", True), (8080, str(OTHER), "upnp", False)]
        assert tables.readable == {f"upnp:{GATEWAY}"}


async def test_leases_that_no_table_shows_are_added(device: FakeDevice) -> None:
    """At gateways that list nothing; one that an own table does not have any more is gone."""
    async with listing(device, stored(80, "pcp"), stored(81, "upnp")) as tables:
        assert shown(tables) == [(80, str(ME), "pcp", True)]
        assert tables.rows[0].entry.comment == "web"
        assert 0 < tables.rows[0].entry.lifetime <= 3600


async def test_leases_that_ran_out_or_were_never_granted_are_left_out(device: FakeDevice) -> None:
    """The one is over, of the other nobody knows."""
    unconfirmed = attrs.evolve(stored(81, "pcp"), confirmed=False)
    async with listing(device, stored(80, "pcp"), now=NOW + timedelta(hours=2)) as tables:
        assert tables.rows == []
    async with listing(device, unconfirmed) as tables:
        assert tables.rows == []


async def test_a_table_that_cannot_be_read_is_told(device: FakeDevice) -> None:
    """And our leases there are shown instead."""

    class Refusing(FakeListingGateway):
        async def list_mappings(self) -> list[TableEntry]:
            raise GatewayTimeout("no answer")

    backend = FakeBackend("upnp", device, kind=Refusing)
    async with GatewayTables([backend], [TARGET], [stored(80)], NOW) as tables:
        assert [str(error) for error in tables.failures.values()] == ["no answer"]
        assert shown(tables) == [(80, str(ME), "upnp", True)]
    assert backend.closed
    assert all(gateway.closed for gateway in backend.found)


async def test_each_address_of_ours_is_asked_from_for_its_pinholes(device: FakeDevice) -> None:
    """Over IPv6 a gateway lets an address close its own alone."""

    class OverIPv6(FakeBackend):
        families = frozenset(Family)

    device.address = ipaddress.ip_address("fe80::1%eth0")
    first, second = ipaddress.ip_address("2001:db8::10"), ipaddress.ip_address("2001:db8::11")
    pinhole = stored(80, "pcp", internal_address=second, gateway="pcp:fe80::1%eth0")
    target = Target(first, "eth0", device.address)
    async with GatewayTables([OverIPv6("pcp", device)], [target], [pinhole], NOW) as tables:
        assert len(tables.gateways) == 1
        reached = [tables.gateway("pcp:fe80::1%eth0", host) for host in (first, second)]
        assert [gateway.local_address for gateway in reached if gateway] == [first, second]
        assert tables.gateway("upnp:fe80::1%eth0", first) is None


# Closing single ports


async def removed(device: FakeDevice, store: Store, port: tuple[Protocol, int]) -> tuple[CloseResult, str]:
    """Close one port by hand, as `portmapper close` does."""
    async with listing(device, *store.leases) as tables:
        outcome = await PortCloser(tables, store, lambda address: address == ME).close(port)
    return outcome.result, outcome.detail


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store in memory."""
    store = Store(None)
    yield store
    store.close()


async def test_our_lease_is_closed_and_forgotten(device: FakeDevice, store: Store) -> None:
    """Once, although the table has it too."""
    device.occupy(*WEB, ME)
    store.put(stored(80))
    assert await removed(device, store, WEB) == (CloseResult.CLOSED, "")
    assert not list(store.leases)
    assert [verb for _, verb, _ in device.calls].count("unmap") == 1


async def test_an_entry_to_this_host_that_nobody_remembers_is_closed(
    device: FakeDevice, store: Store
) -> None:
    """It was ours before the store was lost."""
    device.occupy(*DNS, ME)
    assert (await removed(device, store, DNS))[0] is CloseResult.CLOSED
    assert device.open_ports() == set()


async def test_another_hosts_entry_is_left_alone(device: FakeDevice, store: Store) -> None:
    """It is said whose it is."""
    device.occupy(*WEB, OTHER)
    assert await removed(device, store, WEB) == (CloseResult.LEFT_ALONE, f"it leads to {OTHER}")
    assert device.open_ports() == {WEB}


async def test_a_port_that_is_not_open_is_said_to_be_so(device: FakeDevice, store: Store) -> None:
    """That is no failure."""
    assert await removed(device, store, WEB) == (CloseResult.NOT_OPEN, "")


async def test_what_cannot_be_closed_is_kept(device: FakeDevice, store: Store) -> None:
    """The gateway refuses, or does not answer over that protocol any more."""
    store.put(stored(80))
    device.occupy(*WEB, ME)
    device.release_error = NotAuthorized("not by you")
    assert await removed(device, store, WEB) == (CloseResult.FAILED, "upnp: not by you")
    store.put(stored(81, "natpmp"))
    assert await removed(device, store, (Protocol.TCP, 81)) == (
        CloseResult.FAILED,
        "the gateway does not answer over natpmp",
    )
    assert len(list(store.leases)) == 2


async def test_a_row_that_the_user_agreed_to_goes_whosever_it_is(device: FakeDevice, store: Store) -> None:
    """As `close --stale` does after its question."""
    device.occupy(*WEB, OTHER)
    async with listing(device) as tables:
        outcome = await PortCloser(tables, store, lambda _: False).close_row(tables.rows[0])
    assert outcome.result is CloseResult.CLOSED
    assert device.open_ports() == set()


# What nobody answers for


@pytest.fixture
def here() -> Network:
    """A host whose LAN is its loopback."""
    return Network((Interface("lo", (ipaddress.ip_interface("127.0.0.1/8"),)),), ())


def row(port: int, address: str = "127.0.0.1", protocol: Protocol = Protocol.TCP) -> TableRow:
    """Return an entry that leads to a port."""
    return TableRow(TableEntry(protocol, port, ipaddress.ip_address(address), port), "upnp", str(GATEWAY))


async def test_a_port_where_nothing_listens_is_stale(here: Network, free_port: Callable[[], int]) -> None:
    """One where something does is not, over TCP and UDP."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(type=socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        silent = free_port()
        rows = [
            row(listening.getsockname()[1]),
            row(silent),
            row(bound.getsockname()[1], protocol=Protocol.UDP),
            row(silent, protocol=Protocol.UDP),
        ]
        found = await stale_rows(rows, here)
    assert found == [(rows[1], NOT_LISTENING), (rows[3], NOT_LISTENING)]


@pytest.mark.parametrize("address", ["203.0.113.9", "192.168.88.77", "2001:db8::1"])
async def test_only_hosts_of_our_own_networks_are_judged(here: Network, address: str) -> None:
    """Whatever a table says, nobody else is connected to."""
    assert await stale_rows([row(80, address)], here) == []
    unnamed = TableRow(TableEntry(Protocol.TCP, 80), "upnp", str(GATEWAY))
    assert await stale_rows([unnamed], here) == []


@pytest.mark.parametrize(
    ("error", "protocol", "verdict"),
    [
        (errno.EHOSTUNREACH, Protocol.TCP, NO_HOST),
        (errno.EHOSTUNREACH, Protocol.UDP, NO_HOST),
        (errno.ECONNREFUSED, Protocol.TCP, NOT_LISTENING),
        (errno.ECONNREFUSED, Protocol.UDP, ""),
        (0, Protocol.TCP, ""),
        (None, Protocol.TCP, ""),
    ],
)
def test_silence_is_no_proof(here: Network, error: int | None, protocol: Protocol, verdict: str) -> None:
    """A firewall drops too; and of another host's UDP nobody can tell."""
    assert _verdict(row(80, "192.168.88.77", protocol), error, here, set()) == verdict

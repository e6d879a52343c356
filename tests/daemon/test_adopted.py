"""A source that cannot be read at start keeps the ports that an earlier run opened."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from portmapper.api.errors import SourceError
from portmapper.api.model import Lease, Mapping, Protocol
from portmapper.api.reading import SourceState
from portmapper.api.source import Document, FormatOptions, Source
from portmapper.daemon.adopted import adopt_leases
from portmapper.network.host import Interface, Network
from portmapper.sources.reader import SourceReader
from portmapper.store.leases import Store
from portmapper.store.stored_lease import StoredLease

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOME = Network((Interface("eth0", (ipaddress.ip_interface("192.168.1.5/24"),)),), ())


class Down(Source):
    """A server that does not answer."""

    name = "down"

    @classmethod
    def claims(cls, location: str) -> bool:
        """Return False: the test creates it itself."""
        return False

    async def fetch(self) -> Document:
        """Fail."""
        raise SourceError("no connection")


def stored(port: int, address: str, *, source: str, age: int = 0) -> StoredLease:
    """Return a lease of an earlier run."""
    inside, outside = ipaddress.ip_address(address), ipaddress.ip_address("203.0.113.1")
    lease = Lease(
        Protocol.TCP, inside, 80, port, outside, 3600, False, "pcp", "192.168.1.1", token=bytes([port % 256])
    )
    return StoredLease(lease, port, NOW - timedelta(seconds=age), source=source, comment="web")


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory."""
    store = Store(None)
    yield store
    store.close()


async def test_the_leases_of_a_failed_source_become_its_mappings(store: Store) -> None:
    """Not those of other sources; what the dates say does not matter, because the clock may be wrong."""
    for lease in (
        stored(8080, "192.168.1.5", source="here"),
        stored(8081, "192.168.1.7", source="here"),
        stored(8082, "192.168.1.5", source="here", age=4000),
        stored(8084, "192.168.1.5", source="here", age=-(10**9)),
        stored(8083, "192.168.1.5", source="there"),
    ):
        store.put(lease)
    reader = SourceReader(Down("here"), (), "auto", FormatOptions())
    await reader.read()
    adopt_leases([reader], store, lambda: HOME)
    assert reader.reading.state is SourceState.STALE
    assert sorted((m.port, m.internal_port, str(m.address), m.comment) for m in reader.reading.mappings) == [
        (8080, 80, "None", "web"),
        (8081, 80, "192.168.1.7", "web"),
        (8082, 80, "None", "web"),
        (8084, 80, "None", "web"),
    ]
    assert all(
        isinstance(mapping, Mapping) and mapping.source == "here" for mapping in reader.reading.mappings
    )


async def test_an_adopted_mapping_is_open_to_the_same_remote_hosts(store: Store) -> None:
    """Otherwise, a source that is down at start would open its ports to every host."""
    friend = ipaddress.ip_network("198.51.100.7/32")
    lease = stored(8080, "192.168.1.5", source="here")
    store.put(attrs.evolve(lease, lease=attrs.evolve(lease.lease, remote=friend)))
    reader = SourceReader(Down("here"), (), "auto", FormatOptions())
    await reader.read()
    adopt_leases([reader], store, lambda: HOME)
    assert [mapping.remote for mapping in reader.reading.mappings] == [friend]

"""A gateway with a table, and leases of ours on it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import attrs
import pytest

from portmapper.actions.tables import GatewayTables
from portmapper.api.backend import Target
from portmapper.api.model import Lease, Protocol
from portmapper.store.leases import Store
from portmapper.store.stored_lease import StoredLease
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")
TARGET = Target(LOCAL, "eth0", GATEWAY)


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store in memory."""
    store = Store(None)
    yield store
    store.close()


@pytest.fixture
def stored() -> Callable[..., StoredLease]:
    """Make a lease of ours for a TCP port of this host, with a lifetime of one hour."""

    def make(port: int, backend: str = "upnp", **changes: object) -> StoredLease:
        lease = Lease(
            protocol=Protocol.TCP,
            internal_address=LOCAL,
            internal_port=port,
            external_port=port,
            external_address=None,
            lifetime=3600,
            permanent=False,
            backend=backend,
            gateway=f"{backend}:{GATEWAY}",
            token=port.to_bytes(12),
        )
        return StoredLease(attrs.evolve(lease, **changes), port, datetime.now(UTC), comment="web")

    return make


@pytest.fixture
def tables_of(device: FakeDevice) -> Callable[..., GatewayTables]:
    """Make tables of the device over `upnp`, which can list, and `pcp`, which cannot."""

    def make(*leases: StoredLease, now: datetime | None = None) -> GatewayTables:
        backends = [FakeBackend("pcp", device), FakeBackend("upnp", device, kind=FakeListingGateway)]
        return GatewayTables(backends, [TARGET], leases, now or datetime.now(UTC))

    return make

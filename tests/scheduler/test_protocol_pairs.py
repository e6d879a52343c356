"""The two protocols of one port, on a gateway that confuses them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from portmapper.api.model import Lease, Mapping, MapRequest, Protocol
from portmapper.scheduler.lease_state import LeaseState
from portmapper.scheduler.protocol_pairs import ProtocolPairs
from portmapper.store.leases import Store, StoredLease
from portmapper.store.ownership import Ownership
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]


async def test_a_release_reopens_the_counterpart(harness: Any, device: FakeDevice, desired: Desired) -> None:
    """Only once: its next renewal is an ordinary one."""
    tcp, udp = desired(), desired(protocol=Protocol.UDP)
    await harness.start(tcp, udp)
    harness.scheduler.set_desired([udp])
    await harness.scheduler.settled()
    await harness.clock.advance(0)
    assert _requests(device) == [(Protocol.TCP, False), (Protocol.UDP, False), (Protocol.UDP, True)]
    await harness.clock.advance(2300)
    assert _requests(device)[3:][-1] == (Protocol.UDP, False)


async def test_a_release_after_a_crash_reopens_the_counterpart(
    harness: Any, device: FakeDevice, desired: Desired
) -> None:
    """Whether it is adopted before or after the release."""
    tcp, udp = desired(), desired(protocol=Protocol.UDP)
    await harness.start(tcp, udp)
    await harness.crash()
    device.calls.clear()
    await harness.start(udp)
    await harness.clock.advance(0)
    assert device.open_ports() == {(Protocol.UDP, 80)}
    released = [verb for _, verb, _ in device.calls].index("unmap")
    after = [subject for _, verb, subject in device.calls[released:] if verb == "map"]
    assert any(isinstance(request, MapRequest) and request.anew for request in after)


def test_a_release_reopens_a_counterpart_that_is_being_adopted(desired: Desired) -> None:
    """Another gateway still holds its lease, and an earlier lease is being adopted here."""
    tcp, udp = desired(), desired(protocol=Protocol.UDP)
    store, planned = Store(None), list[LeaseState]()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for mapping in (tcp, udp):
        lease = attrs.evolve(_lease(mapping, "upnp"), token=mapping.protocol.value.encode())
        store.put(StoredLease(lease, mapping.port, now, True, "", ""))
    entry = LeaseState(
        udp, lease=attrs.evolve(_lease(udp, "upnp"), gateway="upnp:192.168.77.1", token=b"other")
    )
    pairs = ProtocolPairs({udp.key: entry}, Ownership(store, None), begin=planned.append, plan=planned.append)
    pairs.reopen_after_release(_lease(tcp, "upnp"))
    assert planned == [entry]
    assert entry.anew
    store.close()


@pytest.mark.parametrize("two_backends", [True, False])
def test_a_renewal_over_another_backend_reopens_the_newer(desired: Desired, two_backends: bool) -> None:
    """PCP pushes the older one's rule again and removes the newer one's; UPnP touches neither."""
    tcp, udp = desired(), desired(protocol=Protocol.UDP)
    older = LeaseState(
        tcp, lease=_lease(tcp, "pcp" if two_backends else "upnp"), opened_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    newer = LeaseState(udp, lease=_lease(udp, "upnp"), opened_at=datetime(2026, 1, 2, tzinfo=UTC))
    store, planned = Store(None), list[LeaseState]()
    entries = {entry.mapping.key: entry for entry in (older, newer)}
    pairs = ProtocolPairs(entries, Ownership(store, None), begin=planned.append, plan=planned.append)
    pairs.renew_newer(older)
    assert planned == [newer]
    assert newer.anew is two_backends
    store.close()


def _requests(device: FakeDevice) -> list[tuple[Protocol, bool]]:
    requests = [request for request in device.requested() if isinstance(request, MapRequest)]
    return [(request.protocol, request.anew) for request in requests]


def _lease(mapping: Mapping, backend: str) -> Lease:
    address = ipaddress.ip_address("192.168.88.10")
    where = (mapping.protocol, address, mapping.internal_port, mapping.port, None)
    return Lease(*where, 3600, False, backend, f"{backend}:192.168.88.1")

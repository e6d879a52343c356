"""The two protocols of one port, as a gateway that confuses them needs them to be asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from portmapper.entry import Entry
from portmapper.ledger import Ledger
from portmapper.model import Lease, Mapping, MapRequest, Protocol
from portmapper.store import Store, StoredLease
from portmapper.testing.devices import FakeDevice
from portmapper.twins import Twins

Wanted = Callable[..., Mapping]


async def test_the_release_of_one_protocol_has_the_other_opened_anew(
    world: Any, device: FakeDevice, wanted: Wanted
) -> None:
    """Once: its next renewal is an ordinary one."""
    tcp, udp = wanted(), wanted(protocol=Protocol.UDP)
    await world.start(tcp, udp)
    world.scheduler.set_wanted([udp])
    await world.scheduler.settled()
    await world.clock.advance(0)
    assert _asked_anew(device) == [(Protocol.TCP, False), (Protocol.UDP, False), (Protocol.UDP, True)]
    await world.clock.advance(2300)
    assert _asked_anew(device)[3:][-1] == (Protocol.UDP, False)


async def test_a_release_after_a_crash_has_the_other_protocol_opened_anew(
    world: Any, device: FakeDevice, wanted: Wanted
) -> None:
    """Whether it is adopted before the release or after it."""
    tcp, udp = wanted(), wanted(protocol=Protocol.UDP)
    await world.start(tcp, udp)
    await world.crash()
    device.calls.clear()
    await world.start(udp)
    await world.clock.advance(0)
    assert device.open_ports() == {(Protocol.UDP, 80)}
    released = [verb for _, verb, _ in device.calls].index("unmap")
    after = [subject for _, verb, subject in device.calls[released:] if verb == "map"]
    assert any(isinstance(request, MapRequest) and request.anew for request in after)


def test_a_release_has_the_other_protocol_opened_anew_that_is_on_its_way_back(wanted: Wanted) -> None:
    """Another gateway holds it still, and here an earlier lease stands that is being adopted."""
    tcp, udp = wanted(), wanted(protocol=Protocol.UDP)
    store, begun = Store(None), list[Entry]()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for mapping in (tcp, udp):
        lease = attrs.evolve(_lease(mapping, "upnp"), token=mapping.protocol.value.encode())
        store.put(StoredLease(lease, mapping.port, now, True, "", ""))
    entry = Entry(udp, lease=attrs.evolve(_lease(udp, "upnp"), gateway="upnp:192.168.77.1", token=b"other"))
    twins = Twins({udp.key: entry}, Ledger(store, None), begin=begun.append, plan=begun.append)
    twins.after_release(_lease(tcp, "upnp"))
    assert begun == [entry]
    assert entry.anew
    store.close()


@pytest.mark.parametrize("mixed", [True, False])
def test_what_another_protocol_renewed_has_the_younger_opened_anew(wanted: Wanted, mixed: bool) -> None:
    """PCP puts the elder's rules up again and takes the younger's; UPnP touches neither."""
    tcp, udp = wanted(), wanted(protocol=Protocol.UDP)
    elder = Entry(
        tcp, lease=_lease(tcp, "pcp" if mixed else "upnp"), opened_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    younger = Entry(udp, lease=_lease(udp, "upnp"), opened_at=datetime(2026, 1, 2, tzinfo=UTC))
    store, begun = Store(None), list[Entry]()
    entries = {entry.mapping.key: entry for entry in (elder, younger)}
    twins = Twins(entries, Ledger(store, None), begin=begun.append, plan=begun.append)
    twins.after_renewal(elder)
    assert begun == [younger]
    assert younger.anew is mixed
    store.close()


def _asked_anew(device: FakeDevice) -> list[tuple[Protocol, bool]]:
    requests = [request for request in device.asked() if isinstance(request, MapRequest)]
    return [(request.protocol, request.anew) for request in requests]


def _lease(mapping: Mapping, backend: str) -> Lease:
    address = ipaddress.ip_address("192.168.88.10")
    where = (mapping.protocol, address, mapping.internal_port, mapping.port, None)
    return Lease(*where, 3600, False, backend, f"{backend}:192.168.88.1")

"""Opening ports in one pass, as `portmapper open` does without a daemon."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from portmapper.actions.open import open_without_daemon
from portmapper.api.errors import NotAuthorized
from portmapper.api.events import Event, Observer
from portmapper.api.model import Mapping, Protocol
from portmapper.scheduler.options import Options
from portmapper.sources.adhoc import AdhocMappings
from portmapper.store.leases import Store
from portmapper.support.clock import Clock
from portmapper.testing.fake_backend import FakeBackend
from portmapper.testing.fake_device import FakeDevice

Desired = Callable[..., Mapping]
OPTIONS = Options(scope=set(), watch=False, chosen=("127.0.0.1",))
"""A named gateway, so that the tests do not depend on the routes of the machine."""


class RecordingObserver(Observer):
    """Records the events that it receives."""

    name = "recording"

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def observe(self, event: Event) -> None:
        """Record the kind of the event."""
        self.seen.append(event.kind.value)


@pytest.fixture
def device() -> FakeDevice:
    """A gateway on the real clock."""
    return FakeDevice(Clock())


async def test_a_port_is_opened_and_recorded(device: FakeDevice, store: Store, desired: Desired) -> None:
    """A daemon that starts before the lease expires finds the mapping and keeps it open."""
    observer = RecordingObserver()
    document = await open_without_daemon(
        [FakeBackend("pcp", device)], store, [desired(8080)], OPTIONS, [observer]
    )
    assert [mapping["state"] for mapping in document["mappings"]] == ["active"]
    assert device.open_ports() == {(Protocol.TCP, 8080)}
    adhoc = AdhocMappings(store)
    adhoc.adopt(datetime.now(UTC))
    assert [mapping.port for mapping in adhoc.mappings] == [8080]
    assert "opened" in observer.seen


async def test_a_refused_port_is_not_recorded(device: FakeDevice, store: Store, desired: Desired) -> None:
    """The document has the reason."""
    device.refusals[8080] = NotAuthorized("not by you")
    document = await open_without_daemon([FakeBackend("pcp", device)], store, [desired(8080)], OPTIONS)
    (mapping,) = document["mappings"]
    assert (mapping["state"], mapping["error"]) == ("refused", "PCP: not by you")
    assert list(AdhocMappings(store).mappings) == []


async def test_other_leases_are_not_released(
    device: FakeDevice, store: Store, stored: Any, desired: Desired
) -> None:
    """They belong to another run."""
    device.occupy(Protocol.TCP, 80, ipaddress.ip_address("192.168.88.10"))
    store.put(stored(80, "pcp"))
    await open_without_daemon([FakeBackend("pcp", device)], store, [desired(8080)], OPTIONS)
    assert device.open_ports() == {(Protocol.TCP, 80), (Protocol.TCP, 8080)}

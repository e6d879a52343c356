"""Events of grants, failures and releases."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.errors import Conflict, NotAuthorized
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Lease, Mapping
from portmapper.scheduler.event_recorder import EventRecorder
from portmapper.scheduler.record import Record
from portmapper.sources.address_syntax import parse_address
from portmapper.store.stored_lease import StoredLease
from portmapper.testing.clock import FakeClock

EXTERNAL, NEW_EXTERNAL = ip_address("203.0.113.7"), ip_address("203.0.113.99")

NewLease = Callable[..., Lease]


@pytest.fixture
def events() -> list[Event]:
    """The events that were published."""
    return []


@pytest.fixture
def recorder(events: list[Event]) -> EventRecorder:
    """A recorder that publishes to `events`."""
    return EventRecorder(events.append, FakeClock())


@pytest.fixture
def record(desired: Callable[..., Mapping]) -> Record:
    """The record of a listed mapping."""
    return Record(desired(comment="web", source="ports.csv"))


def test_the_first_grant_is_reported_with_all_fields(
    recorder: EventRecorder, events: list[Event], record: Record, new_lease: NewLease
) -> None:
    """Including the external address that is known for the gateway."""
    assert recorder.granted(record, None, new_lease(), EXTERNAL)
    (event,) = events
    assert (event.kind, event.detail) == (EventKind.OPENED, "")
    assert (event.external_address, event.external_port, event.wanted_external_port) == (EXTERNAL, 80, 80)
    assert (event.backend, event.gateway) == ("pcp", "192.168.88.1")
    assert (event.comment, event.source) == ("web", "ports.csv")


@pytest.mark.parametrize(
    ("change", "kind", "detail"),
    [
        ({"external_port": 8123}, EventKind.EXTERNAL_PORT_CHANGED, "was 80"),
        ({"backend": "upnp", "gateway": "upnp:192.168.88.1"}, EventKind.OPENED, "moved from PCP"),
        ({"internal_address": ip_address("192.168.88.20")}, EventKind.OPENED, ""),
    ],
)
def test_a_changed_lease_is_reported(
    recorder: EventRecorder,
    events: list[Event],
    record: Record,
    new_lease: NewLease,
    change: dict[str, Any],
    kind: EventKind,
    detail: str,
) -> None:
    """A new external port, another gateway, another internal address."""
    assert recorder.granted(record, new_lease(), new_lease(**change), None)
    assert [(event.kind, event.detail) for event in events] == [(kind, detail)]


def test_a_renewal_is_not_reported(
    recorder: EventRecorder, events: list[Event], record: Record, new_lease: NewLease
) -> None:
    """Not even with another lifetime."""
    assert not recorder.granted(record, new_lease(), new_lease(lifetime=60), EXTERNAL)
    assert events == []


@pytest.mark.parametrize("repeat", [True, False])
def test_an_adopted_lease_is_repeated_on_request(
    recorder: EventRecorder, events: list[Event], record: Record, new_lease: NewLease, repeat: bool
) -> None:
    """A changed external address is reported in any case."""
    before, lease = new_lease(external_address=EXTERNAL), new_lease(external_address=NEW_EXTERNAL)
    recorder.adopted(record, before, lease, NEW_EXTERNAL, repeat=repeat)
    repeated = [(EventKind.OPENED, "open since an earlier run")] if repeat else []
    changed = (EventKind.EXTERNAL_ADDRESS_CHANGED, f"was {EXTERNAL}")
    assert [(event.kind, event.detail) for event in events] == [*repeated, changed]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(Conflict("taken"), EventKind.CONFLICT), (NotAuthorized("denied"), EventKind.FAILED)],
)
def test_a_failure_is_reported_with_its_reason(
    recorder: EventRecorder, events: list[Event], record: Record, error: Any, kind: EventKind
) -> None:
    """A mapping without a lease has no external port yet."""
    recorder.failed(attrs.evolve(record, refusals=(("pcp:192.168.88.1", error),)))
    (event,) = events
    assert (event.kind, event.detail) == (kind, f"PCP: {error}")
    assert (event.internal_port, event.external_port) == (80, None)


@pytest.mark.parametrize(
    ("address", "host"), [("192.168.88.11", "192.168.88.11"), ("192.168.88.0/24", None), (None, None)]
)
def test_a_failure_names_the_host_of_the_row(
    recorder: EventRecorder, events: list[Event], record: Record, address: str | None, host: str | None
) -> None:
    """A row for another host must not be reported as one for this host."""
    of_row = parse_address(address or "")
    refused = (("pcp:192.168.88.1", Conflict("taken")),)
    recorder.failed(
        attrs.evolve(record, mapping=attrs.evolve(record.mapping, address=of_row), refusals=refused)
    )
    assert events[0].internal_address == (ip_address(host) if host else None)


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [("", EventKind.CLOSED, ""), ("denied", EventKind.FAILED, "cannot be closed: denied")],
)
def test_a_release_is_reported_with_the_fields_of_the_lease(
    recorder: EventRecorder,
    events: list[Event],
    new_lease: NewLease,
    error: str,
    kind: EventKind,
    detail: str,
) -> None:
    """The mapping may no longer exist."""
    stored = StoredLease(new_lease(), 80, FakeClock().now(), True, "ports.csv", "web")
    recorder.released(stored, error)
    (event,) = events
    assert (event.kind, event.detail) == (kind, detail)
    assert (event.external_port, event.comment, event.source) == (80, "web", "ports.csv")

"""The status document of a scheduler and of a lease store."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from portmapper.api.errors import NotAuthorized
from portmapper.api.model import Lease, Mapping, Protocol
from portmapper.observability.status import gateway_document, status_document, stored_document
from portmapper.store.leases import Store
from portmapper.store.stored_lease import StoredLease
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")

Desired = Callable[..., Mapping]


@pytest.mark.parametrize(
    ("external", "kind"),
    [("203.0.113.7", "private"), ("8.8.8.8", "public"), ("100.64.0.1", "cgnat"), ("0.0.0.0", "none")],
)
async def test_the_status_shows_the_kind_of_the_external_address(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, external: str, kind: str
) -> None:
    """Addresses reserved for documentation count as private."""
    device.external = ipaddress.ip_address(external)
    await harness.start(desired())
    (gateway,) = status_document(harness.scheduler, [], clock.now(), clock)["gateways"]
    assert gateway["external_kind"] == kind


async def test_the_status_is_json_whatever_the_state(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """It lists open and refused mappings, with dates of the scheduler's clock."""
    device.refusals[81] = NotAuthorized("no")
    await harness.start(desired(comment="web"), desired(81))
    document = json.loads(json.dumps(status_document(harness.scheduler, [], clock.now(), clock)))
    opened, refused = document["mappings"]
    assert (opened["state"], opened["external_port"], opened["expires_at"]) == (
        "active",
        80,
        "2026-01-01T01:00:00+00:00",
    )
    assert (refused["state"], refused["external_port"], refused["expires_at"]) == ("refused", None, None)
    assert "no" in refused["error"]


@pytest.mark.parametrize(
    ("state", "detail"),
    [
        ({"address_by_grant": True}, "not known yet"),
        ({"unread": True}, "nothing has needed"),
        ({}, "not connected"),
    ],
)
def test_an_unknown_address_is_not_reported_as_unconnected(
    clock: FakeClock, state: dict[str, bool], detail: str
) -> None:
    """PCP reports the address only when it opens a port; an unread gateway was not queried for it."""
    gateway = FakeGateway(FakeDevice(clock), "fake", LOCAL)
    vars(gateway).update(state)
    document = gateway_document(gateway, None)
    assert (document["external_address"], document["external_kind"]) == (None, "none")
    assert detail in document["detail"]


def test_without_a_daemon_the_status_comes_from_the_store(store: Store) -> None:
    """A valid lease is active; an expired or unconfirmed one is pending, with the reason."""
    lease = Lease(
        protocol=Protocol.TCP,
        internal_address=LOCAL,
        internal_port=80,
        external_port=8080,
        external_address=None,
        lifetime=3600,
        permanent=False,
        backend="pcp",
        gateway="pcp:192.168.88.1",
        token=b"1",
    )
    now = datetime.now(UTC)
    valid = StoredLease(lease, 8080, now)
    expired = StoredLease(lease, 8080, now - timedelta(hours=2))
    unconfirmed = attrs.evolve(valid, confirmed=False)
    document = stored_document([valid, expired, unconfirmed])
    assert (document["pid"], document["gateways"], document["sources"]) == (None, [], [])
    assert [mapping["state"] for mapping in document["mappings"]] == ["active", "pending", "pending"]
    assert [mapping["error"] is None for mapping in document["mappings"]] == [True, False, False]
    assert document["mappings"][0]["gateway"] == "192.168.88.1"
    (from_the_future,) = stored_document([StoredLease(lease, 8080, now + timedelta(days=9))])["mappings"]
    assert from_the_future["state"] == "pending"
    assert "the clock was set back" in from_the_future["error"]

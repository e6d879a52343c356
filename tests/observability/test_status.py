"""What `discover` and `status` show."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable
from typing import Any

import pytest

from portmapper.actions.discover import discover_gateways
from portmapper.api.backend import Target
from portmapper.api.errors import NotAuthorized, Unsupported
from portmapper.api.model import Mapping
from portmapper.observability.status import gateway_document, status_document
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

TARGETS = [Target(ipaddress.ip_address(f"192.168.88.{host}"), f"eth{host}", GATEWAY) for host in (10, 11)]

Desired = Callable[..., Mapping]


async def test_a_survey_names_every_gateway_once_and_closes_it(clock: FakeClock, device: FakeDevice) -> None:
    """Though it answers on two interfaces; with its outside address and the reasons of the others."""
    pcp, upnp = FakeBackend("pcp", device, delay=2), FakeBackend("upnp", device)
    upnp.error = Unsupported("not an IGD")
    task = asyncio.create_task(discover_gateways([pcp, upnp], TARGETS))
    await clock.advance(10)
    found = await task
    assert [(gateway.backend, address) for gateway, address in found.gateways] == [("pcp", device.external)]
    assert list(found.failures) == ["upnp"]
    assert all(gateway.closed for gateway in pcp.found)
    assert pcp.closed


@pytest.mark.parametrize(
    ("outside", "kind"),
    [("203.0.113.7", "private"), ("8.8.8.8", "public"), ("100.64.0.1", "cgnat"), ("0.0.0.0", "none")],
)
async def test_the_status_says_what_sort_of_address_is_outside(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired, outside: str, kind: str
) -> None:
    """Documentation's own addresses are not global either."""
    device.external = ipaddress.ip_address(outside)
    await harness.start(desired())
    (gateway,) = status_document(harness.scheduler, [], clock.now(), clock)["gateways"]
    assert gateway["external_kind"] == kind


async def test_the_status_is_json_whatever_the_state(
    harness: Any, clock: FakeClock, device: FakeDevice, desired: Desired
) -> None:
    """One mapping each, open or not, with dates that move with the clock."""
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


@pytest.mark.parametrize(("by_grant", "detail"), [(True, "not known yet"), (False, "not connected")])
def test_a_protocol_without_a_question_for_the_address_is_not_called_unconnected(
    clock: FakeClock, by_grant: bool, detail: str
) -> None:
    """PCP tells it with the first port; who has the question and says nothing has none."""
    gateway = FakeGateway(FakeDevice(clock), "fake", TARGETS[0].local_address)
    gateway.address_by_grant = by_grant
    document = gateway_document(gateway, None)
    assert (document["external_address"], document["external_kind"]) == (None, "none")
    assert detail in document["detail"]

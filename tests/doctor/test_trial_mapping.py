"""Test mappings are requested, checked and released immediately."""

from __future__ import annotations

from collections.abc import Callable

from portmapper.api.errors import Conflict, NetworkFailure, NotAuthorized, Unsupported
from portmapper.api.model import MapRequest
from portmapper.doctor.desired import DesiredPort
from portmapper.doctor.trial_mapping import HIGH_PORTS, MAX_ATTEMPTS, request_any_port, request_port
from portmapper.testing.fake_backend import FakeGateway
from portmapper.testing.fake_device import FakeDevice

Port = Callable[..., DesiredPort]


async def test_a_granted_port_is_released(gateway: FakeGateway, device: FakeDevice, port: Port) -> None:
    """Nothing stays open."""
    result = await request_port([gateway], port(8080))
    assert result.lease is not None
    assert (result.lease.external_port, result.lease.backend) == (8080, "pcp")
    assert device.open_ports() == set()
    assert len(device.deleted) == 1


async def test_the_next_gateway_is_used_after_a_refusal(
    gateway: FakeGateway, device: FakeDevice, port: Port
) -> None:
    """The errors of the gateways before are part of the result."""
    device.answers.extend([NotAuthorized("no"), None])
    result = await request_port([gateway, FakeGateway(device, "upnp", gateway.local_address)], port(8080))
    assert result.lease is not None
    assert result.lease.backend == "upnp"
    assert str(result.refused_with(NotAuthorized)) == "no"
    assert result.refused_with(Conflict, Unsupported) is None


async def test_another_port_than_the_desired_one_is_a_conflict(
    gateway: FakeGateway, device: FakeDevice, port: Port
) -> None:
    """It is released, too."""
    device.other_port = 9000
    result = await request_port([gateway], port(8080))
    assert result.lease is None
    assert "offered 9000" in str(result.refused_with(Conflict))
    assert device.open_ports() == set()


async def test_a_port_that_cannot_be_released_counts_as_refused(
    gateway: FakeGateway, device: FakeDevice, port: Port
) -> None:
    """The lease ends after a short lifetime."""
    device.release_error = NetworkFailure("down")
    result = await request_port([gateway], port(8080))
    assert result.lease is None
    assert "does not release it" in str(result.refused_with(NotAuthorized))
    (request,) = device.requested()
    assert isinstance(request, MapRequest)
    assert request.lifetime == 120


async def test_a_port_of_the_other_family_is_not_requested(
    gateway: FakeGateway, device: FakeDevice, port: Port
) -> None:
    """The gateway was found over IPv4."""
    result = await request_port([gateway], port(8080, "2001:db8::10"))
    assert result.refused_with(Unsupported) is not None
    assert device.requested() == []


async def test_a_random_high_port_is_tried_again_after_a_conflict(
    gateway: FakeGateway, device: FakeDevice
) -> None:
    """A conflict may be an accident; another error is not."""
    device.answers.extend([Conflict("taken"), None])
    assert (await request_any_port([gateway])).lease is not None
    assert len({request.external_port for request in device.requested()}) == 2
    assert all(request.external_port in HIGH_PORTS for request in device.requested())
    device.answers.extend([Conflict("taken")] * MAX_ATTEMPTS)
    assert (await request_any_port([gateway])).refused_with(Conflict) is not None
    device.calls.clear()
    device.answers.extend([NotAuthorized("no")])
    assert (await request_any_port([gateway])).lease is None
    assert len(device.requested()) == 1
